//! Clients of Gemini: `generateContent` and `streamGenerateContent` to all three providers.

use serde_json::{Value, json};
use tt_core::Provider::{self, Gemini};
use tt_testkit::Behaviour;
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{PROVIDERS, User, request_id};

use crate::setup::world;

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
        let stream = post(&user, &streamed(provider), &question("one two three")).stream().await;
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
async fn errors_have_googles_shape() {
    let world = world().await;
    let user = world.user().await;
    let told = |response: Response, status: u16, word: &str| {
        let body = response.expect(status).json();
        assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&json!(status), &json!(word)), "{body}");
        body["error"].clone()
    };
    let path = plain(Gemini);
    let other = plain(Provider::Anthropic);
    let named = told(
        post(&user, &other, &json!({"contents": [{"parts": [{"text": 1}]}]})).send().await,
        400,
        "INVALID_ARGUMENT",
    );
    assert_eq!(named["details"][1]["fieldViolations"][0]["field"], "contents[0].parts[0].text", "{named}");
    told(user.anonymous().post(&path).json(&question("x")).send().await, 401, "UNAUTHENTICATED");
    let wrong = user.anonymous().post(&path).header("x-goog-api-key", "tt-wrong").json(&question("x"));
    told(wrong.send().await, 401, "UNAUTHENTICATED");
    told(post(&user, "/v1beta/models/nobody:generateContent", &question("x")).send().await, 404, "NOT_FOUND");
    told(post(&user, "/v1beta/models/gemini/mock-small:somethingElse", &question("x")).send().await, 404, "NOT_FOUND");
    let array = post(&user, "/v1beta/models/gemini/mock-small:streamGenerateContent", &question("x"));
    told(array.send().await, 400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_key_in_the_query_is_taken_and_not_passed_on() {
    let world = world().await;
    let user = world.user().await;
    let path = format!("{}?key={}", plain(Gemini), user.api_key());
    user.anonymous().post(&path).json(&question("hello")).send().await.expect(200);
    assert!(!format!("{:?}", world.sent().pop().unwrap()).contains(user.api_key()));
}

#[tokio::test]
async fn models_are_listed_with_the_limits_of_their_targets() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Gemini, "gemini-2.5-flash").await;
    let get = |path: &str| user.anonymous().get(path).header("x-goog-api-key", user.api_key());
    let list = get("/v1beta/models").send().await.expect(200).json();
    let model = &list["models"][0];
    assert_eq!(model["name"], "models/fast", "{list}");
    assert_eq!(get("/v1beta/models/fast").send().await.expect(200).json(), *model);
    for limit in ["inputTokenLimit", "outputTokenLimit"] {
        assert!(model[limit].as_u64().is_some_and(|tokens| tokens > 1000), "{limit}: {model}");
    }
    get("/v1beta/models/nobody").send().await.expect(404);
}
