//! Requests and answers as clients of Gemini send and get them.

use std::fmt::Write as _;

use serde_json::Value;
use tt_core::Dialect;
use tt_providers::{PublicError, codec};

use super::Golden;
use super::client_side::{events, for_each_model, piecewise, whole};
use super::text::snapshot;
use crate::client::{answered, streamed};
use crate::fixtures::{DIALECTS, Recording, clients, made, name};
use crate::gemini::clients::{PLAIN, STREAM, exchange_with, read};

fn sent(request: &[u8]) -> String {
    let request = match read(PLAIN, request.to_vec()) {
        Ok(request) => std::sync::Arc::new(request),
        Err(error) => {
            return format!(
                "--- scanned\n{}\n",
                error.in_words(|field| codec(Dialect::Gemini).ingress.unwrap().field(field))
            );
        }
    };
    for_each_model(Dialect::Gemini, |model| exchange_with(&request, model.dialect, model.target()))
}

#[test]
fn golden_requests_of_generate_content() {
    let mut golden = Golden::new("generate_content_requests");
    for recording in Recording::all().iter().filter(|one| one.dialect() == Some(Dialect::Gemini)) {
        golden.check(&recording.id, &snapshot(&sent(recording.request().to_string().as_bytes())));
    }
    for (case, request) in made(Dialect::Gemini, "requests") {
        golden.check(&format!("made-{case}"), &snapshot(&sent(request.to_string().as_bytes())));
    }
    for (case, request) in clients(Dialect::Gemini) {
        golden.check(&format!("client-{case}"), &snapshot(&sent(request["body"].to_string().as_bytes())));
    }
    golden.finish();
}

#[test]
fn golden_answers_to_generate_content() {
    let mut golden = Golden::new("generate_content_answers");
    let asked = serde_json::json!({"contents": [{"parts": [{"text": "hi"}]}]});
    for dialect in DIALECTS.into_iter().filter(|dialect| *dialect != Dialect::Gemini) {
        let exchange = crate::gemini::clients::exchange(PLAIN, &asked, dialect, "m").unwrap();
        for (case, json) in made(dialect, "answers") {
            let answer = answered(&exchange, json["body"].to_string());
            golden.check(&format!("{}-{case}", name(dialect)), &whole(answer));
        }
    }
    golden.finish();
}

#[test]
fn golden_streams_to_generate_content() {
    let mut golden = Golden::new("generate_content_streams");
    let asked = serde_json::json!({"contents": [{"parts": [{"text": "hi"}]}]});
    let mut check = |name: &str, dialect, sse: &str| {
        let exchange = crate::gemini::clients::exchange(STREAM, &asked, dialect, "m").unwrap();
        golden.check(name, &piecewise(streamed(&exchange, sse.as_bytes(), sse.len())));
    };
    for dialect in DIALECTS.into_iter().filter(|dialect| *dialect != Dialect::Gemini) {
        for (case, json) in made(dialect, "streams") {
            check(&format!("{}-{case}", name(dialect)), dialect, &events(&json));
        }
    }
    for recording in Recording::all() {
        if let (Some(dialect), Some(sse), 200) = (recording.dialect(), recording.stream(), recording.status)
            && dialect != Dialect::Gemini
        {
            check(&recording.id, dialect, &sse);
        }
    }
    golden.finish();
}

/// Errors of every status, with and without a field at fault and a time to wait.
#[test]
fn golden_errors_to_clients_of_gemini() {
    let mut golden = Golden::new("generate_content_errors");
    let ingress = codec(Dialect::Gemini).ingress.unwrap();
    let mut text = String::new();
    for (status, kind, code) in [
        (400, "invalid_request_error", "invalid_field"),
        (400, "invalid_request_error", "context_length_exceeded"),
        (401, "authentication_error", "invalid_credentials"),
        (402, "invalid_request_error", "invalid_field"),
        (403, "permission_error", "alias_not_allowed"),
        (404, "not_found_error", "model_not_found"),
        (405, "invalid_request_error", "method_not_allowed"),
        (408, "invalid_request_error", "request_timeout"),
        (409, "conflict_error", "alias_taken"),
        (413, "invalid_request_error", "body_too_large"),
        (415, "invalid_request_error", "unsupported_media_type"),
        (422, "invalid_request_error", "invalid_field"),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (429, "insufficient_quota", "budget_exceeded"),
        (499, "server_error", "client_left"),
        (500, "server_error", "internal_error"),
        (502, "upstream_error", "all_attempts_failed"),
        (503, "server_error", "overloaded"),
        (504, "upstream_error", "upstream_timeout"),
    ] {
        for (param, wait) in [(None, None), (Some("contents[0].parts"), Some(1500))] {
            let retry_after = wait.map(std::time::Duration::from_millis);
            let message = "Some \"words\".";
            let (request_id, original) = (None, None);
            let error = PublicError { status, kind, code, message, param, retry_after, request_id, original };
            let json: Value = serde_json::from_slice(&ingress.encode_error(&error)).unwrap();
            writeln!(text, "{status} {code}\n    {json}").unwrap();
        }
    }
    golden.check("made", &text);
    golden.finish();
}
