//! Answers and streams: what a provider sends takes no more memory and work than its length allows.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri};
use serde_json::json;
use tt_core::Dialect;
use tt_providers::codec::Head;
use tt_providers::{AnswerStream, ClientRequest, Exchange};
use uuid::Uuid;

use super::{grows_no_faster_than_its_input, peak, timed};
use crate::api::{Target, UpstreamError, openai, sse};

/// Makes the event of a number.
type Make = Box<dyn Fn(usize) -> String>;

/// The exchange of a stream for a client of Chat Completions with a provider of `dialect`.
fn exchange(dialect: Dialect, tools: &[&str]) -> Exchange {
    let tools: Vec<_> = tools.iter().map(|name| json!({"type": "custom", "custom": {"name": name}})).collect();
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "x"}], "tools": tools});
    let (uri, headers) = (Uri::from_static("/"), HeaderMap::new());
    let head = Head { uri: &uri, headers: &headers };
    let ingress = tt_providers::codec(Dialect::OpenAiChat).ingress.unwrap();
    let request = Arc::new(ClientRequest::read(ingress, &head, Bytes::from(body.to_string())).unwrap());
    let target = Target { model: "m", facts: None };
    Exchange::new(&request, dialect, target, None, (1_800_000_000, Uuid::nil())).unwrap()
}

/// Gives the events to a stream one after another. The bytes for the client are thrown away.
fn push(stream: &mut AnswerStream, events: impl IntoIterator<Item = String>) -> Result<usize, UpstreamError> {
    let mut framer = sse::Framer::new();
    let (mut out, mut most) = (BytesMut::new(), 0);
    for event in events {
        framer.push(Bytes::from(format!("data: {event}\n\n")));
        while let Some(frame) = framer.next() {
            stream.frame(&frame?, &mut out)?;
            most = most.max(stream.held_bytes());
            out.clear();
        }
    }
    Ok(most)
}

fn started() -> String {
    json!({"type": "message_start", "message": {"id": "i", "model": "m"}}).to_string()
}

fn block(index: usize, block: serde_json::Value) -> String {
    json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
}

fn delta(index: usize, delta: serde_json::Value) -> String {
    json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string()
}

fn is_protocol<T>(found: &Result<T, UpstreamError>) -> bool {
    matches!(found, Err(UpstreamError::Protocol(_)))
}

/// The review: 30 blocks of 8 MiB that were never closed took 273 MiB, and more for as long as the host sent.
#[test]
fn open_blocks_of_a_stream_are_bounded_in_bytes() {
    let large = "x".repeat(8 << 20);
    let kinds = [
        ("signatures", json!({"type": "thinking"}), json!({"type": "signature_delta", "signature": large})),
        (
            "inputs",
            json!({"type": "tool_use", "id": "c", "name": "g"}),
            json!({"type": "input_json_delta", "partial_json": large}),
        ),
        ("thinking", json!({"type": "thinking"}), json!({"type": "thinking_delta", "thinking": large})),
    ];
    for (name, head, piece) in kinds {
        let mut stream = exchange(Dialect::AnthropicMessages, &["g"]).stream();
        let blocks = (0..30).flat_map(|i| [block(i, head.clone()), delta(i, piece.clone())]);
        let mut found = Ok(0);
        let took = peak(|| found = push(&mut stream, std::iter::once(started()).chain(blocks)));
        assert!(is_protocol(&found), "{name}: {found:?}");
        assert!(took < 160 << 20, "{name} took {took} bytes");
        assert!(stream.held_bytes() < 40 << 20, "{name}");
    }
}

#[test]
fn one_block_that_grows_is_bounded_too() {
    let mut stream = exchange(Dialect::AnthropicMessages, &["g"]).stream();
    let head = block(0, json!({"type": "tool_use", "id": "c", "name": "g"}));
    let piece = delta(0, json!({"type": "input_json_delta", "partial_json": "x".repeat(1 << 20)}));
    let found = push(&mut stream, [started(), head].into_iter().chain(std::iter::repeat_n(piece, 30)));
    assert!(is_protocol(&found), "{found:?}");
}

#[test]
fn what_a_stream_holds_is_given_back_when_a_block_ends() {
    let mut stream = exchange(Dialect::AnthropicMessages, &["g"]).stream();
    let events = |i| {
        [
            block(i, json!({"type": "thinking"})),
            delta(i, json!({"type": "thinking_delta", "thinking": "t".repeat(1 << 20)})),
            delta(i, json!({"type": "signature_delta", "signature": "s".repeat(1 << 20)})),
            json!({"type": "content_block_stop", "index": i}).to_string(),
        ]
    };
    let most = push(&mut stream, std::iter::once(started()).chain((0..12).flat_map(events))).unwrap();
    assert!((2 << 20..5 << 20).contains(&most), "{most}");
    assert!(stream.held_bytes() < 512 << 10, "{}", stream.held_bytes());
}

#[test]
fn the_number_of_open_blocks_is_bounded_in_every_dialect() {
    let openai = |i: usize| {
        let call = json!({"index": i, "id": format!("c{i}"), "function": {"name": "f", "arguments": ""}});
        json!({"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).to_string()
    };
    let choice = |i: usize| json!({"choices": [{"index": i, "delta": {"content": "x"}}]}).to_string();
    let candidate = |i: usize| json!({"candidates": [{"index": i, "content": {"parts": [{"text": "x"}]}}]}).to_string();
    let held: [(&str, Dialect, Make); 4] = [
        ("blocks", Dialect::AnthropicMessages, Box::new(|i| block(i, json!({"type": "text"})))),
        ("calls", Dialect::OpenAiChat, Box::new(openai)),
        ("choices", Dialect::OpenAiChat, Box::new(choice)),
        ("candidates", Dialect::Gemini, Box::new(candidate)),
    ];
    for (name, dialect, event) in held {
        let mut decoder = crate::api::StreamDecoder::new(dialect, crate::api::Undo::default());
        let mut events = Vec::new();
        if dialect == Dialect::AnthropicMessages {
            decoder.data(started().as_bytes(), &mut events).unwrap();
        }
        let found = (0..5000).try_for_each(|i| {
            events.clear();
            decoder.data(event(i).as_bytes(), &mut events)
        });
        assert!(is_protocol(&found), "{name}: {found:?}");
    }
}

#[test]
fn finished_choices_are_forgotten() {
    let mut decoder = crate::api::StreamDecoder::new(Dialect::OpenAiChat, crate::api::Undo::default());
    let mut events = Vec::new();
    for choice in 0..20 {
        for i in 0..200 {
            let call = json!({"index": i, "id": format!("c{i}"), "function": {"name": "f", "arguments": "{}"}});
            let chunk = json!({"choices": [{"index": choice, "delta": {"tool_calls": [call]}}]});
            decoder.data(chunk.to_string().as_bytes(), &mut events).unwrap();
        }
        let end = json!({"choices": [{"index": choice, "delta": {}, "finish_reason": "tool_calls"}]});
        decoder.data(end.to_string().as_bytes(), &mut events).unwrap();
    }
}

/// The review: an answer of 8 MiB of `{},` without usage took 500 MiB and stopped a worker for 0.66 s.
#[test]
fn an_answer_without_usage_is_counted_without_decoding_it() {
    let (text, junk) = ("said ".repeat(1000), "{},".repeat((8 << 20) / 3));
    let body = format!(r#"{{"choices":[{{"message":{{"content":"{text}","x":[{junk}0]}}}}]}}"#);
    let mut found = None;
    let took = peak(|| found = openai::observe_reply(body.as_bytes()).ok());
    assert_eq!(found.unwrap().output_text, text);
    assert!(took < 1 << 20, "{took} bytes");
    let junk = format!(r#"{{"choices":[{junk}0]}}"#);
    let took = peak(|| openai::observe_reply(junk.as_bytes()));
    assert!(took < 1 << 20, "{took} bytes");
}

#[test]
fn text_beyond_what_is_kept_of_an_answer_is_measured() {
    let body = json!({"choices": [{"message": {"content": "x".repeat(1 << 20)}}]});
    let facts = openai::observe_reply(body.to_string().as_bytes()).unwrap();
    assert_eq!(facts.output_text.len() as u64 + facts.extra_bytes, 1 << 20);
}

#[test]
fn names_of_a_provider_are_not_repeated_at_any_length() {
    let mut stream = exchange(Dialect::AnthropicMessages, &[]).stream();
    let name = "n".repeat(1 << 20);
    let start = json!({"type": "message_start", "message": {"id": name, "model": name}}).to_string();
    let mut out = BytesMut::new();
    let mut framer = sse::Framer::new();
    let text = delta(0, json!({"type": "text_delta", "text": "x"}));
    for event in [start, block(0, json!({"type": "text"})), text] {
        framer.push(Bytes::from(format!("data: {event}\n\n")));
        while let Some(frame) = framer.next() {
            stream.frame(&frame.unwrap(), &mut out).unwrap();
        }
    }
    assert!(out.len() < 4000, "{}", out.len());
}

#[test]
fn usage_that_grows_report_by_report_is_bounded() {
    let report = |i: usize| {
        json!({"type": "message_delta", "delta": {}, "usage": {(format!("k{i}")): "v".repeat(100)}}).to_string()
    };
    let work = |n: usize| {
        let mut stream = exchange(Dialect::AnthropicMessages, &[]).stream();
        let events: Vec<String> = std::iter::once(started()).chain((0..n).map(report)).collect();
        timed(|| push(&mut stream, events).unwrap())
    };
    grows_no_faster_than_its_input("usage", [2000, 8000], work);
    let mut stream = exchange(Dialect::AnthropicMessages, &[]).stream();
    push(&mut stream, std::iter::once(started()).chain((0..8000).map(report))).unwrap();
    assert!(stream.held_bytes() < 512 << 10, "{}", stream.held_bytes());
}

#[test]
fn streams_cost_no_more_for_each_event_the_longer_they_are() {
    let calls = |i: usize| {
        let call =
            json!({"index": i % 1000, "id": format!("c{}", i % 1000), "function": {"name": "f", "arguments": "x"}});
        json!({"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).to_string()
    };
    let unnumbered = |i: usize| {
        let call = json!({"id": format!("c{}", i % 1000), "function": {"name": "f", "arguments": "x"}});
        json!({"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).to_string()
    };
    let blocks = |i: usize| {
        if i < 1000 {
            block(i, json!({"type": "text"}))
        } else {
            delta(i % 1000, json!({"type": "text_delta", "text": "x"}))
        }
    };
    let pictures = |_: usize| {
        json!({"candidates": [{"content": {"parts": [{"text": "x"}, {"functionCall": {"name": "f"}}]}}]}).to_string()
    };
    let streams: [(&str, Dialect, Make); 4] = [
        ("calls", Dialect::OpenAiChat, Box::new(calls)),
        ("calls without an index", Dialect::OpenAiChat, Box::new(unnumbered)),
        ("blocks", Dialect::AnthropicMessages, Box::new(blocks)),
        ("calls of Gemini", Dialect::Gemini, Box::new(pictures)),
    ];
    for (name, dialect, event) in streams {
        grows_no_faster_than_its_input(name, [2000, 8000], |n| {
            let mut decoder = crate::api::StreamDecoder::new(dialect, crate::api::Undo::default());
            let mut encoder = openai::stream::Encoder::new(openai::EncodeOptions::default());
            let mut out = BytesMut::new();
            let mut events = Vec::new();
            if dialect == Dialect::AnthropicMessages {
                decoder.data(started().as_bytes(), &mut events).unwrap();
            }
            let chunks: Vec<String> = (0..n).map(&event).collect();
            timed(|| {
                for chunk in &chunks {
                    decoder.data(chunk.as_bytes(), &mut events).unwrap();
                    for event in events.drain(..) {
                        tt_providers::codec::StreamEncoder::event(&mut encoder, &event, &mut out);
                    }
                    out.clear();
                }
            })
        });
    }
}

#[test]
fn framing_costs_what_the_bytes_are_long() {
    let shapes: [(&str, &str); 5] =
        [("lines", "data:\n"), ("ends", "\n"), ("text", "x"), ("returns", "\r"), ("events", "data: x\n\n")];
    for (name, piece) in shapes {
        for chunk in [1, 7, 65_536] {
            grows_no_faster_than_its_input(name, [30_000, 120_000], |size| {
                let bytes = Bytes::from(piece.repeat(size / piece.len()));
                timed(|| {
                    let mut framer = sse::Framer::new();
                    let mut at = 0;
                    while at < bytes.len() {
                        let end = (at + chunk).min(bytes.len());
                        framer.push(bytes.slice(at..end));
                        while framer.next().is_some() {}
                        at = end;
                    }
                    framer.finish()
                })
            });
        }
    }
}

#[test]
fn a_large_answer_takes_at_most_a_few_times_its_length_in_time_too() {
    let body =
        format!(r#"{{"choices":[{{"message":{{"content":""}},"x":[{}0]}}],"usage":{{}}}}"#, "{},".repeat(1 << 20));
    let time = (0..3).map(|_| timed(|| openai::observe_reply(body.as_bytes()))).min().unwrap();
    assert!(time < Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 60 }), "{time:?}");
}
