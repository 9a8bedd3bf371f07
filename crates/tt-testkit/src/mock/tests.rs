//! The mock seen by a client: each dialect plain and streamed, its refusals, its faults, its journal.

use std::time::Duration;

use serde_json::{Value, json};
use tt_core::{Provider, Usage};

use super::{Behaviour, Matcher, MockUpstream, Seen};
use crate::client::{Call, Client, Event};

const QUESTION: &str = "one two three";
const REPLY: &str = "mock reply to: one two three";

fn openai(mock: &MockUpstream, body: &Value) -> Call {
    Client::new(mock.url()).post("/v1/chat/completions").bearer(MockUpstream::key(Provider::OpenAi)).json(body)
}

fn anthropic(mock: &MockUpstream, body: &Value) -> Call {
    let call = Client::new(mock.url()).post("/v1/messages").header("anthropic-version", "2023-06-01");
    call.header("x-api-key", MockUpstream::key(Provider::Anthropic)).json(body)
}

fn gemini(mock: &MockUpstream, method: &str, body: &Value) -> Call {
    let call = Client::new(mock.url()).post(&format!("/v1beta/models/{method}"));
    call.header("x-goog-api-key", MockUpstream::key(Provider::Gemini)).json(body)
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn streamed(model: &str) -> Value {
    with(with(chat(model), "stream", json!(true)), "stream_options", json!({"include_usage": true}))
}

fn message(model: &str) -> Value {
    with(chat(model), "max_tokens", json!(100))
}

fn contents() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]})
}

fn texts(events: &[Event], pointer: &str) -> String {
    events.iter().filter_map(|event| event.json().pointer(pointer)?.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn openai_answers_plain_with_its_usage_and_headers() {
    let mock = MockUpstream::start();
    let answer = openai(&mock, &chat("gpt-4o")).send().await.expect(200);
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], REPLY);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!((&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]), (&json!(3), &json!(6)));
    for header in ["x-request-id", "set-cookie", "openai-organization"] {
        assert!(answer.header(header).is_some(), "{header}");
    }
    let seen = &mock.requests()[0];
    assert_eq!(seen.model.as_deref(), Some("gpt-4o"));
    assert_eq!(seen.usage_sent, Some(Usage { input: 3, output: 6, ..Usage::default() }));
    assert!(seen.completed);
}

#[tokio::test]
async fn openai_streams_usage_only_when_asked() {
    let mock = MockUpstream::start();
    let events = openai(&mock, &streamed("gpt-4o")).stream().await.rest().await;
    assert_eq!(texts(&events, "/choices/0/delta/content"), REPLY);
    assert!(events.last().unwrap().is_done());
    let usage = events[events.len() - 2].json();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(9)));
    let events = openai(&mock, &with(chat("gpt-4o"), "stream", json!(true))).stream().await.rest().await;
    assert!(events.iter().all(|event| event.json().get("usage").is_none()));
    assert_eq!(mock.requests()[1].usage_sent, None);
}

#[tokio::test]
async fn anthropic_answers_plain_and_streamed() {
    let mock = MockUpstream::start();
    let body = anthropic(&mock, &message("claude-sonnet-4-5")).send().await.expect(200).json();
    assert_eq!(body["content"], json!([{"type": "text", "text": REPLY}]));
    assert_eq!((&body["stop_reason"], &body["usage"]["output_tokens"]), (&json!("end_turn"), &json!(6)));

    let streaming = with(message("claude-sonnet-4-5"), "stream", json!(true));
    let events = anthropic(&mock, &streaming).stream().await.rest().await;
    let names: Vec<&str> = events.iter().filter_map(|event| event.name.as_deref()).collect();
    assert_eq!(names.first().copied(), Some("message_start"));
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(texts(&events, "/delta/text"), REPLY);
    assert_eq!(events[events.len() - 2].json()["usage"]["output_tokens"], 6);
}

#[tokio::test]
async fn gemini_answers_plain_streamed_and_as_an_array() {
    let mock = MockUpstream::start();
    let body = gemini(&mock, "gemini-2.5-flash:generateContent", &contents()).send().await.expect(200).json();
    assert_eq!(body.pointer("/candidates/0/content/parts/0/text").unwrap(), REPLY);
    assert_eq!(body["usageMetadata"]["totalTokenCount"], 9);

    let method = "gemini-2.5-flash:streamGenerateContent";
    let events = gemini(&mock, &format!("{method}?alt=sse"), &contents()).stream().await.rest().await;
    assert_eq!(texts(&events, "/candidates/0/content/parts/0/text"), REPLY);
    let last = events.last().unwrap().json();
    assert_eq!(last.pointer("/candidates/0/finishReason").unwrap(), "STOP");
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 6);

    let array = gemini(&mock, method, &contents()).send().await.expect(200).json();
    assert_eq!(array.as_array().unwrap().len(), events.len());
}

#[tokio::test]
async fn a_wrong_credential_is_answered_as_each_provider_does() {
    let mock = MockUpstream::start();
    let body = openai(&mock, &chat("gpt-4o")).bearer("sk-wrong").send().await.expect(401).json();
    assert_eq!(body["error"]["code"], "invalid_api_key");
    let body = anthropic(&mock, &message("m")).header("x-api-key", "wrong").send().await.expect(401).json();
    assert_eq!(body["error"]["type"], "authentication_error");
    let call = gemini(&mock, "m:generateContent", &contents()).header("x-goog-api-key", "wrong");
    let body = call.send().await.expect(400).json();
    assert_eq!(body.pointer("/error/details/0/reason").unwrap(), "API_KEY_INVALID");
    let bare = Client::new(mock.url()).post("/v1/messages").header("x-api-key", "sk-ant-mock").json(&message("m"));
    assert!(bare.send().await.expect(400).text().contains("anthropic-version"));
}

#[tokio::test]
async fn unknown_top_level_fields_are_refused_by_anthropic_and_gemini_only() {
    let mock = MockUpstream::start();
    let text = anthropic(&mock, &with(message("m"), "seed", json!(1))).send().await.expect(400).text();
    assert!(text.contains("seed: Extra inputs are not permitted"), "{text}");
    let body = with(contents(), "temperature", json!(1));
    let text = gemini(&mock, "m:generateContent", &body).send().await.expect(400).text();
    assert!(text.contains("Unknown name \\\"temperature\\\""), "{text}");
    openai(&mock, &with(chat("m"), "made_up", json!(1))).send().await.expect(200);
}

fn weather() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

#[tokio::test]
async fn openai_calls_a_tool_and_takes_its_result() {
    let mock = MockUpstream::start();
    let mut body = with(
        chat("gpt-4o"),
        "tools",
        json!([{"type": "function", "function": {"name": "weather", "parameters": weather()}}]),
    );
    body["messages"][0]["content"] = json!("please call weather now");
    let answer = openai(&mock, &body).send().await.expect(200).json();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let said = answer["choices"][0]["message"].clone();
    assert_eq!(said["tool_calls"][0]["function"], json!({"name": "weather", "arguments": "{\"city\":\"mock\"}"}));

    let events = openai(&mock, &with(body.clone(), "stream", json!(true))).stream().await.rest().await;
    assert_eq!(texts(&events, "/choices/0/delta/tool_calls/0/function/arguments"), "{\"city\":\"mock\"}");

    let id = said["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(said);
    let unanswered = json!({"model": "gpt-4o", "messages": messages.clone()});
    assert!(openai(&mock, &unanswered).send().await.expect(400).text().contains("did not have response messages"));
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "rain"}));
    let answer = openai(&mock, &body).send().await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "tool said: rain");
}

#[tokio::test]
async fn anthropic_demands_results_directly_after_their_calls() {
    let mock = MockUpstream::start();
    let mut body = with(message("claude-sonnet-4-5"), "tools", json!([{"name": "weather", "input_schema": weather()}]));
    body["messages"][0]["content"] = json!("call weather");
    let answer = anthropic(&mock, &body).send().await.expect(200).json();
    assert_eq!(answer["stop_reason"], "tool_use");
    let call = answer["content"][0].clone();
    let result = json!({"type": "tool_result", "tool_use_id": call["id"], "content": "rain"});
    let text = json!({"type": "text", "text": "and?"});
    let ask = |parts: Value| {
        let mut body = body.clone();
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": [call]}));
        messages.push(json!({"role": "user", "content": parts}));
        body
    };
    let good = anthropic(&mock, &ask(json!([result, text]))).send().await.expect(200).json();
    assert_eq!(good["content"][0]["text"], "tool said: rain");
    let late = anthropic(&mock, &ask(json!([text, result]))).send().await.expect(400).text();
    assert!(late.contains("were found without `tool_result` blocks immediately after"), "{late}");
    let none = anthropic(&mock, &ask(json!([text]))).send().await.expect(400).text();
    assert!(none.contains("were found without"), "{none}");
    let mut stray = body.clone();
    stray["messages"][0]["content"] = json!([result]);
    assert!(anthropic(&mock, &stray).send().await.expect(400).text().contains("unexpected `tool_use_id`"));
}

#[tokio::test]
async fn anthropic_takes_only_its_own_signatures_back() {
    let mock = MockUpstream::start();
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let body = with(with(message("claude-sonnet-4-5"), "max_tokens", json!(2000)), "thinking", thinking);
    let answer = anthropic(&mock, &body).send().await.expect(200).json();
    assert_eq!(answer["content"][0]["type"], "thinking");
    assert_eq!(answer["usage"]["output_tokens_details"]["thinking_tokens"], 7);
    let back = |signature: Value| {
        let mut body = body.clone();
        let mut block = answer["content"][0].clone();
        block["signature"] = signature;
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": [block, {"type": "text", "text": "yes"}]}));
        messages.push(json!({"role": "user", "content": "go on"}));
        body
    };
    anthropic(&mock, &back(answer["content"][0]["signature"].clone())).send().await.expect(200);
    anthropic(&mock, &back(json!("foreign"))).send().await.expect(400);
}

#[tokio::test]
async fn gemini_demands_as_many_responses_as_calls_and_its_signature() {
    let mock = MockUpstream::start();
    let mut body = with(
        contents(),
        "tools",
        json!([{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": weather()}]}]),
    );
    body["contents"][0]["parts"][0]["text"] = json!("call weather");
    let method = "gemini-3-pro-preview:generateContent";
    let answer = gemini(&mock, method, &body).send().await.expect(200).json();
    let part = answer.pointer("/candidates/0/content/parts/0").unwrap().clone();
    assert_eq!(part["functionCall"]["args"], json!({"city": "mock"}));
    let ask = |call: &Value, responses: Value| {
        let mut body = body.clone();
        let contents = body["contents"].as_array_mut().unwrap();
        contents.push(json!({"role": "model", "parts": [call]}));
        contents.push(json!({"role": "user", "parts": responses}));
        body
    };
    let response = json!({"functionResponse": {"name": "weather", "response": {"output": "rain"}}});
    let good = gemini(&mock, method, &ask(&part, json!([response]))).send().await.expect(200).json();
    assert_eq!(good.pointer("/candidates/0/content/parts/0/text").unwrap(), "tool said: rain");
    let text = gemini(&mock, method, &ask(&part, json!([{"text": "?"}]))).send().await.expect(400).text();
    assert!(text.contains("number of function response parts"), "{text}");
    let mut unsigned = part.clone();
    unsigned.as_object_mut().unwrap().remove("thoughtSignature");
    let text = gemini(&mock, method, &ask(&unsigned, json!([response]))).send().await.expect(400).text();
    assert!(text.contains("missing a thought_signature"), "{text}");
}

#[tokio::test]
async fn gemini_parameters_take_the_openapi_subset_only() {
    let mock = MockUpstream::start();
    let schema = json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": false}}});
    let body = with(contents(), "tools", json!([{"functionDeclarations": [{"name": "f", "parameters": schema}]}]));
    let text = gemini(&mock, "gemini-2.5-flash:generateContent", &body).send().await.expect(400).text();
    assert!(text.contains("additionalProperties") && text.contains("parameters.properties[a].value"), "{text}");
}

#[tokio::test]
async fn a_status_has_the_providers_shape_and_its_retry_hint() {
    let mock = MockUpstream::start();
    let model = "mock-status-429-retry-after-2";
    let answer = openai(&mock, &chat(model)).send().await.expect(429);
    assert_eq!(
        (answer.header("retry-after"), &answer.json()["error"]["code"]),
        (Some("2"), &json!("rate_limit_exceeded"))
    );
    let answer = anthropic(&mock, &message(model)).send().await.expect(429);
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    let answer = gemini(&mock, &format!("{model}:generateContent"), &contents()).send().await.expect(429);
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(answer.json().pointer("/error/details/0/retryDelay").unwrap(), "2s");
    let overloaded = anthropic(&mock, &message("mock-status-529")).send().await.expect(529);
    assert_eq!(overloaded.json()["error"]["type"], "overloaded_error");
}

#[tokio::test]
async fn a_queue_is_used_up_in_order_and_then_the_rule_holds() {
    let mock = MockUpstream::start();
    mock.on(Matcher::when(|seen| seen.header("x-test").is_some()), Behaviour::status(418));
    mock.on("gpt-4o", Behaviour::ok().text("from the rule"));
    mock.once("gpt-4o", Behaviour::status(500));
    mock.times(2, "gpt-4o", Behaviour::status(503));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(openai(&mock, &chat("gpt-4o")).send().await.status.as_u16());
    }
    assert_eq!(statuses, [500, 503, 503, 200]);
    openai(&mock, &chat("other")).header("x-test", "1").send().await.expect(418);
    mock.clear_behaviours();
    assert!(openai(&mock, &chat("gpt-4o")).send().await.expect(200).text().contains(REPLY));
}

#[tokio::test]
async fn a_cut_stream_ends_in_an_error_after_exactly_so_many_events() {
    let mock = MockUpstream::start();
    let mut stream = openai(&mock, &streamed("mock-cut-after-3")).stream().await;
    for _ in 0..3 {
        assert!(stream.try_next().await.unwrap().is_some());
    }
    stream.try_next().await.unwrap_err();
    assert!(!mock.requests()[0].completed);

    let error = anthropic(&mock, &message("mock-cut-bytes-20")).try_send().await.unwrap_err();
    assert!(error.contains("after 20 bytes"), "{error}");
}

#[tokio::test]
async fn a_reset_is_a_connection_error_before_or_within_the_answer() {
    let mock = MockUpstream::start();
    let error = openai(&mock, &chat("mock-reset")).try_send().await.unwrap_err();
    assert!(error.contains("reset"), "{error}");
    let path = "mock-reset-after-2:streamGenerateContent?alt=sse";
    let mut stream = gemini(&mock, path, &contents()).stream().await;
    assert!(stream.try_next().await.unwrap().is_some());
    assert!(stream.try_next().await.unwrap().is_some());
    let error = stream.try_next().await.unwrap_err();
    assert!(error.contains("broke off"), "{error}");
}

#[tokio::test]
async fn a_client_that_leaves_a_stall_is_noted_with_its_time() {
    let mock = MockUpstream::start();
    let mut stream = openai(&mock, &streamed("mock-stall-after-1")).stream().await;
    assert!(stream.next().await.is_some());
    assert!(!mock.requests()[0].ended());
    drop(stream);
    let seen = mock.wait_for(|seen| seen.ended()).await;
    assert!(seen.cancelled_after.is_some() && !seen.completed);
    assert_eq!(seen.usage_sent, Some(Usage { input: 3, output: 6, ..Usage::default() }));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_is_noted() {
    let mock = MockUpstream::start();
    mock.on(Matcher::Any, Behaviour::ok().delay(Duration::from_secs(600)));
    let waiting = tokio::time::timeout(Duration::from_millis(50), openai(&mock, &chat("gpt-4o")).send());
    waiting.await.unwrap_err();
    let seen = mock.wait_for(|seen| seen.ended()).await;
    assert_eq!((seen.status, seen.completed), (None, false));
}

#[tokio::test]
async fn delays_and_drips_take_their_time() {
    let mock = MockUpstream::start();
    let mut stream = openai(&mock, &streamed("mock-delay-100ms-drip-30ms-chunks-2")).stream().await;
    let events = stream.rest().await;
    // The role, two chunks, the finish, the usage, [DONE].
    assert_eq!(events.len(), 6);
    // A reader that the system does not run for a while sees two events close together, but none too early.
    for (event, drips) in events.iter().zip(0..) {
        assert!(event.after >= Duration::from_millis(100 + 30 * drips), "{drips} drips: {event:?}");
    }
}

#[tokio::test]
async fn an_error_can_come_in_the_stream_of_each_dialect() {
    let mock = MockUpstream::start();
    let model = "mock-error-in-stream";
    let events = openai(&mock, &streamed(model)).stream().await.rest().await;
    assert_eq!((events.len(), &events[2].json()["error"]["type"]), (3, &json!("server_error")));
    let events = anthropic(&mock, &with(message(model), "stream", json!(true))).stream().await.rest().await;
    assert_eq!(events[2].name.as_deref(), Some("error"));
    let path = format!("{model}:streamGenerateContent?alt=sse");
    let events = gemini(&mock, &path, &contents()).stream().await.rest().await;
    assert_eq!(events[2].json()["error"]["status"], "UNAVAILABLE");
}

#[tokio::test]
async fn the_other_words_do_what_they_say() {
    let mock = MockUpstream::start();
    assert!(
        serde_json::from_slice::<Value>(&openai(&mock, &chat("mock-garbage")).send().await.expect(200).body).is_err()
    );
    assert!(openai(&mock, &streamed("mock-empty-stream")).stream().await.rest().await.is_empty());
    let answer = openai(&mock, &chat("mock-context-length")).send().await.expect(400).json();
    assert_eq!(answer["error"]["code"], "context_length_exceeded");
    let answer = openai(&mock, &chat("mock-refusal")).send().await.expect(200).json();
    assert!(answer.pointer("/choices/0/message/refusal").unwrap().is_string());
    assert!(openai(&mock, &chat("mock-no-usage")).send().await.expect(200).json().get("usage").is_none());
    let answer = openai(&mock, &chat("mock-cached-100-reasoning-50")).send().await.expect(200).json();
    assert_eq!(answer["usage"]["prompt_tokens"], 103);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 100);
    assert_eq!(answer["usage"]["completion_tokens"], 56);
    let answer = anthropic(&mock, &message("mock-cached-100-cache-write-9")).send().await.expect(200).json();
    assert_eq!(answer["usage"]["input_tokens"], 3);
    assert_eq!(answer["usage"]["cache_read_input_tokens"], 100);
    assert_eq!(answer["usage"]["cache_creation"]["ephemeral_5m_input_tokens"], 9);
    let events = openai(&mock, &streamed("mock-slice-7-chunks-20")).stream().await.rest().await;
    assert_eq!(texts(&events, "/choices/0/delta/content").split_whitespace().count(), 20);
}

#[tokio::test]
async fn a_recording_is_answered_byte_for_byte() {
    let mock = MockUpstream::start();
    let sse = "data: {\"a\":1}\n\ndata: [DONE]\n\n";
    let file = json!({"response": {"status": 200, "headers": {"content-type": "text/event-stream"}, "sse": sse}});
    mock.on("gpt-4o", Behaviour::recording_bytes(file.to_string().as_bytes()));
    let answer = openai(&mock, &streamed("gpt-4o")).send().await.expect(200);
    assert_eq!(answer.text(), sse);

    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tt-providers/fixtures/recordings");
    assert!(std::path::Path::new(directory).is_dir(), "the recordings are missing: {directory}");
    let mock = MockUpstream::builder().recordings(directory).start().unwrap();
    let id = "gemini-stream-generate-async-streaming-text-content-a835dccb";
    let path = format!("mock-recording-{id}:streamGenerateContent?alt=sse");
    let events = gemini(&mock, &path, &contents()).stream().await.rest().await;
    assert_eq!(events.last().unwrap().json()["usageMetadata"]["totalTokenCount"], 47);
}

#[tokio::test]
async fn the_other_endpoints_answer_in_their_shapes() {
    let mock = MockUpstream::start();
    let client = Client::new(mock.url());
    let post = client.post("/v1/embeddings").bearer("sk-mock");
    let answer = post.json(&json!({"model": "text-embedding-3-small", "input": ["a b", "c"]})).send().await.expect(200);
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 3);
    let content = |text: &str| json!({"model": "models/gemini-embedding-2", "content": {"parts": [{"text": text}]}});
    let embed = |method: &str, body: &Value| gemini(&mock, &format!("gemini-embedding-2:{method}"), body).send();
    let answer = embed("batchEmbedContents", &json!({"requests": [content("a b"), content("c")]})).await.expect(200);
    assert_eq!(answer.json()["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(answer.json()["usageMetadata"]["promptTokenCount"], 3);
    let answer = embed("embedContent", &content("a b")).await.expect(200).json();
    assert_eq!(answer["embedding"]["values"].as_array().unwrap().len(), 8);
    embed("batchEmbedContents", &json!({"requests": vec![content("a"); 101]})).await.expect(400);
    let count = client.post("/v1/messages/count_tokens").header("x-api-key", "sk-ant-mock");
    let answer = count.header("anthropic-version", "2023-06-01").json(&chat("claude-sonnet-4-5")).send().await;
    assert_eq!(answer.expect(200).json(), json!({"input_tokens": 3}));
    let answer = gemini(&mock, "gemini-2.5-flash:countTokens", &contents()).send().await.expect(200);
    assert_eq!(answer.json()["totalTokens"], 3);
    let models = client.get("/v1beta/models?key=AIzaMock").send().await.expect(200);
    assert_eq!(models.json()["models"][0]["name"], "models/gemini-2.5-flash");
    client.get("/v1/nothing").send().await.expect(404);
}

#[tokio::test]
async fn lists_of_models_behave_when_told_so_by_name_and_are_kept_apart() {
    let mock = MockUpstream::start();
    let list = || Client::new(mock.url()).get("/v1/models").bearer("sk-mock").send();
    mock.on(Matcher::Any, Behaviour::status(500));
    list().await.expect(200);
    mock.once(Matcher::when(Seen::is_list), Behaviour::status(503));
    list().await.expect(503);
    list().await.expect(200);
    assert_eq!((mock.lists().len(), mock.requests().len()), (3, 0));
}

#[tokio::test]
async fn a_benchmark_model_is_answered_from_what_was_built_before() {
    let mock = MockUpstream::builder().threads(2).start().unwrap();
    for _ in 0..2 {
        let answer = openai(&mock, &chat("mock-bench")).send().await.expect(200);
        assert_eq!(answer.json().pointer("/choices/0/message/content").unwrap(), "All is well here.");
        let events = openai(&mock, &streamed("mock-bench-chunks-50")).stream().await.rest().await;
        assert_eq!(texts(&events, "/choices/0/delta/content").split_whitespace().count(), 50);
        assert_eq!(events[events.len() - 2].json()["usage"]["completion_tokens"], 50);
    }
    assert!(mock.requests().is_empty());
}

#[tokio::test]
async fn a_raw_connection_can_send_what_no_client_would() {
    let mock = MockUpstream::start();
    let mut raw = Client::new(mock.url()).raw().await;
    raw.write("NOT HTTP\r\n\r\n").await;
    assert!(raw.read_head().await.starts_with("HTTP/1.1 400"));
}

/// Recorded bodies carry the real providers' signatures, which the mock cannot tell from foreign ones.
fn own_signatures(value: &mut Value, provider: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (provider, name.as_str()) {
                    ("anthropic", "signature") => *value = json!(super::anthropic::SIGNATURE),
                    ("gemini", "thoughtSignature" | "thought_signature") => *value = json!(super::gemini::SIGNATURE),
                    _ => own_signatures(value, provider),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| own_signatures(value, provider)),
        _ => {}
    }
}

#[tokio::test]
async fn requests_that_the_real_providers_took_are_taken() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tt-providers/fixtures/recordings");
    let mock = MockUpstream::start();
    let client = Client::keeping_connections(mock.url());
    let (mut sent, mut refused) = (0, Vec::new());
    for provider in ["openai", "anthropic", "gemini"] {
        let entries = std::fs::read_dir(format!("{directory}/{provider}"));
        let entries = entries.unwrap_or_else(|_| panic!("the recordings are missing: {directory}"));
        for path in
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let api = file["api"].as_str().unwrap();
            let chat = [
                "chat.completions",
                "messages",
                "messages.count_tokens",
                "generateContent",
                "streamGenerateContent",
                "embeddings",
                "batchEmbedContents",
            ];
            // Cut payloads are no longer what was sent.
            if !chat.contains(&api) || file["response"]["status"] != 200 || file.get("truncated") == Some(&json!(true))
            {
                continue;
            }
            let mut body = file["request"]["body"].clone();
            own_signatures(&mut body, provider);
            let call = client.post(file["request"]["path"].as_str().unwrap()).header("anthropic-version", "2023-06-01");
            let call = match provider {
                "openai" => call.bearer("sk-mock"),
                "anthropic" => call.header("x-api-key", "sk-ant-mock"),
                _ => call.header("x-goog-api-key", "AIzaMock"),
            };
            let answer = call.json(&body).send().await;
            sent += 1;
            if answer.status != 200 {
                refused.push(format!("{}: {}", path.file_stem().unwrap().display(), answer.text()));
            }
        }
    }
    assert!(sent > 100, "only {sent} recordings were found");
    assert!(refused.is_empty(), "{} of {sent} refused:\n{}", refused.len(), refused.join("\n"));
}
