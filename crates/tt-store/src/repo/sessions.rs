//! Sessions: made at login, read for every request that the directory does not know, ended by logout.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::caller::Proof;
use tt_core::{Caller, KeyHash, SessionId, Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode::{self, BudgetColumns};
use crate::error::{Object, Result, StoreError};
use crate::schema::{sessions, users};
use crate::view::{NewSession, SessionInfo};

/// The most sessions of a user that live at once. A further login ends the oldest.
const MOST_LIVE: i64 = 50;

/// The most sessions that have ended which are kept of a user until they would have expired.
const MOST_ENDED: i64 = 100;

/// A session that ends at `expires_at`. Where the user has as many as a user may have, the oldest ends.
pub(crate) async fn create(
    c: &mut Conn,
    user: UserId,
    jti_hash: KeyHash,
    expires_at: Timestamp,
    by: Author,
) -> Result<NewSession> {
    let now = by.at;
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let ended_oldest = make_room(c, user, now).await?;
        let id = diesel::insert_into(sessions::table)
            .values((
                sessions::user_id.eq(user.0),
                sessions::jti_hash.eq(jti_hash.to_hex()),
                sessions::created_at.eq(now.millis()),
                sessions::expires_at.eq(expires_at.millis()),
            ))
            .returning(sessions::id)
            .get_result::<i64>(c)
            .await?;
        super::audit::note(c, &by, Action::LoggedIn, format!("session {id}"), String::new()).await?;
        Ok(NewSession { id: SessionId(id), ended_oldest })
    })
}

/// Ends the oldest sessions of a user, so that there is room for one more, and deletes the oldest of those that have ended.
/// Returns whether it has ended any. The user is locked.
async fn make_room(c: &mut Conn, user: UserId, now: Timestamp) -> Result<bool> {
    let own = || sessions::table.filter(sessions::user_id.eq(user.0));
    let live = || own().filter(sessions::revoked_at.is_null()).filter(sessions::expires_at.gt(now.millis()));
    let too_old = live().order(sessions::id.desc()).offset(MOST_LIVE - 1).select(sessions::id);
    let too_old: Option<i64> = too_old.first(c).await.optional()?;
    if let Some(id) = too_old {
        diesel::update(live().filter(sessions::id.le(id)))
            .set(sessions::revoked_at.eq(now.millis()))
            .execute(c)
            .await?;
        super::changes::note(c, user, now).await?;
    }
    let ended = || own().filter(sessions::revoked_at.is_not_null());
    let forgotten = ended().order(sessions::id.desc()).offset(MOST_ENDED).select(sessions::id);
    let forgotten: Option<i64> = forgotten.first(c).await.optional()?;
    if let Some(id) = forgotten {
        diesel::delete(ended().filter(sessions::id.le(id))).execute(c).await?;
    }
    Ok(too_old.is_some())
}

/// The user's sessions that live at `now`, by id.
pub(crate) async fn list(c: &mut Conn, user: UserId, now: Timestamp) -> Result<Vec<SessionInfo>> {
    let rows: Vec<(i64, i64, Option<i64>, i64)> = sessions::table
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.millis()))
        .order(sessions::id)
        .select((sessions::id, sessions::created_at, sessions::last_used_at, sessions::expires_at))
        .load(c)
        .await?;
    let info = |(id, created_at, last_used_at, expires_at): (i64, i64, Option<i64>, i64)| SessionInfo {
        id: SessionId(id),
        created_at: Timestamp::from_millis(created_at),
        last_used_at: last_used_at.map(Timestamp::from_millis),
        expires_at: Timestamp::from_millis(expires_at),
    };
    Ok(rows.into_iter().map(info).collect())
}

/// Records when sessions were last used. An earlier time than the recorded one changes nothing.
pub(crate) async fn touch(c: &mut Conn, mut uses: Vec<(SessionId, Timestamp)>) -> Result<()> {
    // In order of id, as every replica does it: two of them cannot wait for each other.
    uses.sort_unstable();
    tx!(c, {
        for (id, at) in uses {
            let at = at.millis();
            let earlier = sessions::last_used_at.is_null().or(sessions::last_used_at.lt(at));
            diesel::update(sessions::table.filter(sessions::id.eq(id.0)).filter(earlier))
                .set(sessions::last_used_at.eq(at))
                .execute(c)
                .await?;
        }
        Ok(())
    })
}

/// The caller that the session belongs to; `None` when there is no such session, it was ended, or its user is disabled.
pub(crate) async fn caller(c: &mut Conn, jti_hash: KeyHash) -> Result<Option<Caller>> {
    type Row = (i64, i64, i64, String, i64, i64, BudgetColumns, BudgetColumns);
    let row: Option<Row> = sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::jti_hash.eq(jti_hash.to_hex()))
        .filter(sessions::revoked_at.is_null())
        .filter(users::disabled.eq(false))
        .select((
            sessions::id,
            sessions::user_id,
            sessions::expires_at,
            users::role,
            users::rate_limit_minute,
            users::rate_limit_daily,
            (users::own_budget_nano, users::own_budget_period, users::own_budget_soft),
            (users::budget_nano, users::budget_period, users::budget_soft),
        ))
        .first(c)
        .await
        .optional()?;
    row.map(|(id, user, expires_at, role, minute, day, own, admin)| {
        Ok(Caller {
            user_id: UserId(user),
            role: decode::parsed(&role)?,
            proof: Proof::Session(SessionId(id)),
            expires_at: Some(Timestamp::from_millis(expires_at)),
            limits: decode::limits(minute, day),
            budgets: decode::budgets(own, admin)?,
        })
    })
    .transpose()
}

/// Ends a session. If it has ended already, nothing changes.
pub(crate) async fn revoke(c: &mut Conn, user: UserId, id: SessionId, by: Author) -> Result<()> {
    tx!(c, {
        let own = sessions::table.filter(sessions::user_id.eq(user.0)).filter(sessions::id.eq(id.0));
        let revoked: Option<Option<i64>> = own.select(sessions::revoked_at).first(c).await.optional()?;
        match revoked {
            None => Err(StoreError::NotFound(Object::Session)),
            Some(Some(_)) => Ok(()),
            Some(None) => {
                diesel::update(own).set(sessions::revoked_at.eq(by.at.millis())).execute(c).await?;
                super::audit::note(c, &by, Action::SessionEnded, format!("session {id}"), String::new()).await?;
                super::changes::note(c, user, by.at).await
            }
        }
    })
}

/// Deletes sessions that expired before `before`; returns their number.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.lt(before.millis()))).execute(c).await?)
}
