//! TokenTracer's own API keys: made, listed and revoked by their owner, and looked up by hash.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::caller::Proof;
use tt_core::{ApiKeyId, Caller, KeyHash, Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode::{self, BudgetColumns};
use crate::error::{Object, Quota, Result, StoreError};
use crate::schema::{api_keys, users};
use crate::view::{ApiKeyInfo, NewApiKey, Rotation};

/// True for a key that works at `$now`: it is neither revoked nor expired, and no grace after its replacement has ended.
macro_rules! works {
    ($now:expr) => {{
        let now = $now.millis();
        api_keys::revoked_at
            .is_null()
            .and(api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(now)))
            .and(api_keys::grace_ends_at.is_null().or(api_keys::grace_ends_at.assume_not_null().gt(now)))
    }};
}

/// The most keys that have ended, revoked or expired, which are kept of a user; older ones are deleted.
const MOST_ENDED: i64 = 1000;

/// Stores a key.
pub(crate) async fn create(c: &mut Conn, user: UserId, new: NewApiKey, by: Author) -> Result<ApiKeyId> {
    let (now, detail) = (by.at, described(&new));
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        make_room(c, user, now).await?;
        let id = insert(c, user, new, now).await?;
        super::audit::note(c, &by, Action::ApiKeyCreated, format!("api_key {id}"), detail).await?;
        Ok(id)
    })
}

/// A new key in words.
fn described(new: &NewApiKey) -> String {
    let mut words = vec![format!("scopes {}", decode::scopes_column(&new.scopes))];
    words.extend(new.name.as_ref().map(|name| format!("name {name}")));
    words.push(new.expires_at.map_or_else(|| "never expires".to_owned(), |end| format!("expires {}", end.rfc3339())));
    words.join("; ")
}

/// Refuses a further key for a user who has as many as a user may have, and deletes the oldest of those that have ended.
/// The user is locked.
async fn make_room(c: &mut Conn, user: UserId, now: Timestamp) -> Result<()> {
    let own = || api_keys::table.filter(api_keys::user_id.eq(user.0));
    let live: i64 = own().filter(works!(now)).count().get_result(c).await?;
    Quota::ApiKeys.admit(live)?;
    let last_kept: Option<i64> = own()
        .filter(diesel::dsl::not(works!(now)))
        .order(api_keys::id.desc())
        .offset(MOST_ENDED)
        .select(api_keys::id)
        .first(c)
        .await
        .optional()?;
    if let Some(id) = last_kept {
        diesel::delete(own().filter(diesel::dsl::not(works!(now))).filter(api_keys::id.le(id))).execute(c).await?;
    }
    Ok(())
}

async fn insert(c: &mut Conn, user: UserId, new: NewApiKey, now: Timestamp) -> Result<ApiKeyId> {
    let (budget_nano, budget_period, budget_soft) = decode::budget_columns(new.budget);
    let id = diesel::insert_into(api_keys::table)
        .values((
            api_keys::user_id.eq(user.0),
            api_keys::key_hash.eq(new.key_hash.to_hex()),
            api_keys::name.eq(new.name.as_ref().map(|name| name.as_str())),
            api_keys::prefix.eq(new.prefix),
            api_keys::scopes.eq(decode::scopes_column(&new.scopes)),
            api_keys::allowed_aliases.eq(new.allowed_aliases.as_deref().map(decode::aliases_column)),
            api_keys::rate_limit_minute.eq(decode::column(new.limits.minute)),
            api_keys::rate_limit_daily.eq(decode::column(new.limits.day)),
            api_keys::created_at.eq(now.millis()),
            api_keys::expires_at.eq(new.expires_at.map(Timestamp::millis)),
            api_keys::budget_nano.eq(budget_nano),
            api_keys::budget_period.eq(budget_period),
            api_keys::budget_soft.eq(budget_soft),
        ))
        .returning(api_keys::id)
        .get_result(c)
        .await?;
    Ok(ApiKeyId(id))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct Row {
    id: i64,
    name: Option<String>,
    prefix: String,
    scopes: String,
    allowed_aliases: Option<String>,
    rate_limit_minute: i64,
    rate_limit_daily: i64,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    budget_nano: Option<i64>,
    budget_period: Option<String>,
    grace_ends_at: Option<i64>,
    budget_soft: bool,
}

/// The end of a key's validity: the one it was made with, or the end of the grace after its replacement if that is
/// earlier.
fn ends_at(expires_at: Option<i64>, grace_ends_at: Option<i64>) -> Option<Timestamp> {
    expires_at.into_iter().chain(grace_ends_at).min().map(Timestamp::from_millis)
}

impl TryFrom<Row> for ApiKeyInfo {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: ApiKeyId(row.id),
            name: row.name.map(decode::name).transpose()?,
            prefix: row.prefix,
            scopes: decode::scopes(&row.scopes)?,
            allowed_aliases: row.allowed_aliases.as_deref().map(decode::aliases).transpose()?,
            limits: decode::limits(row.rate_limit_minute, row.rate_limit_daily),
            budget: decode::budget((row.budget_nano, row.budget_period, row.budget_soft))?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: ends_at(row.expires_at, row.grace_ends_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        })
    }
}

/// The user's keys by id, revoked and expired ones too.
pub(crate) async fn list(c: &mut Conn, user: UserId) -> Result<Vec<ApiKeyInfo>> {
    let rows: Vec<Row> = api_keys::table
        .filter(api_keys::user_id.eq(user.0))
        .order(api_keys::id)
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(ApiKeyInfo::try_from).collect()
}

/// One of the user's keys.
pub(crate) async fn one(c: &mut Conn, user: UserId, id: ApiKeyId) -> Result<Option<ApiKeyInfo>> {
    let own = api_keys::table.filter(api_keys::user_id.eq(user.0)).filter(api_keys::id.eq(id.0));
    let row: Option<Row> = own.select(Row::as_select()).first(c).await.optional()?;
    row.map(ApiKeyInfo::try_from).transpose()
}

/// Makes a key with the name, scopes and limits of the key `id`, which works until its grace is over. The new key is valid
/// for as long as the old one was made for. A key that has ended is not found.
pub(crate) async fn rotate(c: &mut Conn, user: UserId, id: ApiKeyId, new: Rotation, by: Author) -> Result<ApiKeyInfo> {
    let Rotation { key_hash, prefix, grace_ms } = new;
    let now = by.at;
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let own = api_keys::table.filter(api_keys::user_id.eq(user.0)).filter(api_keys::id.eq(id.0));
        let old: Option<Row> = own.filter(works!(now)).select(Row::as_select()).first(c).await.optional()?;
        let old = old.ok_or(StoreError::NotFound(Object::ApiKey))?;
        let grace_ends_at = now.plus_millis(grace_ms).millis();
        let grace_ends_at = old.grace_ends_at.map_or(grace_ends_at, |earlier| earlier.min(grace_ends_at));
        let revoked_at = (grace_ms == 0).then(|| now.millis());
        diesel::update(own)
            .set((api_keys::grace_ends_at.eq(grace_ends_at), api_keys::revoked_at.eq(revoked_at)))
            .execute(c)
            .await?;
        super::changes::note(c, user, now).await?;
        // Counted after the update, so that a full quota does not keep a key from being replaced at once.
        make_room(c, user, now).await?;
        let valid_ms = old.expires_at.map(|end| end.saturating_sub(old.created_at));
        let old = ApiKeyInfo::try_from(old)?;
        let new = NewApiKey {
            key_hash,
            name: old.name,
            prefix,
            scopes: old.scopes,
            allowed_aliases: old.allowed_aliases,
            limits: old.limits,
            budget: old.budget,
            expires_at: valid_ms.map(|valid| now.plus_millis(valid)),
        };
        let made = insert(c, user, new, now).await?;
        let until = Timestamp::from_millis(grace_ends_at).rfc3339();
        let detail = format!("replaced by api_key {made}; works until {until}");
        super::audit::note(c, &by, Action::ApiKeyRotated, format!("api_key {id}"), detail).await?;
        one(c, user, made).await?.ok_or(StoreError::NotFound(Object::ApiKey))
    })
}

/// Revokes a key. One that is revoked already keeps the time of its revocation.
pub(crate) async fn revoke(c: &mut Conn, user: UserId, id: ApiKeyId, by: Author) -> Result<()> {
    tx!(c, {
        let own = api_keys::table.filter(api_keys::user_id.eq(user.0)).filter(api_keys::id.eq(id.0));
        let revoked: Option<Option<i64>> = own.select(api_keys::revoked_at).first(c).await.optional()?;
        match revoked {
            None => Err(StoreError::NotFound(Object::ApiKey)),
            Some(Some(_)) => Ok(()),
            Some(None) => {
                diesel::update(own).set(api_keys::revoked_at.eq(by.at.millis())).execute(c).await?;
                super::audit::note(c, &by, Action::ApiKeyRevoked, format!("api_key {id}"), String::new()).await?;
                super::changes::note(c, user, by.at).await
            }
        }
    })
}

#[derive(Queryable)]
struct CallerRow {
    id: i64,
    user_id: i64,
    scopes: String,
    allowed_aliases: Option<String>,
    key_minute: i64,
    key_day: i64,
    expires_at: Option<i64>,
    grace_ends_at: Option<i64>,
    budget: BudgetColumns,
    role: String,
    user_minute: i64,
    user_day: i64,
    user_budget: BudgetColumns,
    own_budget: BudgetColumns,
}

/// The caller that the key belongs to; `None` when there is no such key, it was revoked, or its user is disabled.
pub(crate) async fn caller(c: &mut Conn, key_hash: KeyHash) -> Result<Option<Caller>> {
    let row: Option<CallerRow> = api_keys::table
        .inner_join(users::table.on(users::id.eq(api_keys::user_id)))
        .filter(api_keys::key_hash.eq(key_hash.to_hex()))
        .filter(api_keys::revoked_at.is_null())
        .filter(users::disabled.eq(false))
        .select((
            api_keys::id,
            api_keys::user_id,
            api_keys::scopes,
            api_keys::allowed_aliases,
            api_keys::rate_limit_minute,
            api_keys::rate_limit_daily,
            api_keys::expires_at,
            api_keys::grace_ends_at,
            (api_keys::budget_nano, api_keys::budget_period, api_keys::budget_soft),
            users::role,
            users::rate_limit_minute,
            users::rate_limit_daily,
            (users::budget_nano, users::budget_period, users::budget_soft),
            (users::own_budget_nano, users::own_budget_period, users::own_budget_soft),
        ))
        .first(c)
        .await
        .optional()?;
    row.map(|row| {
        Ok(Caller {
            user_id: UserId(row.user_id),
            role: decode::parsed(&row.role)?,
            proof: Proof::ApiKey {
                id: ApiKeyId(row.id),
                scopes: decode::scopes(&row.scopes)?,
                allowed_aliases: row.allowed_aliases.as_deref().map(decode::aliases).transpose()?,
                limits: decode::limits(row.key_minute, row.key_day),
                budget: decode::budget(row.budget)?,
            },
            expires_at: ends_at(row.expires_at, row.grace_ends_at),
            limits: decode::limits(row.user_minute, row.user_day),
            budgets: decode::budgets(row.own_budget, row.user_budget)?,
        })
    })
    .transpose()
}

/// Records when keys were last used. An earlier time than the recorded one changes nothing.
pub(crate) async fn touch(c: &mut Conn, mut uses: Vec<(ApiKeyId, Timestamp)>) -> Result<()> {
    // In order of id, as every replica does it: two of them cannot wait for each other.
    uses.sort_unstable();
    tx!(c, {
        for (id, at) in uses {
            let at = at.millis();
            let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at));
            diesel::update(api_keys::table.filter(api_keys::id.eq(id.0)).filter(earlier))
                .set(api_keys::last_used_at.eq(at))
                .execute(c)
                .await?;
        }
        Ok(())
    })
}
