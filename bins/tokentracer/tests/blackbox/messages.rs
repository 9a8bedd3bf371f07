//! Clients that speak Anthropic Messages, in front of each provider.

use http::Method;
use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic};
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{PROVIDERS, User, question, request_id, with_fields};

use crate::setup::world;

fn asked(provider: Provider, more: Value) -> Value {
    let body = with_fields(question(&format!("{provider}/mock-small"), "Hello"), &json!({"max_tokens": 100}));
    with_fields(body, &more)
}

fn call(user: &User, body: &Value) -> Call {
    user.anonymous().post("/v1/messages").header("x-api-key", user.api_key()).json(body)
}

async fn send(user: &User, body: &Value) -> Response {
    call(user, body).send().await
}

#[tokio::test]
async fn a_whole_answer_has_the_shape_of_messages_whoever_answers() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let response = send(&user, &asked(provider, json!({"system": "Be brief."}))).await.expect(200);
        let id = request_id(&response);
        assert_eq!(response.header("request-id"), Some(id.as_str()));
        let answer = response.json();
        assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")), "{provider}");
        assert_eq!(answer["content"][0]["type"], "text", "{provider}");
        let row = user.log(&id).await;
        assert_eq!((&row["dialect"], &row["stream"]), (&json!("anthropic_messages"), &json!(false)));
        assert_eq!(row["output_tokens"], answer["usage"]["output_tokens"], "{provider}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_one_message_delta_and_its_stop() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let mut stream = call(&user, &asked(provider, json!({"stream": true}))).stream().await;
        let events: Vec<Value> = stream.rest().await.iter().map(|event| event.json()).collect();
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(kinds.first(), Some(&"message_start"), "{provider}");
        assert_eq!(kinds.last(), Some(&"message_stop"), "{provider}");
        assert_eq!(kinds.iter().filter(|kind| **kind == "message_delta").count(), 1, "{provider}");
    }
}

#[tokio::test]
async fn a_request_to_anthropic_passes_with_the_headers_of_its_api() {
    let world = world().await;
    let user = world.user().await;
    let body = asked(Anthropic, json!({"temperature": 0.5, "metadata": {"user_id": "ann"}}));
    call(&user, &body)
        .header("anthropic-version", "2026-10-21")
        .header("anthropic-beta", "one,two")
        .send()
        .await
        .expect(200);
    let seen = world.sent().pop().unwrap();
    assert_eq!(seen.header("anthropic-version"), Some("2026-10-21"));
    assert_eq!(seen.header("anthropic-beta"), Some("one,two"));
    let expected = body.to_string().replace("\"anthropic/mock-small\"", "\"mock-small\"");
    assert_eq!(String::from_utf8(seen.body.to_vec()).unwrap(), expected);
}

#[tokio::test]
async fn errors_have_the_shape_of_messages() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS.into_iter().filter(|provider| *provider != Anthropic) {
        let content = json!([{"role": "user", "content": [{"type": "image"}]}]);
        let error = send(&user, &asked(provider, json!({"messages": content}))).await.expect(400).json();
        assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
        assert!(error["error"]["message"].as_str().unwrap().contains("messages[0].content[0].source"), "{error}");
    }
    let unknown = asked(Anthropic, json!({"model": "nobody"}));
    assert_eq!(send(&user, &unknown).await.expect(404).json()["error"]["type"], "not_found_error");
    let nobody = user.anonymous().post("/v1/messages").json(&unknown).send().await.expect(401).json();
    assert_eq!(nobody["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn the_session_in_the_metadata_is_in_the_row() {
    let world = world().await;
    let user = world.user().await;
    let user_id = json!({"device_id": "d", "session_id": "session-1"}).to_string();
    let response = send(&user, &asked(Anthropic, json!({"metadata": {"user_id": user_id}}))).await.expect(200);
    assert_eq!(user.log(&request_id(&response)).await["session"], "session-1");
}

#[tokio::test]
async fn probes_and_keys_are_taken_as_agents_send_them() {
    let world = world().await;
    let user = world.user().await;
    for path in ["/", "/api/hello", "/v1/messages", "/v1/models"] {
        user.anonymous().call(Method::HEAD, path).send().await.expect(200);
    }
    user.anonymous().get("/v1/models").header("x-api-key", user.api_key()).send().await.expect(200);
    user.anonymous()
        .post("/v1/chat/completions")
        .header("x-api-key", user.api_key())
        .json(&json!({}))
        .send()
        .await
        .expect(401);
}
