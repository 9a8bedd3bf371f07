//! Provider keys: kept sealed, never shown again, sent only where they belong.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::MockUpstream;
use tt_testkit::world::{PROVIDERS, User, sent};

use crate::expect::{about, error, error_about, fields, now_ms, time};
use crate::setup::{world, world_with};

const FIELDS: [&str; 6] = ["id", "provider", "label", "base_url", "created_at", "targets"];

async fn create(user: &User, body: &Value) -> Value {
    user.session.post("/manage/providers").json(body).send().await.expect(201).json()
}

#[tokio::test]
async fn a_key_is_stored_and_listed_and_never_shown() {
    let world = world().await;
    let user = world.bare_user().await;
    assert_eq!(user.session.get("/manage/providers").send().await.expect(200).text(), "[]");
    let mut made = Vec::new();
    for provider in PROVIDERS {
        let body = json!({"provider": provider.as_str(), "api_key": "sk-very-secret", "label": "mine"});
        let answer = user.session.post("/manage/providers").json(&body).send().await.expect(201);
        assert!(!answer.text().contains("very-secret"));
        let key = answer.json();
        fields(&key, &FIELDS);
        assert!(key["id"].is_i64() && key["base_url"].is_null());
        assert_eq!((&key["provider"], &key["label"]), (&json!(provider.as_str()), &json!("mine")));
        about(time(&key["created_at"]), now_ms());
        made.push(key);
    }
    let list = user.session.get("/manage/providers").send().await.expect(200);
    assert!(!list.text().contains("very-secret"));
    assert_eq!(list.json(), json!(made));
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named_and_not_repeated() {
    let world = world().await;
    let user = world.bare_user().await;
    for (body, code, param) in [
        (json!({"api_key": "sk-secret"}), "missing_field", "provider"),
        (json!({"provider": "openai"}), "missing_field", "api_key"),
        (json!({"provider": "mistral", "api_key": "sk-secret"}), "invalid_field", "provider"),
        (json!({"provider": "OpenAI", "api_key": "sk-secret"}), "invalid_field", "provider"),
        (json!({"provider": "openai", "api_key": ""}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": "  "}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": "sk-secret\r\nx: y"}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": "sk-secrét"}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": "s".repeat(4097)}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": 5}), "invalid_field", "api_key"),
        (json!({"provider": "openai", "api_key": "sk-secret", "label": ""}), "invalid_field", "label"),
        (json!({"provider": "openai", "api_key": "sk-secret", "label": "x".repeat(101)}), "invalid_field", "label"),
        (json!({"provider": "openai", "api_key": "sk-secret", "key": "x"}), "invalid_field", "key"),
        (json!({"provider": "openai", "api_key": "sk-secret", "base_url": 1}), "invalid_field", "base_url"),
    ] {
        let answer = user.session.post("/manage/providers").json(&body).send().await;
        error_about(&answer, 400, code, param);
        assert!(!answer.text().contains("sk-secr"), "{}", answer.text());
    }
    assert_eq!(user.session.get("/manage/providers").send().await.expect(200).text(), "[]");
}

#[tokio::test]
async fn blanks_around_a_key_are_a_slip_of_copying() {
    let world = world().await;
    let user = world.bare_user().await;
    let key = format!("  {}\n", MockUpstream::key(Provider::OpenAi));
    create(&user, &json!({"provider": "openai", "api_key": key})).await;
    user.ask("openai/mock-small", "hello").await.expect(200);
}

#[tokio::test]
async fn an_address_in_the_own_network_is_refused() {
    let world = world().await;
    let user = world.user().await;
    let id = user.provider_key(Provider::OpenAi);
    let mut answers = std::collections::BTreeMap::new();
    for address in [
        "https://127.0.0.1:9/v1",
        "https://localhost/v1",
        "https://[::1]/v1",
        "https://10.0.0.1",
        "https://192.168.1.1/v1",
        "https://172.16.0.1",
        "https://169.254.169.254/latest",
        "https://0.0.0.0",
        "https://100.64.0.1",
        "https://[fe80::1]",
        "https://[fd00::1]",
        "https://[::ffff:127.0.0.1]",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://017700000001/",
        "http://8.8.8.8/v1",
        "https://8.8.8.8:0/v1",
        "https://8.8.8.8:99999/v1",
        "https://no-such-host.invalid",
        "ftp://example.org",
        "file:///etc/passwd",
        "example.org",
        "https://",
        "https://user:password@example.org",
        "https://example.org?x=1",
        "https://example.org#x",
        "https://exa mple.org",
        "",
    ] {
        let body = json!({"provider": "openai", "api_key": "sk-x", "base_url": address});
        let answer = user.session.post("/manage/providers").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "base_url");
        answers.insert(address, answer.json()["error"]["message"].to_string());
        let body = json!({"api_key": "sk-x", "base_url": address});
        let answer = user.session.patch(&format!("/manage/providers/{id}")).json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "base_url");
    }
    // Nobody learns here which names an inner network has.
    assert_eq!(answers["https://no-such-host.invalid"], answers["https://10.0.0.1"]);
    // The refused changes were not saved: the key still works.
    user.ask("openai/mock-small", "hello").await.expect(200);
}

#[tokio::test]
async fn a_keys_own_address_gets_its_requests_and_no_other_key() {
    let world = world_with(&[("ALLOW_PRIVATE_UPSTREAMS", "true")]).await;
    let other = MockUpstream::start();
    let user = world.user().await;
    let base = other.base_url(Provider::OpenAi);
    let body = json!({"provider": "openai", "api_key": "sk-mock-own", "base_url": format!("{base}/")});
    let key = create(&user, &body).await;
    assert_eq!(key["base_url"], json!(base));
    let body = json!({"alias": "own", "target_model": "mock-small", "provider_key_id": key["id"]});
    user.session.post("/manage/aliases").json(&body).send().await.expect(200);
    user.alias("usual", Provider::OpenAi, "mock-small").await;
    user.ask("own", "hello").await.expect(200);
    user.ask("usual", "hello").await.expect(200);
    let credentials = |mock: &MockUpstream| -> Vec<String> {
        sent(mock).iter().map(|seen| seen.header("authorization").unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(credentials(&other), ["Bearer sk-mock-own"]);
    assert_eq!(credentials(&world.mock), ["Bearer sk-mock"]);
}

#[tokio::test]
async fn a_change_holds_from_the_next_request_on() {
    let world = world().await;
    let user = world.user().await;
    user.ask("openai/mock-small", "one").await.expect(200);
    let path = format!("/manage/providers/{}", user.provider_key(Provider::OpenAi));
    let before = user.session.get("/manage/providers").send().await.json()[0].clone();

    let answer = user.session.patch(&path).json(&json!({"label": "renamed"})).send().await.expect(200).json();
    fields(&answer, &FIELDS);
    assert_eq!(answer["label"], "renamed");
    for field in ["id", "provider", "base_url", "created_at"] {
        assert_eq!(answer[field], before[field], "{field}");
    }
    let answer = user.session.patch(&path).json(&json!({"api_key": "sk-mock-rotated"})).send().await.expect(200);
    assert!(!answer.text().contains("rotated"));
    assert_eq!(answer.json()["label"], "renamed");
    user.ask("openai/mock-small", "two").await.expect(200);
    let seen: Vec<String> =
        world.sent().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(seen, ["Bearer sk-mock", "Bearer sk-mock-rotated"]);

    let answer = user.session.patch(&path).json(&json!({"label": null})).send().await.expect(200).json();
    assert!(answer["label"].is_null());
}

#[tokio::test]
async fn a_stored_key_is_never_sent_to_a_host_it_was_not_saved_for() {
    let world = world_with(&[("ALLOW_PRIVATE_UPSTREAMS", "true")]).await;
    let other = MockUpstream::start();
    let user = world.user().await;
    let path = format!("/manage/providers/{}", user.provider_key(Provider::OpenAi));
    for base_url in [json!(other.base_url(Provider::OpenAi)), Value::Null] {
        let answer = user.session.patch(&path).json(&json!({"base_url": base_url})).send().await;
        error_about(&answer, 400, "missing_field", "api_key");
    }
    let both = json!({"base_url": other.base_url(Provider::OpenAi), "api_key": "sk-mock-other"});
    user.session.patch(&path).json(&both).send().await.expect(200);
    user.ask("openai/mock-small", "hello").await.expect(200);
    assert_eq!(sent(&other).len(), 1);
    // Another key for the same host leaves the address as it is; null leads back to the provider's own.
    user.session.patch(&path).json(&json!({"api_key": "sk-mock-third"})).send().await.expect(200);
    user.ask("openai/mock-small", "hello").await.expect(200);
    assert_eq!((sent(&other).len(), world.sent().len()), (2, 0));
    let back = json!({"api_key": "sk-mock-fourth", "base_url": null});
    let answer = user.session.patch(&path).json(&back).send().await.expect(200).json();
    assert!(answer["base_url"].is_null());
    user.ask("openai/mock-small", "hello").await.expect(200);
    assert_eq!((sent(&other).len(), world.sent().len()), (2, 1));
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named() {
    let world = world().await;
    let user = world.user().await;
    let path = format!("/manage/providers/{}", user.provider_key(Provider::OpenAi));
    let answer = user.session.patch(&path).json(&json!({})).send().await;
    error(&answer, 400, "missing_field");
    for (body, param) in [
        (json!({"provider": "gemini"}), "provider"),
        (json!({"label": 1}), "label"),
        (json!({"label": "x".repeat(101)}), "label"),
        (json!({"api_key": ""}), "api_key"),
        (json!({"api_key": "a b"}), "api_key"),
    ] {
        let answer = user.session.patch(&path).json(&body).send().await;
        error_about(&answer, 400, "invalid_field", param);
    }
}

#[tokio::test]
async fn a_key_in_use_stays_and_another_goes() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    let path = format!("/manage/providers/{}", user.provider_key(Provider::OpenAi));
    error(&user.session.delete(&path).send().await, 409, "provider_key_in_use");
    user.ask("fast", "hello").await.expect(200);
    user.session.delete("/manage/aliases/fast").send().await.expect(204);
    let answer = user.session.delete(&path).send().await.expect(204);
    assert!(answer.body.is_empty());
    error(&user.session.delete(&path).send().await, 404, "provider_key_not_found");
    error(&user.ask("openai/mock-small", "hello").await, 404, "model_not_found");
    assert_eq!(user.session.get("/manage/providers").send().await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_oldest_key_of_a_provider_serves_models_named_directly() {
    let world = world().await;
    let user = world.bare_user().await;
    let first = create(&user, &json!({"provider": "openai", "api_key": "sk-mock-first"})).await;
    create(&user, &json!({"provider": "openai", "api_key": "sk-mock-second"})).await;
    user.ask("openai/mock-small", "hello").await.expect(200);
    user.session.delete(&format!("/manage/providers/{}", first["id"])).send().await.expect(204);
    user.ask("openai/mock-small", "hello").await.expect(200);
    let seen: Vec<String> =
        world.sent().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(seen, ["Bearer sk-mock-first", "Bearer sk-mock-second"]);
}
