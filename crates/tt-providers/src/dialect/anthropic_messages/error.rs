//! Reads and writes Anthropic's errors: answers with an error status, and events in a stream (`MAPPING.md`, Errors).

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use tt_core::call::state::StateField;

use crate::codec::PublicError;
use crate::upstream::error::{Original, Refused, RefusedKind, cut, status_line};
use crate::upstream::retry_after::{retry_after, should_retry};

/// `{"type": "error", "error": {"type", "message"}}` (`types/shared/error_response.py`).
#[derive(Deserialize)]
struct Envelope {
    error: ErrorBody,
}

/// The error inside it.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

/// The beginning of the names of the headers that clients get with an error as it came: they say which of the account's
/// limits is reached, and when there is room again.
const LIMITS: &str = "anthropic-ratelimit-";

/// Reads an answer with an error status. If the body is no error object with words (a page of a proxy in between), the
/// status line is the message.
pub(super) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let (retry_after, should_retry) = (retry_after(headers), should_retry(headers));
    let said = serde_json::from_slice(body).ok().filter(|Envelope { error }| !error.message.is_empty());
    let Some(Envelope { error }) = said else {
        let error = ErrorBody { kind: String::new(), message: status_line(status) };
        return Refused { retry_after, should_retry, ..meaning(status, error) };
    };
    let limits = headers.iter().filter(|(name, _)| name.as_str().starts_with(LIMITS));
    let headers = limits.map(|(name, value)| (name.clone(), value.clone())).collect();
    let original = Some(Box::new(Original { body: Bytes::copy_from_slice(body), headers }));
    Refused { retry_after, should_retry, original, ..meaning(status, error) }
}

/// Reads an `error` event, or an error object with a success status, whose JSON is `body`.
pub(super) fn without_status(error: ErrorBody, body: &[u8]) -> Refused {
    let original = Original { body: Bytes::copy_from_slice(body), headers: HeaderMap::new() };
    Refused { original: Some(Box::new(original)), ..in_stream(error) }
}

/// Reads an error that has no status: its type decides the status.
pub(super) fn in_stream(error: ErrorBody) -> Refused {
    let status = match error.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    meaning(status, error)
}

/// Writes an error as the body of an answer: `{"type": "error", "error": {…}, "request_id": …}`. An error of Anthropic is
/// written as it came: clients look for its words.
///
/// Anthropic's SDKs keep conversations at the provider by `thread`, and do without it after an error whose details say so.
pub(super) fn encode(error: &PublicError<'_>) -> Vec<u8> {
    if let Some(original) = error.original {
        return original.to_vec();
    }
    let mut inner = json!({"type": kind(error), "message": error.message});
    if error.code == "unsupported_parameter" && error.param == Some(StateField::Thread.as_str()) {
        inner["details"] = json!({"error_code": "thread_unsupported_request", "unsupported": ["thread"]});
    }
    let mut whole = json!({"type": "error", "error": inner});
    if let Some(id) = error.request_id {
        whole["request_id"] = id.to_string().into();
    }
    whole.to_string().into_bytes()
}

/// The class of an error in Anthropic's words (`types/shared/error_object.py`).
fn kind(error: &PublicError<'_>) -> &'static str {
    match error.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Writes an error as the last event of a stream.
pub(super) fn event(error: &PublicError<'_>, out: &mut BytesMut) {
    out.extend_from_slice(b"event: error\n");
    for line in encode(error).split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
}

fn meaning(status: u16, error: ErrorBody) -> Refused {
    use RefusedKind as Kind;
    let says = |words| error.message.contains(words);
    let (status, kind, code) = match status {
        400 | 413 if says("prompt is too long") || says("exceed context limit") => {
            (400, Kind::ContextLength, Some("context_length_exceeded"))
        }
        // Anthropic answers 400 when the account has no money left. The stored credential is at fault, not the caller.
        400 if says("credit balance is too low") => (402, Kind::Credential, Some("insufficient_quota")),
        413 => (413, Kind::Invalid, Some("request_too_large")),
        401 => (401, Kind::Credential, Some("invalid_api_key")),
        402 => (402, Kind::Credential, Some("insufficient_quota")),
        403 => (403, Kind::Credential, None),
        404 => (404, Kind::NotFound, Some("model_not_found")),
        408 | 504 => (status, Kind::Timeout, None),
        409 => (409, Kind::Conflict, None),
        429 => (429, Kind::RateLimited, Some("rate_limit_exceeded")),
        503 | 529 => (status, Kind::Server, Some("overloaded")),
        400..=499 => (status, Kind::Invalid, None),
        500.. => (status, Kind::Server, None),
        // A status that is neither success nor error: the host that answers is not the API.
        _ => (502, Kind::Server, None),
    };
    Refused {
        status,
        kind,
        message: cut(&error.message),
        code: code.map(str::to_owned),
        param: None,
        retry_after: None,
        should_retry: None,
        original: None,
    }
}
