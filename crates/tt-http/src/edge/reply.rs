//! Replies: the values that handlers return, as HTTP responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use tt_core::limits::Standing;
use tt_core::{Dialect, RequestId};
use tt_providers::codec;

use crate::edge::error::ApiError;

/// The body of every response.
pub(crate) enum ReplyBody {
    /// Bytes that are known in full; `None` when there are none, or when they have been sent.
    Full(Option<Bytes>),
    /// Bytes that come one after the other, such as a provider's stream.
    Stream(Box<dyn Body<Data = Bytes, Error = Infallible> + Send + Unpin>),
}

impl ReplyBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()).filter(|b: &Bytes| !b.is_empty()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A response, before the edge has added its own headers.
pub(crate) type Reply = Response<ReplyBody>;

/// A value that a handler may return.
pub(crate) trait IntoReply {
    fn into_reply(self) -> Reply;
}

/// A body that is written as JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Reply {
        match serde_json::to_vec(&self.0) {
            Ok(body) => json_bytes(StatusCode::OK, body),
            Err(error) => {
                tracing::error!(%error, "a reply could not be written as JSON");
                ApiError::internal().into_reply()
            }
        }
    }
}

impl IntoReply for StatusCode {
    fn into_reply(self) -> Reply {
        let mut reply = Response::new(ReplyBody::Full(None));
        *reply.status_mut() = self;
        reply
    }
}

impl<R: IntoReply> IntoReply for (StatusCode, R) {
    fn into_reply(self) -> Reply {
        let mut reply = self.1.into_reply();
        *reply.status_mut() = self.0;
        reply
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl IntoReply for &'static str {
    fn into_reply(self) -> Reply {
        let mut reply = Response::new(ReplyBody::full(self));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        reply
    }
}

impl IntoReply for ApiError {
    fn into_reply(self) -> Reply {
        let body = self.body();
        with_headers(&self, json_bytes(self.status, body))
    }
}

/// The error of the request `id` in the words of `dialect`, or in those of the management API if `dialect` is `None`.
pub(crate) fn error_reply(error: ApiError, dialect: Option<Dialect>, id: RequestId) -> Reply {
    match dialect.and_then(|dialect| codec(dialect).ingress) {
        Some(ingress) => {
            let body = ingress.encode_error(&error.public(id));
            with_headers(&error, json_bytes(error.status, body))
        }
        None => error.into_reply(),
    }
}

/// Adds the headers that say more about an error.
fn with_headers(error: &ApiError, mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    if error.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    }
    if let Some(original) = &error.original {
        headers.extend(original.headers.clone());
    }
    if error.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allow) = error.allow.as_deref().and_then(|allow| HeaderValue::try_from(allow).ok()) {
        headers.insert(header::ALLOW, allow);
    }
    if let Some(wait) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Some(again) = error.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(if again { "true" } else { "false" }));
    }
    if let Some(standing) = error.standing {
        limit_headers(headers, standing);
    }
    reply
}

/// The headers of most answers of providers, with those that the server adds, are no more than this.
const USUAL_HEADERS: usize = 16;

/// Tells the official SDKs whether to try again, whatever the status.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");

/// Adds the headers for the request limit of which the caller has the smallest part left.
pub(crate) fn limit_headers(headers: &mut HeaderMap, standing: Standing) {
    headers.insert(LIMIT, HeaderValue::from(standing.limit));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(RESET, HeaderValue::from(whole_seconds(standing.reset)));
}

/// A duration for `retry-after`: in whole seconds, rounded up, at least 1.
pub(crate) fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// A reply whose body is JSON text already.
pub(crate) fn json_bytes(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    json_reply(status, ReplyBody::full(body))
}

/// A reply without headers, with room for as many as answers have: growing would hash the first ones again.
pub(crate) fn bare_reply(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    reply.headers_mut().reserve(USUAL_HEADERS);
    reply
}

/// A reply whose body gives JSON text.
pub(crate) fn json_reply(status: StatusCode, body: ReplyBody) -> Reply {
    let mut reply = bare_reply(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
