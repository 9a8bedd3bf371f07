//! Targets that keep failing rest: they are passed over while another one can serve, the state is shown, and one request at
//! a time finds out whether the rest is over. Each process has a state of its own, so every call here goes to one process.

use std::time::Duration;

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::Behaviour;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::exposition::Exposition;
use tt_testkit::world::{User, question, request_id, within};

use crate::expect::{error, now_ms, time};
use crate::setup::world_with;

use Provider::{Anthropic, OpenAi};

async fn ask(user: &User, model: &str) -> Response {
    user.api().post("/v1/chat/completions").json(&question(model, "hello")).send().await
}

#[track_caller]
fn served_by(answer: &Response, alias: &str, attempts: &str) {
    let said = ["alias", "attempts"].map(|name| answer.header(&format!("x-tokentracer-{name}")));
    assert_eq!((answer.status.as_u16(), said), (200, [Some(alias), Some(attempts)]), "{}", answer.text());
}

/// The decision for a request for `model`.
async fn decision(user: &User, model: &str) -> Value {
    user.session.post("/manage/route").json(&question(model, "hello")).send().await.expect(200).json()
}

/// The targets of the user's key of this id.
async fn targets(user: &User, key: i64) -> Value {
    let keys = user.session.get("/manage/providers").send().await.expect(200).json();
    let key = keys.as_array().unwrap().iter().find(|found| found["id"] == key).unwrap_or_else(|| panic!("{keys}"));
    key["targets"].clone()
}

fn asked(world: &World, model: &str) -> usize {
    world.sent().iter().filter(|seen| seen.model.as_deref() == Some(model)).count()
}

#[tokio::test]
async fn a_target_that_fails_five_times_in_a_row_rests_until_a_request_finds_it_well() {
    let world = world_with(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-shaky"), (Anthropic, "mock-good")]).await;
    world.mock.times(5, "mock-shaky", Behaviour::status(503));
    for _ in 0..5 {
        served_by(&ask(&user, "a0").await, "a1", "2");
    }
    let answer = ask(&user, "a0").await;
    served_by(&answer, "a1", "1");
    assert_eq!((asked(&world, "mock-shaky"), answer.header("x-tokentracer-route")), (5, Some("fallback")));

    let row = user.log(&request_id(&answer)).await;
    let reason = row["route_reason"].as_str().unwrap();
    assert!(reason.starts_with("alias a0: target model mock-shaky; passed over: it rests until 2"), "{reason}");
    assert!(reason.ends_with("Z after 5 failures in a row, the last: 503"), "{reason}");
    assert_eq!((&row["alias"], &row["provider"], &row["attempts"]), (&json!("a0"), &json!("anthropic"), &json!(1)));
    let note = &row["notes"][0];
    assert!(note["why"].as_str().unwrap().starts_with("openai mock-shaky was passed over: it rests until"), "{row}");

    let decided = decision(&user, "a0").await;
    assert_eq!(
        (&decided["alias"], &decided["route"], &decided["provider"]),
        (&json!("a1"), &json!("fallback"), &json!("anthropic"))
    );
    assert_eq!((&decided["chain"][0]["state"], &decided["chain"][1]["state"]), (&json!("open"), &json!("closed")));
    assert_eq!(decided["chain"][1]["until"], Value::Null);
    assert!(decided["chain"][0]["reason"].as_str().unwrap().contains("passed over: it rests until"), "{decided}");
    let until = time(&decided["chain"][0]["until"]);
    let left = until - now_ms();
    assert!((1..=10_000).contains(&left), "{left}");
    let metrics = Exposition::parse(&world.client().get("/metrics").send().await.expect(200).text());
    // The price table does not list the model.
    assert_eq!(
        metrics.sum("tokentracer_target_state", &[("provider", "openai"), ("model", "other"), ("state", "open")]),
        1
    );
    let key = user.provider_key(OpenAi);
    let there = targets(&user, key).await;
    assert_eq!(there.as_array().unwrap().len(), 1);
    // The rest is kept by another clock than the one that tells the time, so a millisecond may be rounded otherwise.
    assert!((time(&there[0]["until"]) - until).abs() <= 1, "{there} {until}");
    assert_eq!(
        (&there[0]["model"], &there[0]["state"], &there[0]["cause"]),
        (&json!("mock-shaky"), &json!("open"), &json!("503"))
    );
    assert_eq!(targets(&user, user.provider_key(Anthropic)).await, json!([]));

    within(Duration::from_secs(20), "the rest is over", async || {
        decision(&user, "a0").await["chain"][0]["state"] == "half_open"
    })
    .await;
    assert_eq!(decision(&user, "a0").await["alias"], "a0");
    served_by(&ask(&user, "a0").await, "a0", "1");
    let there = targets(&user, key).await;
    assert_eq!(there, json!([{"model": "mock-shaky", "state": "closed", "until": null, "cause": null}]));
}

#[tokio::test]
async fn a_key_that_is_refused_rests_with_every_model_until_it_is_changed() {
    let world = world_with(&[]).await;
    let user = world.user().await;
    // The budget is reserved for the target that is asked, which is not the first.
    user.session.put("/manage/budgets").json(&json!({"limit_usd": 1, "period": "day"})).send().await.expect(200);
    within(Duration::from_secs(20), "the budget's account is open", async || {
        let answer = user.session.get("/manage/budgets").send().await;
        // For a moment after Redis has begun it is not known what others hold.
        answer.status == 200 && answer.json()["spent_usd"].is_number()
    })
    .await;
    let key = user.save_provider_key(&json!({"provider": "openai", "api_key": "sk-wrong"})).await;
    let good = user.alias("good", Anthropic, "claude-haiku-4-5").await;
    for (alias, model) in [("one", "gpt-4o"), ("other", "gpt-4o-mini")] {
        let body = json!({"alias": alias, "target_model": model, "provider_key_id": key, "fallback_alias_id": good});
        user.save_alias(&body).await;
    }
    served_by(&ask(&user, "one").await, "good", "2");
    for alias in ["one", "other"] {
        let answer = ask(&user, alias).await;
        served_by(&answer, "good", "1");
        let row = user.log(&request_id(&answer)).await;
        assert!(row["route_reason"].as_str().unwrap().ends_with("Z after 401 for the stored key"), "{row}");
    }
    let there = targets(&user, key).await;
    let state = |target: &Value| json!([target["model"], target["state"], target["cause"]]);
    let states: Vec<Value> = there.as_array().unwrap().iter().map(state).collect();
    assert_eq!(states, [json!(["gpt-4o", "open", "401"])], "a target is listed once it was asked");
    // Another label is no other key.
    let patch = async |body: Value| {
        user.session.patch(&format!("/manage/providers/{key}")).json(&body).send().await.expect(200).json()
    };
    assert_eq!(patch(json!({"label": "mine"})).await["targets"][0]["state"], "open");
    served_by(&ask(&user, "one").await, "good", "1");
    assert_eq!(patch(json!({"api_key": "sk-mock"})).await["targets"], json!([]));
    served_by(&ask(&user, "one").await, "one", "1");
    served_by(&ask(&user, "other").await, "other", "1");
    assert_eq!(targets(&user, key).await, json!([]));
}

#[tokio::test]
async fn a_target_that_rests_is_asked_all_the_same_where_no_other_is_left() {
    let world = world_with(&[]).await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-shaky"), (Anthropic, "mock-status-403")]).await;
    user.alias("alone", Anthropic, "mock-status-403-alone").await;
    for _ in 0..2 {
        error(&ask(&user, "alone").await, 502, "all_attempts_failed");
    }
    assert_eq!(asked(&world, "mock-status-403-alone"), 2);
    world.mock.once("mock-shaky", Behaviour::status(403));
    error(&ask(&user, "a0").await, 502, "all_attempts_failed");
    assert_eq!(
        decision(&user, "a0").await["chain"].as_array().unwrap().iter().filter(|step| step["state"] == "open").count(),
        2
    );
    // Both rest, so both are asked in their order. The first is well again, which closes its breaker at once.
    let answer = ask(&user, "a0").await;
    served_by(&answer, "a0", "1");
    let row = user.log(&request_id(&answer)).await;
    assert!(row["route_reason"].as_str().unwrap().contains("; asked though it rests until"), "{row}");
    let decided = decision(&user, "a0").await;
    assert_eq!((&decided["alias"], &decided["chain"][0]["state"]), (&json!("a0"), &json!("closed")));
    // One that cannot take the request at all is no other target.
    world.mock.once("mock-shaky", Behaviour::status(403));
    error(&ask(&user, "a0").await, 502, "all_attempts_failed");
    let lost = user.save_provider_key(&json!({"provider": "anthropic", "api_key": "sk-ant-mock"})).await;
    let last =
        user.save_alias(&json!({"alias": "a1", "target_model": "mock-status-403", "provider_key_id": lost})).await;
    user.session.patch("/manage/aliases/a0").json(&json!({"fallback_alias_id": last})).send().await.expect(200);
    let mut body = question("a0", "hello");
    body["n"] = json!(2);
    let answer = user.api().post("/v1/chat/completions").json(&body).send().await;
    served_by(&answer, "a0", "1");
}

#[tokio::test]
async fn what_the_caller_or_the_leaving_client_does_rests_nothing() {
    let world = world_with(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-shaky"), (Anthropic, "mock-good")]).await;
    world.mock.times(4, "mock-shaky", Behaviour::status(500));
    world.mock.times(6, "mock-shaky", Behaviour::status(400));
    for _ in 0..4 {
        served_by(&ask(&user, "a0").await, "a1", "2");
    }
    for _ in 0..6 {
        assert_eq!(ask(&user, "a0").await.status, 400);
    }
    assert_eq!(decision(&user, "a0").await["chain"][0]["state"], "closed");
    world.mock.once("mock-shaky", Behaviour::status(500));
    served_by(&ask(&user, "a0").await, "a1", "2");
    assert_eq!(decision(&user, "a0").await["chain"][0]["state"], "open", "the fifth failure, with 400s between");
}
