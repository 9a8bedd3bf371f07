//! Gemini's errors: recorded ones, then those that no recording has (MAPPING.md, Errors).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::support::Recording;
use crate::api::gemini::refused;
use crate::api::{Disposition, Refused, RefusedKind, UpstreamError};

fn of(status: u16, body: &Value) -> Refused {
    refused(status, &HeaderMap::new(), body.to_string().as_bytes())
}

fn error(status: u16, message: &str, details: Value) -> Value {
    json!({"error": {"code": status, "message": message, "status": "X", "details": details}})
}

#[test]
fn every_recorded_error_is_read_as_expected() {
    let plain = Recording::all("generateContent").into_iter();
    let errors: Vec<_> =
        plain.chain(Recording::all("streamGenerateContent")).filter(|recording| recording.status() != 200).collect();
    assert!(errors.len() >= 7, "{}", errors.len());
    for recording in errors {
        let read = refused(recording.status(), &HeaderMap::new(), &recording.body());
        let expected = &recording.json["expected"]["error"];
        assert!(read.message.starts_with(expected["message_prefix"].as_str().unwrap()), "{}", recording.id);
        let (kind, code) = match read.status {
            429 => (RefusedKind::RateLimited, Some("rate_limit_exceeded")),
            404 => (RefusedKind::NotFound, Some("model_not_found")),
            401 => (RefusedKind::Credential, Some("invalid_api_key")),
            400 if read.message.contains("token count") => {
                (RefusedKind::ContextLength, Some("context_length_exceeded"))
            }
            _ => (RefusedKind::Invalid, None),
        };
        assert_eq!((read.kind, read.code.as_deref()), (kind, code), "{}", recording.id);
    }
}

#[test]
fn a_bad_key_is_a_400_that_counts_as_401() {
    let recording = Recording::of("gemini-generate-authentication-error-google-gemini-2-5-flash-b98f91d0");
    assert_eq!(recording.status(), 400);
    let read = refused(400, &HeaderMap::new(), &recording.body());
    assert_eq!((read.status, read.kind), (401, RefusedKind::Credential));
    assert_eq!(UpstreamError::Refused(Box::new(read)).disposition(), Disposition::FallBack);
}

#[test]
fn a_prompt_too_long_is_known_by_its_message() {
    let recording = Recording::of(
        "gemini-vertex-generate-chat-real-error-scenarios-vertexai-gemini-2-5-flash-handles-cont-f2adf6b0",
    );
    let read = refused(400, &HeaderMap::new(), &recording.body());
    assert_eq!((read.status, read.kind), (400, RefusedKind::ContextLength));
    assert_eq!(read.code.as_deref(), Some("context_length_exceeded"));
}

#[test]
fn an_array_around_the_error_changes_nothing() {
    let recording = Recording::of("gemini-stream-generate-google-wraps-api-errors-on-stream-call-f6c3d6ea");
    let bare = refused(404, &HeaderMap::new(), &recording.body());
    let wrapped = of(404, &json!([recording.json["response"]["body"]]));
    assert_eq!(tt_providers::Refused { original: bare.original.clone(), ..wrapped }, bare);
    assert_eq!(bare.kind, RefusedKind::NotFound);
}

// From here on built by hand after google.rpc: no recording has details on a 429, or a 5xx.
#[test]
fn a_retry_delay_is_rounded_up_to_a_millisecond() {
    let info = |delay: &str| json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
    for (delay, want) in
        [("34.4s", Some(34_400)), ("48s", Some(48_000)), ("0.000000001s", Some(1)), ("1.0s", Some(1000)), ("x", None)]
    {
        let read = of(429, &error(429, "slow down", info(delay)));
        assert_eq!(read.retry_after, want.map(Duration::from_millis), "{delay}");
        assert_eq!(read.code.as_deref(), Some("rate_limit_exceeded"));
    }
    let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("7"))]);
    assert_eq!(refused(503, &headers, b"").retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_spent_day_or_purse_is_insufficient_quota() {
    let quota = |id: &str| {
        let failure = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": "m", "quotaId": id, "quotaValue": "50"}]});
        let message = "You exceeded your current quota, please check your plan and billing details.";
        of(429, &error(429, message, json!([failure]))).code
    };
    assert_eq!(quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier").as_deref(), Some("insufficient_quota"));
    assert_eq!(quota("GenerateRequestsPerMinutePerProjectPerModel").as_deref(), Some("rate_limit_exceeded"));
    let spent = of(429, &error(429, "Your prepayment credits are depleted.", json!([])));
    assert_eq!(spent.code.as_deref(), Some("insufficient_quota"));
}

#[test]
fn statuses_mean_what_the_table_says() {
    for (status, want, kind) in [
        (400, 400, RefusedKind::Invalid),
        (401, 401, RefusedKind::Credential),
        (403, 403, RefusedKind::Credential),
        (409, 409, RefusedKind::Conflict),
        (413, 413, RefusedKind::Invalid),
        (499, 504, RefusedKind::Timeout),
        (500, 500, RefusedKind::Server),
        (503, 503, RefusedKind::Server),
        (504, 504, RefusedKind::Timeout),
    ] {
        let read = of(status, &error(status, "m", json!([])));
        assert_eq!((read.status, read.kind), (want, kind), "{status}");
    }
}

#[test]
fn a_field_at_fault_is_named() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "generation_config.seed", "description": "d"}]}]);
    assert_eq!(of(400, &error(400, "m", details)).param.as_deref(), Some("generation_config.seed"));
}

#[test]
fn a_body_that_is_not_json_gives_the_status_line() {
    assert_eq!(refused(502, &HeaderMap::new(), b"<html>").message, "502 Bad Gateway");
    assert_eq!(refused(599, &HeaderMap::new(), &[0xff, 0xfe]).message, "599");
    assert_eq!(of(429, &json!({"error": "text"})).message, "429 Too Many Requests");
}

#[test]
fn a_long_message_is_cut_at_300_characters() {
    let read = of(400, &error(400, &"ä".repeat(1000), json!([])));
    assert_eq!(read.message.chars().count(), 300);
}
