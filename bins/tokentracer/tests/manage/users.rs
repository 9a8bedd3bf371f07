//! `/manage/users`: the list of users, and changes by administrators.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::World;
use tt_testkit::world::{User, credentials, error_code, question};

use crate::setup::world;

async fn stage() -> (World, User, User) {
    let world = world().await;
    let admin = world.admin("admin").await;
    let ann = world.sign_up("ann").await;
    (world, admin, ann)
}

#[tokio::test]
async fn users_are_listed_to_administrators_in_pages() {
    let (world, admin, ann) = stage().await;
    let bob = world.sign_up("bob").await;
    let page = async |query: &str| admin.session.get(&format!("/manage/users{query}")).send().await.expect(200).json();
    let ids = |page: &Value| -> Vec<i64> {
        page["data"].as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect()
    };
    let whole = page("").await;
    assert_eq!(ids(&whole), [admin.id, ann.id, bob.id]);
    assert_eq!(whole["next_cursor"], Value::Null);
    let mut shown = whole["data"][1].clone();
    assert!(shown["created_at"].take().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        shown,
        json!({
            "id": ann.id, "email": "ann@example.org", "role": "user", "disabled": false, "rate_limit_minute": 0,
            "rate_limit_daily": 0, "budget_usd": null, "budget_period": null, "budget_soft": false, "created_at": null,
        })
    );
    assert_eq!(whole["data"][0]["role"], "admin");
    let first = page("?limit=2").await;
    assert_eq!(ids(&first), [admin.id, ann.id]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = page(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![bob.id], &Value::Null));
    for junk in
        ["?limit=0", "?limit=501", "?limit=x", "?cursor=", "?cursor=-1", "?cursor=x", "?page=2", "?limit=1&limit=2"]
    {
        let refused = admin.session.get(&format!("/manage/users{junk}")).send().await.expect(400).json();
        assert_eq!(error_code(&refused), "invalid_field", "{junk}");
    }
}

#[tokio::test]
async fn only_administrators_may() {
    let (world, admin, ann) = stage().await;
    let path = format!("/manage/users/{}", admin.id);
    let key = ann.new_api_key(&json!({"scopes": ["manage"]})).await.client;
    for client in [&ann.session, &key] {
        assert_eq!(error_code(&client.get("/manage/users").send().await.expect(403).json()), "forbidden");
        let change = json!({"role": "user"});
        assert_eq!(error_code(&client.patch(&path).json(&change).send().await.expect(403).json()), "forbidden");
        // Nor does a refusal tell which ids there are.
        client.patch("/manage/users/999").json(&change).send().await.expect(403);
    }
    world.client().get("/manage/users").send().await.expect(401);
    admin.new_api_key(&json!({})).await.client.get("/manage/users").send().await.expect(403);
    admin.new_api_key(&json!({"scopes": ["manage"]})).await.client.get("/manage/users").send().await.expect(200);
}

#[tokio::test]
async fn a_change_is_checked_whole_and_holds_at_once() {
    let (_world, admin, ann) = stage().await;
    let path = format!("/manage/users/{}", ann.id);
    let patch = |body: Value| admin.session.patch(&path).json(&body).send();
    let user = patch(json!({"rate_limit_minute": 7, "rate_limit_daily": 70})).await.expect(200).json();
    assert_eq!((&user["rate_limit_minute"], &user["rate_limit_daily"]), (&json!(7), &json!(70)));
    let me = ann.session.get("/auth/me").send().await.expect(200).json();
    assert_eq!((&me["rate_limit_minute"], &me["rate_limit_daily"]), (&json!(7), &json!(70)));
    let user = patch(json!({"rate_limit_minute": 0})).await.expect(200).json();
    assert_eq!((&user["rate_limit_minute"], &user["rate_limit_daily"]), (&json!(0), &json!(70)));
    for (body, expected) in [
        (json!({}), "missing_field"),
        (json!({"rate_limit_minute": -1}), "invalid_field"),
        (json!({"rate_limit_daily": 9_223_372_036_854_775_808_u64}), "invalid_field"),
        (json!({"rate_limit_daily": 1.5}), "invalid_field"),
        (json!({"rate_limit_daily": "7"}), "invalid_field"),
        (json!({"role": "root"}), "invalid_field"),
        (json!({"disabled": "yes"}), "invalid_field"),
        (json!({"email": "x@example.org"}), "invalid_field"),
        (json!({"id": 1}), "invalid_field"),
        (json!({"budget_usd": 5}), "missing_field"),
        (json!({"budget_period": "day", "disabled": true}), "missing_field"),
        (json!({"disabled": true, "rate_limit_minute": -1}), "invalid_field"),
        (json!([]), "invalid_json"),
    ] {
        assert_eq!(error_code(&patch(body.clone()).await.expect(400).json()), expected, "{body}");
    }
    let after = admin.session.get("/manage/users").send().await.expect(200).json();
    assert_eq!(after["data"][1]["disabled"], false, "a refused change changes nothing");
    for nobody in ["999", "0", "-1", "x", "99999999999999999999"] {
        let path = format!("/manage/users/{nobody}");
        let refused = admin.session.patch(&path).json(&json!({"disabled": true})).send().await.expect(404).json();
        assert_eq!(error_code(&refused), "user_not_found", "{nobody}");
    }
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_in_again_when_enabled() {
    let (world, admin, ann) = stage().await;
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({})).await.client;
    let call = || key.post("/v1/chat/completions").json(&question("openai/mock-small", "hello")).send();
    call().await.expect(200);
    let path = format!("/manage/users/{}", ann.id);
    let disabled = admin.session.patch(&path).json(&json!({"disabled": true})).send().await.expect(200).json();
    assert_eq!(disabled["disabled"], true);
    assert_eq!(error_code(&call().await.expect(401).json()), "invalid_credentials");
    ann.session.get("/auth/me").send().await.expect(401);
    let credentials = credentials(&ann.email);
    world.client().post("/auth/login").json(&credentials).send().await.expect(401);
    assert_eq!(world.mock.requests().len(), 1);

    admin.session.patch(&path).json(&json!({"disabled": false})).send().await.expect(200);
    call().await.expect(200);
    world.log_in(&ann.email).await.get("/auth/me").send().await.expect(200);
}

#[tokio::test]
async fn an_administrator_stays_one_unless_another_says_otherwise() {
    let (_world, admin, ann) = stage().await;
    let (own, anns) = (format!("/manage/users/{}", admin.id), format!("/manage/users/{}", ann.id));
    for change in [json!({"role": "user"}), json!({"disabled": true}), json!({"disabled": true, "role": "admin"})] {
        let refused = admin.session.patch(&own).json(&change).send().await.expect(409).json();
        assert_eq!(error_code(&refused), "own_account", "{change}");
    }
    admin.session.patch(&own).json(&json!({"role": "admin", "rate_limit_minute": 5})).send().await.expect(200);
    ann.session.get("/manage/users").send().await.expect(403);
    admin.session.patch(&anns).json(&json!({"role": "admin"})).send().await.expect(200);
    ann.session.get("/manage/users").send().await.expect(200);
    ann.session.patch(&own).json(&json!({"role": "user"})).send().await.expect(200);
    admin.session.get("/manage/users").send().await.expect(403);
}
