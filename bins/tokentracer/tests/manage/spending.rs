//! Requests under a budget: when and in which words they are refused, how they are settled.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tt_core::{NanoUsd, Provider, Usage};
use tt_testkit::Behaviour;
use tt_testkit::world::{error_code, eventually};

use crate::stage::{INPUT, MINI, OUTPUT, Stage, between, capped, counted, exceeded, nano, worst};

/// The cost of 1,000 tokens in and 1,000 out.
const COST: i64 = 1_000 * INPUT + 1_000 * OUTPUT;

fn thousand() -> Behaviour {
    Behaviour::ok().usage(Usage { input: 1_000, output: 1_000, ..Usage::default() })
}

#[tokio::test]
async fn money_is_spent_up_to_the_limit_and_the_refusal_says_all() {
    let stage = Stage::start().await;
    stage.world.mock.on(MINI, thousand());
    let body = capped("openai/gpt-4o-mini", 1_000);
    let worst = worst(&body, 1_000);
    let limit = worst + 3 * COST;
    stage.budget(limit).await;
    for n in 0..4 {
        let answer = stage.ask(&body).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-budget-capped"), None, "nothing was learned yet");
        assert_eq!(answer.header("x-tokentracer-cost-usd"), Some(NanoUsd(COST).to_string().as_str()));
        assert_eq!(stage.used().await, ((n + 1) * COST, 0));
    }
    let message = exceeded(&stage.ask(&body).await);
    for (what, amount) in [("limit", limit), ("spent", 4 * COST), ("held", 0), ("asked", counted(&body, 1_000))] {
        assert!(message.contains(&format!("{} USD", NanoUsd(amount))), "{what}: {message}");
    }
    assert!(message.contains("in total for your account, set by yourself") && message.contains("does not reset"));
    assert_eq!(
        (stage.sent(MINI).len(), stage.ann.logs().await.len()),
        (4, 4),
        "a refusal is not sent and leaves no row"
    );
    // A smaller request still fits, to the last nano-dollar that is held for it.
    let small = capped("openai/gpt-4o-mini", 1);
    let room = counted(&small, 1);
    stage.budget(4 * COST + room - 1).await;
    exceeded(&stage.ask(&small).await);
    stage.budget(4 * COST + room).await;
    stage.ask(&small).await.expect(200);
}

#[tokio::test]
async fn all_budgets_hold_and_the_refusal_names_the_one() {
    let stage = Stage::with(json!({"budget_usd": 1, "budget_period": "day"})).await;
    let admin = stage.world.admin("admin").await;
    let path = format!("/manage/users/{}", stage.ann.id);
    let administer = async |usd: i64| {
        let body = json!({"budget_usd": usd, "budget_period": "month"});
        admin.session.patch(&path).json(&body).send().await.expect(200);
    };
    let body = capped("openai/gpt-4o-mini", 100);
    stage.budget(1_000_000_000).await;
    administer(1).await;
    stage.ask(&body).await.expect(200);
    stage.budget(0).await;
    assert!(exceeded(&stage.ask(&body).await).contains("budget of 0 USD in total for your account, set by yourself"));
    stage.budget(1_000_000_000).await;
    administer(0).await;
    let message = exceeded(&stage.ask(&body).await);
    assert!(message.contains("0 USD a month for your account, set by an administrator"), "{message}");
    assert!(message.contains("-01T00:00:00.000Z"), "{message}");
    administer(1).await;
    stage.ask(&body).await.expect(200);
    let broke = stage.ann.new_api_key(&json!({"budget_usd": 0, "budget_period": "day"})).await.client;
    let message = exceeded(&broke.post("/v1/chat/completions").json(&body).send().await);
    assert!(message.contains("0 USD a day for this API key") && message.contains("T00:00:00.000Z"), "{message}");
    // The other key has its own, and a session none.
    stage.ask(&body).await.expect(200);
    stage.ann.session.post("/v1/chat/completions").json(&body).send().await.expect(200);
}

#[tokio::test]
async fn an_aborted_stream_costs_what_was_said_and_frees_the_rest() {
    let stage = Stage::start().await;
    stage.budget(1_000_000_000).await;
    stage.world.mock.on(MINI, Behaviour::ok().chunks(500).drip(Duration::from_millis(20)).text(&"word ".repeat(500)));
    let mut body = capped("openai/gpt-4o-mini", 4_000);
    body["stream"] = json!(true);
    let mut stream = stage.key.post("/v1/chat/completions").json(&body).stream().await;
    for _ in 0..5 {
        stream.next().await.unwrap();
    }
    assert_eq!(stage.used().await, (0, worst(&body, 4_000)));
    drop(stream);
    eventually("the rest is free", async || stage.used().await.1 == 0).await;
    eventually("there is a row", async || stage.ann.logs().await.len() == 1).await;
    let row = stage.ann.logs().await.remove(0);
    assert_eq!((&row["status"], &row["usage_source"]), (&json!(499), &json!("partial")));
    let cost = nano(&row["cost_usd"]);
    assert!(cost > 0 && cost < 500 * OUTPUT, "{row}");
    assert_eq!(stage.used().await, (cost, 0));
}

#[tokio::test]
async fn a_retry_and_a_fallback_hold_before_they_are_sent() {
    let stage = Stage::start().await;
    let alias = async |name: &str, provider: Provider, model: &str, next: Value| {
        let key = stage.ann.session.get("/manage/providers").send().await.expect(200).json();
        let of = key.as_array().unwrap().iter().find(|key| key["provider"] == provider.as_str()).unwrap()["id"].clone();
        let body = json!({"alias": name, "target_model": model, "provider_key_id": of, "fallback_alias_id": next});
        json!(stage.ann.save_alias(&body).await)
    };
    let dear = alias("dear", Provider::OpenAi, "gpt-4o", Value::Null).await;
    let unpriced = alias("unpriced", Provider::Anthropic, "mock-small", dear).await;
    alias("first", Provider::OpenAi, MINI, unpriced).await;
    stage.world.mock.on(MINI, Behaviour::status(500));
    let body = capped("first", 100);
    let worst = worst(&body, 100);
    // Room for the cheap model, and not for the one that costs sixteen times as much.
    stage.budget(worst).await;
    let answer = stage.ask(&body).await.expect(502).json();
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(error_code(&answer), "all_attempts_failed");
    assert!(message.contains("anthropic mock-small skipped: the model has no price"), "{message}");
    assert!(message.contains("openai gpt-4o skipped: The budget of"), "{message}");
    assert_eq!((stage.sent(MINI).len(), stage.sent("gpt-4o").len(), stage.sent("mock-small").len()), (2, 0, 0));
    assert_eq!(stage.used().await, (0, 0));
    // With room for it, it serves; what it cost is what counts.
    stage.budget(100 * worst).await;
    let answer = stage.ask(&body).await.expect(200);
    assert_eq!(answer.header("x-tokentracer-model"), Some("gpt-4o"));
    let cost = NanoUsd::parse(answer.header("x-tokentracer-cost-usd").unwrap()).unwrap().0;
    assert_eq!(stage.used().await, (cost, 0));
}

#[tokio::test]
async fn near_the_limit_the_output_is_capped_to_what_is_held() {
    let stage = Stage::start().await;
    for (provider, model, limit) in [
        (Provider::OpenAi, MINI, "/max_tokens"),
        (Provider::Anthropic, "claude-haiku-4-5", "/max_tokens"),
        (Provider::Gemini, "gemini-2.5-flash", "/generationConfig/maxOutputTokens"),
    ] {
        stage.world.mock.on(model, Behaviour::ok().usage(Usage { input: 10, output: 40, ..Usage::default() }));
        let body = capped(&format!("{provider}/{model}"), 4_000);
        stage.budget(1_000_000_000_000).await;
        for _ in 0..50 {
            let answer = stage.ask(&body).await.expect(200);
            assert_eq!(answer.header("x-tokentracer-budget-capped"), None);
        }
        // The refusal tells what the worst case is, which the full hold would be.
        stage.budget(0).await;
        let message = exceeded(&stage.ask(&body).await);
        let learned = between(&message, "may cost up to ", " USD");
        let spent = stage.used().await.0;
        stage.budget(spent + learned).await;
        let answer = stage.ask(&body).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-budget-capped"), Some("true"), "{provider}");
        let cap = stage.sent(model).pop().unwrap().json().pointer(limit).and_then(Value::as_u64).unwrap();
        assert!((40..=60).contains(&cap), "{provider}: {cap}");
        let mut streamed = body.clone();
        streamed["stream"] = json!(true);
        stage.budget(stage.used().await.0 + learned + 100_000).await;
        let mut stream = stage.key.post("/v1/chat/completions").json(&streamed).stream().await;
        assert_eq!(stream.header("x-tokentracer-budget-capped"), Some("true"), "{provider}");
        stream.rest().await;
        // With room for eight worst cases it is not.
        stage.budget(1_000_000_000_000).await;
        let answer = stage.ask(&body).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-budget-capped"), None);
        assert_eq!(stage.sent(model).pop().unwrap().json().pointer(limit), Some(&json!(4_000)));
    }
}

#[tokio::test]
async fn budgets_and_request_limits_do_not_use_each_other_up() {
    let stage = Stage::with(json!({"rate_limit_minute": 2})).await;
    let body = capped("openai/gpt-4o-mini", 100);
    stage.budget(0).await;
    for _ in 0..5 {
        exceeded(&stage.ask(&body).await);
    }
    stage.budget(1_000_000_000).await;
    for left in ["1", "0"] {
        let answer = stage.ask(&body).await.expect(200);
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
    }
    let spent = stage.used().await;
    let refused = stage.ask(&body).await.expect(429);
    assert_eq!(error_code(&refused.json()), "rate_limit_exceeded");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(stage.used().await, spent, "what the limit refused holds nothing");
}

#[tokio::test]
async fn spending_outlasts_a_restart_and_a_kill() {
    let mut stage = Stage::start().await;
    stage.world.mock.on(MINI, thousand());
    let body = capped("openai/gpt-4o-mini", 1_000);
    let worst = worst(&body, 1_000);
    stage.budget(worst + COST).await;
    stage.ask(&body).await.expect(200);
    stage.world.stop();
    stage.start_again().await;
    assert_eq!(stage.used().await, (COST, 0));
    // One that is answered and one that runs when the process is killed.
    stage.ask(&body).await.expect(200);
    stage.budget(10 * worst).await;
    stage.world.mock.clear_behaviours();
    stage.world.mock.on(MINI, Behaviour::ok().delay(Duration::from_secs(30)));
    let mut running = JoinSet::new();
    running.spawn(stage.key.post("/v1/chat/completions").json(&body).try_send());
    stage.world.mock.wait_for(|seen| !seen.is_list() && seen.status.is_none()).await;
    assert_eq!(stage.used().await, (2 * COST, worst));
    stage.world.kill();
    assert!(running.join_next().await.unwrap().unwrap().is_err());
    stage.start_again().await;
    // The first budgeted request after the start already counts what the dead process's journal says.
    stage.world.mock.clear_behaviours();
    stage.budget(2 * COST + worst + counted(&body, 1_000) - 1).await;
    exceeded(&stage.ask(&body).await);
    assert_eq!(stage.used().await, (2 * COST + worst, 0), "the killed one is charged with its hold");
    let rows = stage.ann.logs().await;
    assert_eq!((rows.len(), &rows[0]["outcome"]), (3, &json!("interrupted")));
}
