//! Requests and answers that pass through, and ones that are translated.

use bytes::BytesMut;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::*;
use crate::codec::PublicError;
use crate::sse::Framer;

fn request(body: &Value) -> Result<Arc<ClientRequest>, RequestError> {
    let (uri, headers) = (Uri::from_static("/v1/chat/completions"), HeaderMap::new());
    let ingress = codec(Dialect::OpenAiChat).ingress.unwrap();
    let head = Head { uri: &uri, headers: &headers };
    ClientRequest::read(ingress, &head, body.to_string().into()).map(Arc::new)
}

fn exchange(body: &Value, dialect: Dialect, cap: Option<u64>) -> Exchange {
    let target = Target { model: "upstream", facts: None };
    Exchange::new(&request(body).unwrap(), dialect, target, cap, (7, Uuid::nil())).unwrap()
}

fn sent(exchange: &Exchange) -> Value {
    serde_json::from_slice(&exchange.body().to_vec()).unwrap()
}

/// The bytes that the client gets of a stream, and true if the stream ended properly.
fn streamed(exchange: &Exchange, sse: &str) -> (String, bool) {
    let (mut stream, mut framer, mut out) = (exchange.stream(), Framer::new(), BytesMut::new());
    framer.push(sse.to_owned().into());
    let mut done = false;
    while let Some(frame) = framer.next() {
        done |= stream.frame(&frame.unwrap(), &mut out).unwrap().done;
    }
    let done = done || stream.body_ended(&mut out).is_ok_and(|step| step.done);
    if done {
        stream.end(&mut out);
    } else {
        let message = "it broke";
        let error = PublicError {
            status: 502,
            kind: "upstream_error",
            code: "broken",
            message,
            param: None,
            retry_after: None,
            request_id: None,
            original: None,
        };
        stream.broke(&error, &mut out);
    }
    (String::from_utf8(out.to_vec()).unwrap(), done)
}

fn plain() -> Value {
    json!({"model": "alias", "messages": [{"role": "user", "content": "hi"}]})
}

fn streaming(include_usage: bool) -> Value {
    json!({"model": "alias", "stream": true, "stream_options": {"include_usage": include_usage},
        "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn one_dialect_passes_through_as_it_is() {
    let exchange = exchange(&plain(), Dialect::OpenAiChat, None);
    assert_eq!(exchange.path(), "/chat/completions");
    assert_eq!(sent(&exchange)["model"], "upstream");
    assert!(exchange.request.kept().is_none());
    assert_eq!(exchange.held_bytes(), 0, "the client's bytes are sent");
    let body =
        Bytes::from_static(br#"{"model":"m","choices":[{"message":{"content":"hi"}}],  "usage":{"prompt_tokens":1}}"#);
    let answer = exchange.reply(body.clone()).unwrap();
    assert_eq!(answer.body, body);
    assert_eq!((answer.usage.unwrap().usage.input, answer.served_model.as_deref()), (1, Some("m")));
}

#[test]
fn two_dialects_are_translated_both_ways() {
    let exchange = exchange(&plain(), Dialect::AnthropicMessages, None);
    assert_eq!(exchange.path(), "/v1/messages");
    assert_eq!(sent(&exchange)["messages"], json!([{"role": "user", "content": "hi"}]));
    let body = json!({"type": "message", "id": "msg_1", "model": "claude", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 3, "output_tokens": 1}});
    let answer = exchange.reply(body.to_string().into()).unwrap();
    let shown: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((shown["object"].as_str(), shown["created"].as_i64()), (Some("chat.completion"), Some(7)));
    assert_eq!(shown["choices"][0]["message"]["content"], "hello");
    assert_eq!((answer.tally.output_text.as_str(), answer.served_model.as_deref()), ("hello", Some("claude")));
}

#[test]
fn a_cap_takes_the_place_of_what_was_asked_for() {
    let mut body = plain();
    body["max_tokens"] = 500.into();
    assert_eq!(sent(&exchange(&body, Dialect::OpenAiChat, Some(9)))["max_tokens"], 9);
    assert_eq!(sent(&exchange(&body, Dialect::AnthropicMessages, Some(9)))["max_tokens"], 9);
    assert_eq!(sent(&exchange(&body, Dialect::Gemini, None))["generationConfig"]["maxOutputTokens"], 500);
}

#[test]
fn a_limit_above_what_the_target_writes_is_lowered_where_the_request_is_translated() {
    let facts = tt_core::model::ModelFacts { max_output: Some(64_000), ..Default::default() };
    let target = Target { model: "claude", facts: Some(&facts) };
    let to = |field: &str, asked: u64, dialect| {
        let mut body = plain();
        body[field] = asked.into();
        Exchange::new(&request(&body).unwrap(), dialect, target, None, (7, Uuid::nil())).unwrap()
    };
    let claude = Dialect::AnthropicMessages;
    for field in ["max_tokens", "max_completion_tokens"] {
        let exchange = to(field, 128_000, claude);
        assert_eq!(sent(&exchange)["max_tokens"], 64_000);
        assert_eq!(exchange.notes()[0].param, field);
        let exact = to(field, 64_000, claude);
        assert_eq!((sent(&exact)["max_tokens"].as_u64(), exact.notes().len()), (Some(64_000), 0));
        assert_eq!(sent(&to(field, 128_000, Dialect::OpenAiChat))[field], 128_000, "passed through");
    }
}

#[test]
fn an_event_of_null_is_nothing() {
    let sse = "data: null\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n\
        data: null\n\ndata: [DONE]\n\n";
    let (text, done) = streamed(&exchange(&streaming(false), Dialect::OpenAiChat, None), sse);
    assert!(done && text.contains("\"a\"") && !text.contains("data: null"), "{text}");
}

#[test]
fn half_a_surrogate_pair_does_not_lose_an_answer() {
    let body = r#"{"id":"x","model":"m","choices":[{"message":{"content":"a\ud83d"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let passed = exchange(&plain(), Dialect::OpenAiChat, None).reply(body.into()).unwrap();
    assert_eq!((passed.body, passed.usage.unwrap().usage.output), (Bytes::from(body), 4));
    let body = r#"{"type":"message","id":"x","model":"m","content":[{"type":"text","text":"a\ud83d"}],
        "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}"#;
    let answer = exchange(&plain(), Dialect::AnthropicMessages, None).reply(body.into()).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "a\u{fffd}");
    let sse =
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\\udc00\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (text, done) = streamed(&exchange(&streaming(false), Dialect::OpenAiChat, None), sse);
    assert!(done && text.contains(r"a\udc00"), "{text}");
}

/// The content that Anthropic gets back for an answer of `content`, when a client of Chat Completions sends the answer's
/// message again with the results of its calls.
fn sent_back(content: &Value) -> Value {
    let body = json!({"type": "message", "id": "msg_1", "model": "claude", "stop_reason": "tool_use",
        "content": content, "usage": {"input_tokens": 3, "output_tokens": 1}});
    let answer = exchange(&plain(), Dialect::AnthropicMessages, None).reply(body.to_string().into()).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = &answer["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().unwrap();
    let results = calls.iter().map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"}));
    let mut again = plain();
    let messages = again["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    messages.extend(results);
    sent(&exchange(&again, Dialect::AnthropicMessages, None))["messages"][1]["content"].clone()
}

#[test]
fn thinking_keeps_its_place_among_texts_and_calls_through_a_client_of_chat_completions() {
    let thought =
        |n: u32| json!({"type": "thinking", "thinking": format!("thought {n}"), "signature": format!("sig{n}")});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "get", "input": {"n": id}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let hidden = json!({"type": "redacted_thinking", "data": "enc"});
    for content in [
        json!([thought(1), text("Müll"), thought(2), call("a")]),
        json!([thought(1), call("a"), thought(2), call("b")]),
        json!([text("first"), thought(1), call("a")]),
        json!([thought(1), hidden, text("x"), call("a"), call("b")]),
    ] {
        assert_eq!(sent_back(&content), content);
    }
}

#[test]
fn the_call_is_kept_until_it_is_taken() {
    let request = request(&plain()).unwrap();
    let call = request.call().unwrap();
    assert!(Arc::ptr_eq(&call, &request.call().unwrap()));
    let Ok(Decoded::Chat(taken)) = request.take_decoded() else { panic!("it is no chat") };
    assert!(Arc::ptr_eq(&call, &taken));
    assert!(request.kept().is_none());
    assert_eq!(request.call().unwrap(), call, "it is decoded again");
}

#[test]
fn only_the_encoded_request_is_kept_of_one_that_was_translated() {
    let exchange = exchange(&plain(), Dialect::AnthropicMessages, Some(9));
    assert!(exchange.request.kept().is_none());
    assert_eq!(exchange.held_bytes() as u64, exchange.body().len());
}

#[test]
fn a_stream_that_passes_through_keeps_its_frames_and_holds_back_its_end() {
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
    let sse = format!("{chunk}{usage}data: [DONE]\n\n");
    let wanted = streamed(&exchange(&streaming(true), Dialect::OpenAiChat, None), &sse);
    assert_eq!(wanted, (sse.clone(), true));
    let unwanted = streamed(&exchange(&streaming(false), Dialect::OpenAiChat, None), &sse);
    assert_eq!(unwanted, (format!("{chunk}data: [DONE]\n\n"), true));
    // Without its mark, a stream with a finish reason is whole, with usage or without; without a finish reason it broke off.
    assert!(streamed(&exchange(&streaming(true), Dialect::OpenAiChat, None), &format!("{chunk}{usage}")).1);
    assert!(streamed(&exchange(&streaming(true), Dialect::OpenAiChat, None), chunk).1);
    let unfinished = &chunk.replace("\"stop\"", "null");
    let (broken, whole) = streamed(&exchange(&streaming(true), Dialect::OpenAiChat, None), unfinished);
    assert!(!whole && broken.contains("\"code\":\"broken\"") && !broken.contains("[DONE]"), "{broken}");
}

#[test]
fn a_translated_stream_ends_in_the_clients_words() {
    let sse = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":\"STOP\"}],\
               \"usageMetadata\":{\"promptTokenCount\":2}}\n\n: a comment\n\n";
    let (shown, whole) = streamed(&exchange(&streaming(true), Dialect::Gemini, None), sse);
    assert!(whole && shown.ends_with("data: [DONE]\n\n"), "{shown}");
    assert!(shown.contains("\"content\":\"hi\"") && shown.contains("\"prompt_tokens\":2"), "{shown}");
    let (broken, whole) = streamed(&exchange(&streaming(true), Dialect::Gemini, None), ": only a comment\n\n");
    assert!(!whole && broken.contains("it broke"), "{broken}");
}

#[test]
fn the_clients_own_errors_are_told_in_its_words() {
    let request = request(&json!({"model": "alias", "n": 2, "messages": [{"role": "user", "content": "hi"}]})).unwrap();
    let target = Target { model: "claude", facts: None };
    let error = Exchange::new(&request, Dialect::AnthropicMessages, target, None, (0, Uuid::nil())).unwrap_err();
    assert!(request.describe(&error).starts_with("n is not supported by this target: "), "{error}");
}

#[test]
fn fees_are_read_in_the_words_of_each_dialect() {
    let fees = |field: &str, value: Value| {
        let mut body = plain();
        body[field] = value;
        let request = request(&body).unwrap();
        request.fees().map_err(|error| request.describe(&error))
    };
    let named = |name: &str, found: Result<CostFacts, String>| found.is_err_and(|error| error.starts_with(name));
    assert_eq!(fees("seed", 1.into()), Ok(CostFacts::default()));
    let cached = json!({"google": {"cached_content": "c"}});
    assert!(fees("extra_body", cached).is_ok_and(|fees| fees.by_reference && !fees.fixed_thinking));
    let thinking = json!({"anthropic": {"thinking": {"type": "enabled"}}});
    assert!(fees("extra_body", thinking).is_ok_and(|fees| fees.fixed_thinking));
    assert!(named("extra_body.google.tools ", fees("extra_body", json!({"google": {"tools": []}}))));
    assert!(named("plugins ", fees("plugins", json!([]))));
    assert!(named("tools[0].type ", fees("tools", json!([{"type": "web_search"}]))));
}

#[test]
fn more_renamed_tools_than_any_provider_takes_are_refused() {
    let body = |tools: usize| {
        let tool = |number: usize| json!({"type": "function", "function": {"name": format!("{number}!")}});
        let mut body = plain();
        body["tools"] = (0..tools).map(tool).collect();
        request(&body).unwrap()
    };
    let target = Target { model: "upstream", facts: None };
    let sent = |tools| Exchange::new(&body(tools), Dialect::AnthropicMessages, target, None, (7, Uuid::nil()));
    sent(MOST_RENAMED).unwrap();
    let refused = sent(MOST_RENAMED + 1).unwrap_err();
    assert!(
        matches!(&refused, RequestError::Unsupported { field, .. } if *field == Field::written("tools")),
        "{refused:?}"
    );
}
