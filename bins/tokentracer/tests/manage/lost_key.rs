//! A server that has lost its `ENCRYPTION_KEY`: provider keys that were saved before cannot be opened.

use serde_json::json;
use tt_core::Provider;
use tt_testkit::MockUpstream;
use tt_testkit::world::{question, request_id};

use crate::setup::world;

const LOST: &str = "openai mock-small was passed over: its stored key cannot be opened; save the key again";

#[tokio::test]
async fn a_key_that_cannot_be_opened_is_passed_over_and_named() {
    let mut world = world().await;
    let user = world.user().await;
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

    let session = world.log_in(&user.email).await;
    let ask = async || session.post("/v1/chat/completions").json(&question("x", "hello")).send().await;
    let refused = ask().await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status.as_u16(), &error["code"]), (502, &json!("all_attempts_failed")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("openai mock-small skipped: its stored key cannot be opened; save the key again"),
        "{message}"
    );
    let row = session.get(&format!("/manage/logs/{}", request_id(&refused))).send().await.expect(200).json();
    assert!(row["error"].as_str().unwrap().contains("its stored key cannot be opened"), "{row}");

    let key = json!({"provider": "anthropic", "api_key": MockUpstream::key(Provider::Anthropic)});
    let key = session.post("/manage/providers").json(&key).send().await.expect(201).json();
    let back = json!({"alias": "back", "target_model": "mock-small", "provider_key_id": key["id"]});
    let back = session.post("/manage/aliases").json(&back).send().await.expect(200).json();
    let first = json!({
        "alias": "x", "target_model": "mock-small", "provider_key_id": user.provider_key(Provider::OpenAi),
        "fallback_alias_id": back["id"],
    });
    session.post("/manage/aliases").json(&first).send().await.expect(200);
    let served = ask().await.expect(200);
    assert_eq!(served.header("x-tokentracer-provider"), Some("anthropic"));
    assert_eq!(served.header("x-tokentracer-route"), Some("fallback"));
    let row = session.get(&format!("/manage/logs/{}", request_id(&served))).send().await.expect(200).json();
    assert!(row["notes"].as_array().unwrap().iter().any(|note| note["why"] == LOST), "{row}");
}
