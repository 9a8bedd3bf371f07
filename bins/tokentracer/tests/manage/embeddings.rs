//! Embeddings under a budget: only the input costs, and only the input is held for.

use serde_json::{Value, json};
use tt_core::{Usage, tokens};
use tt_testkit::Behaviour;
use tt_testkit::client::Response;
use tt_testkit::world::{error_code, with_fields};

use crate::stage::{Stage, between, exceeded};

const SMALL: &str = "text-embedding-3-small";

/// Nano-dollars a token of that model, the most tokens of one input, and the tokens that may be added.
const INPUT: i64 = 20;
const WINDOW: i64 = 8191;
const ADDED: i64 = 64;

fn asked(input: Value) -> Value {
    json!({"model": format!("openai/{SMALL}"), "input": input})
}

async fn ask(stage: &Stage, body: &Value) -> Response {
    stage.key.post("/v1/embeddings").json(body).send().await
}

/// The amount that a refusal names as the most that the request may cost.
async fn held_for(stage: &Stage, body: &Value) -> i64 {
    between(&exceeded(&ask(stage, body).await), "may cost up to ", " USD")
}

fn counted(body: &Value) -> i64 {
    (i64::try_from(tokens::most_of_text(&body.to_string())).unwrap() + ADDED) * INPUT
}

#[tokio::test]
async fn the_input_is_held_for_and_no_output() {
    let stage = Stage::start().await;
    stage.budget(0).await;
    for input in [json!("hello world"), json!(["hello", "world"]), json!([1, 2, 3]), json!([[1, 2], [3]])] {
        let body = asked(input);
        assert_eq!(held_for(&stage, &body).await, counted(&body), "{body}");
    }
    // Each input may fill a context window of its own.
    let long = "é".repeat(20_000);
    assert_eq!(held_for(&stage, &asked(json!(long))).await, WINDOW * INPUT);
    assert_eq!(held_for(&stage, &asked(json!([long, long]))).await, 2 * WINDOW * INPUT);
    // Ids are never fewer than what is held for.
    let ids: Vec<u32> = (0..8000).map(|id| id % 10).collect();
    assert!(held_for(&stage, &asked(json!(ids))).await >= 8000 * INPUT);
    // The other API, and a picture, which is dearer than text.
    let content = json!({"parts": [{"text": "hello world"}]});
    let path = "/v1beta/models/gemini/gemini-embedding-2:embedContent";
    let refused = stage.key.post(path).json(&json!({"content": content})).send().await.expect(429).json();
    let text = between(refused["error"]["message"].as_str().unwrap(), "may cost up to ", " USD");
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let content = json!({"parts": [{"text": "hello world"}, picture]});
    let refused = stage.key.post(path).json(&json!({"content": content})).send().await.expect(429).json();
    let with_picture = between(refused["error"]["message"].as_str().unwrap(), "may cost up to ", " USD");
    assert!(with_picture > 2 * text, "{with_picture} and {text}");
    assert!(stage.world.sent().is_empty());
}

#[tokio::test]
async fn what_was_read_is_spent_and_the_next_request_is_refused() {
    let stage = Stage::start().await;
    stage.world.mock.on(SMALL, Behaviour::ok().usage(Usage { input: 1000, ..Usage::default() }));
    let body = asked(json!("hello world"));
    stage.budget(1000 * INPUT + counted(&body)).await;
    for spent in [1000 * INPUT, 2000 * INPUT] {
        let answer = ask(&stage, &body).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-budget-capped"), None);
        assert_eq!(stage.used().await, (spent, 0));
    }
    exceeded(&ask(&stage, &body).await);
    assert_eq!(stage.sent(SMALL).len(), 2);
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_under_a_budget_only() {
    let stage = Stage::start().await;
    let body = with_fields(asked(json!("a")), &json!({"model": "openai/mock-small"}));
    stage.budget(1_000_000_000).await;
    let refused = ask(&stage, &body).await;
    assert_eq!((refused.status.as_u16(), error_code(&refused.json())), (400, "model_unpriced"));
    stage.ann.session.put("/manage/budgets").json(&json!({"limit_usd": null})).send().await.expect(200);
    ask(&stage, &body).await.expect(200);
}
