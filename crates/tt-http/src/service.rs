//! The service that hyper calls: it gives each request an id, finds its route and its caller, runs the handler, shapes
//! errors, and writes the log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tt_core::{Causes, Dialect, RequestId};

use crate::clock;
use crate::edge::client_address::{client_address, warn_of_untrusted_proxy};
use crate::edge::context::Context;
use crate::edge::credentials::{self, Need};
use crate::edge::error::ApiError;
use crate::edge::last_key::LastKey;
use crate::edge::reader::Reader;
use crate::edge::reply::{IntoReply, Reply, error_reply};
use crate::models;
use crate::route::{Cap, Handler, Route};
use crate::routes;
use crate::state::app::App;
use crate::state::call_limit::MOST_CALLS;
use crate::state::directory::KnownCaller;
use crate::state::worker::Worker;

/// The largest headers of a request, the bytes of names and values together.
pub(crate) const MOST_HEADER_BYTES: usize = 64 * 1024;

/// The most fields of a request's headers. hyper has the same limit for HTTP/1 and none for HTTP/2.
const MOST_HEADERS: usize = 100;

/// The header with the id of the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest URI, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// Answers one request of the client at the address `peer`, which reads the answer as `reader`, and whose requests came with
/// `last_key` last. It never fails: every error has an answer.
pub(crate) async fn serve_request(
    app: Arc<App>,
    worker: Arc<Worker>,
    peer: IpAddr,
    (reader, last_key): (Reader, LastKey),
    request: Request<Incoming>,
) -> Reply {
    let arrived = Instant::now();
    let since_epoch = clock::since_epoch();
    let id = clock::request_id(since_epoch);
    let (parts, body) = request.into_parts();
    warn_of_untrusted_proxy(&app.untrusted_proxy_told, peer, &parts.headers, &app.config.trusted_proxies);
    let (method, path, version) = (parts.method.clone(), parts.uri.path().len(), parts.version);
    let asked = models::asked_for(&parts);
    let cx = Box::new(Context {
        worker,
        id,
        arrived_at: clock::timestamp(since_epoch),
        arrived,
        client: client_address(peer, &parts.headers, &app.config.trusted_proxies),
        reader,
        last_key,
        parts,
        body: Some(body),
        params: Vec::new(),
        cap_bytes: 0,
        dialect: None,
        app: Arc::clone(&app),
    });
    let (row, result) = dispatch(cx).await;
    let pattern = row.map_or("", |row| row.pattern);
    let dialect = row.and_then(|row| row.dialect_of(asked));
    let mut reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            report(&error, id, pattern);
            error_reply(error, dialect, id)
        }
    };
    tracing::debug!(
        request_id = %id, %method, pattern, path_bytes = path, status = reply.status().as_u16(),
        ms = arrived.elapsed().as_millis(), "answered"
    );
    complete(&mut reply, id, since_epoch, row.is_none_or(Route::takes_or_gives_credentials));
    if dialect == Some(Dialect::AnthropicMessages)
        && let Some(id) = reply.headers().get(REQUEST_ID).cloned()
    {
        reply.headers_mut().insert("request-id", id);
    }
    // A connection of HTTP/2 is ended by a frame of its own.
    if app.draining() && version != Version::HTTP_2 {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// Answers a request on a connection past the limits: `/health` as ever, and everything else with the reason.
pub(crate) async fn turn_away(request: Request<Incoming>) -> Reply {
    let since_epoch = clock::since_epoch();
    let id = clock::request_id(since_epoch);
    let (parts, mut body) = request.into_parts();
    let get = parts.method == Method::GET || parts.method == Method::HEAD;
    let mut reply = if get && parts.uri.path() == "/health" {
        "OK".into_reply()
    } else {
        // A client that still sends would lose the reply when the connection is closed. The deadline of the whole
        // connection bounds this.
        while let Some(Ok(_)) = body.frame().await {}
        let row = routes::find(&parts.method, parts.uri.path()).map(|(row, _)| row);
        let asked = models::asked_for(&parts);
        let dialect = row.ok().and_then(|row| row.dialect_of(asked));
        error_reply(ApiError::too_many_connections(), dialect, id)
    };
    complete(&mut reply, id, since_epoch, true);
    reply
}

/// Adds the headers that every reply has. If `private` is true, the reply is one caller's own, and no cache may keep
/// it.
fn complete(reply: &mut Reply, id: RequestId, since_epoch: Duration, private: bool) {
    let headers = reply.headers_mut();
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    if let Ok(value) = HeaderValue::from_str(id.0.hyphenated().encode_lower(&mut buffer)) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::DATE, clock::date(since_epoch));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if private {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The bytes of the names and values of headers together.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// True if the request names exactly one host, in its target as in its header. If it named several, a proxy in front of
/// this server might choose another one than this server does. In HTTP/2 the target may name the host alone (RFC 9113,
/// 8.3.1).
fn names_one_host(parts: &http::request::Parts) -> bool {
    let is_host = |text: &str| text.parse::<http::uri::Authority>().is_ok_and(|host| !host.as_str().contains('@'));
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), target) {
        (None, _, Some(target)) => parts.version == Version::HTTP_2 && is_host(target),
        (Some(host), None, target) => {
            let Ok(host) = host.to_str() else { return false };
            is_host(host) && target.is_none_or(|target| target.eq_ignore_ascii_case(host))
        }
        _ => false,
    }
}

/// Logs an error whose reason lies in this server, once, with its causes. An error of the caller's is not logged. An
/// error that only says that too much is asked at once is not logged either, because the callers could fill the log
/// with it.
fn report(error: &ApiError, id: RequestId, pattern: &str) {
    if error.is_overload() {
        tracing::debug!(request_id = %id, pattern, error = %Causes(error), "refused as too much at once");
    } else if error.status == StatusCode::INTERNAL_SERVER_ERROR || error.status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(request_id = %id, pattern, error = %Causes(error), "the request failed here");
    }
}

async fn dispatch(mut cx: Box<Context>) -> (Option<&'static Route>, Result<Reply, ApiError>) {
    if cx.parts.uri.path_and_query().map_or(0, |uri| uri.as_str().len()) > LONGEST_URI {
        return (None, Ok(StatusCode::URI_TOO_LONG.into_reply()));
    }
    if !names_one_host(&cx.parts) {
        return (None, Ok(StatusCode::BAD_REQUEST.into_reply()));
    }
    // hyper limits its buffer only, which may take in about twice as much before hyper looks at it.
    if header_bytes(cx.headers()) > MOST_HEADER_BYTES || cx.headers().len() > MOST_HEADERS {
        return (None, Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_reply()));
    }
    if cx.parts.method == Method::HEAD && routes::is_probe(cx.parts.uri.path()) {
        return (None, Ok(StatusCode::OK.into_reply()));
    }
    let path = cx.parts.uri.path();
    let (row, params) = match routes::find(&cx.parts.method, path) {
        Ok(found) => found,
        Err(error) => return (None, Ok(error_reply(error, routes::dialect_of_errors(path), cx.id))),
    };
    cx.params = params;
    cx.dialect = row.dialect_of(models::asked_for(&cx.parts));
    cx.cap_bytes = match row.cap {
        Cap::Bytes(bytes) => bytes,
        // A body that its user may never hold is refused as too large, and not as too much just now.
        Cap::Proxy => cx.app.config.max_body_bytes.min(cx.app.memory.most_of_user()),
    };
    if row.is_call_of_model()
        && let Err(ask_again_after) = cx.worker.load.admit().await
    {
        return (Some(row), Err(ApiError::behind(ask_again_after)));
    }
    let result = match row.handler {
        Handler::Public(handler) => match admit_stranger(&cx, row) {
            Ok(()) => handler(cx).await,
            Err(error) => Err(error),
        },
        Handler::Authed(need, handler) => match authenticate(&cx, need, row).await {
            Ok(caller) => handler(cx, caller).await,
            Err(error) => Err(error),
        },
    };
    (Some(row), result)
}

/// The caller of a request, whose calls to `/auth` and `/manage` are limited.
async fn authenticate(cx: &Context, need: Need, row: &Route) -> Result<KnownCaller, ApiError> {
    let caller = credentials::authenticate(cx, need, row.key_header(cx.dialect)).await?;
    if row.is_for_accounts() {
        let admitted = cx.app.call_limit.admit_user(caller.user_id, cx.arrived_at).await;
        admitted.map_err(|wait| ApiError::too_many_calls("your account", MOST_CALLS, wait))?;
    }
    Ok(caller)
}

/// Refuses a client without a credential whose address calls `/auth` too often.
fn admit_stranger(cx: &Context, row: &Route) -> Result<(), ApiError> {
    if !row.is_for_accounts() {
        return Ok(());
    }
    let admitted = cx.app.call_limit.admit_address(cx.client, cx.arrived);
    admitted.map_err(|wait| ApiError::too_many_calls("this address", MOST_CALLS, wait))
}
