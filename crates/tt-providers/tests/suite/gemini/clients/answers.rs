//! Answers of all providers, written for a client of Gemini and read as that client reads them.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::Part;
use tt_core::call::event::{Delta, Event};
use tt_core::call::reply::Reply;
use tt_providers::codec::PublicError;
use tt_providers::sse::Framer;

use super::{ARRAY, PLAIN, STREAM, exchange, user};
use crate::api::gemini;
use crate::api::{StreamDecoder, Undo};
use crate::client::streamed;
use crate::fixtures::{Recording, made};

const MODEL: &str = "model";

/// The text and the calls (name and arguments as JSON) of an answer.
type Said = (String, Vec<(String, Value)>);

fn said(reply: &Reply) -> Vec<Said> {
    let choices = reply.choices.iter().map(|choice| {
        let (mut text, mut calls) = (String::new(), Vec::new());
        for part in &choice.parts {
            match part {
                Part::Text(part) => text.push_str(&part.text),
                Part::Refusal { text: refusal } => text.push_str(refusal),
                Part::ToolCall(call) => calls.push((call.name.clone(), arguments(&call.arguments))),
                _ => {}
            }
        }
        (text, calls)
    });
    choices.collect()
}

fn arguments(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => object,
        _ if text.trim().is_empty() => json!({}),
        _ => json!({"arguments": text.trim()}),
    }
}

fn bodies() -> Vec<(String, Dialect, Vec<u8>)> {
    let mut all = Vec::new();
    for recording in Recording::all() {
        if let (Some(dialect), Some(bytes), 200, None) =
            (recording.dialect(), recording.body(), recording.status, recording.stream())
        {
            all.push((recording.id.clone(), dialect, bytes));
        }
    }
    for dialect in [Dialect::OpenAiChat, Dialect::AnthropicMessages] {
        all.extend(
            made(dialect, "answers")
                .into_iter()
                .map(|(name, case)| (name, dialect, case["body"].to_string().into_bytes())),
        );
    }
    all
}

#[test]
fn every_answer_says_the_same_to_a_client_of_gemini() {
    let body = json!({"contents": [user("x")]});
    let mut seen = 0;
    for (name, dialect, bytes) in bodies() {
        if dialect == Dialect::Gemini {
            let exchange = exchange(PLAIN, &body, dialect, MODEL).unwrap();
            if let Ok(answer) = exchange.reply(Bytes::from(bytes.clone())) {
                assert_eq!(answer.body, bytes, "{name}");
            }
            continue;
        }
        let Ok(reply) = crate::api::decode_reply(dialect, &bytes, &Undo::default()) else { continue };
        if reply.choices.is_empty() {
            continue;
        }
        let answer = exchange(PLAIN, &body, dialect, MODEL).unwrap().reply(Bytes::from(bytes)).unwrap();
        let back =
            gemini::decode_reply(&answer.body, &Undo::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(said(&back), said(&reply), "{name}");
        assert!(!back.id.is_empty() && !back.model.is_empty(), "{name}");
        match (&back.usage, &reply.usage) {
            (Some(back), Some(given)) => {
                assert_eq!(back.usage.total(), given.usage.total(), "{name}");
                assert_eq!(
                    (back.usage.output, back.usage.cache_read),
                    (given.usage.output, given.usage.cache_read),
                    "{name}"
                );
            }
            (back, given) => assert_eq!(back.is_some(), given.is_some(), "{name}"),
        }
        seen += 1;
    }
    assert!(seen > 50, "{seen} answers");
}

/// The text and the calls of a stream.
fn told(events: &[Event]) -> Said {
    let (mut text, mut calls): Said = (String::new(), Vec::new());
    let mut open = std::collections::BTreeMap::new();
    for event in events {
        match event {
            Event::BlockStart { choice: 0, block, head: Part::ToolCall(call) } => {
                open.insert(*block, (call.name.clone(), call.arguments.clone()));
            }
            Event::BlockStart { choice: 0, head: Part::Text(head), .. } => text.push_str(&head.text),
            Event::Delta { choice: 0, delta: Delta::Text { text: more, .. } | Delta::Refusal(more), .. } => {
                text.push_str(more);
            }
            Event::Delta { choice: 0, block, delta: Delta::Arguments(more) } => {
                if let Some((_, arguments)) = open.get_mut(block) {
                    arguments.push_str(more);
                }
            }
            _ => {}
        }
    }
    // Calls are written when they stop, so their order may differ from that in which they began.
    calls.extend(open.into_values().map(|(name, text)| (name, arguments(&text))));
    calls.sort_by_key(|call| format!("{call:?}"));
    (text, calls)
}

fn data(sse: &[u8]) -> Vec<Bytes> {
    let mut framer = Framer::new();
    framer.push(Bytes::copy_from_slice(sse));
    let mut frames = Vec::new();
    while let Some(frame) = framer.next() {
        frames.push(frame.unwrap().data);
    }
    frames.extend(framer.finish().map(|frame| frame.data));
    frames
}

fn events(dialect: Dialect, sse: &[u8]) -> Option<Vec<Event>> {
    let (mut decoder, mut events) = (StreamDecoder::new(dialect, Undo::default()), Vec::new());
    for data in data(sse) {
        decoder.data(&data, &mut events).ok()?;
        if events.last() == Some(&Event::Done) {
            return Some(events);
        }
    }
    decoder.end(&mut events).ok()?;
    Some(events)
}

#[test]
fn every_stream_says_the_same_to_a_client_of_gemini() {
    let body = json!({"contents": [user("x")]});
    let mut seen = 0;
    for recording in Recording::all() {
        let (Some(dialect), Some(sse), 200) = (recording.dialect(), recording.stream(), recording.status) else {
            continue;
        };
        if dialect == Dialect::Gemini {
            continue;
        }
        let Some(given) = events(dialect, sse.as_bytes()) else { continue };
        let mut stream = exchange(STREAM, &body, dialect, MODEL).unwrap().stream();
        let (mut framer, mut out) = (Framer::new(), BytesMut::new());
        framer.push(Bytes::from(sse));
        let mut done = false;
        while let Some(frame) = framer.next() {
            done |= stream.frame(&frame.unwrap(), &mut out).unwrap().done;
            if done {
                break;
            }
        }
        if !done {
            stream.body_ended(&mut out).unwrap();
        }
        stream.end(&mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert!(text.split("\r\n\r\n").all(|event| event.is_empty() || event.starts_with("data: {")), "{text}");
        let back = events(Dialect::Gemini, &out).unwrap_or_else(|| panic!("{}: {text}", recording.id));
        assert_eq!(told(&back), told(&given), "{}", recording.id);
        let last = data(&out).pop().unwrap();
        let last: Value = serde_json::from_slice(&last).unwrap();
        assert!(last["candidates"][0]["finishReason"].is_string(), "{last}");
        let usage = stream.tally().usage.clone();
        assert_eq!(
            last["usageMetadata"]["totalTokenCount"].as_u64(),
            usage.map(|usage| usage.usage.total()),
            "{}",
            recording.id
        );
        seen += 1;
    }
    assert!(seen > 20, "{seen} streams");
}

/// Without `alt=sse` a stream is one JSON array of what the events would hold, whether it is translated or passes through.
#[test]
fn a_stream_without_events_is_one_array_of_the_same() {
    let body = json!({"contents": [user("x")]});
    let mut seen = 0;
    for recording in Recording::all() {
        let (Some(dialect), Some(sse), 200) = (recording.dialect(), recording.stream(), recording.status) else {
            continue;
        };
        let form = |uri| streamed(&exchange(uri, &body, dialect, MODEL).unwrap(), sse.as_bytes(), sse.len());
        let (events, array) = (form(STREAM), form(ARRAY));
        assert_eq!(array.error, events.error, "{}", recording.id);
        if events.error.is_some() {
            continue;
        }
        let events: Vec<Value> = data(events.text.as_bytes())
            .iter()
            .filter(|data| !data.is_empty())
            .map(|data| serde_json::from_slice(data).unwrap())
            .collect();
        let array: Vec<Value> = serde_json::from_str(&array.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", recording.id, array.text));
        assert_eq!(array, events, "{}", recording.id);
        seen += 1;
    }
    assert!(seen > 30, "{seen} streams");
}

#[test]
fn an_array_that_breaks_ends_with_the_error() {
    let chunk = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n";
    let openai = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let error = PublicError {
        status: 502,
        kind: "upstream_error",
        code: "c",
        message: "m",
        param: None,
        retry_after: None,
        request_id: None,
        original: None,
    };
    for (dialect, sse) in [(Dialect::Gemini, chunk), (Dialect::OpenAiChat, openai)] {
        for (events, elements) in [("", 1), (sse, 2)] {
            let mut stream = exchange(ARRAY, &json!({"contents": [user("x")]}), dialect, MODEL).unwrap().stream();
            let (mut framer, mut out) = (Framer::new(), BytesMut::new());
            framer.push(Bytes::from(events));
            while let Some(frame) = framer.next() {
                stream.frame(&frame.unwrap(), &mut out).unwrap();
            }
            stream.broke(&error, &mut out);
            let array: Vec<Value> = serde_json::from_slice(&out).unwrap();
            assert_eq!(array.len(), elements, "{array:?}");
            assert_eq!(array[elements - 1]["error"]["code"], 502, "{array:?}");
        }
    }
}

#[test]
fn a_call_is_written_whole_and_the_usage_comes_last() {
    let events = [
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\""}}]}}]}),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": ":1}"}}]}}]}),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
    ];
    let mut sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    sse.push_str("data: [DONE]\n\n");
    let mut stream = exchange(STREAM, &json!({"contents": [user("x")]}), Dialect::OpenAiChat, MODEL).unwrap().stream();
    let (mut framer, mut out) = (Framer::new(), BytesMut::new());
    framer.push(Bytes::from(sse));
    while let Some(frame) = framer.next() {
        stream.frame(&frame.unwrap(), &mut out).unwrap();
    }
    stream.end(&mut out);
    let found: Vec<Value> = data(&out).iter().map(|data| serde_json::from_slice(data).unwrap()).collect();
    let parts: Vec<&Value> = found.iter().map(|event| &event["candidates"][0]["content"]["parts"][0]).collect();
    assert_eq!(
        parts,
        [
            &json!({"text": "Hi"}),
            &json!({"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "dG9rZW50cmFjZXIvMTogW10="}),
            &json!({"text": ""}),
        ]
    );
    assert!(found.iter().all(|event| event["responseId"] == "c" && event["modelVersion"] == "m"), "{found:?}");
    assert_eq!(found[2]["candidates"][0]["finishReason"], "STOP");
    assert_eq!(
        found[2]["usageMetadata"],
        json!({"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7})
    );
    assert!(found[..2].iter().all(|event| event.get("usageMetadata").is_none()));
}
