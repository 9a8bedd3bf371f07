//! Sessions: made at login, read for every request that the directory does not know, ended by logout.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::caller::Proof;
use tt_core::{Caller, KeyHash, SessionId, Timestamp, UserId};

use super::Conn;
use crate::decode::{self, BudgetColumns};
use crate::error::{Object, Result, StoreError};
use crate::schema::{sessions, users};

/// A session that ends at `expires_at`.
pub(crate) async fn create(
    c: &mut Conn,
    user: UserId,
    jti_hash: KeyHash,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<SessionId> {
    let id = diesel::insert_into(sessions::table)
        .values((
            sessions::user_id.eq(user.0),
            sessions::jti_hash.eq(jti_hash.to_hex()),
            sessions::created_at.eq(now.millis()),
            sessions::expires_at.eq(expires_at.millis()),
        ))
        .returning(sessions::id)
        .get_result(c)
        .await?;
    Ok(SessionId(id))
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
            (users::own_budget_nano, users::own_budget_period),
            (users::budget_nano, users::budget_period),
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
pub(crate) async fn revoke(c: &mut Conn, user: UserId, id: SessionId, now: Timestamp) -> Result<()> {
    tx!(c, {
        let own = sessions::table.filter(sessions::user_id.eq(user.0)).filter(sessions::id.eq(id.0));
        let revoked: Option<Option<i64>> = own.select(sessions::revoked_at).first(c).await.optional()?;
        match revoked {
            None => Err(StoreError::NotFound(Object::Session)),
            Some(Some(_)) => Ok(()),
            Some(None) => {
                diesel::update(own).set(sessions::revoked_at.eq(now.millis())).execute(c).await?;
                super::changes::note(c, user, now).await
            }
        }
    })
}

/// Deletes sessions that expired before `before`; returns their number.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.lt(before.millis()))).execute(c).await?)
}
