//! Credentials: finds the one that a request carries and its owner, and checks that the call takes it.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{self, HeaderName};
use tt_core::caller::{Proof, Scope};
use tt_core::{Dialect, Role};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::directory::{CredentialKind, KnownCaller};

/// The credentials that a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A session or any API key.
    Any,
    /// A session, or an API key with the scope `proxy`.
    Proxy,
    /// A session, or an API key with the scope `manage`.
    Manage,
    /// A session.
    Session,
}

/// The caller of a request that needs a credential.
///
/// # Errors
/// When there is no credential (401), it is wrong, expired or revoked (401), or it is not one that the call takes (403).
pub(crate) async fn authenticate(
    cx: &Context,
    need: Need,
    key_header: Option<HeaderName>,
) -> Result<KnownCaller, ApiError> {
    let token = match key_header.filter(|name| alone(cx.headers(), name)) {
        Some(name) => Cow::Borrowed(key(cx.headers(), &name)?),
        None => match key_in_query(cx)? {
            Some(key) => key,
            None => Cow::Borrowed(bearer(cx.headers())?),
        },
    };
    let (kind, hash, user) = match cx.last_key.hash(&token) {
        Some(hash) => (CredentialKind::ApiKey, hash, None),
        None if token.starts_with("tt-") => return Err(ApiError::invalid_credentials()),
        None => {
            let claims = cx.app.sessions.verify(&token, cx.arrived_at).map_err(|_| ApiError::invalid_credentials())?;
            (CredentialKind::Session, claims.jti_hash, Some(claims.user_id))
        }
    };
    let caller = cx.app.directory.caller(kind, hash, cx.client).await?.ok_or_else(ApiError::invalid_credentials)?;
    // The token and the session in the store must name the same user.
    if user.is_some_and(|user| user != caller.user_id) || caller.expires_at.is_some_and(|end| end <= cx.arrived_at) {
        return Err(ApiError::invalid_credentials());
    }
    let may = match need {
        Need::Any => true,
        Need::Proxy => caller.may(Scope::Proxy),
        Need::Manage => caller.may(Scope::Manage),
        Need::Session => matches!(caller.proof, Proof::Session(_)),
    };
    if !may {
        return Err(ApiError::forbidden(match need {
            Need::Session => "This call takes a session token from POST /auth/login, not an API key.",
            _ => "This API key does not have the scope that the call needs.",
        }));
    }
    cx.app.last_used.note(&caller.proof, cx.arrived_at);
    Ok(caller)
}

/// True if the key stands in the header `name` and not in `Authorization`, which comes first where both are sent.
fn alone(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name) && !headers.contains_key(header::AUTHORIZATION)
}

/// The API key in the header `name`; two such headers are a wrong credential.
fn key<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(ApiError::invalid_credentials()) };
    value.to_str().map(str::trim).map_err(|_| ApiError::invalid_credentials())
}

/// The API key in the query (`?key=`), where clients of Gemini may send theirs; `None` where there is none, or where
/// `Authorization` holds a credential. Two keys are a wrong credential.
fn key_in_query(cx: &Context) -> Result<Option<Cow<'_, str>>, ApiError> {
    if cx.dialect != Some(Dialect::Gemini) || cx.headers().contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let query = form_urlencoded::parse(cx.parts.uri.query().unwrap_or_default().as_bytes());
    let mut keys = query.filter(|(name, _)| name == "key").map(|(_, key)| key);
    match (keys.next(), keys.next()) {
        (key, None) => Ok(key),
        _ => Err(ApiError::invalid_credentials()),
    }
}

/// The token after `Bearer`. No header, or one of another scheme, is a missing credential; two headers are a wrong one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(ApiError::missing_credentials)?;
    if values.next().is_some() {
        return Err(ApiError::invalid_credentials());
    }
    let value = value.to_str().map_err(|_| ApiError::invalid_credentials())?;
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::missing_credentials());
    }
    match token.trim() {
        "" => Err(ApiError::missing_credentials()),
        token => Ok(token),
    }
}

/// Refuses callers who are not administrators.
pub(crate) fn admins_only(caller: &KnownCaller) -> Result<(), ApiError> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::User => Err(ApiError::forbidden("This call is for administrators.")),
    }
}
