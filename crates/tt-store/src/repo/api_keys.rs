//! TokenTracer's own API keys: made, listed and revoked by their owner, and looked up by hash.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::caller::Proof;
use tt_core::{ApiKeyId, Caller, KeyHash, Timestamp, UserId};

use super::Conn;
use crate::decode::{self, BudgetColumns};
use crate::error::{Object, Result, StoreError};
use crate::schema::{api_keys, users};
use crate::view::{ApiKeyInfo, NewApiKey};

/// Stores a key.
pub(crate) async fn create(c: &mut Conn, user: UserId, new: NewApiKey, now: Timestamp) -> Result<ApiKeyId> {
    let (budget_nano, budget_period) = decode::budget_columns(new.budget);
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
            budget: decode::budget((row.budget_nano, row.budget_period))?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
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

/// Revokes a key. One that is revoked already keeps the time of its revocation.
pub(crate) async fn revoke(c: &mut Conn, user: UserId, id: ApiKeyId, now: Timestamp) -> Result<()> {
    tx!(c, {
        let own = api_keys::table.filter(api_keys::user_id.eq(user.0)).filter(api_keys::id.eq(id.0));
        let revoked: Option<Option<i64>> = own.select(api_keys::revoked_at).first(c).await.optional()?;
        match revoked {
            None => Err(StoreError::NotFound(Object::ApiKey)),
            Some(Some(_)) => Ok(()),
            Some(None) => {
                diesel::update(own).set(api_keys::revoked_at.eq(now.millis())).execute(c).await?;
                super::changes::note(c, user, now).await
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
            (api_keys::budget_nano, api_keys::budget_period),
            users::role,
            users::rate_limit_minute,
            users::rate_limit_daily,
            (users::budget_nano, users::budget_period),
            (users::own_budget_nano, users::own_budget_period),
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
            expires_at: row.expires_at.map(Timestamp::from_millis),
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
