//! Embeddings: OpenAI's `/v1/embeddings` and Gemini's `embedContent` and `batchEmbedContents`, to both providers.

use std::time::Duration;

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_core::Usage;
use tt_testkit::Behaviour;
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{User, request_id, with_fields};

use crate::prices::{cost, nano, nano_of};
use crate::setup::{world, world_with};

mod faults;

/// The providers that have embeddings, each with a model that has a price.
const TARGETS: [(Provider, &str); 2] = [(OpenAi, "text-embedding-3-small"), (Gemini, "gemini-embedding-2")];

/// A request as OpenAI's clients send it, through the user's key.
fn embeddings(user: &User, body: &Value) -> Call {
    user.api().post("/v1/embeddings").json(body)
}

/// A call of Gemini's API, with the user's key where Google's clients put theirs.
fn gemini(user: &User, path: &str, body: &Value) -> Call {
    user.anonymous().post(path).header("x-goog-api-key", user.api_key()).json(body)
}

fn content(text: &str) -> Value {
    json!({"parts": [{"text": text}]})
}

fn batch(texts: &[&str]) -> Value {
    json!({"requests": texts.iter().map(|text| json!({"content": content(text)})).collect::<Vec<_>>()})
}

fn numbers(vector: &Value) -> Vec<f64> {
    let all = vector.as_array().unwrap_or_else(|| panic!("no vector: {vector}"));
    all.iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The vector that the mock makes of a text, as numbers and in base64.
async fn made(user: &User, text: &str) -> (Vec<f64>, Value) {
    let ask = async |format: &str| {
        let body = json!({"model": "openai/text-embedding-3-small", "input": text, "encoding_format": format});
        embeddings(user, &body).send().await.expect(200).json()["data"][0]["embedding"].clone()
    };
    (numbers(&ask("float").await), ask("base64").await)
}

#[track_caller]
fn served_by(response: &Response, provider: Provider, model: &str) {
    let said = |name: &str| response.header(&format!("x-tokentracer-{name}")).map(str::to_owned);
    assert_eq!(
        (said("provider"), said("model"), said("route"), said("attempts")),
        (Some(provider.to_string()), Some(model.to_owned()), Some("primary".to_owned()), Some("1".to_owned()))
    );
}

#[tokio::test]
async fn clients_of_openai_get_vectors_of_both_providers_and_a_row_with_their_cost() {
    let world = world().await;
    let user = world.user().await;
    let (vector, base64) = made(&user, "one two three").await;
    for (provider, model) in TARGETS {
        user.alias("vectors", provider, model).await;
        let body = json!({"model": "vectors", "input": ["one two three", "four"]});
        let response = embeddings(&user, &body).send().await.expect(200);
        served_by(&response, provider, model);
        assert_eq!(response.header("x-tokentracer-alias"), Some("vectors"));
        let answer = response.json();
        assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!(model)), "{provider}");
        assert_eq!(answer["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}), "{provider}");
        let data = answer["data"].as_array().unwrap();
        assert_eq!(data.len(), 2, "{provider}");
        assert_eq!((&data[1]["object"], &data[1]["index"]), (&json!("embedding"), &json!(1)), "{provider}");
        assert_eq!(numbers(&data[0]["embedding"]), vector, "{provider}");

        let row = user.log(&request_id(&response)).await;
        let usage = Usage { input: 4, ..Usage::default() };
        let expected = cost(provider, model, &usage);
        assert!(expected > 0);
        assert_eq!(nano_of(&row["cost_usd"]), expected, "{row}");
        assert_eq!(nano(response.header("x-tokentracer-cost-usd").unwrap()), expected);
        assert_eq!(
            (&row["dialect"], &row["stream"], &row["status"], &row["outcome"]),
            (&json!("openai_embeddings"), &json!(false), &json!(200), &json!("ok"))
        );
        assert_eq!(
            (&row["input_tokens"], &row["output_tokens"], &row["usage_source"]),
            (&json!(4), &json!(0), &json!("provider"))
        );
        assert_eq!(
            (&row["alias"], &row["provider"], &row["model"]),
            (&json!("vectors"), &json!(provider), &json!(model))
        );

        // The official libraries ask for base64 where nothing is said.
        let body = with_fields(body, &json!({"encoding_format": "base64", "input": "one two three"}));
        let answer = embeddings(&user, &body).send().await.expect(200).json();
        assert_eq!(answer["data"][0]["embedding"], base64, "{provider}");
    }
    assert_eq!(world.sent().last().unwrap().path, "/v1beta/models/gemini-embedding-2:batchEmbedContents");
}

#[tokio::test]
async fn clients_of_gemini_get_vectors_of_both_providers_and_a_row_with_their_cost() {
    let world = world().await;
    let user = world.user().await;
    let (vector, _) = made(&user, "one two three").await;
    for (provider, model) in TARGETS {
        user.alias("vectors", provider, model).await;
        let one = json!({"model": "models/vectors", "content": content("one two three")});
        let response = gemini(&user, "/v1beta/models/vectors:embedContent", &one).send().await.expect(200);
        served_by(&response, provider, model);
        let answer = response.json();
        assert_eq!(numbers(&answer["embedding"]["values"]), vector, "{provider}");
        assert_eq!(answer["usageMetadata"]["promptTokenCount"], 3, "{provider}");
        let row = user.log(&request_id(&response)).await;
        let usage = Usage { input: 3, ..Usage::default() };
        assert_eq!(nano_of(&row["cost_usd"]), cost(provider, model, &usage), "{row}");
        assert_eq!((&row["dialect"], &row["input_tokens"]), (&json!("gemini"), &json!(3)), "{row}");
        assert_eq!((&row["output_tokens"], &row["usage_source"]), (&json!(0), &json!("provider")), "{row}");

        for path in ["/v1beta/models/vectors:batchEmbedContents", "/v1/models/vectors:batchEmbedContents"] {
            let mut body = batch(&["one two three", "four"]);
            for request in body["requests"].as_array_mut().unwrap() {
                request["model"] = json!("models/vectors");
            }
            let answer = gemini(&user, path, &body).send().await.expect(200).json();
            assert_eq!(answer["embeddings"].as_array().unwrap().len(), 2, "{provider}");
            assert_eq!(numbers(&answer["embeddings"][0]["values"]), vector, "{provider}");
        }
    }
}

#[tokio::test]
async fn dimensions_reach_the_other_api_and_what_it_lacks_is_noted() {
    let world = world().await;
    let user = world.user().await;
    let body = json!({"model": "gemini/gemini-embedding-2", "input": ["a"], "dimensions": 16, "user": "u"});
    let response = embeddings(&user, &body).send().await.expect(200);
    assert_eq!(numbers(&response.json()["data"][0]["embedding"]).len(), 16);
    let sent = world.sent().pop().unwrap().json();
    let request = json!({"model": "models/gemini-embedding-2", "content": content("a"), "outputDimensionality": 16});
    assert_eq!(sent, json!({"requests": [request]}));
    let row = user.log(&request_id(&response)).await;
    assert_eq!(row["notes"], json!([{"param": "user", "what": "dropped", "why": ""}]), "{row}");

    let body = json!({"content": content("a"), "outputDimensionality": 16, "taskType": "CLUSTERING", "title": "t"});
    let path = "/v1beta/models/openai/text-embedding-3-small:embedContent";
    let response = gemini(&user, path, &body).send().await.expect(200);
    assert_eq!(numbers(&response.json()["embedding"]["values"]).len(), 16);
    let sent = world.sent().pop().unwrap();
    assert_eq!(sent.path, "/v1/embeddings");
    let expected =
        json!({"model": "text-embedding-3-small", "input": ["a"], "dimensions": 16, "encoding_format": "base64"});
    assert_eq!(sent.json(), expected);
    let row = user.log(&request_id(&response)).await;
    let dropped: Vec<&str> =
        row["notes"].as_array().unwrap().iter().map(|note| note["param"].as_str().unwrap()).collect();
    assert_eq!(dropped, ["taskType", "title"], "{row}");
}

#[tokio::test]
async fn between_two_of_the_same_api_the_bytes_are_the_same() {
    let world = world().await;
    let user = world.user().await;
    let own = r#"{ "input":[[1, 2],[3]] ,"model":"openai/mock-small" }"#;
    let call = user.api().post("/v1/embeddings").header("content-type", "application/json");
    let response = call.body(own).send().await.expect(200);
    let seen = world.sent().pop().unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.body), own.replace("openai/", ""));
    assert_eq!(seen.path, "/v1/embeddings");
    let row = user.log(&request_id(&response)).await;
    assert_eq!((&row["input_tokens"], &row["notes"]), (&json!(3), &json!([])), "{row}");

    let own = r#"{ "content":{"parts":[{"text":"a  b"}]}, "task_type": "CLUSTERING"  }"#;
    let call = user.anonymous().post("/v1beta/models/gemini/mock-small:embedContent");
    let call = call.header("x-goog-api-key", user.api_key()).header("content-type", "application/json");
    call.body(own).send().await.expect(200);
    let seen = world.sent().pop().unwrap();
    assert_eq!(
        (seen.path.as_str(), &*String::from_utf8_lossy(&seen.body)),
        ("/v1beta/models/mock-small:embedContent", own)
    );

    let answer = r#"{ "data":[{"embedding":[1.50, 2e-3],"index":0}] ,"usage":{"prompt_tokens":7,"total_tokens":7} }"#;
    world.mock.on("mock-whole", Behaviour::status_with_body(200, answer));
    let got = embeddings(&user, &json!({"model": "openai/mock-whole", "input": "a"})).send().await.expect(200);
    assert_eq!(got.text(), answer);
    assert_eq!(user.log(&request_id(&got)).await["input_tokens"], 7);
}

#[tokio::test]
async fn a_session_and_an_alias_that_catches_names_serve_too() {
    let world = world().await;
    let user = world.user().await;
    user.alias("text-embedding-*", Gemini, "gemini-embedding-001").await;
    let body = json!({"model": "text-embedding-3-large", "input": "a b"});
    let response = user.session.post("/v1/embeddings").json(&body).send().await.expect(200);
    assert_eq!(response.header("x-tokentracer-alias"), Some("text-embedding-*"));
    assert_eq!(response.header("x-tokentracer-model"), Some("gemini-embedding-001"));
    let path = "/v1beta/models/text-embedding-x:embedContent";
    user.session.post(path).json(&json!({"content": content("a")})).send().await.expect(200);
    let key = user.new_api_key(&json!({"allowed_aliases": ["other"]})).await;
    key.client.post("/v1/embeddings").json(&body).send().await.expect(403);
}

#[tokio::test]
async fn tokens_that_no_provider_tells_are_counted_here() {
    let world = world().await;
    let user = world.user().await;
    // This model reports none, as its real namesake.
    let body = json!({"model": "gemini/gemini-embedding-001", "input": ["hello world", "hello"]});
    let response = embeddings(&user, &body).send().await.expect(200);
    assert_eq!(response.json()["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    let row = user.log(&request_id(&response)).await;
    assert_eq!((&row["input_tokens"], &row["usage_source"]), (&json!(3), &json!("estimated")), "{row}");
    let usage = Usage { input: 3, ..Usage::default() };
    assert_eq!(nano_of(&row["cost_usd"]), cost(Gemini, "gemini-embedding-001", &usage), "{row}");
    // The same where the answer passes through, and ids of tokens count as they are.
    let path = "/v1beta/models/gemini/gemini-embedding-001:batchEmbedContents";
    let mut body = batch(&["hello world", "hello"]);
    for request in body["requests"].as_array_mut().unwrap() {
        request["model"] = json!("models/x");
    }
    let passed = gemini(&user, path, &body).send().await.expect(200);
    assert!(passed.json().get("usageMetadata").is_none());
    let row = user.log(&request_id(&passed)).await;
    assert_eq!((&row["input_tokens"], &row["usage_source"]), (&json!(3), &json!("estimated")), "{row}");
    let body = json!({"model": "openai/mock-no-usage", "input": [1, 2, 3, 4, 5]});
    let ids = embeddings(&user, &body).send().await.expect(200);
    let row = user.log(&request_id(&ids)).await;
    assert_eq!((&row["input_tokens"], &row["usage_source"]), (&json!(5), &json!("estimated")), "{row}");
    // A provider of the other API that tells none: a client of Gemini gets none either.
    let silent =
        gemini(&user, "/v1beta/models/openai/mock-no-usage:embedContent", &json!({"content": content("hello world")}));
    let silent = silent.send().await.expect(200);
    assert!(silent.json().get("usageMetadata").is_none());
    let row = user.log(&request_id(&silent)).await;
    assert_eq!((&row["input_tokens"], &row["usage_source"]), (&json!(2), &json!("estimated")), "{row}");
}

#[tokio::test]
async fn a_light_model_does_not_stand_in() {
    let world = world().await;
    let user = world.user().await;
    let light = json!({"use_light_model": true, "light_model": "mock-light", "light_model_threshold": 1000});
    user.alias_with("vectors", OpenAi, "text-embedding-3-small", light).await;
    let response = embeddings(&user, &json!({"model": "vectors", "input": "a"})).send().await.expect(200);
    served_by(&response, OpenAi, "text-embedding-3-small");
    let row = user.log(&request_id(&response)).await;
    assert_eq!(
        (&row["route_reason"], &row["saved_usd"]),
        (&json!("alias vectors: target model text-embedding-3-small"), &json!(0)),
        "{row}"
    );
}

#[tokio::test]
async fn a_provider_without_embeddings_is_refused_as_the_first_and_passed_over_as_a_fallback() {
    let world = world().await;
    let user = world.user().await;
    let body = json!({"model": "anthropic/claude-sonnet-4-5", "input": "a"});
    let error = embeddings(&user, &body).send().await.expect(400).json()["error"].clone();
    assert_eq!((&error["param"], &error["code"]), (&json!("model"), &json!("unsupported_parameter")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("anthropic has no embeddings"), "{error}");
    let path = "/v1beta/models/anthropic/claude-sonnet-4-5:embedContent";
    let error = gemini(&user, path, &json!({"content": content("a")})).send().await.expect(400).json()["error"].clone();
    assert_eq!(error["status"], "INVALID_ARGUMENT", "{error}");
    assert!(error["message"].as_str().unwrap().contains("anthropic has no embeddings"), "{error}");
    assert!(world.sent().is_empty());

    user.chain(&[(OpenAi, "mock-status-500"), (Anthropic, "claude-sonnet-4-5"), (Gemini, "gemini-embedding-2")]).await;
    let response = embeddings(&user, &json!({"model": "a0", "input": "a"})).send().await.expect(200);
    assert_eq!(response.header("x-tokentracer-provider"), Some("gemini"));
    assert_eq!(response.header("x-tokentracer-route"), Some("fallback"));
    let row = user.log(&request_id(&response)).await;
    let notes = row["notes"].to_string();
    assert!(notes.contains("anthropic claude-sonnet-4-5 was passed over") && notes.contains("no embeddings"), "{row}");
    let tried: Vec<&str> =
        row["attempt_list"].as_array().unwrap().iter().map(|one| one["provider"].as_str().unwrap()).collect();
    assert_eq!(tried, ["openai", "openai", "gemini"], "{row}");
    // All are passed over or fail.
    user.chain(&[(OpenAi, "mock-status-500"), (Anthropic, "claude-sonnet-4-5")]).await;
    let error = embeddings(&user, &json!({"model": "a0", "input": "a"})).send().await.expect(502).json();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("anthropic claude-sonnet-4-5 skipped"), "{message}");
}

#[tokio::test]
async fn limits_count_embeddings_as_any_request() {
    let world = world_with(&[("RATE_LIMIT_MINUTE", "2")]).await;
    let user = world.user().await;
    let body = json!({"model": "openai/mock-small", "input": "a"});
    let first = embeddings(&user, &body).send().await.expect(200);
    assert_eq!(first.number("x-ratelimit-remaining-requests"), 1);
    gemini(&user, "/v1beta/models/gemini/mock-small:embedContent", &json!({"content": content("a")}))
        .send()
        .await
        .expect(200);
    let refused = embeddings(&user, &body).send().await.expect(429);
    assert_eq!(refused.error_code(), "rate_limit_exceeded");
    assert!((1..=61).contains(&refused.number("retry-after")));
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_and_then_the_fallback() {
    let world = world().await;
    let user = world.user().await;
    world.mock.once("mock-small", Behaviour::status(503));
    let response = embeddings(&user, &json!({"model": "openai/mock-small", "input": "a"})).send().await.expect(200);
    assert_eq!(response.header("x-tokentracer-attempts"), Some("2"));
    // An answer that lacks a vector is none.
    world.mock.on("mock-short", Behaviour::status_with_body(200, r#"{"embeddings":[{"values":[1]}]}"#));
    user.chain(&[(Gemini, "mock-short"), (OpenAi, "mock-small")]).await;
    let response = embeddings(&user, &json!({"model": "a0", "input": ["a", "b"]})).send().await.expect(200);
    assert_eq!(response.header("x-tokentracer-provider"), Some("openai"));
    let row = user.log(&request_id(&response)).await;
    let failed = row["attempt_list"][0]["error"].as_str().unwrap();
    assert!(failed.contains("another number of them than of inputs"), "{row}");
}

#[tokio::test]
async fn a_client_that_leaves_is_recorded() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-slow", Behaviour::ok().delay(Duration::from_secs(600)));
    let body = json!({"model": "openai/mock-slow", "input": "a"});
    let left = tokio::time::timeout(Duration::from_millis(500), embeddings(&user, &body).try_send()).await;
    assert!(left.is_err());
    let row = user.row_when(|row| row["outcome"] == "cancelled").await;
    assert_eq!((&row["dialect"], &row["status"]), (&json!("openai_embeddings"), &json!(499)), "{row}");
}

#[tokio::test]
async fn the_models_that_make_embeddings_say_so_to_clients_of_gemini() {
    let world = world().await;
    let user = world.user().await;
    user.alias("vectors", OpenAi, "text-embedding-3-small").await;
    let shown = user.anonymous().get("/v1beta/models/vectors").header("x-goog-api-key", user.api_key());
    let model = shown.send().await.expect(200).json();
    assert_eq!(model["supportedGenerationMethods"], json!(["embedContent", "batchEmbedContents"]), "{model}");
}
