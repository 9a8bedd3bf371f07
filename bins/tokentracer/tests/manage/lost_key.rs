//! A server that has lost its `ENCRYPTION_KEY`: provider keys that were saved before cannot be opened.

use serde_json::json;
use tt_core::Provider;
use tt_testkit::world::{question, request_id};

use crate::setup::world;

const LOST: &str = "openai mock-small was passed over: its stored key cannot be opened; save the key again";

#[tokio::test]
async fn a_key_that_cannot_be_opened_is_passed_over_and_named() {
    let mut world = world().await;
    let mut user = world.user().await;
    user.alias("x", Provider::OpenAi, "mock-small").await;
    world.stop();
    let path = world.data_dir().join("secrets");
    let secrets = std::fs::read_to_string(&path).unwrap();
    let other = |line: &str| match line.strip_prefix("ENCRYPTION_KEY=") {
        Some(_) => "ENCRYPTION_KEY=another key of thirty-two bytes or more\n".to_owned(),
        None => format!("{line}\n"),
    };
    std::fs::write(&path, secrets.lines().map(other).collect::<String>()).unwrap();
    world.start_again();

    world.find_again(&mut user);
    let session = &user.session;
    let ask = async || session.post("/v1/chat/completions").json(&question("x", "hello")).send().await;
    let refused = ask().await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status.as_u16(), &error["code"]), (502, &json!("all_attempts_failed")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("openai mock-small skipped: its stored key cannot be opened; save the key again"),
        "{message}"
    );
    let row = user.log(&request_id(&refused)).await;
    assert!(row["error"].as_str().unwrap().contains("its stored key cannot be opened"), "{row}");

    let key = user.add_provider_key(Provider::Anthropic).await;
    let back = user.save_alias(&json!({"alias": "back", "target_model": "mock-small", "provider_key_id": key})).await;
    user.alias_with("x", Provider::OpenAi, "mock-small", json!({"fallback_alias_id": back})).await;
    let served = ask().await.expect(200);
    assert_eq!(served.header("x-tokentracer-provider"), Some("anthropic"));
    assert_eq!(served.header("x-tokentracer-route"), Some("fallback"));
    let row = user.log(&request_id(&served)).await;
    assert!(row["notes"].as_array().unwrap().iter().any(|note| note["why"] == LOST), "{row}");

    // The reservation for the target that is passed over does not pay for a dearer one.
    let dear = json!({"alias": "dear", "target_model": "claude-opus-4-5", "provider_key_id": key});
    let dear = user.save_alias(&dear).await;
    user.alias_with("cheap", Provider::OpenAi, "gpt-4o-mini", json!({"fallback_alias_id": dear})).await;
    session.put("/manage/budgets").json(&json!({"limit_usd": 0.01, "period": "day"})).send().await.expect(200);
    let mut body = question("cheap", "hello");
    body["max_tokens"] = json!(1000);
    let refused = session.post("/v1/chat/completions").json(&body).send().await.expect(502).text();
    assert!(refused.contains("anthropic claude-opus-4-5 skipped") && refused.contains("budget"), "{refused}");
}
