//! `/auth/login` and `/auth/logout`: session tokens.

use http::StatusCode;
use secrecy::ExposeSecret;
use serde::Serialize;
use tt_core::caller::Proof;
use tt_core::{Causes, Email, Timestamp};

use crate::auth::credentials::Credentials;
use crate::auth::guesses;
use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Serialize)]
pub(crate) struct SignedIn {
    token: String,
    expires_at: Timestamp,
}

/// `POST /auth/login`. A login with an unknown email takes as long as one with a wrong password, and gets the same answer.
pub(crate) async fn login(mut cx: Context) -> Result<Json<SignedIn>, ApiError> {
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
        Ok(found.filter(|login| right && !login.disabled))
    };
    let Some(login) = guesses::looked_at(&cx, &attempt, looked.await)? else {
        return Err(ApiError::wrong_login());
    };
    cx.app.login_throttle.succeeded(attempt);
    let now = now();
    let issued = cx.app.sessions.issue(login.id, now)?;
    cx.app.store.create_session(login.id, issued.jti_hash, now, issued.expires_at).await?;
    if let Some(email) = email
        && let Err(error) = cx.app.store.note_address(login.id, guesses::address_hash(&cx, &email), now).await
    {
        // The login stands: only other processes, and this one after a restart, do not know the address.
        tracing::warn!(error = %Causes(&error), "an address that signed in could not be written down");
    }
    Ok(Json(SignedIn { token: issued.token.expose_secret().to_owned(), expires_at: issued.expires_at }))
}

/// `POST /auth/logout`: ends the session of the token that the request carries.
pub(crate) async fn logout(cx: Context, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    if let Proof::Session(id) = caller.proof {
        cx.app.store.revoke_session(caller.user_id, id, now()).await?;
        cx.app.directory.forget(caller.user_id);
    }
    Ok(StatusCode::NO_CONTENT)
}
