//! Checks for all answers: the shape of errors, sets of fields, times.

use std::collections::BTreeSet;

use serde_json::Value;
use tt_core::Timestamp;
use tt_testkit::client::Response;

/// The answer is the contract's error with this status and code; the `error` object.
#[track_caller]
pub(crate) fn error(response: &Response, status: u16, code: &str) -> Value {
    let text = response.text();
    assert_eq!(response.status, status, "{text}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{text}");
    assert_request_id(response);
    let body = response.json();
    fields(&body, &["error"]);
    let error = &body["error"];
    fields(error, &["message", "type", "code", "param"]);
    assert_eq!(error["code"], code, "{text}");
    let message = error["message"].as_str().unwrap();
    assert!(!message.is_empty() && error["param"].as_str().is_none_or(|param| !param.is_empty()), "{text}");
    let kind = match status {
        400 | 405 | 408 | 413 | 415 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        429 => "rate_limit_error",
        502 | 504 => "upstream_error",
        503 => "server_error",
        _ => panic!("a status that the contract does not have: {text}"),
    };
    assert_eq!(error["type"], kind, "{text}");
    assert_eq!(response.header("www-authenticate"), (status == 401).then_some("Bearer"), "{text}");
    assert_eq!(response.header("allow").is_some(), status == 405, "{text}");
    error.clone()
}

/// As [`error`], about this parameter.
#[track_caller]
pub(crate) fn error_about(response: &Response, status: u16, code: &str, param: &str) {
    let error = error(response, status, code);
    assert_eq!(error["param"], param, "{}", response.text());
}

/// Every response carries an id that is a UUIDv7.
#[track_caller]
pub(crate) fn assert_request_id(response: &Response) {
    let id = response.header("x-request-id").expect("no x-request-id");
    assert!(id.len() == 36 && id.as_bytes().get(14) == Some(&b'7'), "x-request-id: {id}");
}

/// `object` has these fields and no others.
#[track_caller]
pub(crate) fn fields(object: &Value, expected: &[&str]) {
    let there: BTreeSet<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(there, expected, "{object:#}");
}

/// `value` is a time in UTC as RFC 3339 writes it; its milliseconds.
#[track_caller]
pub(crate) fn time(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_default();
    assert!(text.ends_with('Z'), "not in UTC: {value}");
    Timestamp::parse("time", text).unwrap_or_else(|_| panic!("no time: {value}")).millis()
}

/// Two answers that must not be told apart: status, body, and all headers but the request's own.
#[track_caller]
pub(crate) fn alike(one: &Response, other: &Response) {
    assert_eq!((one.status, one.text()), (other.status, other.text()));
    let headers = |response: &Response| {
        let own = |name: &str| name == "x-request-id" || name == "date";
        let all = response.headers.iter().filter(|(name, _)| !own(name.as_str()));
        all.map(|(name, value)| format!("{name}: {value:?}")).collect::<Vec<_>>()
    };
    assert_eq!(headers(one), headers(other));
}

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// `at` is `expected`, give or take ten minutes: clocks and slow machines.
#[track_caller]
pub(crate) fn about(at: i64, expected: i64) {
    assert!((at - expected).abs() < 600_000, "{at} is not about {expected}");
}
