//! `/auth/key` and `/auth/keys`: API keys.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tt_core::budget::Period;
use tt_core::caller::RequestLimits;
use tt_core::time::{DAY_MS, HOUR_MS};
use tt_core::{AliasName, ApiKeyId, Label, NanoUsd, Scope, Timestamp};
use tt_crypto::ApiKey;
use tt_store::{ApiKeyInfo, NewApiKey, Rotation};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::{self, BUDGET_FIELDS};
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// The days that an API key lasts when its owner does not say, and the most that an owner may ask for.
const KEY_DAYS: u32 = 365;
const MOST_KEY_DAYS: u32 = 36_500;

/// The hours that a key works after it was replaced when its owner does not say, and the most that an owner may ask for.
const GRACE_HOURS: u32 = 24;
const MOST_GRACE_HOURS: u32 = 720;

/// The most aliases a key may be limited to.
const MOST_ALLOWED: usize = 1000;

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewApiKey")]
pub(crate) struct KeyWish {
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    expires_in_days: Option<Option<u32>>,
    #[schemars(with = "Option<Vec<Scope>>")]
    scopes: Option<Vec<String>>,
    allowed_aliases: Option<Vec<String>>,
    rate_limit_minute: Option<u64>,
    rate_limit_daily: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    budget_usd: Option<Option<NanoUsd>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Period>")]
    budget_period: Option<Option<String>>,
    /// True to have the budget warn and refuse nothing.
    budget_soft: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedApiKey")]
pub(crate) struct NewKey {
    token: String,
    id: ApiKeyId,
    name: Option<Label>,
    prefix: String,
    expires_at: Option<Timestamp>,
}

/// `POST /auth/key`: makes an API key. This reply is the only one that ever shows it.
pub(crate) async fn create(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<NewKey>, ApiError> {
    let wish: KeyWish = cx.json_or_default().await?;
    let budget = fields::budget(BUDGET_FIELDS, wish.budget_usd, wish.budget_period, wish.budget_soft)?.flatten();
    let now = now();
    let expires_at = match wish.expires_in_days.unwrap_or(Some(KEY_DAYS)) {
        None => None,
        Some(days) if (1..=MOST_KEY_DAYS).contains(&days) => Some(now.plus_millis(i64::from(days) * DAY_MS)),
        Some(_) => return Err(ApiError::invalid_field("expires_in_days", "must be 1 to 36500, or null for never")),
    };
    let key = ApiKey::generate()?;
    let new = NewApiKey {
        key_hash: key.hash(),
        name: wish.name.map(|name| fields::label("name", name)).transpose()?,
        prefix: key.prefix(),
        scopes: scopes(wish.scopes)?,
        allowed_aliases: wish.allowed_aliases.map(allowed_aliases).transpose()?,
        limits: RequestLimits {
            minute: fields::limit("rate_limit_minute", wish.rate_limit_minute)?,
            day: fields::limit("rate_limit_daily", wish.rate_limit_daily)?,
        },
        budget,
        expires_at,
    };
    let (name, prefix) = (new.name.clone(), new.prefix.clone());
    let id = cx.app.store.create_api_key(caller.user_id, new, cx.author(&caller)).await?;
    Ok(Json(NewKey { token: key.expose().to_owned(), id, name, prefix, expires_at }))
}

fn scopes(wish: Option<Vec<String>>) -> Result<Vec<Scope>, ApiError> {
    let Some(wish) = wish else { return Ok(vec![Scope::Proxy]) };
    let mut scopes = wish.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>, _>>()?;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(ApiError::invalid_field("scopes", "must name at least one of proxy and manage"));
    }
    Ok(scopes)
}

fn allowed_aliases(wish: Vec<String>) -> Result<Vec<AliasName>, ApiError> {
    if wish.is_empty() || wish.len() > MOST_ALLOWED {
        return Err(ApiError::invalid_field("allowed_aliases", "must name 1 to 1000 aliases"));
    }
    let name =
        |alias: String| AliasName::try_from(alias).map_err(|e| ApiError::invalid_field("allowed_aliases", e.reason));
    wish.into_iter().map(name).collect()
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(crate) struct KeyView {
    id: ApiKeyId,
    name: Option<Label>,
    prefix: String,
    scopes: Vec<Scope>,
    allowed_aliases: Option<Vec<AliasName>>,
    rate_limit_minute: u64,
    rate_limit_daily: u64,
    budget_usd: Option<NanoUsd>,
    budget_period: Option<Period>,
    budget_soft: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<ApiKeyInfo> for KeyView {
    fn from(key: ApiKeyInfo) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            allowed_aliases: key.allowed_aliases,
            rate_limit_minute: key.limits.minute,
            rate_limit_daily: key.limits.day,
            budget_usd: key.budget.map(|budget| budget.limit),
            budget_period: key.budget.map(|budget| budget.period),
            budget_soft: key.budget.is_some_and(|budget| budget.soft),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// `GET /auth/keys`: the caller's API keys, without the keys themselves.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<KeyView>>, ApiError> {
    cx.app.write_last_used().await;
    let keys = cx.app.store.api_keys(caller.user_id).await?;
    Ok(Json(keys.into_iter().map(KeyView::from).collect()))
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rotation")]
pub(crate) struct RotationWish {
    grace_hours: Option<u32>,
}

/// `POST /auth/keys/{id}/rotate`: makes a key with the name, scopes and limits of another one, which works until the grace
/// is over. This reply is the only one that ever shows the new key.
pub(crate) async fn rotate(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<NewKey>, ApiError> {
    let old = ApiKeyId(cx.id_param(0, "api_key")?);
    let wish: RotationWish = cx.json_or_default().await?;
    let hours = wish.grace_hours.unwrap_or(GRACE_HOURS);
    if hours > MOST_GRACE_HOURS {
        return Err(ApiError::invalid_field("grace_hours", "must be 0 to 720"));
    }
    let key = ApiKey::generate()?;
    let grace_ms = i64::from(hours) * HOUR_MS;
    let new = Rotation { key_hash: key.hash(), prefix: key.prefix(), grace_ms };
    let made = cx.app.store.rotate_api_key(caller.user_id, old, new, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    let ApiKeyInfo { id, name, prefix, expires_at, .. } = made;
    Ok(Json(NewKey { token: key.expose().to_owned(), id, name, prefix, expires_at }))
}

/// `DELETE /auth/keys/{id}`: revokes an API key.
pub(crate) async fn revoke(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let id = ApiKeyId(cx.id_param(0, "api_key")?);
    cx.app.store.revoke_api_key(caller.user_id, id, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}
