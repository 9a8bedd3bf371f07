//! Reads and writes Gemini's errors (`MAPPING.md`, Errors).
//!
//! `{"error": {"code", "message", "status", "details"}}`, sometimes wrapped in an array, and plain JSON even where the
//! content type says event stream.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use crate::codec::PublicError;
use crate::upstream::error::{Original, Refused, RefusedKind, UpstreamError, cut, status_line};
use crate::upstream::retry_after::{retry_after, seconds, should_retry};

#[derive(Debug, Deserialize)]
struct Envelope {
    error: Status,
}

/// [`google.rpc.Status`](https://cloud.google.com/apis/design/errors#error_model), as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
    details: Vec<Detail>,
}

/// The fields that are read, of every kind of detail (`ErrorInfo`, `RetryInfo`, `QuotaFailure`, `BadRequest`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    reason: Option<String>,
    retry_delay: Option<String>,
    violations: Vec<Violation>,
    field_violations: Vec<FieldViolation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Violation {
    quota_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldViolation {
    field: Option<String>,
}

/// Reads an answer with an error status. If the body is no error object, the status line is the message.
pub(super) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let parsed = parse(body);
    let original = parsed.is_some().then(|| Original { body: Bytes::copy_from_slice(body), headers: HeaderMap::new() });
    let error = parsed.unwrap_or_default();
    let (status, kind, code) = classify(status, &error);
    let message = match error.message.as_deref().map(str::trim) {
        Some(message) if !message.is_empty() => cut(message),
        _ => status_line(status),
    };
    let retry_after = error
        .details
        .iter()
        .find_map(|detail| detail.retry_delay.as_deref().and_then(seconds))
        .or_else(|| retry_after(headers));
    let param =
        error.details.into_iter().flat_map(|detail| detail.field_violations).find_map(|violation| violation.field);
    Refused {
        status,
        kind,
        message,
        code: code.map(str::to_owned),
        param,
        retry_after,
        should_retry: should_retry(headers),
        original: original.map(Box::new),
    }
}

/// Reads an error that came with status 200 in place of an answer. Its `code` stands for the status.
pub(super) fn in_answer(body: &[u8]) -> UpstreamError {
    let code = parse(body).and_then(|error| error.code).filter(|code| (400..600).contains(code)).unwrap_or(500);
    UpstreamError::Refused(Box::new(refused(code, &HeaderMap::new(), body)))
}

/// Writes an error as the body of an answer: Google's object, with the stable code of this proxy as the reason, the field
/// at fault, and the wait before another try, for which Google has no header. An error of Gemini is written as it came.
pub(super) fn encode(error: &PublicError<'_>) -> Vec<u8> {
    if let Some(original) = error.original {
        return original.to_vec();
    }
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.code.to_ascii_uppercase(),
        "domain": "tokentracer",
    })];
    if let Some(field) = error.param {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": error.message}],
        }));
    }
    if let Some(wait) = error.retry_after {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", seconds.max(1)),
        }));
    }
    let (code, message) = (error.status, error.message);
    let error = json!({"error": {"code": code, "message": message, "status": word(code), "details": details}});
    error.to_string().into_bytes()
}

/// Google's word for a status ([`google.rpc.Code`](https://cloud.google.com/apis/design/errors#error_codes)).
const fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        502 | 503 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

fn parse(body: &[u8]) -> Option<Status> {
    // The first byte decides: serde would read an array as the fields of an object in their order.
    let envelope = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Envelope>>(body).ok()?.into_iter().next()?
    } else {
        serde_json::from_slice(body).ok()?
    };
    Some(envelope.error)
}

/// The corrected status, the kind of error, and OpenAI's code where there is one.
fn classify(status: u16, error: &Status) -> (u16, RefusedKind, Option<&'static str>) {
    match status {
        // Gemini answers 400 to a bad key; only the reason in the details tells it from other faults.
        400 if has_reason(error, "API_KEY_INVALID") => (401, RefusedKind::Credential, Some("invalid_api_key")),
        400 | 413 if is_too_long(error) => (400, RefusedKind::ContextLength, Some("context_length_exceeded")),
        401 => (401, RefusedKind::Credential, Some("invalid_api_key")),
        402 | 403 => (status, RefusedKind::Credential, None),
        404 => (404, RefusedKind::NotFound, Some("model_not_found")),
        408 => (408, RefusedKind::Timeout, None),
        409 => (409, RefusedKind::Conflict, None),
        429 if is_out_of_quota(error) => (429, RefusedKind::RateLimited, Some("insufficient_quota")),
        429 => (429, RefusedKind::RateLimited, Some("rate_limit_exceeded")),
        // 499 is `CANCELLED`: a deadline of the provider, since the client of this proxy is still there.
        499 | 504 => (504, RefusedKind::Timeout, None),
        500.. => (status, RefusedKind::Server, None),
        _ => (status, RefusedKind::Invalid, None),
    }
}

fn has_reason(error: &Status, reason: &str) -> bool {
    error.details.iter().any(|detail| detail.reason.as_deref() == Some(reason))
}

fn is_too_long(error: &Status) -> bool {
    let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    message.contains("input token count") && message.contains("exceeds")
}

/// True if a short wait does not help: the quota of the day or the money of the account is spent. The message "check
/// your plan and billing details" does not decide it, since Gemini sends it with every 429.
fn is_out_of_quota(error: &Status) -> bool {
    let quota = |id: &String| ["PerDay", "PerMonth", "Billing", "Spend"].iter().any(|word| id.contains(word));
    let violations = error.details.iter().flat_map(|detail| &detail.violations);
    violations.filter_map(|violation| violation.quota_id.as_ref()).any(quota)
        || error.message.as_deref().is_some_and(|message| message.contains("credits are depleted"))
}
