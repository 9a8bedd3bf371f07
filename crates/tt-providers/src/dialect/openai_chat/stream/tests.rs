//! The shape of encoded streams, and the peculiarities of decoded ones.

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{Opaque, Part, Text, Thinking};
use tt_core::call::tool::ToolCall;
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, Provider};

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

/// A text that is a block of its own.
fn text(text: &str) -> Event {
    begin(0, 90, Part::text(text))
}

fn begin(choice: u32, block: u32, head: Part) -> Event {
    Event::BlockStart { choice, block, head }
}

fn more(block: u32, delta: Delta) -> Event {
    Event::Delta { choice: 0, block, delta }
}

fn stop(block: u32) -> Event {
    Event::BlockStop { choice: 0, block }
}

fn finish(choice: u32, reason: FinishReason, native: &str) -> Event {
    Event::Finish { choice, finish: Finish::in_word(reason, native) }
}

fn claude(value: &str) -> Signature {
    Signature { of: Origin::of(Dialect::AnthropicMessages, Provider::Anthropic), value: value.into() }
}

fn gemini(value: &str) -> Signature {
    Signature { of: Origin::of(Dialect::Gemini, Provider::Gemini), value: value.into() }
}

fn call(id: &str, name: &str, custom: bool) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), custom, ..ToolCall::default() }
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
    let chunks = written(options(), &[start(), text("hi"), finish(0, FinishReason::Stop, "stop"), Event::Done]);
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
        finish(0, FinishReason::Stop, "stop"),
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
    let finish = |choice| finish(choice, FinishReason::Length, "length");
    let second = begin(1, 0, Part::text("b"));
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
fn log_probabilities_stay_with_their_text_and_on_one_line() {
    let entry = json!({"token": "a [\n]", "logprob": -0.5, "bytes": [97], "top_logprobs": []});
    let chunk = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {"content": "a [\n]"},
        "logprobs": {"content": [entry.clone()], "refusal": null}}]});
    let (mut decoder, mut encoder) = (Decoder::new(Undo::default()), Encoder::new(options()));
    let (mut events, mut out) = (Vec::new(), BytesMut::new());
    decoder.data(&serde_json::to_vec_pretty(&chunk).unwrap(), &mut events).unwrap();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    let lines: Vec<&str> = text.split_terminator("\n\n").collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| !line.contains('\n')), "{text}");
    let last: Value = serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(last["choices"][0]["logprobs"], json!({"content": [entry], "refusal": null}));
}

#[test]
fn log_probabilities_of_calls_and_of_another_form_belong_to_no_text() {
    let call = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]);
    let list = json!({"content": [{"token": "{}", "logprob": -1}]});
    for (delta, logprobs) in [
        (json!({"tool_calls": call}), list.clone()),
        (json!({"reasoning_content": "x"}), list.clone()),
        (json!({"refusal": "x"}), list),
        (json!({"content": "x"}), json!({"content": {"a": 1}})),
        (json!({"content": "x"}), json!({"content": []})),
        (json!({"content": "x"}), json!("text")),
    ] {
        let choice = json!({"index": 0, "delta": delta, "logprobs": logprobs});
        let events = read(&[json!({"id": "i", "model": "m", "choices": [choice]})]);
        let scored = |event: &Event| matches!(event, Event::Delta { delta: Delta::Text { logprobs: Some(_), .. }, .. });
        assert!(!events.iter().any(scored), "{events:?}");
        assert!(events.iter().any(Event::is_content), "{events:?}");
    }
}

#[test]
fn tool_calls_are_announced_then_filled() {
    let signed = ToolCall { signature: Some(gemini("sig")), ..call("a", "f", false) };
    // Both calls are open at once: a delta says which it belongs to.
    let events = [
        start(),
        begin(0, 3, Part::ToolCall(signed)),
        more(3, Delta::Arguments(String::new())),
        more(3, Delta::Arguments("{}".into())),
        begin(0, 7, Part::ToolCall(call("b", "g", true))),
        more(7, Delta::Arguments("x".into())),
        more(3, Delta::Arguments(" ".into())),
        stop(3),
        stop(7),
        finish(0, FinishReason::ToolCalls, "tool_calls"),
    ];
    let found = deltas(&written(options(), &events));
    assert_eq!(
        found[1]["tool_calls"],
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "sig"}}}])
    );
    assert_eq!(found[2], json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}));
    assert_eq!(found[4], json!({"tool_calls": [{"index": 1, "custom": {"input": "x"}}]}));
    assert_eq!(found[5], json!({"tool_calls": [{"index": 0, "function": {"arguments": " "}}]}));

    let legacy = written(EncodeOptions { legacy_functions: true, ..options() }, &events);
    let found = deltas(&legacy);
    assert_eq!(found[1], json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(found[2], json!({"function_call": {"arguments": "{}"}}));
    assert_eq!(found.len(), 5);
    assert_eq!(legacy[4]["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn thinking_goes_out_as_it_comes_and_again_whole_with_its_signature() {
    let redacted = Part::Redacted { data: "d".into(), of: claude("").of };
    let signed = Part::Text(Text { signature: Some(gemini("g")), ..Text::default() });
    let events = [
        start(),
        begin(0, 0, Part::Thinking(Thinking::default())),
        more(0, Delta::Thinking("a".into())),
        more(0, Delta::Thinking("b".into())),
        more(0, Delta::Signature(claude("s"))),
        stop(0),
        begin(0, 1, redacted),
        stop(1),
        begin(0, 2, signed),
        stop(2),
        finish(0, FinishReason::Stop, "stop"),
    ];
    let found = deltas(&written(options(), &events));
    assert_eq!(found[1], json!({"reasoning_content": "a"}));
    assert_eq!(
        found[3],
        json!({"thinking_blocks": [{"type": "thinking", "thinking": "ab", "signature": "s", "index": 0, "content_offset": 0}]})
    );
    assert_eq!(
        found[4],
        json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "d", "index": 1, "content_offset": 0}]})
    );
    assert_eq!(found[5], json!({"content": "", "extra_content": {"google": {"thought_signature": "g"}}}));
    // The encoded stream decodes to the same events.
    let again = read(&written(options(), &events));
    assert_eq!(again[1..], events[1..]);
}

#[test]
fn all_signatures_of_google_are_written_once_at_the_end() {
    let events = [
        start(),
        begin(0, 0, Part::text("a")),
        more(0, Delta::Signature(gemini("one"))),
        stop(0),
        begin(0, 1, Part::text("b")),
        more(1, Delta::Signature(gemini("two"))),
        stop(1),
        Event::Done,
    ];
    let found = deltas(&written(options(), &events));
    let signatures: Vec<&Value> = found.iter().filter_map(|delta| delta.get("extra_content")).collect();
    let all = json!([
        {"content_offset": 0, "content_end": 1, "thought_signature": "one"},
        {"content_offset": 1, "content_end": 2},
    ]);
    assert_eq!(signatures, [&json!({"google": {"thought_signature": "two", "thought_signatures": all}})]);
}

#[test]
fn the_tier_is_given_back_to_those_who_asked_for_one() {
    let used = Reported { service_tier: Some("SERVICE_TIER_FLEX".into()), ..Reported::default() };
    let events = [start(), Event::Usage(used), Event::Done];
    let tiers = |service_tier| {
        let chunks = written(EncodeOptions { service_tier, include_usage: true, ..options() }, &events);
        chunks.iter().filter_map(|chunk| chunk["service_tier"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!((tiers(true), tiers(false)), (vec!["flex".to_owned()], vec![]));
}

#[test]
fn summaries_are_paragraphs_and_what_has_no_place_is_left_out() {
    let part = |part, text: &str| more(0, Delta::Summary { part, text: text.into() });
    let opaque = Opaque { of: claude("").of, kind: "k".into(), raw: "{}".into(), text: None, pending: false };
    let events = [
        start(),
        begin(0, 0, Part::Thinking(Thinking::default())),
        part(0, "a"),
        part(0, "b"),
        part(1, "c"),
        more(0, Delta::Signature(gemini("unshown"))),
        stop(0),
        begin(0, 1, Part::Opaque(opaque)),
        more(1, Delta::Raw("{}".into())),
        stop(1),
        begin(0, 2, Part::Redacted { data: "d".into(), of: gemini("").of }),
        // No such block.
        more(9, Delta::Arguments("{}".into())),
    ];
    let found = deltas(&written(options(), &events));
    let thought: Vec<&str> = found.iter().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
    assert_eq!((thought.join(""), found.len()), ("ab\n\nc".to_owned(), 5));
}

#[test]
fn a_block_ends_where_another_begins_and_calls_stay_open_to_the_end() {
    let arguments = |index: u32, text: &str| {
        delta(json!({"tool_calls": [{"index": index, "function": {"name": "f", "arguments": text}}]}))
    };
    let events = read(&[
        delta(json!({"reasoning_content": "t"})),
        delta(json!({"content": "a"})),
        delta(json!({"content": "b"})),
        arguments(0, "{"),
        arguments(1, "["),
        arguments(0, "}"),
        delta(json!({"content": "c"})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "odd"}]}),
        delta(json!({"content": "after the end"})),
    ]);
    let steps: Vec<(char, u32)> = events
        .iter()
        .filter_map(|event| match event {
            Event::BlockStart { block, .. } => Some(('+', *block)),
            Event::Delta { block, .. } => Some(('.', *block)),
            Event::BlockStop { block, .. } => Some(('-', *block)),
            _ => None,
        })
        .collect();
    let text = [('+', 0), ('.', 0), ('-', 0), ('+', 1), ('.', 1), ('.', 1), ('-', 1)];
    let calls = [('+', 2), ('.', 2), ('+', 3), ('.', 3), ('.', 2)];
    let end = [('+', 4), ('.', 4), ('-', 4), ('-', 2), ('-', 3)];
    assert_eq!(steps, [&text[..], &calls, &end].concat());
    assert_eq!(events.last(), Some(&finish(0, FinishReason::Stop, "odd")));
}

#[test]
fn an_error_ends_the_stream_without_done() {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(options());
    encoder.event(&start(), &mut out);
    out.clear();
    let error = PublicError {
        status: 502,
        kind: "upstream_error",
        code: "code",
        message: "broke",
        param: None,
        retry_after: None,
        request_id: None,
        original: None,
    };
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
        .filter_map(|e| match e {
            Event::Delta { block, delta: Delta::Arguments(json), .. } => Some((*block, json.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(args, [(0, "{}"), (1, "{"), (1, "}")]);
}

#[test]
fn arguments_wait_for_the_name() {
    let piece = |function: Value| delta(json!({"tool_calls": [{"index": 3, "function": function}]}));
    let events = read(&[piece(json!({"arguments": "{"})), piece(json!({"name": "f", "arguments": "}"}))]);
    assert_eq!(events.len(), 3);
    let Event::BlockStart { block: 0, head: Part::ToolCall(call), .. } = &events[1] else { panic!("{events:?}") };
    assert!(call.name == "f" && !call.id.is_empty());
    assert_eq!(events[2], more(0, Delta::Arguments("{}".into())));
}

#[test]
fn a_renamed_tool_has_its_own_name_again() {
    let undo = Undo { tool_names: [("a_b".into(), "a.b".into())].into(), ..Undo::default() };
    let mut out = Vec::new();
    let data = delta(json!({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "a_b"}}]}));
    Decoder::new(undo).data(data.to_string().as_bytes(), &mut out).unwrap();
    assert!(matches!(&out[1], Event::BlockStart { head: Part::ToolCall(call), .. } if call.name == "a.b"));
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
