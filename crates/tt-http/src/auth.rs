//! `/auth`: signing up and in, API keys, the password.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tt_core::budget::Period;
use tt_core::caller::{Proof, RequestLimits};
use tt_core::time::DAY_MS;
use tt_core::{AliasName, ApiKeyId, Email, KeyHash, Label, NanoUsd, Role, Scope, Timestamp, UserId};
use tt_crypto::ApiKey;
use tt_store::{ApiKeyInfo, NewApiKey};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::manage::budgets::wished;
use crate::state::directory::KnownCaller;
use crate::state::login_throttle::{KNOWN_FOR_MS, Try, network};

/// A password's length, in bytes.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// How long an API key lasts when its owner does not say, and at most.
const KEY_DAYS: u32 = 365;
const MOST_KEY_DAYS: u32 = 36_500;

/// The most aliases a key may be limited to.
const MOST_ALLOWED: usize = 1000;

/// The fields of a budget, here and in `/manage/users`.
pub(crate) const BUDGET_FIELDS: [&str; 2] = ["budget_usd", "budget_period"];

/// The largest limit: what the store can hold.
const LARGEST_LIMIT: u64 = i64::MAX.unsigned_abs();

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: SecretString,
}

#[derive(Serialize)]
pub(crate) struct Created {
    message: &'static str,
    id: UserId,
}

/// `POST /auth/signup`.
pub(crate) async fn signup(mut cx: Context) -> Result<(StatusCode, Json<Created>), ApiError> {
    if !cx.app.config.signup_open {
        return Err(ApiError::forbidden("Signing up is closed on this server."));
    }
    let Credentials { email, password } = cx.json().await?;
    let email = Email::parse(&email)?;
    check_password("password", &password)?;
    let hash = cx.app.passwords.hash(password).await?;
    let id = cx.app.store.create_user(email, SecretString::from(hash), now()).await?;
    Ok((StatusCode::CREATED, Json(Created { message: "User created", id })))
}

fn check_password(field: &'static str, password: &SecretString) -> Result<(), ApiError> {
    if PASSWORD_BYTES.contains(&password.expose_secret().len()) {
        Ok(())
    } else {
        Err(ApiError::invalid_field(field, "must be 8 to 1024 bytes"))
    }
}

#[derive(Serialize)]
pub(crate) struct SignedIn {
    token: String,
    expires_at: Timestamp,
}

/// `POST /auth/login`. An unknown email costs and answers like a wrong password.
pub(crate) async fn login(mut cx: Context) -> Result<Json<SignedIn>, ApiError> {
    let Credentials { email, password } = cx.json().await?;
    // What is no address is throttled like one: it must not be told apart.
    let email = Email::parse(&email).ok();
    let attempt = match &email {
        Some(email) => Some(admit(&cx, email).await?),
        None => None,
    };
    let found = match &email {
        Some(email) => cx.app.store.login(email.clone()).await?,
        None => None,
    };
    let hash = found.as_ref().map(|login| login.password_hash.expose_secret());
    let right = cx.app.passwords.verify(password, hash).await?;
    let Some(login) = found.filter(|login| right && !login.disabled) else {
        return Err(ApiError::wrong_login());
    };
    if let Some(attempt) = attempt {
        cx.app.login_throttle.succeeded(attempt);
    }
    let now = now();
    let issued = cx.app.sessions.issue(login.id, now)?;
    cx.app.store.create_session(login.id, issued.jti_hash, now, issued.expires_at).await?;
    if let Some(email) = email
        && let Err(error) = cx.app.store.note_address(login.id, address_hash(&cx, &email), now).await
    {
        // This process knows the address; the others, and this one after a restart, do not.
        tracing::warn!(%error, "an address that signed in could not be written down");
    }
    Ok(Json(SignedIn { token: issued.token.expose_secret().to_owned(), expires_at: issued.expires_at }))
}

/// Admits a try. Before one is refused the store is asked whether the address has signed in to the account before, which
/// this process need not know.
async fn admit(cx: &Context, email: &Email) -> Result<Try, ApiError> {
    let begin = || cx.app.login_throttle.begin(email, cx.client, cx.arrived_at);
    let refused = match begin() {
        Ok(admitted) => return Ok(admitted),
        Err(refused) => refused,
    };
    let since = cx.arrived_at.plus_millis(-KNOWN_FOR_MS);
    if !refused.spared && cx.app.store.knows_address(address_hash(cx, email), since).await? {
        cx.app.login_throttle.spare(email, cx.client, cx.arrived_at);
        return begin().map_err(|refused| ApiError::login_throttled(refused.wait));
    }
    Err(ApiError::login_throttled(refused.wait))
}

/// What the store knows the client's address and the account by.
fn address_hash(cx: &Context, email: &Email) -> KeyHash {
    cx.app.sessions.address_hash(email.as_str(), network(cx.client))
}

#[derive(Serialize)]
pub(crate) struct Me {
    id: UserId,
    email: Email,
    role: Role,
    rate_limit_minute: u64,
    rate_limit_daily: u64,
    created_at: Timestamp,
}

/// `GET /auth/me`: with the limits in force.
pub(crate) async fn me(cx: Context, caller: KnownCaller) -> Result<Json<Me>, ApiError> {
    let user = cx.app.store.user(caller.user_id).await?.ok_or_else(ApiError::invalid_credentials)?;
    let default = cx.app.config.default_limits;
    let in_force = |own: u64, default: u64| if own > 0 { own } else { default };
    Ok(Json(Me {
        id: user.id,
        email: user.email,
        role: user.role,
        rate_limit_minute: in_force(user.limits.minute, default.minute),
        rate_limit_daily: in_force(user.limits.day, default.day),
        created_at: user.created_at,
    }))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct KeyWish {
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    expires_in_days: Option<Option<u32>>,
    scopes: Option<Vec<String>>,
    allowed_aliases: Option<Vec<String>>,
    rate_limit_minute: Option<u64>,
    rate_limit_daily: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    budget_usd: Option<Option<NanoUsd>>,
    #[serde(default, deserialize_with = "nullable")]
    budget_period: Option<Option<String>>,
}

#[derive(Serialize)]
pub(crate) struct NewKey {
    token: String,
    id: ApiKeyId,
    name: Option<Label>,
    prefix: String,
    expires_at: Option<Timestamp>,
}

/// `POST /auth/key`: the key is shown here and never again.
pub(crate) async fn create_key(mut cx: Context, caller: KnownCaller) -> Result<Json<NewKey>, ApiError> {
    let wish: KeyWish = cx.json_or_default().await?;
    let budget = wished(BUDGET_FIELDS, wish.budget_usd, wish.budget_period)?.flatten();
    let now = now();
    let expires_at = match wish.expires_in_days.unwrap_or(Some(KEY_DAYS)) {
        None => None,
        Some(days) if (1..=MOST_KEY_DAYS).contains(&days) => Some(now.plus_millis(i64::from(days) * DAY_MS)),
        Some(_) => return Err(ApiError::invalid_field("expires_in_days", "must be 1 to 36500, or null for never")),
    };
    let key = ApiKey::generate()?;
    let new = NewApiKey {
        key_hash: key.hash(),
        name: wish.name.map(|name| label("name", name)).transpose()?,
        prefix: key.prefix(),
        scopes: scopes(wish.scopes)?,
        allowed_aliases: wish.allowed_aliases.map(allowed_aliases).transpose()?,
        limits: RequestLimits {
            minute: limit("rate_limit_minute", wish.rate_limit_minute)?,
            day: limit("rate_limit_daily", wish.rate_limit_daily)?,
        },
        budget,
        expires_at,
    };
    let (name, prefix) = (new.name.clone(), new.prefix.clone());
    let id = cx.app.store.create_api_key(caller.user_id, new, now).await?;
    Ok(Json(NewKey { token: key.expose().to_owned(), id, name, prefix, expires_at }))
}

pub(crate) fn label(field: &'static str, text: String) -> Result<Label, ApiError> {
    Label::try_from(text).map_err(|invalid| ApiError::invalid_field(field, invalid.reason))
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

pub(crate) fn limit(field: &'static str, wish: Option<u64>) -> Result<u64, ApiError> {
    match wish.unwrap_or(0) {
        limit if limit <= LARGEST_LIMIT => Ok(limit),
        _ => Err(ApiError::invalid_field(field, "is out of range")),
    }
}

#[derive(Serialize)]
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
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// `GET /auth/keys`.
pub(crate) async fn list_keys(cx: Context, caller: KnownCaller) -> Result<Json<Vec<KeyView>>, ApiError> {
    cx.app.write_last_used().await;
    let keys = cx.app.store.api_keys(caller.user_id).await?;
    Ok(Json(keys.into_iter().map(KeyView::from).collect()))
}

/// `DELETE /auth/keys/{id}`.
pub(crate) async fn revoke_key(cx: Context, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let id = ApiKeyId(cx.id_param(0, "api_key")?);
    cx.app.store.revoke_api_key(caller.user_id, id, now()).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    current_password: SecretString,
    new_password: SecretString,
}

/// `POST /auth/password`: ends every other session.
pub(crate) async fn change_password(mut cx: Context, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let PasswordChange { current_password, new_password } = cx.json().await?;
    check_password("new_password", &new_password)?;
    let hash = cx.app.store.password_hash(caller.user_id).await?;
    if !cx.app.passwords.verify(current_password, hash.as_ref().map(ExposeSecret::expose_secret)).await? {
        return Err(ApiError::invalid_field("current_password", "is wrong"));
    }
    let keep = match caller.proof {
        Proof::Session(id) => Some(id),
        Proof::ApiKey { .. } => None,
    };
    let hash = cx.app.passwords.hash(new_password).await?;
    cx.app.store.set_password(caller.user_id, SecretString::from(hash), keep, now()).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /auth/logout`: this session's token stops working.
pub(crate) async fn logout(cx: Context, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    if let Proof::Session(id) = caller.proof {
        cx.app.store.revoke_session(caller.user_id, id, now()).await?;
        cx.app.directory.forget(caller.user_id);
    }
    Ok(StatusCode::NO_CONTENT)
}
