//! Bodies that name the things of another user, and labels that are meant to do harm.

use serde_json::json;
use tt_core::Provider;
use tt_testkit::world::error_code;

use crate::setup::world;

#[tokio::test]
async fn the_things_of_another_user_are_not_found() {
    let world = world().await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    let (anns, bobs) = (ann.add_provider_key(Provider::OpenAi).await, bob.add_provider_key(Provider::OpenAi).await);
    let alias = ann.save_alias(&json!({"alias": "a", "target_model": "gpt-4o", "provider_key_id": anns})).await;
    bob.save_alias(&json!({"alias": "b", "target_model": "gpt-4o", "provider_key_id": bobs})).await;
    let wish = |key: i64, fallback: i64| json!({"alias": "x", "target_model": "gpt-4o", "provider_key_id": key, "fallback_alias_id": fallback});
    for (body, expected) in [
        (wish(anns, 0), "provider_key_not_found"),
        (wish(999, 0), "provider_key_not_found"),
        (wish(i64::MIN, 0), "provider_key_not_found"),
        (wish(bobs, alias), "alias_not_found"),
        (wish(bobs, -1), "alias_not_found"),
    ] {
        let refused = bob.session.post("/manage/aliases").json(&body).send().await.expect(404).json();
        assert_eq!(error_code(&refused), expected, "{body}");
    }
    for body in [json!({"provider_key_id": anns}), json!({"fallback_alias_id": alias})] {
        bob.session.patch("/manage/aliases/b").json(&body).send().await.expect(404);
    }
    for path in [format!("/manage/providers/{anns}"), "/manage/aliases/a".to_owned()] {
        bob.session.patch(&path).json(&json!({"label": "mine"})).send().await;
        bob.session.delete(&path).send().await.expect(404);
    }
    assert_eq!(ann.session.get("/manage/aliases").send().await.json().as_array().unwrap().len(), 1);
    let keys = ann.session.get("/manage/providers").send().await.json();
    assert_eq!(keys[0]["label"], json!(null));
}

#[tokio::test]
async fn labels_come_back_as_they_were_or_are_refused() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let body = |label: &str| json!({"provider": "openai", "api_key": "sk-mock", "label": label});
    let longest = "\u{1f980}".repeat(100);
    let hostile =
        ["<script>alert(1)</script>", "'; DROP TABLE users; --", "=cmd|' /C calc'!A0", "\u{202e}gnp.exe", &longest];
    for label in hostile {
        let made = ann.session.post("/manage/providers").json(&body(label)).send().await.expect(201);
        assert_eq!(made.header("content-type"), Some("application/json"));
        assert_eq!(made.json()["label"], label);
        let path = format!("/manage/providers/{}", made.json()["id"]);
        let renamed = ann.session.patch(&path).json(&json!({"label": label})).send().await.expect(200);
        assert_eq!(renamed.json()["label"], label);
    }
    let too_long = "x".repeat(101);
    for label in ["", "a\nb", "a\0b", "\u{7f}", "\u{1b}[31m", &too_long] {
        let refused = ann.session.post("/manage/providers").json(&body(label)).send().await.expect(400).json();
        assert_eq!(refused["error"]["param"], "label", "{label:?}");
        let refused = ann.session.post("/auth/key").json(&json!({"name": label})).send().await.expect(400).json();
        assert_eq!(refused["error"]["param"], "name", "{label:?}");
    }
    for (field, value) in [("provider", json!("openai2")), ("api_key", json!("a b")), ("extra", json!(1))] {
        let mut bad = body("x");
        bad[field] = value;
        let refused = ann.session.post("/manage/providers").json(&bad).send().await.expect(400);
        assert_eq!(refused.json()["error"]["param"], field);
        assert!(!refused.text().contains("sk-mock"));
    }
}
