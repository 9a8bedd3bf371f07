//! Attempts that were sent and never answered: budgets are charged with what was held for them, while their cost in the
//! log stays unknown.

use std::time::Duration;

use serde_json::{Value, json};
use tt_testkit::Behaviour;
use tt_testkit::world::{eventually, with_fields};

use crate::stage::{MINI, Stage, capped, exceeded, worst};

#[tokio::test]
async fn who_hangs_up_pays_what_was_held() {
    let mut stage = Stage::start().await;
    let body = capped("openai/gpt-4o-mini", 100);
    let one = worst(&body, 100);
    stage.budget(3 * one + one / 2).await;
    stage.world.mock.on(MINI, Behaviour::ok().delay(Duration::from_secs(600)));
    for n in 1..=3 {
        stage.leave(&body).await;
        eventually("the hold is charged", async || stage.used().await == (n * one, 0)).await;
    }
    for _ in 0..7 {
        exceeded(&stage.ask(&body).await);
    }
    assert_eq!(stage.sent(MINI).len(), 3, "no more reach the provider than the budget pays for");
    eventually("there are rows", async || stage.ann.logs().await.len() == 3).await;
    for row in stage.ann.logs().await {
        let told = (&row["status"], &row["usage_source"], &row["cost_usd"]);
        assert_eq!(told, (&json!(499), &json!("unknown"), &Value::Null));
    }
    assert_eq!(stage.used().await, (3 * one, 0), "the rows take the place of what the process counted");

    // The store says the same after a restart, and to a budget that was set later.
    stage.world.stop();
    stage.start_again().await;
    assert_eq!(stage.used().await, (3 * one, 0));
    let admin = stage.world.admin("admin").await;
    let later = json!({"budget_usd": 1, "budget_period": "day"});
    admin.session.patch(&format!("/manage/users/{}", stage.ann.id)).json(&later).send().await.expect(200);
    let shown = stage.ann.session.get("/manage/budgets").send().await.expect(200).json();
    assert_eq!(shown["admin"]["spent_usd"], shown["spent_usd"]);
    // A new price does not charge it a second time.
    let price = json!({"usd_per_million": {"input": 50, "output": 50}, "effective_from": "2020-01-01T00:00:00Z"});
    admin.session.put("/manage/prices/openai/gpt-4o-mini").json(&price).send().await.expect(200);
    let span = json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "dry_run": false});
    admin.session.post("/manage/prices/rerate").json(&span).send().await.expect(200);
    assert_eq!(stage.used().await, (3 * one, 0));
}

#[tokio::test]
async fn an_answer_that_breaks_or_never_comes_is_charged_for_each_attempt() {
    let slow = json!({"stream": true});
    let cases = [
        // Refused by the provider, which bills nothing for it.
        (Behaviour::status(500), json!({}), 502, 0),
        (Behaviour::status(429), json!({}), 429, 0),
        (Behaviour::status(400), json!({}), 400, 0),
        // Billed by the provider, for all that is known: one attempt, and two where the first is tried again.
        (Behaviour::garbage(), json!({}), 502, 1),
        (Behaviour::reset(), json!({}), 502, 2),
        (Behaviour::ok().delay(Duration::from_secs(600)), json!({}), 504, 1),
        (Behaviour::ok().delay(Duration::from_secs(600)), slow.clone(), 504, 1),
        (Behaviour::empty_stream(), slow, 502, 1),
    ];
    let timeouts = [("UPSTREAM_TOTAL_TIMEOUT", "2s"), ("UPSTREAM_FIRST_BYTE_TIMEOUT", "2s")];
    let stage = Stage::in_world(crate::setup::setup().envs(&timeouts).start().await, json!({})).await;
    for (n, (behaviour, more, status, attempts)) in cases.into_iter().enumerate() {
        stage.world.mock.clear_behaviours();
        stage.world.mock.on(MINI, behaviour);
        let body = with_fields(capped("openai/gpt-4o-mini", 100), &more);
        let one = worst(&body, 100);
        stage.budget(1_000_000_000).await;
        let before = stage.used().await.0;
        stage.ask(&body).await.expect(status);
        assert_eq!(stage.used().await, (before + attempts * one, 0), "case {n}");
        eventually("the row is stored", async || stage.ann.logs().await.len() == n + 1).await;
        assert_eq!(stage.used().await, (before + attempts * one, 0), "case {n}, stored");
    }
}
