//! The one edge between hyper and the handlers: request id, route, credential, error shape, log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use tt_core::caller::{Proof, Scope};
use tt_core::{Causes, RequestId};
use tt_crypto::ApiKey;
use uuid::Uuid;

use crate::clock::now;
use crate::edge::client_address::client_address;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{IntoReply, Reply};
use crate::routes::{self, Cap, Handler, Need};
use crate::state::app::App;
use crate::state::directory::{CredentialKind, KnownCaller};
use crate::state::worker::Worker;

/// The largest headers of a request, names and values.
pub(crate) const MOST_HEADER_BYTES: usize = 64 * 1024;

/// The longest URI, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// Answers one request. Never fails: every error has its shape.
pub(crate) async fn serve_request(
    app: Arc<App>,
    worker: Arc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Reply {
    let arrived = Instant::now();
    let id = RequestId(Uuid::now_v7());
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().len());
    let cx = Context {
        worker,
        id,
        arrived_at: id.created_at().unwrap_or_else(now),
        arrived,
        client: client_address(peer, &parts.headers, &app.config.trusted_proxies),
        parts,
        body: Some(body),
        params: Vec::new(),
        cap_bytes: 0,
        app: Arc::clone(&app),
    };
    let (pattern, result) = dispatch(cx).await;
    let mut reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            report(&error, id, pattern);
            error.into_reply()
        }
    };
    tracing::debug!(
        request_id = %id, %method, pattern, path_bytes = path, status = reply.status().as_u16(),
        ms = arrived.elapsed().as_millis(), "answered"
    );
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    if let Ok(value) = HeaderValue::from_str(id.0.hyphenated().encode_lower(&mut buffer)) {
        reply.headers_mut().insert("x-request-id", value);
    }
    if app.draining() {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// Failures of ours are logged where they are answered, once, with their causes.
fn report(error: &ApiError, id: RequestId, pattern: &str) {
    if error.status == StatusCode::INTERNAL_SERVER_ERROR || error.status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(request_id = %id, pattern, error = %Causes(error), "the request failed here");
    }
}

async fn dispatch(mut cx: Context) -> (&'static str, Result<Reply, ApiError>) {
    if cx.parts.uri.path_and_query().map_or(0, |uri| uri.as_str().len()) > LONGEST_URI {
        return ("", Ok(StatusCode::URI_TOO_LONG.into_reply()));
    }
    // hyper's own limit is one of its buffer, which may take in about twice as much before it is looked at.
    let header_bytes: usize = cx.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > MOST_HEADER_BYTES {
        return ("", Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_reply()));
    }
    let (row, params) = match routes::find(&cx.parts.method, cx.parts.uri.path()) {
        Ok(found) => found,
        Err(error) => return ("", Err(error)),
    };
    cx.params = params;
    cx.cap_bytes = match row.cap {
        Cap::Bytes(bytes) => bytes,
        Cap::Proxy => cx.app.config.max_body_bytes,
    };
    let result = match row.handler {
        Handler::Public(handler) => handler(cx).await,
        Handler::Authed(need, handler) => match authenticate(&cx, need).await {
            Ok(caller) => handler(cx, caller).await,
            Err(error) => Err(error),
        },
    };
    (row.pattern, result)
}

/// Who is calling, and may they use this path?
async fn authenticate(cx: &Context, need: Need) -> Result<KnownCaller, ApiError> {
    let token = bearer(cx.headers())?;
    let (kind, hash) = match ApiKey::parse(token) {
        Some(key) => (CredentialKind::ApiKey, key.hash()),
        None if token.starts_with("tt-") => return Err(ApiError::invalid_credentials()),
        None => {
            let claims = cx.app.sessions.verify(token, cx.arrived_at).map_err(|_| ApiError::invalid_credentials())?;
            (CredentialKind::Session, claims.jti_hash)
        }
    };
    let caller = cx.app.directory.caller(kind, hash).await?.ok_or_else(ApiError::invalid_credentials)?;
    if caller.expires_at.is_some_and(|end| end <= cx.arrived_at) {
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
    if let Some(key) = caller.api_key_id() {
        cx.app.last_used.note(key, cx.arrived_at);
    }
    Ok(caller)
}

/// The token after `Bearer`. Nothing, or another scheme, is no credential; two of them are a wrong one.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
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
