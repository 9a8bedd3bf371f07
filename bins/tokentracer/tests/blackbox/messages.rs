//! Clients that speak Anthropic Messages, in front of each provider.

use http::Method;
use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic};
use tt_testkit::Behaviour;
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

/// A request as Claude Code sends it: the beta API, its own headers, fields that only Anthropic knows.
fn as_claude_code(user: &User, model: &str) -> (Call, String) {
    let body = json!({
        "model": model, "max_tokens": 32000, "stream": true,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332; cc_entrypoint=sdk-cli;"},
            {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": "The environment.", "output_config": {"effort": "medium"}},
        ],
        "tools": [{"name": "Read", "description": "Reads.", "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false}}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": json!({"device_id": "d", "account_uuid": "", "session_id": "body"}).to_string()},
    });
    let text = body.to_string();
    let call = user
        .anonymous()
        .post("/v1/messages?beta=true")
        .header("x-api-key", user.api_key())
        .header("user-agent", "claude-cli/2.1.332 (external, sdk-cli)")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "claude-code-20250219,effort-2025-11-24")
        .header("anthropic-dangerous-direct-browser-access", "true")
        .header("x-claude-code-session-id", "session")
        .header("x-claude-code-agent-id", "agent")
        .header("content-type", "application/json")
        .body(text.clone());
    (call, text)
}

#[tokio::test]
async fn a_coding_agent_reaches_its_own_provider_byte_for_byte_and_every_other_one() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let model = format!("{provider}/mock-small");
        let (call, body) = as_claude_code(&user, &model);
        let mut stream = call.stream().await;
        let id = stream.header("x-request-id").unwrap().to_owned();
        let events = stream.rest().await;
        assert_eq!(events.last().unwrap().json()["type"], "message_stop", "{provider}");
        let row = user.log(&id).await;
        let said = ["client", "session", "agent"].map(|field| row[field].as_str().unwrap_or_default());
        assert_eq!(said, ["claude-code", "session", "agent"], "{provider}");
        let seen = world.sent().pop().unwrap();
        let text = String::from_utf8(seen.body.to_vec()).unwrap();
        if provider == Anthropic {
            assert_eq!(seen.path, "/v1/messages?beta=true");
            assert_eq!(seen.header("anthropic-beta"), Some("claude-code-20250219,effort-2025-11-24"));
            assert_eq!(seen.header("anthropic-dangerous-direct-browser-access"), Some("true"));
            assert_eq!(text, body.replace(&model, "mock-small"));
        } else {
            assert!(text.contains("The environment.") && !text.contains("context_management"), "{text}");
        }
    }
}

#[tokio::test]
async fn tokens_are_counted_by_anthropic_and_here_for_every_other_provider() {
    let world = world().await;
    let user = world.user().await;
    let count = |body: &Value| {
        let path = "/v1/messages/count_tokens?beta=true";
        user.anonymous().post(path).header("x-api-key", user.api_key()).json(body)
    };
    for provider in PROVIDERS {
        let body =
            with_fields(question(&format!("{provider}/mock-small"), "one two three"), &json!({"system": "four"}));
        let before = world.sent().len();
        let response = count(&body).send().await.expect(200);
        // The mock counts words, and o200k_base has a token for each of these words.
        assert_eq!(response.json(), json!({"input_tokens": 4}), "{provider}");
        assert_eq!(response.header("x-tokentracer-provider"), Some(provider.as_str()));
        let sent = world.sent().split_off(before);
        let paths: Vec<&str> = sent.iter().map(|seen| seen.path.as_str()).collect();
        let forwarded = provider == Anthropic;
        assert_eq!(paths, if forwarded { vec!["/v1/messages/count_tokens?beta=true"] } else { vec![] }, "{provider}");
        let row = user.log(&request_id(&response)).await;
        let fields = ["status", "outcome", "usage_source", "input_tokens", "cost_usd", "attempts"];
        let [status, outcome, source, tokens, cost, attempts] = fields.map(|field| row[field].clone());
        assert_eq!((status, outcome, source), (json!(200), json!("ok"), json!("none")), "{provider}");
        assert_eq!(
            (tokens, cost.as_f64(), attempts),
            (json!(0), Some(0.0), json!(usize::from(forwarded))),
            "{provider}"
        );
    }
    let wrong = json!({"model": "openai/mock-small", "messages": [{"role": "user", "content": 5}]});
    let error = count(&wrong).send().await.expect(400).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("messages[0].content"), "{error}");
    let refused = count(&question("anthropic/mock-status-429", "hi")).send().await.expect(429).json();
    assert_eq!(refused["error"]["type"], "rate_limit_error");
}

#[tokio::test]
async fn errors_of_anthropic_come_back_as_they_were() {
    let world = world().await;
    let user = world.user().await;
    let own = |kind: &str, message: &str| {
        let error = json!({"details": null, "type": kind, "message": message});
        format!(" {}\n", json!({"type": "error", "error": error, "request_id": "req_1"}))
    };
    let cases = [
        (400, own("invalid_request_error", "prompt is too long: 200012 tokens > 200000 maximum")),
        (404, own("not_found_error", "model: claude-none")),
        (413, own("request_too_large", "Request exceeds the maximum size")),
        (429, own("rate_limit_error", "slow down")),
        (500, own("api_error", "Internal server error")),
        (529, own("overloaded_error", "Overloaded")),
    ];
    for (number, (status, body)) in cases.into_iter().enumerate() {
        let model = format!("mock-case{number}");
        let behaviour = Behaviour::status_with_body(status, body.clone())
            .header("retry-after", "7.2")
            .header("anthropic-ratelimit-unified-status", "rejected");
        world.mock.on(model.as_str(), behaviour);
        for stream in [false, true] {
            let asked = asked(Anthropic, json!({"model": format!("anthropic/{model}"), "stream": stream}));
            let response = send(&user, &asked).await.expect(status);
            assert_eq!(response.text(), body);
            assert_eq!(response.header("anthropic-ratelimit-unified-status"), Some("rejected"));
            assert_eq!(response.header("anthropic-ratelimit-requests-remaining"), Some("3999"));
            assert_eq!(response.header("anthropic-organization-id"), None);
            assert_eq!(response.header("retry-after"), Some("8"), "{status}");
            assert_eq!(response.header("x-should-retry"), None, "{status}");
            assert_eq!(user.log(&request_id(&response)).await["status"], status);
        }
        // A client of another dialect does not get them.
        let chat = user.ask(&format!("anthropic/{model}"), "hi").await;
        assert!(!chat.text().contains("req_1") && chat.header("anthropic-ratelimit-unified-status").is_none());
    }
    // The stored key is not the caller's.
    let wrong = send(&user, &asked(Anthropic, json!({"model": "anthropic/mock-status-401"}))).await.expect(502).json();
    assert_eq!(wrong["error"]["type"], "api_error");
}

#[tokio::test]
async fn an_error_under_status_200_keeps_its_own_status_and_bills_nothing() {
    let world = world().await;
    let user = world.user().await;
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    world.mock.on("mock-object", Behaviour::status_with_body(200, error));
    let event = format!("event: error\ndata: {error}\n\n");
    let events = Behaviour::status_with_body(200, event.clone()).header("content-type", "text/event-stream");
    world.mock.on("mock-event", events);
    for (model, stream) in [("anthropic/mock-object", false), ("anthropic/mock-event", true)] {
        let response = send(&user, &asked(Anthropic, json!({"model": model, "stream": stream}))).await.expect(529);
        assert_eq!(response.text(), error, "{model}");
        let row = user.log(&request_id(&response)).await;
        assert_eq!((&row["usage_source"], row["cost_usd"].as_f64()), (&json!("none"), Some(0.0)), "{model}");
        assert_eq!(row["attempt_list"][0]["status"], 529, "{model}");
    }
    // After the first content the event is the end of the stream.
    let mut stream =
        call(&user, &asked(Anthropic, json!({"model": "anthropic/mock-error-after-4", "stream": true}))).stream().await;
    let events = stream.rest().await;
    let last = events.last().unwrap().json();
    assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("overloaded_error")));
    assert_eq!(last["error"]["message"], "Overloaded");
}

#[tokio::test]
async fn an_error_names_the_request() {
    let world = world().await;
    let user = world.user().await;
    let response = send(&user, &asked(Anthropic, json!({"model": "nobody"}))).await.expect(404);
    assert_eq!(response.json()["request_id"], request_id(&response));
    let limit = asked(Anthropic, json!({"max_tokens": "many"}));
    let response = send(&user, &limit).await.expect(400);
    assert_eq!(response.json()["request_id"], request_id(&response));
    let broken = asked(Provider::OpenAi, json!({"model": "openai/mock-cut-after-3", "stream": true}));
    let mut stream = call(&user, &broken).stream().await;
    let id = stream.header("x-request-id").unwrap().to_owned();
    let last = stream.rest().await.last().unwrap().json();
    assert_eq!((&last["type"], &last["request_id"]), (&json!("error"), &json!(id)));
}

#[tokio::test]
async fn models_are_listed_as_anthropic_lists_them() {
    let world = world().await;
    let user = world.user().await;
    for (name, provider) in [("one", Anthropic), ("two", Provider::OpenAi), ("three", Provider::Gemini)] {
        user.alias(name, provider, "mock-small").await;
    }
    let get = async |path: &str, status| {
        let call = user.anonymous().get(path).header("x-api-key", user.api_key());
        call.header("anthropic-version", "2023-06-01").send().await.expect(status)
    };
    let ids = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = get("/v1/models?limit=1000", 200).await.json();
    assert_eq!(ids(&list), ["one", "two", "three"]);
    assert_eq!(
        (&list["first_id"], &list["last_id"], &list["has_more"]),
        (&json!("one"), &json!("three"), &json!(false))
    );
    let model = &list["data"][0];
    assert_eq!((&model["type"], &model["display_name"]), (&json!("model"), &json!("one")));
    assert!(model["created_at"].as_str().unwrap().ends_with('Z'), "{model}");
    let page = get("/v1/models?limit=2&beta=true", 200).await.json();
    assert_eq!((ids(&page), &page["has_more"]), (vec!["one".to_owned(), "two".to_owned()], &json!(true)));
    let rest = get("/v1/models?limit=2&after_id=two", 200).await.json();
    assert_eq!((ids(&rest), &rest["has_more"]), (vec!["three".to_owned()], &json!(false)));
    assert_eq!(get("/v1/models/two", 200).await.json()["type"], "model");
    let error = get("/v1/models/none", 404).await;
    assert_eq!(error.json()["error"]["type"], "not_found_error");
    assert_eq!(error.json()["request_id"], request_id(&error));
    get("/v1/models?limit=0", 400).await;
    let plain = user.api().get("/v1/models").send().await.expect(200).json();
    assert_eq!((&plain["object"], plain["data"].as_array().unwrap().len()), (&json!("list"), 3));
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
