//! `/auth/login`, `/auth/logout` and `/auth/sessions`: session tokens.

use http::StatusCode;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;
use tt_core::caller::Proof;
use tt_core::{Causes, Email, SessionId, Timestamp};
use tt_store::{Action, Actor, Author, SessionInfo};

use crate::auth::credentials::Credentials;
use crate::auth::guesses;
use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Serialize, JsonSchema)]
pub(crate) struct SignedIn {
    token: String,
    expires_at: Timestamp,
}

/// `POST /auth/login`. A login with an unknown email takes as long as one with a wrong password, and gets the same answer.
pub(crate) async fn login(mut cx: Box<Context>) -> Result<Json<SignedIn>, ApiError> {
    let Credentials { email, password } = cx.json().await?;
    // A text that is no email gets the answer for an unknown one.
    let email = Email::parse(&email).ok();
    let attempt = guesses::admit(&cx, email.as_ref()).await?;
    let looked = async {
        let found = match &email {
            Some(email) => cx.app.store.login(email.clone()).await?,
            None => None,
        };
        let hash = found.as_ref().map(|login| login.password_hash.expose_secret());
        let right = cx.app.passwords.verify(password, hash).await?;
        Ok(match found {
            Some(login) if right && !login.disabled => Ok(login),
            other => Err(other.map(|login| login.id)),
        })
    };
    let login = match guesses::looked_at(&cx, &attempt, looked.await)? {
        Ok(login) => login,
        Err(account) => {
            cx.app.login_failures.note(account, cx.client, Action::LoginFailed, cx.arrived);
            return Err(ApiError::wrong_login());
        }
    };
    cx.app.login_throttle.succeeded(attempt);
    let now = now();
    let issued = cx.app.sessions.issue(login.id, now)?;
    let by = Author { actor: Actor::User(login.id, None), address: Some(cx.client), at: now };
    let begun = cx.app.store.create_session(login.id, issued.jti_hash, issued.expires_at, by).await?;
    if begun.ended_oldest {
        cx.app.directory.forget(login.id);
    }
    if let Some(email) = email
        && let Err(error) = cx.app.store.note_address(login.id, guesses::address_hash(&cx, &email), now).await
    {
        // The login stands: only other processes, and this one after a restart, do not know the address.
        tracing::warn!(error = %Causes(&error), "an address that signed in could not be written down");
    }
    Ok(Json(SignedIn { token: issued.token.expose_secret().to_owned(), expires_at: issued.expires_at }))
}

/// `POST /auth/logout`: ends the session of the token that the request carries.
pub(crate) async fn logout(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    if let Proof::Session(id) = caller.proof {
        cx.app.store.revoke_session(caller.user_id, id, cx.author(&caller)).await?;
        cx.app.directory.forget(caller.user_id);
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionInfo")]
pub(crate) struct SessionView {
    id: SessionId,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    expires_at: Timestamp,
    /// True for the session of the request itself.
    current: bool,
}

/// `GET /auth/sessions`: the caller's sessions that have not ended.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<SessionView>>, ApiError> {
    cx.app.write_last_used().await;
    let sessions = cx.app.store.sessions(caller.user_id, cx.arrived_at).await?;
    let view = |session: SessionInfo| SessionView {
        id: session.id,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        current: caller.proof == Proof::Session(session.id),
    };
    Ok(Json(sessions.into_iter().map(view).collect()))
}

/// `DELETE /auth/sessions/{id}`: ends one of the caller's sessions.
pub(crate) async fn end(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let id = SessionId(cx.id_param(0, "session")?);
    cx.app.store.revoke_session(caller.user_id, id, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}
