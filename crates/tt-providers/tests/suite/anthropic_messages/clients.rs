//! The rules for every client of Anthropic Messages, whichever provider answers.

use proptest::prelude::*;
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Part};

use super::client::{Client, answered, streamed};
use crate::api::anthropic;
use crate::fixtures::Recording;
use crate::golden::text::snapshot;
use crate::support::Model;

/// The events of a stream: the names and the data.
fn events(text: &str) -> Vec<(String, Value)> {
    let event = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// Reads a stream as the official SDKs do, which fail on anything else, and gives the generated text.
fn read_strictly(text: &str) -> String {
    let (mut said, mut open, mut next, mut stops) = (String::new(), None, 0, 0);
    for (at, (name, data)) in events(text).iter().enumerate() {
        assert_eq!(data["type"], name.as_str());
        assert_eq!(name == "message_start", at == 0, "{name} at {at}");
        assert_eq!(stops, u32::from(name == "message_stop"), "{name} after message_delta");
        let index = data["index"].as_u64();
        match name.as_str() {
            "message_start" => assert!(data["message"]["usage"]["input_tokens"].is_u64()),
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)));
                (open, next) = (index, next + 1);
                said.push_str(data["content_block"]["name"].as_str().unwrap_or_default());
            }
            "content_block_delta" => {
                assert_eq!(index, open);
                for field in ["text", "thinking", "partial_json"] {
                    said.push_str(data["delta"][field].as_str().unwrap_or_default());
                }
            }
            "content_block_stop" => assert_eq!(index, open.take()),
            "message_delta" => {
                assert!(data["usage"]["output_tokens"].is_u64() && data["delta"]["stop_reason"].is_string());
                stops += 1;
            }
            "message_stop" | "ping" => {}
            other => panic!("an event named {other}"),
        }
    }
    assert!(open.is_none() && stops == 1, "the stream is whole");
    said
}

/// Every recorded stream with a success status: its id, its dialect and its text.
fn recorded() -> impl Iterator<Item = (String, Dialect, String)> {
    Recording::all().into_iter().filter(|recording| recording.status == 200).filter_map(|recording| {
        let (dialect, sse) = (recording.dialect()?, recording.stream()?);
        Some((recording.id, dialect, sse))
    })
}

#[test]
fn every_recorded_stream_of_another_provider_is_one_that_the_sdks_read() {
    let mut seen = 0;
    for (id, dialect, sse) in recorded().filter(|(_, dialect, _)| *dialect != Dialect::AnthropicMessages) {
        let got = streamed(dialect, sse.as_bytes(), sse.len());
        if got.error.is_some() {
            continue;
        }
        let said = read_strictly(&got.text);
        let sorted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.sort_unstable();
            bytes
        };
        // Calls that run side by side are written one after another.
        assert_eq!(sorted(&said), sorted(&got.counted), "{id}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for (id, dialect, sse) in recorded() {
        let (whole, cut) = (streamed(dialect, sse.as_bytes(), sse.len()), streamed(dialect, sse.as_bytes(), 1));
        assert_eq!((snapshot(&whole.text), &whole.error), (snapshot(&cut.text), &cut.error), "{id}");
    }
}

#[test]
fn streams_of_anthropic_pass_byte_for_byte() {
    let mut seen = 0;
    for (id, _, sse) in recorded().filter(|(_, dialect, _)| *dialect == Dialect::AnthropicMessages) {
        let got = streamed(Dialect::AnthropicMessages, sse.as_bytes(), 4096);
        if got.error.is_none() {
            assert_eq!(got.text.trim_end(), sse.trim_end(), "{id}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn whole_answers_of_anthropic_pass_and_others_have_its_shape() {
    for recording in Recording::all().iter().filter(|recording| recording.status == 200) {
        let (Some(dialect), Some(body), None) = (recording.dialect(), recording.body(), recording.stream()) else {
            continue;
        };
        let body = String::from_utf8(body).unwrap();
        let Ok(answer) = answered(dialect, body.clone()) else { continue };
        if dialect == Dialect::AnthropicMessages {
            assert_eq!(answer, body.as_bytes());
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")), "{}", recording.id);
        assert!(answer["content"].is_array() && answer["stop_reason"].is_string(), "{}", recording.id);
        assert!(answer["usage"]["input_tokens"].is_u64() && answer["usage"]["output_tokens"].is_u64());
    }
}

#[test]
fn faults_are_named_as_the_client_wrote_them() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body[name] = value;
        let client = Client::asking(body.to_string().as_bytes());
        client.and_then(|client| client.call()).map(drop).unwrap_err()
    };
    let content = |block: Value| json!([{"role": "user", "content": [block]}]);
    for (name, value, field) in [
        ("messages", json!(5), "messages"),
        ("messages", json!([]), "messages"),
        ("messages", json!([{"role": "tool", "content": ""}]), "messages[0].role"),
        ("messages", content(json!({"type": "text"})), "messages[0].content[0].text"),
        ("messages", content(json!({"text": ""})), "messages[0].content[0].type"),
        ("messages", content(json!({"type": "image"})), "messages[0].content[0].source"),
        (
            "messages",
            content(json!({"type": "image", "source": {"type": "url", "url": 5}})),
            "messages[0].content[0].source.url",
        ),
        ("messages", content(json!({"type": "tool_use", "input": []})), "messages[0].content[0].input"),
        ("system", json!([{"type": "text", "text": 5}]), "system[0].text"),
        ("tools", json!([{"name": "f"}]), "tools[0].input_schema"),
        ("tool_choice", json!({"type": "some"}), "tool_choice.type"),
        ("thinking", json!({"type": "enabled"}), "thinking.budget_tokens"),
        ("output_config", json!({"effort": "huge"}), "output_config.effort"),
        ("output_config", json!({"format": {"type": "json_schema", "schema": 5}}), "output_config.format.schema"),
        ("stop_sequences", json!([5]), "stop_sequences[0]"),
        ("metadata", json!({"user_id": 5}), "metadata.user_id"),
        ("temperature", json!("hot"), "temperature"),
        ("cache_control", json!({"type": "ephemeral", "ttl": "2h"}), "cache_control.ttl"),
    ] {
        let said = with(name, value);
        assert!(said.starts_with(&format!("{field}: ")) || said.starts_with(&format!("{field} is")), "{said}");
    }
}

#[test]
fn a_conversation_that_anthropic_keeps_is_refused_elsewhere_in_words_that_its_sdk_reads() {
    let body = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "thread": {"type": "create"},
    });
    let client = Client::asking(body.to_string().as_bytes()).unwrap();
    for model in Model::all() {
        let sent = client.to(&model);
        assert_eq!(sent.is_ok(), model.dialect == Dialect::AnthropicMessages, "{}", model.name);
        assert!(sent.err().is_none_or(|why| why.starts_with("thread ")));
    }
    let ingress = tt_providers::codec(Dialect::AnthropicMessages).ingress.unwrap();
    let error = tt_providers::PublicError {
        status: 400,
        kind: "invalid_request_error",
        code: "unsupported_parameter",
        message: "no",
        param: Some("thread"),
        retry_after: None,
        request_id: Some(uuid::Uuid::from_u128(7)),
        original: None,
    };
    let written: Value = serde_json::from_slice(&ingress.encode_error(&error)).unwrap();
    assert_eq!(written["error"]["details"]["error_code"], "thread_unsupported_request");
    assert_eq!(written["request_id"], "00000000-0000-0000-0000-000000000007");
    let own = br#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"x":1}"#;
    let passed = tt_providers::PublicError { original: Some(own), ..error };
    assert_eq!(ingress.encode_error(&passed), own.as_slice());
    assert_eq!((&written["type"], &written["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
}

fn words() -> impl Strategy<Value = String> {
    "[a-zäß]{1,6}( [a-z]{1,4})?"
}

fn mark() -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(
        0.1,
        prop::sample::select(vec!["5m", "1h"]).prop_map(|ttl| json!({"type": "ephemeral", "ttl": ttl})),
    )
}

fn block(kind: &str, fields: Value, mark: Option<Value>) -> Value {
    let mut block = json!({"type": kind});
    block.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    if let Some(mark) = mark {
        block["cache_control"] = mark;
    }
    block
}

/// Something that a user says.
fn said() -> impl Strategy<Value = Value> {
    let image = prop::sample::select(vec![
        json!({"type": "base64", "media_type": "image/png", "data": "AAAA"}),
        json!({"type": "url", "url": "https://example.com/x.png"}),
    ]);
    prop_oneof![
        4 => (words(), mark()).prop_map(|(text, mark)| block("text", json!({"text": text}), mark)),
        1 => (image, mark()).prop_map(|(source, mark)| block("image", json!({"source": source}), mark)),
        1 => (words(), words(), any::<bool>()).prop_map(|(data, title, cited)| {
            let source = json!({"type": "text", "media_type": "text/plain", "data": data});
            block("document", json!({"source": source, "title": title, "citations": {"enabled": cited}}), None)
        }),
    ]
}

/// One turn of the assistant with what answers it.
fn turn() -> impl Strategy<Value = [Value; 2]> {
    let thinking = prop::option::of((words(), words()));
    let own = prop::option::weighted(0.3, words());
    let calls = prop::collection::btree_map("[a-z]{1,6}", words(), 0..3);
    (thinking, words(), own, calls, prop::collection::vec(said(), 1..3), any::<bool>()).prop_map(
        |(thinking, text, own, calls, says, failed)| {
            let mut answer = Vec::new();
            if let Some((text, signature)) = thinking {
                answer.push(json!({"type": "thinking", "thinking": text, "signature": signature}));
            }
            answer.push(json!({"type": "text", "text": text}));
            if let Some(query) = own {
                answer.push(
                    json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": query}}),
                );
                answer.push(json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}));
            }
            let mut results = Vec::new();
            for (id, argument) in calls {
                answer.push(json!({"type": "tool_use", "id": id, "name": "f", "input": {"x": argument, "n": 1.5}}));
                let content = json!([{"type": "text", "text": argument}]);
                results.push(json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed}));
            }
            results.extend(says);
            [json!({"role": "assistant", "content": answer}), json!({"role": "user", "content": results})]
        },
    )
}

/// The turn with the number `n` behind the ids of its calls: Anthropic takes an id once in a request.
fn told_apart(mut turn: [Value; 2], n: usize) -> [Value; 2] {
    for block in turn.iter_mut().filter_map(|message| message["content"].as_array_mut()).flatten() {
        for (kind, field) in [("tool_use", "id"), ("tool_result", "tool_use_id")] {
            if block["type"] == kind {
                block[field] = format!("{}{n}", block[field].as_str().unwrap()).into();
            }
        }
    }
    turn
}

fn request() -> impl Strategy<Value = Value> {
    let tools = prop::sample::select(vec![
        json!([{"name": "f", "input_schema": {"type": "object"}}]),
        json!([
            {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
        ]),
    ]);
    let choice = prop::sample::select(vec![
        json!({"type": "auto"}),
        json!({"type": "any", "disable_parallel_tool_use": true}),
        json!({"type": "none"}),
        json!({"type": "tool", "name": "f"}),
    ]);
    let system = prop::option::of(words());
    (said(), prop::collection::vec(turn(), 0..4), tools, choice, system, prop::collection::vec(words(), 0..3)).prop_map(
        |(first, turns, tools, choice, system, stops)| {
            let mut messages = vec![json!({"role": "user", "content": [first]})];
            messages.extend(turns.into_iter().enumerate().flat_map(|(n, turn)| told_apart(turn, n)));
            let mut body = json!({
                "model": "claude-sonnet-4-5", "max_tokens": 900, "messages": messages, "tools": tools,
                "tool_choice": choice, "stop_sequences": stops,
                "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
            });
            if let Some(system) = system {
                body["system"] = json!([{"type": "text", "text": system}]);
            }
            body
        },
    )
}

proptest! {
    /// A request that is decoded, encoded for Anthropic and decoded again means what it meant.
    #[test]
    fn a_request_means_the_same_after_the_neutral_form(body in request()) {
        let read = |body: &[u8]| Client::asking(body).and_then(|client| client.call()).unwrap();
        let call = read(body.to_string().as_bytes());
        let models = Model::all();
        let model = models.iter().find(|model| model.name == "claude-sonnet-4-5").unwrap();
        let again = read(&anthropic::encode_request(&call, model.target()).unwrap().body);
        // Anthropic takes four cache marks at most, and none for a longer time behind one for a shorter.
        let marks = call.messages.iter().flat_map(|message| &message.parts).filter_map(Part::cache);
        let marks: Vec<bool> = marks.map(|time| time == CacheTtl::OneHour).collect();
        if marks.len() <= 4 && marks.is_sorted_by(|one, next| one >= next) {
            prop_assert_eq!(&call.messages, &again.messages);
        }
        prop_assert_eq!((&call.tools, &call.tool_choice), (&again.tools, &again.tool_choice));
        prop_assert_eq!(call.parallel_tool_calls.unwrap_or(true), again.parallel_tool_calls.unwrap_or(true));
        prop_assert_eq!((&call.sampling, &call.state), (&again.sampling, &again.state));
    }
}
