//! `/auth/signup`, `/auth/me` and `/auth/password`: a user's account.

use http::StatusCode;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tt_core::caller::Proof;
use tt_core::{Email, Role, Timestamp, UserId};
use tt_store::{Action, Actor, Author};

use crate::auth::credentials::Credentials;
use crate::auth::{guesses, new_password};
use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Created {
    message: &'static str,
    id: UserId,
}

/// `POST /auth/signup`.
pub(crate) async fn signup(mut cx: Box<Context>) -> Result<(StatusCode, Json<Created>), ApiError> {
    if !cx.app.config.signup_open {
        return Err(ApiError::forbidden("Signing up is closed on this server."));
    }
    let Credentials { email, password } = cx.json().await?;
    let email = Email::parse(&email)?;
    check_password("password", &password)?;
    let attempt = cx.app.login_throttle.begin_signup(cx.client, cx.arrived).map_err(ApiError::signup_throttled)?;
    let hash = guesses::looked_at(&cx, &attempt, cx.app.passwords.hash(password).await.map_err(ApiError::from))?;
    let by = Author { actor: Actor::Newcomer, address: Some(cx.client), at: now() };
    let id = cx.app.store.create_user(email, SecretString::from(hash), by).await?;
    Ok((StatusCode::CREATED, Json(Created { message: "User created", id })))
}

fn check_password(field: &'static str, password: &SecretString) -> Result<(), ApiError> {
    new_password::check_password(password.expose_secret()).map_err(|fault| ApiError::invalid_field(field, fault))
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    id: UserId,
    email: Email,
    role: Role,
    rate_limit_minute: u64,
    rate_limit_daily: u64,
    created_at: Timestamp,
}

/// `GET /auth/me`: the caller's account. Its limits are the ones in force: the user's own, or else the defaults.
pub(crate) async fn me(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Me>, ApiError> {
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schemars(with = "String")]
    current_password: SecretString,
    #[schemars(with = "String")]
    new_password: SecretString,
}

/// `POST /auth/password`: changes the password and ends every other session of the user. A wrong current password counts
/// as a failed login, so that a stolen session does not let its holder guess the password.
pub(crate) async fn change_password(mut cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let PasswordChange { current_password, new_password } = cx.json().await?;
    check_password("new_password", &new_password)?;
    let user = cx.app.store.user(caller.user_id).await?.ok_or_else(ApiError::invalid_credentials)?;
    let attempt = guesses::admit(&cx, Some(&user.email)).await?;
    let looked = async {
        let hash = cx.app.store.password_hash(caller.user_id).await?;
        Ok(cx.app.passwords.verify(current_password, hash.as_ref().map(ExposeSecret::expose_secret)).await?)
    };
    if !guesses::looked_at(&cx, &attempt, looked.await)? {
        let account = Some(caller.user_id);
        cx.app.login_failures.note(account, cx.client, Action::PasswordChangeFailed, cx.arrived);
        return Err(ApiError::invalid_field("current_password", "is wrong"));
    }
    cx.app.login_throttle.succeeded(attempt);
    let keep = match caller.proof {
        Proof::Session(id) => Some(id),
        Proof::ApiKey { .. } => None,
    };
    let hash = cx.app.passwords.hash(new_password).await?;
    cx.app.store.set_password(caller.user_id, SecretString::from(hash), keep, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}
