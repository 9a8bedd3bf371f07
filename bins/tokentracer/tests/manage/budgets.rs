//! `/manage/budgets` and the budgets of users and keys: fields, checks, and who may set which.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::World;
use tt_testkit::world::{Ran, User, error_code, eventually, question};

use crate::setup::{program, world};

async fn stage() -> (World, User, User) {
    let world = world().await;
    let admin = world.admin("admin").await;
    let ann = world.sign_up("ann").await;
    (world, admin, ann)
}

async fn shown(person: &User) -> Value {
    person.session.get("/manage/budgets").send().await.expect(200).json()
}

async fn put(person: &User, body: &Value) -> Value {
    person.session.put("/manage/budgets").json(body).send().await.expect(200).json()
}

#[tokio::test]
async fn a_users_own_budget_and_the_administrators_are_two() {
    let (world, admin, ann) = stage().await;
    let none = json!({"limit_usd": null, "period": null, "soft": null, "spent_usd": null, "held_usd": null, "resets_at": null});
    let mut nothing = none.clone();
    nothing["admin"] = none.clone();
    nothing["api_keys"] = json!([]);
    assert_eq!(shown(&ann).await, nothing);

    let own = put(&ann, &json!({"limit_usd": 12.000_000_005, "period": "month"})).await;
    assert_eq!(own["limit_usd"].to_string(), "12.000000005", "to the nano-dollar");
    assert_eq!((&own["period"], &own["spent_usd"], &own["held_usd"]), (&json!("month"), &json!(0), &json!(0)));
    let resets = own["resets_at"].as_str().unwrap();
    assert!(resets.ends_with("-01T00:00:00.000Z"), "{resets}");
    assert_eq!(own["admin"], none);
    assert_eq!(shown(&ann).await, own);
    // An administrator sees and sets theirs, and the user's own stays.
    let path = format!("/manage/users/{}", ann.id);
    let patched = json!({"budget_usd": 3, "budget_period": "total"});
    let user = admin.session.patch(&path).json(&patched).send().await.expect(200).json();
    assert_eq!((&user["budget_usd"], &user["budget_period"]), (&json!(3), &json!("total")));
    let both = shown(&ann).await;
    assert_eq!((&both["limit_usd"], &both["period"]), (&own["limit_usd"], &own["period"]));
    let theirs =
        json!({"limit_usd": 3, "period": "total", "soft": false, "spent_usd": 0, "held_usd": 0, "resets_at": null});
    assert_eq!(both["admin"], theirs);
    // Taking the own one away does not lift the other; a day resets at midnight.
    assert_eq!(put(&ann, &json!({"limit_usd": null})).await["admin"], theirs);
    assert_eq!(put(&ann, &json!({"limit_usd": null, "period": "day"})).await["period"], Value::Null);
    let day = put(&ann, &json!({"limit_usd": 0, "period": "day"})).await;
    assert!(day["resets_at"].as_str().unwrap().ends_with("T00:00:00.000Z"));
    assert_eq!(day["limit_usd"], 0);
    let users = admin.session.get("/manage/users").send().await.expect(200).json();
    assert_eq!((&users["data"][1]["budget_usd"], &users["data"][1]["budget_period"]), (&json!(3), &json!("total")));
    assert_eq!(users["data"][0]["budget_usd"], Value::Null);
    let user = admin.session.patch(&path).json(&json!({"budget_usd": null})).send().await.expect(200).json();
    assert_eq!((&user["budget_usd"], &user["budget_period"]), (&Value::Null, &Value::Null));
    assert_eq!(shown(&ann).await["admin"], none);
    // With an API key of the scope too, whatever budget the key has.
    let key = ann.new_api_key(&json!({"scopes": ["manage"], "budget_usd": 1, "budget_period": "day"})).await.client;
    assert_eq!(key.get("/manage/budgets").send().await.expect(200).json(), shown(&ann).await);
    world.client().get("/manage/budgets").send().await.expect(401);
    ann.new_api_key(&json!({})).await.client.get("/manage/budgets").send().await.expect(403);
}

#[tokio::test]
async fn the_budgets_of_api_keys_are_listed_with_what_is_spent_while_the_keys_work() {
    let (_world, _admin, ann) = stage().await;
    ann.add_provider_key(Provider::OpenAi).await;
    let hard = ann.new_api_key(&json!({"budget_usd": 2, "budget_period": "total"})).await;
    let soft = ann.new_api_key(&json!({"budget_usd": 1, "budget_period": "day", "budget_soft": true})).await;
    ann.new_api_key(&json!({})).await;
    for key in [&hard, &soft] {
        key.client.post("/v1/chat/completions").json(&question("openai/gpt-4o-mini", "hello")).send().await.expect(200);
    }
    let budgets = shown(&ann).await["api_keys"].clone();
    for (key, budget) in [&hard, &soft].into_iter().zip(budgets.as_array().unwrap()) {
        let of_key = key.client.get("/v1/key").send().await.expect(200).json()["budgets"][0].clone();
        assert!(of_key["spent_usd"].as_f64().unwrap() > 0.0, "{of_key}");
        for (field, value) in budget.as_object().unwrap().iter().filter(|(name, _)| *name != "api_key_id") {
            assert_eq!(*value, of_key[field], "{field}");
        }
        assert_eq!(budget["api_key_id"], key.id);
    }
    assert_eq!(budgets.as_array().unwrap().len(), 2, "a key without a budget has no entry");
    ann.session.delete(&format!("/auth/keys/{}", hard.id)).send().await.expect(204);
    let left = shown(&ann).await["api_keys"].clone();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["api_key_id"]), (1, &json!(soft.id)));
}

#[tokio::test]
async fn a_budget_that_makes_no_sense_is_refused_and_named() {
    let (_world, admin, ann) = stage().await;
    let user = format!("/manage/users/{}", ann.id);
    let bad = |limit: &str, period: &str| {
        let field = |name: &str, limit_or_period: Value| json!({name: limit_or_period});
        vec![
            (json!({limit: 5}), "missing_field", period.to_owned()),
            (json!({limit: 5, period: null}), "missing_field", period.to_owned()),
            (field(period, json!("day")), "missing_field", limit.to_owned()),
            (json!({limit: 5, period: "week"}), "invalid_field", period.to_owned()),
            (json!({limit: null, period: "Day"}), "invalid_field", period.to_owned()),
            (json!({limit: 5, period: 7}), "invalid_field", period.to_owned()),
            (json!({limit: -1, period: "day"}), "invalid_field", limit.to_owned()),
            (json!({limit: "5", period: "day"}), "invalid_field", limit.to_owned()),
            (json!({limit: true, period: "day"}), "invalid_field", limit.to_owned()),
            (json!({limit: 9_000_001, period: "day"}), "invalid_field", limit.to_owned()),
            (json!({limit: 1e-10, period: "day"}), "invalid_field", limit.to_owned()),
        ]
    };
    let refused = |answer: tt_testkit::client::Response, body: &Value, expected: &str, field: &str| {
        let error = answer.expect(400).json();
        assert_eq!((error_code(&error), &error["error"]["param"]), (expected, &json!(field)), "{body}");
    };
    for (body, expected, field) in bad("limit_usd", "period") {
        refused(ann.session.put("/manage/budgets").json(&body).send().await, &body, expected, &field);
    }
    for (body, expected, field) in bad("budget_usd", "budget_period") {
        refused(admin.session.patch(&user).json(&body).send().await, &body, expected, &field);
        refused(ann.session.post("/auth/key").json(&body).send().await, &body, expected, &field);
    }
    let empty = json!({});
    refused(ann.session.put("/manage/budgets").json(&empty).send().await, &empty, "missing_field", "limit_usd");
    let more = json!({"limit_usd": 5, "period": "day", "admin": null});
    refused(ann.session.put("/manage/budgets").json(&more).send().await, &more, "invalid_field", "admin");
    ann.session.post("/manage/budgets").json(&empty).send().await.expect(405);
    assert_eq!(shown(&ann).await["limit_usd"], Value::Null, "a refused budget was set");
    // The most there is, and nothing at all, are budgets.
    for limit in [json!(9_000_000), json!(0)] {
        assert_eq!(put(&ann, &json!({"limit_usd": limit, "period": "total"})).await["limit_usd"], limit);
    }
}

#[tokio::test]
async fn a_keys_budget_is_listed_with_it() {
    let (_world, _admin, ann) = stage().await;
    ann.new_api_key(&json!({"budget_usd": 0.5, "budget_period": "month"})).await;
    ann.new_api_key(&json!({"budget_usd": null})).await;
    let keys = ann.session.get("/auth/keys").send().await.expect(200).json();
    let of = |n: usize| (keys[n]["budget_usd"].clone(), keys[n]["budget_period"].clone());
    assert_eq!(of(0), (json!(0.5), json!("month")));
    assert_eq!(of(1), (Value::Null, Value::Null));
}

#[tokio::test]
async fn a_budget_holds_and_ends_at_once() {
    let (world, admin, ann) = stage().await;
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({})).await.client;
    let ask = || key.post("/v1/chat/completions").json(&question("openai/gpt-4o-mini", "hello")).send();
    ask().await.expect(200);
    let path = format!("/manage/users/{}", ann.id);
    let budget = |usd: Value| json!({"budget_usd": usd, "budget_period": "day"});
    admin.session.patch(&path).json(&budget(json!(0))).send().await.expect(200);
    let refused = ask().await.expect(429).json();
    assert_eq!((error_code(&refused), &refused["error"]["type"]), ("budget_exceeded", &json!("insufficient_quota")));
    // Raised, also by less than what an earlier answer cost without one: what was spent before counts.
    eventually("what was spent before the budget is counted", async || {
        shown(&ann).await["admin"]["spent_usd"].as_f64() > Some(0.0)
    })
    .await;
    // A user cannot lift it.
    put(&ann, &json!({"limit_usd": 9_000_000, "period": "day"})).await;
    ask().await.expect(429);
    admin.session.patch(&path).json(&budget(Value::Null)).send().await.expect(200);
    ask().await.expect(200);
    assert_eq!(world.mock.requests().iter().filter(|seen| !seen.is_list()).count(), 2);
}

#[test]
fn clearing_needs_the_redis_that_holds_something() {
    let ran = Ran::from(program().argument("budgets").argument("clear").argument("ann@example.org")).expect(1);
    assert!(ran.err.contains("REDIS_URL") && ran.err.lines().count() == 1, "{}", ran.err);
}
