//! `decoded_bytes` is never less than what decoding takes, and not absurdly more for the bodies that clients send.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_providers::codec::{Head, ScannedRequest};
use tt_providers::{RequestError, decoded_bytes};

use super::peak;
use crate::api::{self, Undo, openai};

/// Pieces of JSON of which lists are made: each takes much memory for its length.
const PIECES: [&str; 20] = [
    "0",
    "{}",
    "[]",
    "[0]",
    "[[0]]",
    "[[],[]]",
    "[0,0,0,0,0]",
    r#""""#,
    r#""a""#,
    r#""\u0041\n""#,
    r#"{"":0}"#,
    r#"{"a":0}"#,
    r#"{"a":{}}"#,
    r#"{"a":{"b":{"c":[{}]}}}"#,
    r#"{"a":0,"b":0,"c":0,"d":0}"#,
    r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0}"#,
    r#"{"type":"string"}"#,
    r#"{"role":"assistant"}"#,
    r#"{"role":"user","content":""}"#,
    r#"{"type":"text","text":""}"#,
];

/// Objects that a part, a message, a tool or a choice may be made of, and the field that holds a list of them.
const TYPED: [(&str, &str); 22] = [
    ("messages", r#"{"role":"user","content":""}"#),
    ("messages", r#"{"role":"assistant"}"#),
    ("messages", r#"{"role":"user","content":[{"type":"text","text":""}]}"#),
    ("messages", r#"{"role":"tool","tool_call_id":"","content":""}"#),
    ("messages", r#"{"role":"assistant","tool_calls":[{"id":"","function":{"name":""}}]}"#),
    ("messages", r#"{"role":"assistant","function_call":{"name":""}}"#),
    ("messages", r#"{"role":"assistant","content":"","annotations":[{"a":[0]}]}"#),
    ("messages", r#"{"role":"assistant","content":[{"type":"tool_use","id":"","name":"","input":{"":[0]}}]}"#),
    ("messages", r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":""}]}"#),
    ("messages", r#"{"role":"assistant","content":[{"type":"x_tool_use"}]}"#),
    ("system", r#"{"type":"text","text":""}"#),
    ("tools", r#"{"name":"a","input_schema":{}}"#),
    ("tools", r#"{"type":"a"}"#),
    ("tools", r#"{"type":"function","function":{"name":"a"}}"#),
    ("tools", r#"{"type":"custom","custom":{"name":"a"}}"#),
    ("functions", r#"{"name":"a"}"#),
    ("functions", r#"{"name":"a","parameters":{"a":{}}}"#),
    ("stop", r#""""#),
    ("choices", "{}"),
    ("choices", r#"{"message":{"content":""}}"#),
    ("choices", r#"{"message":{"tool_calls":[{"id":"","function":{"name":""}}]}}"#),
    ("choices", r#"{"message":{"thinking_blocks":[{"type":"thinking"}]}}"#),
];

fn list(piece: &str, bytes: usize) -> String {
    let count = bytes / (piece.len() + 1);
    format!("[{}{piece}]", format!("{piece},").repeat(count))
}

/// Bodies of about `bytes` bytes that take as much memory as bodies can.
pub(super) fn hostile(bytes: usize) -> Vec<(String, String)> {
    let body = |name: &str, value: &str| {
        let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"{name}":{value}}}"#);
        (format!("{name}: {}", value.get(..80.min(value.len())).unwrap_or_default()), text)
    };
    let mut bodies: Vec<_> = PIECES.iter().map(|piece| body("metadata", &list(piece, bytes))).collect();
    bodies.extend(TYPED.iter().map(|(name, piece)| {
        let text = format!(r#"{{"model":"m","{name}":{}}}"#, list(piece, bytes));
        (format!("{name}: {piece}"), text)
    }));
    let parts_of = |block: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{block}]}}]}}"#);
    let parts = |piece: &str| {
        let content = list(piece, bytes);
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)
    };
    for piece in [
        r#"{"type":"text","text":""}"#,
        r#"{"type":"refusal","refusal":""}"#,
        r#"{"type":"image_url","image_url":{"url":"http://"}}"#,
        r#"{"type":"file","file":{"file_id":""}}"#,
        r#"{"type":"x"}"#,
        r#"{"type":"x","x":[0,0,0,0,0,0,0,0]}"#,
        r#"{"type":"tool_use","id":"","name":"","input":{"":[0,0,0,0,0,0,0,0,0,0,0,0]}}"#,
    ] {
        bodies.push((format!("content: {piece}"), parts(piece)));
    }
    for block in ["x", "tool_use"] {
        let block = format!(r#"{{"type":"{block}","id":"","name":"","input":{{"":{}}}}}"#, list("0", bytes));
        bodies.push((format!("one block of {}", block.get(..30).unwrap_or_default()), parts_of(&block)));
    }
    let keys: String = (0..bytes / 9).map(|n| format!(r#""{n:x}":0,"#)).collect();
    bodies.push(body("metadata", &format!("{{{keys}\"\":0}}")));
    bodies.push(body("metadata", &format!(r#""{}""#, "x".repeat(bytes))));
    bodies.push(body("metadata", &format!(r#""{}""#, r"\n".repeat(bytes / 2))));
    bodies.push(body("metadata", &format!("{}{}", r#"{"a":["#.repeat(60), "]}".repeat(60))));
    bodies.push(("no JSON".into(), "[".repeat(bytes)));
    bodies.push(("no end".into(), list("{}", bytes).trim_end_matches(']').to_owned()));
    bodies.push(("commas".into(), format!("[{}", ",".repeat(bytes))));
    bodies
}

/// Decodes a request of Anthropic Messages, without its scan.
fn messages_request(body: &[u8]) -> Result<Conversation, RequestError> {
    let ingress = tt_providers::codec(Dialect::AnthropicMessages).ingress.unwrap();
    let (uri, headers) = (Uri::from_static("/"), HeaderMap::new());
    let scanned = ingress.scan(&Head { uri: &uri, headers: &headers }, &Bytes::from_static(br#"{"model":"m"}"#))?;
    let ScannedRequest::Chat(chat) = scanned else { panic!("a request of Messages is a chat") };
    chat.decode(body)
}

/// The memory that decoding `body` takes, as a request and as an answer of each dialect.
fn decoding(body: &[u8]) -> Vec<(&'static str, usize)> {
    let reply = |dialect| peak(|| api::decode_reply(dialect, body, &Undo::default()));
    vec![
        ("a request", peak(|| openai::decode_request(body))),
        ("a request of Messages", peak(|| messages_request(body))),
        ("an answer of OpenAI", reply(Dialect::OpenAiChat)),
        ("an answer of Anthropic", reply(Dialect::AnthropicMessages)),
        ("an answer of Gemini", reply(Dialect::Gemini)),
    ]
}

#[test]
fn decoding_takes_no_more_than_its_bound() {
    let mut over = Vec::new();
    for size in [300, 5000, 80_000] {
        for (name, body) in hostile(size) {
            let bound = decoded_bytes(body.as_bytes());
            for (what, took) in decoding(body.as_bytes()) {
                if took > bound {
                    over.push(format!("{name}, {} bytes, as {what}: {took} bytes, bound {bound}", body.len()));
                }
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn decoding_takes_at_most_40_times_what_was_sent() {
    let mut over = Vec::new();
    for (name, body) in hostile(80_000) {
        for (what, took) in decoding(body.as_bytes()) {
            if took > 40 * body.len() + 8192 {
                over.push(format!("{name} as {what}: {} x", took / body.len()));
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn the_bound_of_a_body_that_clients_send_is_small() {
    let chat = json!({
        "model": "gpt-5.4",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "What is the capital of France, and how many people live there today?"},
        ],
        "temperature": 0.2,
        "max_completion_tokens": 500,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    let tool = |name: usize| {
        json!({"type": "function", "function": {
            "name": format!("tool_{name}"),
            "description": "Looks up the weather at a place and a day, in words that a person can read.",
            "parameters": {"type": "object", "required": ["place"], "properties": {
                "place": {"type": "string", "description": "the name of the place, with its country"},
                "day": {"type": "string", "format": "date", "description": "the day in the calendar of the place"},
            }},
        }})
    };
    let mut tools = chat.clone();
    tools["tools"] = (0..40).map(tool).collect::<Value>();
    let mut text = chat.clone();
    text["messages"][1]["content"] = "The quick brown fox jumps over the lazy dog.\n".repeat(2300).into();
    for (name, body, most) in [("chat", chat, 12_000), ("tools", tools, 320_000), ("text", text, 440_000)] {
        let body = body.to_string();
        let (bound, took) = (decoded_bytes(body.as_bytes()), peak(|| openai::decode_request(body.as_bytes())));
        assert!((took..most).contains(&bound), "{name}: {} bytes, took {took}, bound {bound}", body.len());
    }
}
