//! Clients of Gemini: `generateContent` and `streamGenerateContent` to all three providers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_core::Provider::{self, Gemini};
use tt_testkit::Behaviour;
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{PROVIDERS, User, request_id};

use crate::setup::world;

mod faults;
mod models;

fn question(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn weather() -> Value {
    json!([{"functionDeclarations": [{
        "name": "get_weather", "description": "The weather of a city",
        "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
    }]}])
}

/// A call with the user's key where Google's clients put theirs.
fn post(user: &User, path: &str, body: &Value) -> Call {
    user.anonymous().post(path).header("x-goog-api-key", user.api_key()).json(body)
}

fn plain(provider: Provider) -> String {
    format!("/v1beta/models/{}/mock-small:generateContent", provider.as_str())
}

fn streamed(provider: Provider) -> String {
    format!("/v1/models/{}%2Fmock-small:streamGenerateContent?alt=sse", provider.as_str())
}

async fn answer(user: &User, provider: Provider, body: &Value) -> Response {
    post(user, &plain(provider), body).send().await.expect(200)
}

fn parts(answer: &Value) -> &Vec<Value> {
    answer["candidates"][0]["content"]["parts"].as_array().unwrap_or_else(|| panic!("no parts: {answer}"))
}

fn text(answer: &Value) -> String {
    parts(answer).iter().filter_map(|part| part["text"].as_str()).collect()
}

#[tokio::test]
async fn every_provider_answers_in_geminis_shape_and_the_row_says_so() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-small", Behaviour::ok().cached(100).reasoning(30));
    for provider in PROVIDERS {
        let response = answer(&user, provider, &question("one two three")).await;
        let body = response.json();
        assert_eq!(text(&body), "mock reply to: one two three", "{provider}");
        assert_eq!(
            (&body["candidates"][0]["finishReason"], &body["modelVersion"]),
            (&json!("STOP"), &json!("mock-small"))
        );
        assert!(body["responseId"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
        let sent = world.sent().pop().unwrap().usage_sent.unwrap();
        let usage = &body["usageMetadata"];
        assert_eq!(usage["promptTokenCount"], sent.total_input(), "{provider}: {usage}");
        assert_eq!(usage["cachedContentTokenCount"], 100, "{provider}: {usage}");
        assert_eq!(usage["thoughtsTokenCount"], 30, "{provider}: {usage}");
        assert_eq!(usage["totalTokenCount"], sent.total(), "{provider}: {usage}");
        let row = user.log(&request_id(&response)).await;
        assert_eq!((&row["dialect"], &row["provider"]), (&json!("gemini"), &json!(provider.as_str())), "{row}");
        assert_eq!((&row["usage_source"], &row["output_tokens"]), (&json!("provider"), &json!(sent.output)), "{row}");
    }
}

#[tokio::test]
async fn the_ai_sdk_names_a_provider_without_the_word_models() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let path = format!("/v1beta/{}/mock-small:streamGenerateContent?alt=sse", provider.as_str());
        let mut stream = post(&user, &path, &question("one two three")).stream().await;
        assert_eq!(stream.status, 200, "{provider}");
        let said: String = stream.rest().await.iter().map(|event| text(&event.json())).collect();
        assert_eq!(said, "mock reply to: one two three", "{provider}");
    }
    for unknown in ["/v1beta/openai/chat/completions", "/v1beta/nobody/mock-small:generateContent"] {
        post(&user, unknown, &question("one")).send().await.expect(404);
    }
}

#[tokio::test]
async fn between_gemini_and_gemini_the_bytes_are_the_same() {
    let world = world().await;
    let user = world.user().await;
    let body = r#"{ "contents":[{"role":"user","parts":[{"text":"one  two"}]}], "generation_config": {"top_k": 5} }"#;
    let call = user.anonymous().post(&plain(Gemini)).header("x-goog-api-key", user.api_key());
    call.header("content-type", "application/json").body(body).send().await.expect(200);
    let seen = world.sent().pop().unwrap();
    assert_eq!(seen.path, "/v1beta/models/mock-small:generateContent");
    assert_eq!(String::from_utf8_lossy(&seen.body), body);
    assert_eq!(seen.header("x-goog-api-key").map(|key| key == user.api_key()), Some(false));
}

#[tokio::test]
async fn a_stream_ends_with_the_finish_reason_and_the_usage() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let mut stream = post(&user, &streamed(provider), &question("one two three")).stream().await;
        assert_eq!(stream.status, 200, "{provider}");
        let id = stream.header("x-request-id").unwrap().to_owned();
        let events: Vec<Value> = stream.rest().await.iter().map(|event| event.json()).collect();
        let said: String = events.iter().map(text).collect();
        assert_eq!(said, "mock reply to: one two three", "{provider}");
        let (last, before) = events.split_last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{provider}");
        assert!(before.iter().all(|event| event["candidates"][0]["finishReason"].is_null()), "{provider}");
        assert!(last["usageMetadata"]["totalTokenCount"].as_u64().is_some_and(|total| total > 0), "{provider}: {last}");
        let row = user.log(&id).await;
        assert_eq!(
            (&row["dialect"], &row["stream"], &row["usage_source"]),
            (&json!("gemini"), &json!(true), &json!("provider"))
        );
    }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_taken_by_every_provider() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let mut body = question("call get_weather please");
        body["tools"] = weather();
        let called = answer(&user, provider, &body).await.json();
        let content = called["candidates"][0]["content"].clone();
        let call = parts(&called).iter().find_map(|part| part.get("functionCall")).unwrap();
        assert_eq!((&call["name"], &call["args"]), (&json!("get_weather"), &json!({"city": "mock"})), "{provider}");
        let mut result = json!({"name": "get_weather", "response": {"output": "sunny and warm"}});
        if call.get("id").is_some() {
            result["id"] = call["id"].clone();
        }
        let contents = body["contents"].as_array_mut().unwrap();
        contents.push(content);
        contents.push(json!({"role": "user", "parts": [{"functionResponse": result}]}));
        let said = text(&answer(&user, provider, &body).await.json());
        assert!(said.starts_with("tool said: ") && said.contains("sunny and warm"), "{provider}: {said}");
    }
}

#[tokio::test]
async fn a_thinking_model_shows_its_thoughts_as_thoughts() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in [(Gemini, "gemini-2.5-flash"), (Provider::Anthropic, "claude-sonnet-4-5")] {
        let mut body = question("one two three");
        let thinking = json!({"includeThoughts": true, "thinkingBudget": 2048});
        body["generationConfig"] = json!({"maxOutputTokens": 8192, "thinkingConfig": thinking});
        let named = |path: String| path.replace("mock-small", model);
        let plain = post(&user, &named(plain(provider)), &body).send().await.expect(200).json();
        let mut stream = post(&user, &named(streamed(provider)), &body).stream().await;
        let events: Vec<Value> = stream.rest().await.iter().map(|event| event.json()).collect();
        for parts in [parts(&plain).clone(), events.iter().flat_map(parts).cloned().collect()] {
            let told = |thought: bool| -> String {
                let said = parts.iter().filter(|part| part["thought"].as_bool().unwrap_or(false) == thought);
                said.filter_map(|part| part["text"].as_str()).collect()
            };
            assert_eq!(told(true), "Thinking about the question first.", "{provider}: {parts:?}");
            assert_eq!(told(false), "mock reply to: one two three", "{provider}: {parts:?}");
        }
    }
}

#[tokio::test]
async fn a_signature_of_gemini_goes_back_on_its_call() {
    let world = world().await;
    let user = world.user().await;
    let path = "/v1beta/models/gemini/gemini-3-pro-preview:generateContent";
    let mut body = question("call get_weather please");
    body["tools"] = weather();
    let called = post(&user, path, &body).send().await.expect(200).json();
    let content = called["candidates"][0]["content"].clone();
    let call = parts(&called).iter().find(|part| part.get("functionCall").is_some()).unwrap();
    assert!(call["thoughtSignature"].is_string(), "{call}");
    let result = json!({"name": "get_weather", "id": call["functionCall"]["id"], "response": {"output": "sunny"}});
    let contents = body["contents"].as_array_mut().unwrap();
    contents.push(content);
    contents.push(json!({"role": "user", "parts": [{"functionResponse": result}]}));
    assert_eq!(text(&post(&user, path, &body).send().await.expect(200).json()), "tool said: sunny");
    // The mock refuses a history without it, as Gemini does.
    body["contents"][1]["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    post(&user, path, &body).send().await.expect(400);
}

#[tokio::test]
async fn a_stream_without_alt_sse_is_one_json_array() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let path = streamed(provider).replace("?alt=sse", "");
        let response = post(&user, &path, &question("one two three")).send().await.expect(200);
        assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"), "{provider}");
        let elements: Vec<Value> = response.parse();
        assert!(elements.len() > 2, "{provider}: {elements:?}");
        assert_eq!(elements.iter().map(text).collect::<String>(), "mock reply to: one two three", "{provider}");
        let last = elements.last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{provider}: {last}");
        let row = user.log(&request_id(&response)).await;
        assert_eq!((&row["stream"], &row["usage_source"]), (&json!(true), &json!("provider")), "{provider}: {row}");
    }
    let seen = world.sent().into_iter().find(|seen| seen.path.contains("streamGenerateContent")).unwrap();
    assert_eq!(seen.path, "/v1beta/models/mock-small:streamGenerateContent?alt=sse");
}

#[tokio::test]
async fn an_answer_of_gemini_comes_back_byte_for_byte() {
    let world = world().await;
    let user = world.user().await;
    let chunk = |text: &str, rest: &str| {
        format!(
            "{{ \"candidates\":[{{\"content\": {{\"parts\":[{{\"text\":\"{text}\"}}]}}{rest}}}],\"usageMetadata\":{{\"promptTokenCount\":3,\
             \"candidatesTokenCount\":4,\"totalTokenCount\":7,\"own\":1.0}},\"zebra\":12345678901234567890 }}"
        )
    };
    let (first, last) = (chunk("caf\\u00e9", ""), chunk("!", ",\"finishReason\":\"STOP\""));
    world.mock.on("mock-whole", Behaviour::status_with_body(200, last.clone()));
    let plain = post(&user, "/v1beta/models/gemini/mock-whole:generateContent", &question("x")).send().await;
    assert_eq!(plain.expect(200).text(), last);
    let events = format!("data: {first}\r\n\r\ndata: {last}\r\n\r\n");
    world.mock.on("mock-events", Behaviour::status_with_body(200, events.clone()));
    let path = "/v1beta/models/gemini/mock-events:streamGenerateContent";
    let stream = post(&user, &format!("{path}?alt=sse"), &question("x")).send().await.expect(200);
    assert_eq!(stream.text(), events);
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let array = post(&user, path, &question("x")).send().await.expect(200);
    assert_eq!(array.text(), format!("[{first},\r\n{last}]"));
    let row = user.log(&request_id(&array)).await;
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(3), &json!(4)), "{row}");
}

#[tokio::test]
async fn the_client_its_session_and_what_was_left_out_are_in_the_row() {
    let world = world().await;
    let user = world.user().await;
    for (agent, client) in [
        ("GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)", "gemini-cli"),
        ("QwenCode/0.24.4 (linux; x64)", "qwen-code"),
        ("google-genai-sdk/2.34.0 gl-python/3.11.7", "google-genai"),
        ("google-genai-sdk/3.3.0 gl-node/v22.23.3", "google-genai"),
    ] {
        let mut body = question("hello");
        body["safetySettings"] = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
        let call = post(&user, &plain(Provider::Anthropic), &body).header("user-agent", agent);
        let response = call.header("x-tokentracer-session", "session-1").send().await.expect(200);
        let row = user.log(&request_id(&response)).await;
        assert_eq!((&row["client"], &row["session"]), (&json!(client), &json!("session-1")), "{row}");
        assert_eq!(row["notes"][0]["param"], "safetySettings", "{row}");
        assert_eq!(row["notes"][0]["what"], "dropped", "{row}");
    }
}

#[tokio::test]
async fn leaving_a_stream_cancels_the_provider() {
    let world = world().await;
    let user = world.user().await;
    for (provider, query) in
        [(Gemini, "?alt=sse"), (Gemini, ""), (Provider::OpenAi, ""), (Provider::Anthropic, "?alt=sse")]
    {
        let model = format!("mock-endless-{}-{}", provider.as_str(), query.len());
        world.mock.on(model.as_str(), Behaviour::ok().chunks(10_000).drip(Duration::from_millis(10)));
        let path = format!("/v1beta/models/{}/{model}:streamGenerateContent{query}", provider.as_str());
        let mut raw = user.anonymous().raw().await;
        let body = question("hello").to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: proxy\r\nx-goog-api-key: {}\r\ncontent-length: {}\r\n\r\n",
            user.api_key(),
            body.len()
        );
        raw.write(head + &body).await;
        raw.read_until("t3", Duration::from_secs(10)).await;
        raw.abort();
        let left = Instant::now();
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model) && seen.cancelled_after.is_some()).await;
        assert!(left.elapsed() < Duration::from_secs(1), "{model}: cancelled after {:?}", left.elapsed());
        let row = user.row_when(|row| row["model"] == model.as_str()).await;
        assert_eq!((&row["status"], &row["usage_source"]), (&json!(499), &json!("partial")), "{row}");
    }
}

/// Gemini 3 is paid by the query, older models by the prompt.
#[tokio::test]
async fn searches_stand_in_the_cost_and_a_budget_refuses_them() {
    let world = world().await;
    let user = world.user().await;
    let mut body = question("x");
    body["tools"] = json!([{"googleSearch": {}}]);
    for (model, usd) in [("gemini-3-flash-preview", 28), ("gemini-2.5-flash", 35)] {
        let answer = json!({
            "candidates": [{
                "content": {"parts": [{"text": "x"}], "role": "model"}, "finishReason": "STOP",
                "groundingMetadata": {
                    "webSearchQueries": ["a", "b", "", "a"],
                    "groundingChunks": [{"web": {"uri": "https://example.org", "title": "t"}}],
                },
            }],
            "usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
            "modelVersion": model,
        });
        world.mock.on(model, Behaviour::status_with_body(200, answer.to_string()));
        let path = format!("/v1beta/models/gemini%2F{model}:generateContent");
        let response = post(&user, &path, &body).send().await.expect(200);
        let row = user.log(&request_id(&response)).await;
        // Beside the fee there are some tokens, which the usage leaves out.
        let tokens = crate::prices::nano_of(&row["cost_usd"]) - usd * 1_000_000;
        assert!((1..100_000).contains(&tokens), "{model}: {row}");
        let key = user.new_api_key(&json!({"budget_usd": 5, "budget_period": "day"})).await.token;
        let refused = user.anonymous().post(&path).header("x-goog-api-key", &key).json(&body).send().await;
        assert!(refused.status == 400 && refused.text().contains("tools[0]"), "{}", refused.text());
    }
}
