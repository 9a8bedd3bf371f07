//! Signatures of other providers, which go to the client with an answer and come back with the next request.

use serde_json::{Value, json};
use tt_core::Dialect;
use tt_providers::{Exchange, Target};

use super::client::Client;
use crate::client::{answered, streamed};
use crate::golden::client_side::events;

/// The request of the client, with `items` behind its question.
fn asking(items: &[Value]) -> Client {
    let mut input = vec![json!({"role": "user", "content": "Go."})];
    input.extend(items.iter().cloned());
    let tool = json!({"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}});
    Client::asking(&json!({"model": "m", "input": input, "tools": [tool], "stream": false, "store": false})).unwrap()
}

fn to(client: &Client, dialect: Dialect, model: &str) -> (Exchange, Value) {
    let exchange = client.exchange(dialect, Target { model, facts: None }).unwrap();
    let body = serde_json::from_slice(&exchange.body().to_vec()).unwrap();
    (exchange, body)
}

fn result(items: &[Value]) -> Value {
    let id = items.iter().rev().find_map(|item| item.get("call_id")).unwrap();
    json!({"type": "function_call_output", "call_id": id, "output": "done"})
}

/// The items of an answer, plain and streamed: they are the same but for their ids.
fn items(exchange: &Exchange, plain: &Value, stream: &Value) -> Vec<Value> {
    let nameless = |mut items: Vec<Value>| {
        for item in &mut items {
            item.as_object_mut().unwrap().shift_remove("id");
        }
        items
    };
    let whole: Value = serde_json::from_slice(&answered(exchange, plain.to_string()).unwrap()).unwrap();
    let whole = whole["output"].as_array().unwrap().clone();
    let sse = events(&json!({"events": stream}));
    let got = streamed(exchange, sse.as_bytes(), sse.len());
    let last = got.text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let parts = last["response"]["output"].as_array().unwrap().clone();
    assert_eq!(nameless(whole.clone()), nameless(parts));
    whole
}

#[test]
fn thinking_of_anthropic_goes_back_verbatim_and_nowhere_else() {
    let (exchange, _) = to(&asking(&[]), Dialect::AnthropicMessages, "claude-sonnet-4-5");
    let plain = json!({"type": "message", "id": "msg_1", "model": "claude-sonnet-4-5", "stop_reason": "tool_use", "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig1"},
        {"type": "redacted_thinking", "data": "hidden"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
    ], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let start =
        |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u32| json!({"type": "content_block_stop", "index": index});
    let stream = json!([
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1}}},
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Let me "})),
        delta(0, json!({"type": "thinking_delta", "thinking": "see."})),
        delta(0, json!({"type": "signature_delta", "signature": "sig1"})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "hidden"})),
        stop(1),
        start(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "I look."})),
        stop(2),
        start(3, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        stop(3),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]);
    let mut said = items(&exchange, &plain, &stream);
    let kinds: Vec<&str> = said.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "reasoning", "message", "function_call"]);
    assert_eq!(said[0]["summary"], json!([{"type": "summary_text", "text": "Let me see."}]));
    // Some clients send only the encrypted form back.
    said[0]["summary"] = json!([]);
    said.push(result(&said));
    let client = asking(&said);
    let (_, body) = to(&client, Dialect::AnthropicMessages, "claude-sonnet-4-5-20250929");
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "Let me see.", "signature": "sig1"},
            {"type": "redacted_thinking", "data": "hidden"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ])
    );
    for (dialect, model) in [
        (Dialect::AnthropicMessages, "claude-opus-4-8"),
        (Dialect::Gemini, "gemini-2.5-flash"),
        (Dialect::OpenAiChat, "gpt"),
    ] {
        let (exchange, body) = to(&client, dialect, model);
        assert!(!body.to_string().contains("sig1") && !body.to_string().contains("hidden"), "{body}");
        assert!(
            exchange.notes().iter().any(|note| note.param == "input[].encrypted_content"),
            "{:?}",
            exchange.notes()
        );
    }
    let (_, body) = to(&client, Dialect::OpenAiResponses, "gpt");
    let kinds: Vec<&str> =
        body["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap_or("")).collect();
    assert_eq!(kinds, ["", "message", "function_call", "function_call_output"]);
}

#[test]
fn signatures_of_gemini_go_back_on_their_calls_and_texts() {
    let (exchange, _) = to(&asking(&[]), Dialect::Gemini, "gemini-3-pro-preview");
    let parts = json!([
        {"text": "Hm.", "thought": true},
        {"text": "I look.", "thoughtSignature": "textsig"},
        {"functionCall": {"id": "abcd1234", "name": "f", "args": {}}, "thoughtSignature": "callsig"},
    ]);
    let chunk = json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}, "modelVersion": "gemini-3-pro-preview"});
    let mut said = items(&exchange, &chunk, &json!([chunk]));
    let kinds: Vec<&str> = said.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "reasoning", "reasoning", "function_call"]);
    said.push(result(&said));
    let client = asking(&said);
    let (_, body) = to(&client, Dialect::Gemini, "gemini-3-pro-preview");
    let back = body["contents"][1]["parts"].as_array().unwrap();
    let signed = |name: &str| back.iter().find(|part| part.get(name).is_some()).unwrap()["thoughtSignature"].clone();
    assert_eq!((signed("text"), signed("functionCall")), (json!("textsig"), json!("callsig")), "{body}");
    let (_, elsewhere) = to(&client, Dialect::AnthropicMessages, "claude-sonnet-4-5");
    assert!(!elsewhere.to_string().contains("sig"), "{elsewhere}");
}

#[test]
fn reasoning_of_openai_goes_to_openai_only() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"});
    let said = json!({"role": "assistant", "content": "Yes."});
    let client = asking(&[reasoning.clone(), said, json!({"role": "user", "content": "And?"})]);
    let (_, body) = to(&client, Dialect::OpenAiResponses, "gpt");
    assert_eq!(body["input"][1], reasoning);
    for dialect in [Dialect::AnthropicMessages, Dialect::Gemini, Dialect::OpenAiChat] {
        let (exchange, body) = to(&client, dialect, "m");
        assert!(!body.to_string().contains("gAAAA"));
        assert_eq!(exchange.notes().len(), 1, "{:?}", exchange.notes());
    }
}
