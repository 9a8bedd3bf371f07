//! The shape of what is written, and the oddities of what is read.

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::conversation::Signature;
use tt_core::call::event::Event;
use tt_core::call::reply::Finish;
use tt_core::usage::{Reported, Usage};

use super::super::reply::EncodeOptions;
use super::*;
use crate::codec::{PublicError, StreamDecoder as _, StreamEncoder as _, Undo};
use crate::upstream::error::UpstreamError;

fn options() -> EncodeOptions {
    EncodeOptions { created: 7, fallback_id: "req".into(), fallback_model: "asked".into(), ..Default::default() }
}

fn start() -> Event {
    Event::Start { id: "msg_1".into(), model: "m".into(), created: Some(1) }
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into(), signature: None }
}

fn written(options: EncodeOptions, events: &[Event]) -> Vec<Value> {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(options);
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let all = String::from_utf8(out.to_vec()).unwrap();
    let lines = all.split("\n\n").filter(|line| !line.is_empty()).map(|line| line.strip_prefix("data: ").unwrap());
    lines.map(|data| if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(data).unwrap() }).collect()
}

fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta").cloned()).collect()
}

fn read(datas: &[Value]) -> Vec<Event> {
    let mut decoder = Decoder::new(Undo::default());
    let mut out = Vec::new();
    for data in datas {
        decoder.data(data.to_string().as_bytes(), &mut out).unwrap();
    }
    out
}

fn delta(delta: Value) -> Value {
    json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": delta}]})
}

#[test]
fn a_stream_begins_with_the_role_and_ends_with_finish_and_done() {
    let chunks =
        written(options(), &[start(), text("hi"), Event::Finish { choice: 0, reason: Finish::Stop }, Event::Done]);
    assert_eq!(
        chunks[0],
        json!({"id": "chatcmpl-msg_1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}]})
    );
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"content": "hi"}));
    assert_eq!(chunks[2]["choices"][0], json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}));
    assert_eq!(chunks[3], "[DONE]");
    assert_eq!(chunks.len(), 4);
}

#[test]
fn usage_comes_last_and_only_to_those_who_asked() {
    let usage = Usage { input: 3, output: 4, ..Usage::default() };
    let first = Event::Usage(Reported { usage: Usage::default(), ..Reported::default() });
    let events = [
        start(),
        first,
        Event::Finish { choice: 0, reason: Finish::Stop },
        Event::Usage(Reported { usage, ..Reported::default() }),
        Event::Done,
    ];
    let asked = written(EncodeOptions { include_usage: true, ..options() }, &events);
    assert_eq!(asked[0]["usage"], Value::Null);
    assert!(asked[0].as_object().unwrap().contains_key("usage"));
    assert_eq!((asked[2]["choices"].clone(), asked[2]["usage"]["total_tokens"].clone()), (json!([]), json!(7)));
    assert_eq!((&asked[2]["id"], &asked[3]), (&asked[0]["id"], &json!("[DONE]")));
    let not_asked = written(options(), &events);
    assert!(not_asked.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn every_answer_has_exactly_one_finish_chunk_and_nothing_after_it() {
    let finish = |choice| Event::Finish { choice, reason: Finish::Length };
    let second = Event::Text { choice: 1, text: "b".into(), signature: None };
    let chunks = written(options(), &[start(), second, finish(0), finish(0), text("late"), Event::Done, text("x")]);
    let finishes: Vec<(u64, &str)> = chunks
        .iter()
        .filter_map(|chunk| {
            let choice = chunk.pointer("/choices/0")?;
            Some((choice["index"].as_u64()?, choice["finish_reason"].as_str()?))
        })
        .collect();
    assert_eq!(finishes, [(0, "length"), (1, "stop")]);
    assert!(!chunks.iter().any(|chunk| chunk.to_string().contains("late")));
}

#[test]
fn tool_calls_are_announced_then_filled() {
    let signature = Some(Signature { provider: Provider::Gemini, value: "sig".into() });
    let events = [
        start(),
        Event::ToolCall { choice: 0, call: 0, id: "a".into(), name: "f".into(), custom: false, signature },
        Event::ToolArguments { choice: 0, call: 0, json: String::new() },
        Event::ToolArguments { choice: 0, call: 0, json: "{}".into() },
        Event::ToolCall { choice: 0, call: 1, id: "b".into(), name: "g".into(), custom: true, signature: None },
        Event::ToolArguments { choice: 0, call: 1, json: "x".into() },
        Event::Finish { choice: 0, reason: Finish::ToolCalls },
    ];
    let found = deltas(&written(options(), &events));
    assert_eq!(
        found[1]["tool_calls"],
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "sig"}}}])
    );
    assert_eq!(found[2], json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}));
    assert_eq!(found[4], json!({"tool_calls": [{"index": 1, "custom": {"input": "x"}}]}));

    let legacy = written(EncodeOptions { legacy_functions: true, ..options() }, &events);
    let found = deltas(&legacy);
    assert_eq!(found[1], json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(found[2], json!({"function_call": {"arguments": "{}"}}));
    assert_eq!(found.len(), 4);
    assert_eq!(legacy[3]["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn thinking_goes_out_as_it_comes_and_again_whole_with_its_signature() {
    let events = [
        start(),
        Event::Thinking { choice: 0, text: "a".into() },
        Event::Thinking { choice: 0, text: "b".into() },
        Event::ThinkingSigned { choice: 0, signature: Signature { provider: Provider::Anthropic, value: "s".into() } },
        Event::RedactedThinking { choice: 0, data: "d".into() },
        Event::Text {
            choice: 0,
            text: String::new(),
            signature: Some(Signature { provider: Provider::Gemini, value: "g".into() }),
        },
    ];
    let found = deltas(&written(options(), &events));
    assert_eq!(found[1], json!({"reasoning_content": "a"}));
    assert_eq!(found[3], json!({"thinking_blocks": [{"type": "thinking", "thinking": "ab", "signature": "s"}]}));
    assert_eq!(found[4], json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]}));
    assert_eq!(found[5], json!({"content": "", "extra_content": {"google": {"thought_signature": "g"}}}));
    // And what is written is read as it was.
    let again = read(&written(options(), &events));
    assert_eq!(again[1..], events[1..]);
}

#[test]
fn an_error_ends_the_stream_without_done() {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(options());
    encoder.event(&start(), &mut out);
    out.clear();
    let error = PublicError { status: 502, kind: "upstream_error", code: "code", message: "broke", param: None };
    encoder.broke(&error, &mut out);
    encoder.event(&Event::Done, &mut out);
    encoder.broke(&PublicError { message: "again", ..error }, &mut out);
    assert_eq!(
        &out[..],
        b"data: {\"error\":{\"message\":\"broke\",\"type\":\"upstream_error\",\"code\":\"code\",\"param\":null}}\n\n"
    );
}

#[test]
fn a_stream_that_names_nothing_goes_by_what_was_asked() {
    let chunks = written(options(), &[text("a"), Event::Done]);
    assert_eq!((&chunks[1]["id"], &chunks[1]["model"]), (&json!("chatcmpl-req"), &json!("asked")));
}

#[test]
fn calls_without_numbers_are_told_apart_by_id() {
    let call = |id: &str, name: &str, arguments: &str| {
        delta(json!({"tool_calls": [{"id": id, "function": {"name": name, "arguments": arguments}}]}))
    };
    let events = read(&[call("a", "f", "{}"), call("b", "g", "{"), call("", "", "}")]);
    let args: Vec<(u32, &str)> = events
        .iter()
        .filter_map(
            |e| if let Event::ToolArguments { call, json, .. } = e { Some((*call, json.as_str())) } else { None },
        )
        .collect();
    assert_eq!(args, [(0, "{}"), (1, "{"), (1, "}")]);
}

#[test]
fn arguments_wait_for_the_name() {
    let piece = |function: Value| delta(json!({"tool_calls": [{"index": 3, "function": function}]}));
    let events = read(&[piece(json!({"arguments": "{"})), piece(json!({"name": "f", "arguments": "}"}))]);
    assert_eq!(events.len(), 3);
    assert!(matches!(&events[1], Event::ToolCall { call: 0, name, id, .. } if name == "f" && !id.is_empty()));
    assert_eq!(events[2], Event::ToolArguments { choice: 0, call: 0, json: "{}".into() });
}

#[test]
fn a_renamed_tool_has_its_own_name_again() {
    let undo = Undo { tool_names: vec![("a_b".into(), "a.b".into())], ..Undo::default() };
    let mut out = Vec::new();
    let data = delta(json!({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "a_b"}}]}));
    Decoder::new(undo).data(data.to_string().as_bytes(), &mut out).unwrap();
    assert!(matches!(&out[1], Event::ToolCall { name, .. } if name == "a.b"));
}

#[test]
fn the_end_of_the_body_counts_only_after_a_finish() {
    let mut out = Vec::new();
    let mut decoder = Decoder::new(Undo::default());
    decoder.data(delta(json!({"content": "x"})).to_string().as_bytes(), &mut out).unwrap();
    assert!(matches!(decoder.end(&mut out), Err(UpstreamError::Protocol(_))));
    decoder.data(br#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, &mut out).unwrap();
    decoder.end(&mut out).unwrap();
    assert_eq!(out.last(), Some(&Event::Done));
}

#[test]
fn errors_and_noise_in_a_stream_are_errors() {
    let mut decoder = Decoder::new(Undo::default());
    let mut out = Vec::new();
    let error = decoder.data(br#"{"error":{"message":"m","type":"rate_limit_error"}}"#, &mut out);
    assert!(matches!(error, Err(UpstreamError::Refused(refused)) if refused.status == 429));
    for noise in ["{", "[]", r#"{"choices":[{"delta":{"content":[1]}}]}"#] {
        assert!(matches!(decoder.data(noise.as_bytes(), &mut out), Err(UpstreamError::Protocol(_))), "{noise}");
    }
    assert_eq!(out.iter().filter(|event| event.is_content()).count(), 0);
}
