//! Answers of Anthropic's that no public recording holds: built by hand from the documented shapes. Error statuses
//! 402, 403, 413, 429, 500, 504 and 529, errors inside a stream, refusals, and what the request's aliases undo.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tt_core::call::conversation::Part;
use tt_core::call::event::Event;
use tt_core::call::finish::FinishReason;

use crate::api::anthropic::{decode_reply, decoder, refused};
use crate::api::{Disposition, Refused, RefusedKind, Undo, UpstreamError, reason};
use crate::told::{Told, told};

fn error(kind: &str, message: &str) -> Vec<u8> {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string().into()
}

fn answered(status: u16, kind: &str, message: &str) -> Refused {
    refused(status, &HeaderMap::new(), &error(kind, message))
}

#[test]
fn statuses_mean_what_they_mean_to_a_caller() {
    for (status, kind, expected_status, expected, code) in [
        (400, "invalid_request_error", 400, RefusedKind::Invalid, None),
        (401, "authentication_error", 401, RefusedKind::Credential, Some("invalid_api_key")),
        (402, "billing_error", 402, RefusedKind::Credential, Some("insufficient_quota")),
        (403, "permission_error", 403, RefusedKind::Credential, None),
        (404, "not_found_error", 404, RefusedKind::NotFound, Some("model_not_found")),
        (408, "timeout_error", 408, RefusedKind::Timeout, None),
        (409, "conflict_error", 409, RefusedKind::Conflict, None),
        (413, "request_too_large", 413, RefusedKind::Invalid, Some("request_too_large")),
        (422, "invalid_request_error", 422, RefusedKind::Invalid, None),
        (429, "rate_limit_error", 429, RefusedKind::RateLimited, Some("rate_limit_exceeded")),
        (500, "api_error", 500, RefusedKind::Server, None),
        (504, "timeout_error", 504, RefusedKind::Timeout, None),
        (529, "overloaded_error", 529, RefusedKind::Server, Some("overloaded")),
        (302, "", 502, RefusedKind::Server, None),
    ] {
        let refused = answered(status, kind, "words");
        assert_eq!(
            (refused.status, refused.kind, refused.code.as_deref()),
            (expected_status, expected, code),
            "{status}"
        );
        assert_eq!(refused.message, "words");
    }
}

#[test]
fn a_prompt_that_is_too_long_is_told_apart() {
    for message in [
        "prompt is too long: 3333404 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ] {
        let refused = answered(400, "invalid_request_error", message);
        assert_eq!(refused.kind, RefusedKind::ContextLength);
        assert_eq!(refused.code.as_deref(), Some("context_length_exceeded"));
    }
}

#[test]
fn an_empty_account_is_the_credentials_fault() {
    let refused = answered(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.");
    assert_eq!((refused.status, refused.kind), (402, RefusedKind::Credential));
    assert_eq!(UpstreamError::Refused(Box::new(refused)).disposition(), Disposition::FallBack);
}

#[test]
fn the_wait_is_read_in_seconds() {
    let wait = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static(value));
        refused(429, &headers, &error("rate_limit_error", "slow down")).retry_after
    };
    assert_eq!(wait("17"), Some(Duration::from_secs(17)));
    assert_eq!(wait("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(wait("-1"), None);
}

#[test]
fn a_page_from_an_edge_is_its_status_line_and_long_words_are_cut() {
    let page = refused(503, &HeaderMap::new(), b"<html>upstream connect error</html>");
    assert_eq!((page.status, page.message.as_str()), (503, "503 Service Unavailable"));
    assert_eq!(refused(529, &HeaderMap::new(), b"").message, "529");
    let long = answered(400, "invalid_request_error", &"é".repeat(1000));
    assert_eq!(long.message.chars().count(), 300);
}

#[test]
fn a_body_that_is_no_message_is_a_protocol_error_and_is_not_quoted() {
    for body in [r#"{"type":"error"}"#, r#"{"type":"completion"}"#, "[]", "", r#"{"type":"message","id":"my secret"#] {
        let Err(UpstreamError::Protocol(words)) = decode_reply(body.as_bytes(), &Undo::default()) else {
            panic!("{body} was read");
        };
        assert!(!words.contains("secret"), "{words}");
    }
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}).to_string();
    let refused = decode_reply(error.as_bytes(), &Undo::default());
    assert!(matches!(refused, Err(UpstreamError::Refused(refused)) if refused.status == 529));
    let wrong = json!({"type": "message", "id": "m", "model": "c", "content": "my secret"}).to_string();
    let error = decode_reply(wrong.as_bytes(), &Undo::default()).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

fn message(content: &Value, stop_reason: &str) -> Vec<u8> {
    json!({"type": "message", "id": "m", "role": "assistant", "model": "c", "content": content,
        "stop_reason": stop_reason, "usage": {"input_tokens": 1, "output_tokens": 1}})
    .to_string()
    .into()
}

#[test]
fn stop_reasons_map_and_unknown_ones_stop() {
    for (word, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("pause_turn", FinishReason::PauseTurn),
        ("tool_use", FinishReason::ToolCalls),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::ContextWindow),
        ("refusal", FinishReason::Refusal),
        ("something_new", FinishReason::Stop),
    ] {
        let reply = decode_reply(&message(&json!([]), word), &Undo::default()).unwrap();
        assert_eq!(reason(&reply.choices[0]), Some(finish), "{word}");
    }
}

#[test]
fn a_refusals_words_are_kept() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "I cannot help with that."});
    let mut body: Value = serde_json::from_slice(&message(&json!([]), "refusal")).unwrap();
    body["stop_details"] = details.clone();
    let reply = decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap();
    let refusal = "I cannot help with that.".to_owned();
    assert_eq!(reply.choices[0].parts, [Part::Refusal { text: refusal.clone() }]);

    let delta = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details},
        "usage": {"output_tokens": 3}});
    let out = stream(&[start(), delta, json!({"type": "message_stop"})], Undo::default()).unwrap();
    let refused = out.iter().position(|event| *event == Told::Refusal { choice: 0, text: refusal.clone() }).unwrap();
    assert_eq!(out[refused + 1], Told::Finish { choice: 0, reason: FinishReason::Refusal });
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"type": "message", "id": "m", "model": "c", "content": [],
        "usage": {"input_tokens": 10, "output_tokens": 1}}})
}

fn stream(events: &[Value], undo: Undo) -> Result<Vec<Told>, UpstreamError> {
    let mut decoder = decoder(undo);
    let mut out = Vec::new();
    for event in events {
        decoder.data(event.to_string().as_bytes(), &mut out)?;
    }
    decoder.end(&mut out)?;
    Ok(told(&out))
}

/// The events of one call of `name` with `pieces` of JSON, to the stream's end.
fn calling(name: &str, pieces: &[&str]) -> Vec<Value> {
    let mut events = vec![
        start(),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}}),
    ];
    events.extend(pieces.iter().map(|piece| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}})
    }));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    events
}

#[test]
fn an_error_in_a_stream_has_its_real_status() {
    for (kind, status) in [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("invalid_request_error", 400),
        ("timeout_error", 504),
        ("billing_error", 402),
        ("something_new", 500),
    ] {
        let event = json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}});
        let mut decoder = decoder(Undo::default());
        let mut out = Vec::new();
        decoder.data(start().to_string().as_bytes(), &mut out).unwrap();
        let Err(UpstreamError::Refused(refused)) = decoder.data(event.to_string().as_bytes(), &mut out) else {
            panic!("{kind} is an error");
        };
        assert_eq!((refused.status, refused.message.as_str()), (status, "Overloaded"), "{kind}");
        assert!(matches!(out.last(), Some(Event::Usage(usage)) if usage.usage.input == 10), "what is known stands");
        assert!(decoder.end(&mut out).is_err());
    }
}

#[test]
fn unknown_events_blocks_and_deltas_are_passed_over() {
    let mut events = calling("get", &["{}"]);
    events.insert(1, json!({"type": "something_new", "index": 0, "usage": 5}));
    events.insert(2, json!({"type": "content_block_start", "index": 7, "content_block": {"type": "new", "text": 1}}));
    events.insert(3, json!({"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "no"}}));
    events.insert(4, json!({"type": "content_block_delta", "index": 99, "delta": {"type": "new", "text": {}}}));
    let out = stream(&events, Undo::default()).unwrap();
    assert!(!out.iter().any(|event| matches!(event, Told::Text { .. })));
    assert!(out.contains(&Told::Done));
}

#[test]
fn the_answer_tool_becomes_text_and_a_plain_stop() {
    let undo = Undo { answer_tool: Some("answer".into()), ..Undo::default() };
    let out = stream(&calling("answer", &["{\"a\":", "1}"]), undo.clone()).unwrap();
    let said: String = out
        .iter()
        .filter_map(|event| match event {
            Told::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, "{\"a\":1}");
    assert!(out.contains(&Told::Finish { choice: 0, reason: FinishReason::Stop }));
    assert!(!out.iter().any(|event| matches!(event, Told::ToolCall { .. } | Told::ToolArguments { .. })));

    let content = json!([{"type": "tool_use", "id": "t", "name": "answer", "input": {"a": 1}}]);
    let reply = decode_reply(&message(&content, "tool_use"), &undo).unwrap();
    assert_eq!(reply.choices[0].parts, [Part::text("{\"a\":1}")]);
    assert_eq!(reason(&reply.choices[0]), Some(FinishReason::Stop));
    let cut = decode_reply(&message(&content, "max_tokens"), &undo).unwrap();
    assert_eq!(reason(&cut.choices[0]), Some(FinishReason::Length));
}

#[test]
fn aliases_and_custom_tools_are_undone() {
    let undo = Undo {
        tool_names: [("run_1".into(), "run.sql".into())].into(),
        custom_tools: ["run.sql".into()].into(),
        ..Undo::default()
    };
    let out = stream(&calling("run_1", &["{\"inp", "ut\": \"select \\\"x\\\"\"}"]), undo.clone()).unwrap();
    let call = |event: &Told| match event {
        Told::ToolCall { name, custom, .. } => Some(format!("{name} {custom}")),
        Told::ToolArguments { call: 0, json, .. } => Some(json.clone()),
        _ => None,
    };
    assert_eq!(out.iter().filter_map(call).collect::<Vec<_>>(), ["run.sql true", "select \"x\""]);

    let content = json!([{"type": "tool_use", "id": "t", "name": "run_1", "input": {"input": "select 1"}}]);
    let reply = decode_reply(&message(&content, "tool_use"), &undo).unwrap();
    let Part::ToolCall(call) = &reply.choices[0].parts[0] else { panic!("no call") };
    assert_eq!((call.name.as_str(), call.arguments.as_str(), call.custom), ("run.sql", "select 1", true));
}

#[test]
fn an_input_given_whole_at_the_start_is_shown() {
    let mut events = calling("get", &[]);
    events[1]["content_block"]["input"] = json!({"city": "Ulm"});
    let out = stream(&events, Undo::default()).unwrap();
    assert!(out.contains(&Told::ToolArguments { choice: 0, call: 0, json: "{\"city\":\"Ulm\"}".into() }));
}

#[test]
fn arguments_of_a_whole_answer_stay_as_the_model_wrote_them() {
    let body = r#"{"type":"message","id":"m","model":"c","stop_reason":"tool_use","content":[
        {"type":"tool_use","id":"t","name":"get","input":{"z": 1.50, "a": 12345678901234567890123}}]}"#;
    let reply = decode_reply(body.as_bytes(), &Undo::default()).unwrap();
    let Part::ToolCall(call) = &reply.choices[0].parts[0] else { panic!("no call") };
    assert_eq!(call.arguments, r#"{"z": 1.50, "a": 12345678901234567890123}"#);
    assert_eq!(reply.usage, None, "no usage is not a usage of 0");
}

#[test]
fn a_number_that_is_none_does_not_lose_the_answer() {
    let mut body: Value =
        serde_json::from_slice(&message(&json!([{"type": "text", "text": "hi"}]), "end_turn")).unwrap();
    body["usage"] = json!({"input_tokens": -5, "output_tokens": "many", "cache_read_input_tokens": 3, "iterations": 7});
    let usage = decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap().usage.unwrap();
    assert_eq!((usage.usage.input, usage.usage.output, usage.usage.cache_read), (0, 0, 3));
    assert!(usage.modifiers.is_empty());
    body["usage"] = json!({"input_tokens": 5, "output_tokens": 1, "speed": "fast", "inference_geo": "us"});
    let usage = decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap().usage.unwrap();
    assert_eq!(usage.modifiers, ["us", "fast"]);
}

/// Several `message_delta`: the last word counts, a null says nothing.
#[test]
fn several_reports_are_laid_over_one_another() {
    let delta = |reason: Value, usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage});
    let events = [
        start(),
        delta(Value::Null, json!({"output_tokens": 5, "input_tokens": null})),
        delta(json!("max_tokens"), json!({"output_tokens": 8})),
        json!({"type": "message_stop"}),
    ];
    let out = stream(&events, Undo::default()).unwrap();
    let [.., Told::Finish { reason: FinishReason::Length, .. }, Told::Usage(usage), Told::Done] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!((usage.usage.input, usage.usage.output), (10, 8));
    assert_eq!(usage.raw, r#"{"input_tokens":10,"output_tokens":8}"#);
}
