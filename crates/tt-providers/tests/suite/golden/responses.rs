//! Requests and answers as clients of OpenAI Responses send and get them.

use std::fmt::Write as _;

use serde_json::Value;
use tt_core::Dialect;
use tt_providers::{PublicError, codec};

use super::Golden;
use super::client_side::{check_answers, check_streams, for_each_model};
use super::text::snapshot;
use crate::fixtures::{Recording, clients, made, name};
use crate::openai_responses::client::{Client, answered, streamed};

fn sent(request: &Value) -> String {
    for_each_model(Dialect::OpenAiResponses, |model| Client::asking(request).and_then(|client| client.to(model)))
}

#[test]
fn golden_requests_of_responses() {
    let mut golden = Golden::new("responses_requests");
    for recording in Recording::of_responses() {
        golden.check(&recording.id, &snapshot(&sent(&recording.json["request"]["body"])));
    }
    for (case, request) in made(Dialect::OpenAiResponses, "requests") {
        golden.check(&format!("made-{case}"), &snapshot(&sent(&request)));
    }
    for (client, request) in clients(Dialect::OpenAiResponses) {
        golden.check(&format!("client-{client}"), &snapshot(&sent(&request["body"])));
    }
    golden.finish();
}

#[test]
fn golden_answers_to_responses() {
    check_answers("responses_answers", answered);
}

#[test]
fn golden_streams_to_responses() {
    check_streams("responses_streams", streamed);
}

/// Errors of this program and of providers, as bodies and as the ends of streams that broke at their start and later.
#[test]
fn golden_errors_to_responses() {
    let mut golden = Golden::new("responses_errors");
    let ingress = codec(Dialect::OpenAiResponses).ingress.unwrap();
    let mut text = String::new();
    for (status, kind, code, param) in [
        (400, "invalid_request_error", "invalid_field", Some("input[0].role")),
        (400, "invalid_request_error", "context_length_exceeded", None),
        (401, "authentication_error", "invalid_credentials", None),
        (403, "permission_error", "alias_not_allowed", Some("model")),
        (404, "not_found_error", "model_not_found", Some("model")),
        (429, "rate_limit_error", "rate_limit_exceeded", None),
        (429, "insufficient_quota", "budget_exceeded", None),
        (502, "upstream_error", "upstream_invalid_response", None),
        (503, "server_error", "overloaded", None),
    ] {
        let error = PublicError {
            status,
            kind,
            code,
            message: "Some words.",
            param,
            retry_after: None,
            request_id: None,
            original: None,
        };
        writeln!(text, "{status} {}", String::from_utf8(ingress.encode_error(&error).to_vec()).unwrap()).unwrap();
    }
    let error = PublicError {
        status: 502,
        kind: "upstream_error",
        code: "upstream_invalid_response",
        message: "It broke.",
        param: None,
        retry_after: None,
        request_id: None,
        original: None,
    };
    let begun = r#"data: {"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":1}}}"#;
    let said = r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"So far"}}"#;
    let own = r#"data: {"type":"response.output_text.delta","sequence_number":7,"delta":"So far"}"#;
    for (dialect, events) in [
        (Dialect::AnthropicMessages, vec![]),
        (Dialect::AnthropicMessages, vec![begun]),
        (Dialect::AnthropicMessages, vec![begun, said]),
        (Dialect::OpenAiResponses, vec![own]),
    ] {
        let mut stream = Client::plainly(dialect, true).stream();
        let mut out = bytes::BytesMut::new();
        let sse: String = events.iter().map(|event| format!("{event}\n\n")).collect();
        for frame in crate::client::frames(sse.as_bytes(), sse.len()) {
            stream.frame(&frame.unwrap(), &mut out).unwrap();
        }
        stream.broke(&error, &mut out);
        writeln!(
            text,
            "--- {} after {} events\n{}",
            name(dialect),
            events.len(),
            String::from_utf8(out.to_vec()).unwrap()
        )
        .unwrap();
    }
    golden.check("made", &text);
    golden.finish();
}
