//! The light model: exactly under the threshold, and what it saved.

use serde_json::{Value, json};
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_testkit::world::{PROVIDERS, question, request_id};

use crate::prices::{cost, nano_of};
use crate::setup::world;

fn light(threshold: u64) -> Value {
    json!({"use_light_model": true, "light_model": "mock-light", "light_model_threshold": threshold})
}

#[tokio::test]
async fn the_light_model_serves_exactly_under_the_threshold() {
    let world = world().await;
    let user = world.user().await;
    let hello = |role: &str| json!({"role": role, "content": "hello world"});
    // "hello world" is two tokens.
    for (messages, tokens) in [
        (json!([hello("user")]), 2),
        (json!([hello("system"), hello("user")]), 4),
        (json!([hello("system"), hello("user"), hello("assistant"), hello("user")]), 8),
        (json!([{"role": "user", "content": [{"type": "text", "text": "hello world"}]}]), 2),
    ] {
        for provider in PROVIDERS {
            for (threshold, model, route) in [
                (tokens + 1, "mock-light", "light"),
                (tokens, "mock-full", "primary"),
                (tokens - 1, "mock-full", "primary"),
                (0, "mock-full", "primary"),
                (1_000_000, "mock-light", "light"),
            ] {
                user.alias_with("fast", provider, "mock-full", light(threshold)).await;
                let answer = user.complete(&json!({"model": "fast", "messages": messages})).await.expect(200);
                let said = (answer.header("x-tokentracer-model"), answer.header("x-tokentracer-route"));
                assert_eq!(said, (Some(model), Some(route)), "{provider}: {tokens} tokens, threshold {threshold}");
            }
        }
    }
}

#[tokio::test]
async fn a_long_input_is_counted_exactly_too() {
    let world = world().await;
    let user = world.user().await;
    // " hello" is one token, wherever it stands.
    let text = format!("hello{}", " hello".repeat(299));
    for (threshold, model) in [(300, "mock-full"), (301, "mock-light")] {
        user.alias_with("fast", OpenAi, "mock-full", light(threshold)).await;
        let answer = user.ask("fast", &text).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-model"), Some(model), "threshold {threshold}");
    }
}

#[tokio::test]
async fn tools_and_their_results_count_as_input() {
    let world = world().await;
    let user = world.user().await;
    user.alias_with("fast", OpenAi, "mock-full", light(50)).await;
    let words = "many words that fill a description ".repeat(20);
    let tool = json!({"type": "function", "function": {"name": "look", "description": words, "parameters": {"type": "object", "properties": {}}}});
    let mut with_tools = question("fast", "hello");
    with_tools["tools"] = json!([tool]);
    let with_result = json!({"model": "fast", "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": words},
    ]});
    for body in [with_tools, with_result] {
        let answer = user.complete(&body).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-model"), Some("mock-full"));
    }
    assert_eq!(user.ask("fast", "hello").await.header("x-tokentracer-model"), Some("mock-light"));
}

#[tokio::test]
async fn without_the_switch_or_the_model_there_is_no_light_route() {
    let world = world().await;
    let user = world.user().await;
    for more in [
        json!({"light_model": "mock-light", "light_model_threshold": 1000}),
        json!({"use_light_model": true, "light_model_threshold": 1000}),
        json!({"use_light_model": false, "light_model": "mock-light"}),
    ] {
        user.alias_with("fast", OpenAi, "mock-full", more).await;
        let answer = user.ask("fast", "hello").await.expect(200);
        assert_eq!(answer.header("x-tokentracer-model"), Some("mock-full"));
        assert_eq!(answer.header("x-tokentracer-route"), Some("primary"));
    }
}

#[tokio::test]
async fn a_failed_light_model_goes_to_the_fallback_and_a_light_model_there_is_a_fallback() {
    let world = world().await;
    let user = world.user().await;
    let second = user.alias_with("second", Gemini, "mock-full", light(1000)).await;
    let more = json!({"use_light_model": true, "light_model": "mock-status-401", "fallback_alias_id": second});
    user.alias_with("first", OpenAi, "mock-never", more).await;
    let answer = user.ask("first", "hello").await.expect(200);
    let said = ["alias", "model", "route", "attempts"].map(|name| answer.header(&format!("x-tokentracer-{name}")));
    assert_eq!(said, [Some("second"), Some("mock-light"), Some("fallback"), Some("2")]);
    assert!(world.sent().iter().all(|seen| seen.model.as_deref() != Some("mock-never")));
}

#[tokio::test]
async fn what_the_light_model_saved_is_the_difference_to_the_target() {
    let world = world().await;
    let user = world.user().await;
    let mut sum = 0;
    for (provider, target, light) in [
        (OpenAi, "gpt-4o", "gpt-4o-mini"),
        (Anthropic, "claude-sonnet-4-5", "claude-haiku-4-5"),
        (Gemini, "gemini-2.5-pro", "gemini-2.5-flash-lite"),
    ] {
        user.alias_with("fast", provider, target, json!({"use_light_model": true, "light_model": light})).await;
        let answer = user.ask("fast", "hello there you").await.expect(200);
        let usage = world.sent().last().unwrap().usage_sent.unwrap();
        let (paid, full) = (cost(provider, light, &usage), cost(provider, target, &usage));
        let row = user.log(&request_id(&answer)).await;
        assert_eq!((nano_of(&row["cost_usd"]), nano_of(&row["saved_usd"])), (paid, full - paid), "{provider}");
        assert_eq!(row["route"], "light");
        assert!(row["route_reason"].as_str().unwrap().contains(light), "{row}");
        sum += full - paid;
    }
    let usage = user.session.get("/manage/usage?group_by=route").send().await.expect(200).json();
    assert_eq!(usage[0]["route"], "light");
    assert_eq!(nano_of(&usage[0]["saved_usd"]), sum);
    user.alias("plain", OpenAi, "gpt-4o").await;
    let answer = user.ask("plain", "hello").await;
    assert_eq!(user.log(&request_id(&answer)).await["saved_usd"], 0);
}
