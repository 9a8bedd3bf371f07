//! Errors, as clients of Gemini get them, and the credentials that they send.

use serde_json::{Value, json};
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_testkit::Behaviour;
use tt_testkit::client::Response;
use tt_testkit::world::PROVIDERS;

use super::{plain, post, question, streamed, weather};
use crate::setup::world;

/// The error in an answer that has this status, and Google's word for it.
#[track_caller]
fn told(response: Response, status: u16, word: &str) -> Value {
    let body = response.expect(status).json();
    assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&json!(status), &json!(word)), "{body}");
    body["error"].clone()
}

/// The detail of an error that has this type.
#[track_caller]
fn detail<'a>(error: &'a Value, kind: &str) -> &'a Value {
    let details = error["details"].as_array().unwrap();
    let found = details.iter().find(|detail| detail["@type"].as_str().is_some_and(|name| name.ends_with(kind)));
    found.unwrap_or_else(|| panic!("no {kind}: {error}"))
}

#[tokio::test]
async fn errors_have_googles_shape() {
    let world = world().await;
    let user = world.user().await;
    let path = plain(Gemini);
    told(user.anonymous().post(&path).json(&question("x")).send().await, 401, "UNAUTHENTICATED");
    let wrong = user.anonymous().post(&path).header("x-goog-api-key", "tt-wrong").json(&question("x"));
    told(wrong.send().await, 401, "UNAUTHENTICATED");
    told(post(&user, "/v1beta/models/nobody:generateContent", &question("x")).send().await, 404, "NOT_FOUND");
    told(post(&user, "/v1beta/models/gemini/mock-small:somethingElse", &question("x")).send().await, 404, "NOT_FOUND");
    told(user.anonymous().get("/v1beta/nothing").send().await, 404, "NOT_FOUND");
    told(user.anonymous().put("/v1beta/models/x").send().await, 405, "UNIMPLEMENTED");
}

#[tokio::test]
async fn a_fault_in_the_request_is_named_as_the_client_wrote_it() {
    let world = world().await;
    let user = world.user().await;
    let with = |field: &str, value: Value| {
        let mut body = question("x");
        body[field] = value;
        body
    };
    for provider in [OpenAi, Anthropic] {
        for (body, field) in [
            (json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
            (json!({"contents": "x"}), "contents"),
            (with("generationConfig", json!({"temperature": "hot"})), "generationConfig.temperature"),
            (with("generation_config", json!({"maxOutputTokens": -1})), "generationConfig.maxOutputTokens"),
            (with("cachedContent", json!("cachedContents/1")), "cachedContent"),
            (with("tools", json!([{"functionDeclarations": [{"name": 1}]}])), "tools[0].functionDeclarations[0].name"),
            (with("tools", json!([{"googleMaps": {}}])), "tools[0]"),
            (json!({}), "contents"),
        ] {
            let error = told(post(&user, &plain(provider), &body).send().await, 400, "INVALID_ARGUMENT");
            let violation = &detail(&error, "BadRequest")["fieldViolations"][0];
            assert_eq!(violation["field"], field, "{provider}: {error}");
            assert!(error["message"].as_str().unwrap().contains(field), "{error}");
        }
    }
    // A fault that only the target finds is named so too.
    let error = told(
        post(&user, &plain(Anthropic), &with("generationConfig", json!({"candidateCount": 2}))).send().await,
        400,
        "INVALID_ARGUMENT",
    );
    assert_eq!(detail(&error, "BadRequest")["fieldViolations"][0]["field"], "generationConfig.candidateCount");
}

#[tokio::test]
async fn what_a_limit_refuses_says_when_to_try_again() {
    let world = world().await;
    let user = world.user().await;
    let key = user.new_api_key(&json!({"rate_limit_minute": 1})).await;
    let ask = || user.anonymous().post(&plain(Gemini)).header("x-goog-api-key", &key.token).json(&question("x"));
    let first = ask().send().await.expect(200);
    assert_eq!(first.number("x-ratelimit-remaining-requests"), 0);
    let second = ask().send().await;
    let wait = second.number("retry-after");
    assert!((1..=61).contains(&wait) && second.number("x-ratelimit-limit-requests") == 1, "{:?}", second.headers);
    let error = told(second, 429, "RESOURCE_EXHAUSTED");
    assert_eq!(detail(&error, "RetryInfo")["retryDelay"], format!("{wait}s"), "{error}");
    assert_eq!(detail(&error, "ErrorInfo")["reason"], "RATE_LIMIT_EXCEEDED", "{error}");
}

#[tokio::test]
async fn errors_of_the_providers_are_told_in_googles_shape() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-busy", Behaviour::status(429).header("retry-after", "7"));
    world.mock.on("mock-down", Behaviour::status(500));
    world.mock.on("mock-long", Behaviour::context_length());
    for provider in [OpenAi, Anthropic] {
        for (model, status, word, reason) in [
            ("mock-busy", 429, "RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"),
            ("mock-down", 502, "UNAVAILABLE", "ALL_ATTEMPTS_FAILED"),
            ("mock-long", 400, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"),
        ] {
            for path in [plain(provider), streamed(provider)] {
                let response = post(&user, &path.replace("mock-small", model), &question("x")).send().await;
                let error = told(response, status, word);
                assert_eq!(detail(&error, "ErrorInfo")["reason"], reason, "{provider}: {error}");
                if status == 429 {
                    assert_eq!(detail(&error, "RetryInfo")["retryDelay"], "7s", "{provider}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let path = streamed(provider).replace("mock-small", "mock-chunks-20-cut-after-6");
        let events: Vec<Value> =
            post(&user, &path, &question("x")).stream().await.rest().await.iter().map(|event| event.json()).collect();
        let array: Vec<Value> =
            post(&user, &path.replace("?alt=sse", ""), &question("x")).send().await.expect(200).parse();
        for elements in [events, array] {
            let (last, before) = elements.split_last().unwrap();
            assert_eq!(
                (&last["error"]["code"], &last["error"]["status"]),
                (&json!(502), &json!("UNAVAILABLE")),
                "{last}"
            );
            assert!(before.iter().all(|element| element["candidates"].is_array()), "{provider}: {before:?}");
        }
    }
}

#[tokio::test]
async fn errors_of_gemini_come_back_as_they_were() {
    let world = world().await;
    let user = world.user().await;
    let body = "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Quota\",\n    \"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}\n";
    world.mock.on("mock-quota", Behaviour::status_with_body(429, body));
    world.mock.on("mock-down", Behaviour::status(503));
    for path in [plain(Gemini), streamed(Gemini)] {
        let response = post(&user, &path.replace("mock-small", "mock-quota"), &question("x")).send().await;
        assert_eq!(response.expect(429).text(), body);
        let response = post(&user, &path.replace("mock-small", "mock-down"), &question("x")).send().await;
        told(response, 503, "UNAVAILABLE");
    }
    // A stored key that Gemini refuses is not the caller's fault.
    let key = json!({"api_key": "AIza-no-key-of-the-mock"});
    user.session.patch(&format!("/manage/providers/{}", user.provider_key(Gemini))).json(&key).send().await.expect(200);
    told(post(&user, &plain(Gemini), &question("x")).send().await, 502, "UNAVAILABLE");
}

#[tokio::test]
async fn a_refusal_of_gemini_itself_comes_back_in_its_words() {
    let world = world().await;
    let user = world.user().await;
    let mut body = question("x");
    body["tools"] = weather();
    body["nothing"] = json!(1);
    let error = told(post(&user, &plain(Gemini), &body).send().await, 400, "INVALID_ARGUMENT");
    assert!(error["message"].as_str().unwrap().contains("Unknown name \"nothing\""), "{error}");
}

#[tokio::test]
async fn a_key_in_the_query_is_taken_and_not_passed_on() {
    let world = world().await;
    let user = world.user().await;
    let path = format!("{}?key={}", plain(Gemini), user.api_key());
    user.anonymous().post(&path).json(&question("hello")).send().await.expect(200);
    assert!(!format!("{:?}", world.sent().pop().unwrap()).contains(user.api_key()));
    let model = plain(Gemini);
    let ask = |query: String| user.anonymous().post(&format!("{model}?{query}")).json(&question("hello")).send();
    for wrong in [format!("key={0}&key={0}", user.api_key()), "key=tt-wrong".to_owned(), "key=".to_owned()] {
        told(ask(wrong).await, 401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_a_credential_on_the_paths_of_gemini_alone() {
    let world = world().await;
    let user = world.user().await;
    user.anonymous().get(&format!("/v1/key?key={}", user.api_key())).send().await.expect(401);
    let bearer = user.api().post(&plain(Gemini)).json(&question("hello"));
    bearer.send().await.expect(200);
}
