//! Gemini's errors in our words.
//!
//! `{"error": {"code", "message", "status", "details"}}`, sometimes wrapped in an array, and plain JSON even where the
//! content type says event stream.

use http::HeaderMap;
use serde::Deserialize;

use crate::upstream::error::{Refused, RefusedKind, UpstreamError, cut, status_line};
use crate::upstream::retry_after::{retry_after, seconds};

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

/// The fields we read of any kind of detail (`ErrorInfo`, `RetryInfo`, `QuotaFailure`, `BadRequest`).
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

/// Reads an error answer: its HTTP status, headers and body. A body that is no error object gives the status line.
pub(super) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let error = parse(body).unwrap_or_default();
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
    Refused { status, kind, message, code: code.map(str::to_owned), param, retry_after }
}

/// An error that came with status 200 in the place of an answer: its own code is the status.
pub(super) fn in_answer(body: &[u8]) -> UpstreamError {
    let code = parse(body).and_then(|error| error.code).filter(|code| (400..600).contains(code)).unwrap_or(500);
    UpstreamError::Refused(Box::new(refused(code, &HeaderMap::new(), body)))
}

fn parse(body: &[u8]) -> Option<Status> {
    // Told by the first byte: serde would read an array as an object's fields in order.
    let envelope = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Envelope>>(body).ok()?.into_iter().next()?
    } else {
        serde_json::from_slice(body).ok()?
    };
    Some(envelope.error)
}

/// The corrected status, what it means, and OpenAI's code where there is one.
fn classify(status: u16, error: &Status) -> (u16, RefusedKind, Option<&'static str>) {
    match status {
        // A bad key is a 400 that only the reason gives away.
        400 if has_reason(error, "API_KEY_INVALID") => (401, RefusedKind::Credential, Some("invalid_api_key")),
        400 if is_too_long(error) => (400, RefusedKind::ContextLength, Some("context_length_exceeded")),
        401 => (401, RefusedKind::Credential, Some("invalid_api_key")),
        402 | 403 => (status, RefusedKind::Credential, None),
        404 => (404, RefusedKind::NotFound, Some("model_not_found")),
        408 => (408, RefusedKind::Timeout, None),
        409 => (409, RefusedKind::Conflict, None),
        429 if is_out_of_quota(error) => (429, RefusedKind::RateLimited, Some("insufficient_quota")),
        429 => (429, RefusedKind::RateLimited, Some("rate_limit_exceeded")),
        // 499 is `CANCELLED`: their deadline, not our client's.
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

/// Waiting a little does not help: the day's quota is spent, or the account's money. The message "check your plan and
/// billing details" comes with every 429 and says nothing.
fn is_out_of_quota(error: &Status) -> bool {
    let quota = |id: &String| ["PerDay", "PerMonth", "Billing", "Spend"].iter().any(|word| id.contains(word));
    let violations = error.details.iter().flat_map(|detail| &detail.violations);
    violations.filter_map(|violation| violation.quota_id.as_ref()).any(quota)
        || error.message.as_deref().is_some_and(|message| message.contains("credits are depleted"))
}
