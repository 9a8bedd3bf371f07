//! Requests to a provider of another dialect: the request is written in the provider's dialect, the answer in the
//! client's.

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini};
use tt_testkit::Behaviour;
use tt_testkit::world::{PROVIDERS, User, question};

use crate::expect::fields;
use crate::setup::world;

fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }})
}

fn direct(provider: Provider) -> String {
    format!("{}/mock-small", provider.as_str())
}

async fn complete(user: &User, body: &Value) -> Value {
    user.complete(body).await.expect(200).json()
}

#[tokio::test]
async fn a_conversation_goes_to_anthropic_in_its_words() {
    let world = world().await;
    let user = world.user().await;
    let body = json!({
        "model": direct(Anthropic),
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "What now?"}]},
        ],
        "max_tokens": 77, "temperature": 0.5, "stop": ["END", "STOP"], "tools": [weather()], "tool_choice": "auto", "user": "ann",
    });
    complete(&user, &body).await;
    let seen = world.sent().pop().unwrap();
    assert_eq!((seen.path.as_str(), seen.header("anthropic-version")), ("/v1/messages", Some("2023-06-01")));
    let sent = seen.json();
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("mock-small"), &json!(77)));
    assert_eq!((&sent["temperature"], &sent["stop_sequences"]), (&json!(0.5), &json!(["END", "STOP"])));
    let system = sent["system"].to_string();
    assert!(system.contains("Be brief.") && system.contains("Be kind."), "{sent}");
    let roles: Vec<&Value> = sent["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert!(sent["messages"][2].to_string().contains("What now?"));
    let tool = &sent["tools"][0];
    assert_eq!((&tool["name"], &tool["description"]), (&json!("get_weather"), &json!("The weather of a city")));
    assert_eq!(tool["input_schema"]["properties"], json!({"city": {"type": "string"}}));
    assert!(!sent.to_string().contains("\"ann\""), "the user's name went up as it was");
}

#[tokio::test]
async fn a_conversation_goes_to_gemini_in_its_words() {
    let world = world().await;
    let user = world.user().await;
    let body = json!({
        "model": direct(Gemini),
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "What now?"},
        ],
        "max_completion_tokens": 77, "temperature": 0.5, "top_p": 0.9, "stop": "END", "tools": [weather()],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    });
    complete(&user, &body).await;
    let seen = world.sent().pop().unwrap();
    assert_eq!(seen.path, "/v1beta/models/mock-small:generateContent");
    let sent = seen.json();
    assert!(sent["systemInstruction"].to_string().contains("Be brief."), "{sent}");
    let roles: Vec<&Value> = sent["contents"].as_array().unwrap().iter().map(|content| &content["role"]).collect();
    assert_eq!(roles, ["user", "model", "user"]);
    let config = &sent["generationConfig"];
    assert_eq!(
        (&config["maxOutputTokens"], &config["temperature"], &config["topP"]),
        (&json!(77), &json!(0.5), &json!(0.9))
    );
    assert_eq!(config["stopSequences"], json!(["END"]));
    assert_eq!(sent["tools"][0]["functionDeclarations"][0]["name"], "get_weather");
    let calling = &sent["toolConfig"]["functionCallingConfig"];
    assert_eq!((&calling["mode"], &calling["allowedFunctionNames"]), (&json!("ANY"), &json!(["get_weather"])));
    user.ask_stream(&direct(Gemini), "hello").await.rest().await;
    let path = world.sent().pop().unwrap().path;
    assert_eq!(path, "/v1beta/models/mock-small:streamGenerateContent?alt=sse");
}

#[tokio::test]
async fn every_answer_has_openais_shape() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let answer = complete(&user, &question(&direct(provider), "one two three")).await;
        for field in ["id", "object", "created", "model", "choices", "usage"] {
            assert!(answer.get(field).is_some(), "{provider}: {field}");
        }
        assert_eq!(
            (&answer["object"], &answer["model"]),
            (&json!("chat.completion"), &json!("mock-small")),
            "{provider}"
        );
        assert!(answer["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-")) && answer["created"].is_i64());
        assert_eq!(answer["choices"].as_array().unwrap().len(), 1);
        let choice = &answer["choices"][0];
        assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")), "{provider}");
        let message = &choice["message"];
        assert_eq!(
            (&message["role"], &message["content"]),
            (&json!("assistant"), &json!("mock reply to: one two three"))
        );
        let sent = world.sent().pop().unwrap().usage_sent.unwrap();
        let usage = &answer["usage"];
        assert_eq!(usage["prompt_tokens"], sent.total_input(), "{provider}");
        assert_eq!(usage["completion_tokens"], sent.output, "{provider}");
        assert_eq!(usage["total_tokens"], sent.total(), "{provider}");
    }
}

#[tokio::test]
async fn usage_counts_caches_and_reasoning_as_openai_does() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-small", Behaviour::ok().cached(100).cache_write(20).reasoning(30));
    for provider in PROVIDERS {
        let usage = complete(&user, &question(&direct(provider), "one two three")).await["usage"].clone();
        // Three words in; "mock reply to: one two three" out. Gemini bills no cache writes.
        let sent = world.sent().pop().unwrap().usage_sent.unwrap();
        assert_eq!(usage["prompt_tokens"], sent.total_input(), "{provider}: {usage}");
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 100, "{provider}: {usage}");
        assert_eq!(usage["completion_tokens"], 36, "{provider}: {usage}");
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 30, "{provider}: {usage}");
    }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_taken_by_every_provider() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let mut body = question(&direct(provider), "call get_weather please");
        body["tools"] = json!([weather()]);
        let answer = complete(&user, &body).await;
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["message"]["content"]),
            (&json!("tool_calls"), &Value::Null),
            "{provider}"
        );
        let call = choice["message"]["tool_calls"][0].clone();
        assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("get_weather")));
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({"city": "mock"}));
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(choice["message"].clone());
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny and warm"}));
        for stream in [false, true] {
            body["stream"] = json!(stream);
            let said: String = if stream {
                let events = user.complete_stream(&body).await.rest().await;
                let delta = |event: &tt_testkit::client::Event| {
                    event.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned)
                };
                events.iter().filter_map(delta).collect()
            } else {
                complete(&user, &body).await["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            };
            assert!(said.starts_with("tool said: ") && said.contains("sunny and warm"), "{provider}: {said}");
        }
    }
}

#[tokio::test]
async fn an_answer_cut_short_ends_with_length() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        for field in ["max_tokens", "max_completion_tokens"] {
            let mut body = question(&direct(provider), "one two three");
            body[field] = json!(4);
            let answer = complete(&user, &body).await;
            assert_eq!(answer["choices"][0]["finish_reason"], "length", "{provider} {field}");
            assert_eq!(answer["usage"]["completion_tokens"], 4, "{provider} {field}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_conversation_is_refused_before_it_is_sent() {
    let world = world().await;
    let user = world.user().await;
    for provider in [Anthropic, Gemini] {
        for (field, value, code, param) in [
            ("messages", json!([]), "invalid_field", "messages"),
            ("messages", json!("hello"), "invalid_field", "messages"),
            ("messages", json!([{"role": "king", "content": "x"}]), "invalid_field", "messages[0].role"),
            ("messages", json!([{"role": "user", "content": 5}]), "invalid_field", "messages[0].content"),
            ("temperature", json!("warm"), "invalid_field", "temperature"),
            ("tools", json!([{"type": "function"}]), "missing_field", "tools[0].function"),
            ("n", json!(2), "unsupported_parameter", "n"),
        ] {
            if provider == Gemini && field == "n" {
                continue;
            }
            let mut body = question(&direct(provider), "hello");
            body[field] = value.clone();
            let answer = user.complete(&body).await;
            let told = crate::expect::error(&answer, 400, code);
            assert_eq!(told["param"], param, "{provider} {field} {value}: {told}");
        }
        let answer = user.complete(&json!({"model": direct(provider)})).await;
        crate::expect::error_about(&answer, 400, "missing_field", "messages");
    }
    assert!(world.sent().is_empty());
    let told = user.complete(&json!({"model": "openai/mock-small"})).await.json();
    fields(&told, &["error"]);
}
