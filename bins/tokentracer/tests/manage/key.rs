//! `GET /v1/key`: what the credential of the request may do, and what it has spent.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::Client;
use tt_testkit::world::{error_code, question};

use crate::setup::{setup, world};

async fn show(client: &Client) -> Value {
    client.get("/v1/key").send().await.expect(200).json()
}

#[tokio::test]
async fn a_key_sees_what_it_may_and_what_it_has_spent() {
    let world = setup().env("RATE_LIMIT_DAILY", "100").start().await;
    let admin = world.admin("admin").await;
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    let budget = json!({"limit_usd": 50, "period": "month"});
    ann.session.put("/manage/budgets").json(&budget).send().await.expect(200);
    let path = format!("/manage/users/{}", ann.id);
    let budget = json!({"budget_usd": 70, "budget_period": "total"});
    admin.session.patch(&path).json(&budget).send().await.expect(200);
    let wish = json!({"name": "ci", "rate_limit_minute": 5, "budget_usd": 2, "budget_period": "day"});
    let (key, other) = (ann.new_api_key(&wish).await, ann.new_api_key(&Value::Null).await);

    let fresh = show(&key.client).await;
    let listed = ann.session.get("/auth/keys").send().await.expect(200).json();
    for field in ["id", "name", "prefix", "scopes", "expires_at"] {
        assert_eq!(fresh[field], listed[0][field], "{field}");
    }
    let nothing = json!({"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0});
    assert_eq!(fresh["usage"], json!({"today": nothing, "month": nothing}));
    let limits = json!([
        {"rule": "user_day", "limit": 100, "remaining": 100, "resets_at": null},
        {"rule": "key_minute", "limit": 5, "remaining": 5, "resets_at": null},
    ]);
    assert_eq!(fresh["limits"], limits);

    for client in [&key.client, &key.client, &other.client] {
        client.post("/v1/chat/completions").json(&question("openai/gpt-4o-mini", "hello")).send().await.expect(200);
    }
    let used = show(&key.client).await;
    let left: Vec<(&str, u64)> = used["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|limit| (limit["rule"].as_str().unwrap(), limit["remaining"].as_u64().unwrap()))
        .collect();
    assert_eq!(left, [("user_day", 97), ("key_minute", 3)], "to look takes nothing");
    assert!(used["limits"][0]["resets_at"].as_str().unwrap().ends_with("T00:00:00.000Z"), "{used}");
    assert!(used["limits"][1]["resets_at"].is_string());
    assert_eq!((&used["usage"]["today"]["requests"], &used["usage"]["month"]["requests"]), (&json!(2), &json!(2)));
    let spent = used["usage"]["today"]["cost_usd"].clone();
    assert!(spent.as_f64().unwrap() > 0.0);
    let budgets = used["budgets"].as_array().unwrap();
    let of = |scope: &str| budgets.iter().find(|budget| budget["scope"] == scope).unwrap().clone();
    assert_eq!(budgets.len(), 3);
    let key_budget = of("key");
    assert_eq!((&key_budget["limit_usd"], &key_budget["period"]), (&json!(2), &json!("day")));
    assert_eq!((&key_budget["spent_usd"], &key_budget["held_usd"]), (&spent, &json!(0)));
    assert!(key_budget["resets_at"].is_string());
    let all = show(&ann.session).await;
    assert_eq!(of("user")["spent_usd"], all["usage"]["today"]["cost_usd"]);
    assert_eq!((&of("admin")["limit_usd"], &of("admin")["resets_at"]), (&json!(70), &Value::Null));

    // A session sees all of its user, and no key's limits.
    assert_eq!(
        (&all["usage"]["today"]["requests"], &all["name"], &all["prefix"]),
        (&json!(3), &Value::Null, &Value::Null)
    );
    assert_eq!(all["scopes"], json!(["proxy", "manage"]));
    assert_eq!((all["limits"].as_array().unwrap().len(), all["budgets"].as_array().unwrap().len()), (1, 2));
}

#[tokio::test]
async fn any_credential_will_do_and_none_will_not() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let key = ann.new_api_key(&json!({"scopes": ["manage"], "expires_in_days": null})).await;
    let shown = show(&key.client).await;
    assert_eq!((&shown["scopes"], &shown["expires_at"]), (&json!(["manage"]), &Value::Null));
    assert_eq!((&shown["limits"], &shown["budgets"]), (&json!([]), &json!([])));
    assert_eq!(error_code(&world.client().get("/v1/key").send().await.expect(401).json()), "missing_credentials");
    ann.session.delete(&format!("/auth/keys/{}", key.id)).send().await.expect(204);
    assert_eq!(error_code(&key.client.get("/v1/key").send().await.expect(401).json()), "invalid_credentials");
}
