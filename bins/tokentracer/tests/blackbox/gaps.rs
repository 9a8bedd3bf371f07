//! `/manage/ledger/gaps`: the requests that a user's numbers leave something out of.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tt_testkit::world::{User, question, request_id};

use crate::expect::{error_about, fields, now_ms, time};
use crate::setup::{world, world_with};

const LISTS: [&str; 3] = ["interrupted", "unknown_usage", "unpriced"];

async fn gaps(user: &User, query: &str) -> Value {
    let gaps = user.session.get(&format!("/manage/ledger/gaps{query}")).send().await.expect(200).json();
    fields(&gaps, &["open", "interrupted", "unknown_usage", "unpriced", "journal"]);
    fields(&gaps["journal"], &["pending", "oldest"]);
    gaps
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap()).collect()
}

fn nothing() -> Value {
    let journal = json!({"pending": 0, "oldest": null});
    json!({"open": 0, "interrupted": [], "unknown_usage": [], "unpriced": [], "journal": journal})
}

#[tokio::test]
async fn a_user_whose_requests_are_complete_has_no_gaps() {
    let world = world().await;
    let user = world.user().await;
    assert_eq!(gaps(&user, "").await, nothing());
    user.ask("openai/gpt-4o", "hello").await.expect(200);
    user.ask("openai/mock-status-400", "hello").await.expect(400);
    assert_eq!(gaps(&user, "").await, nothing());
}

#[tokio::test]
async fn an_unanswered_and_an_unpriced_request_are_listed_for_their_caller_alone() {
    let world = world_with(&[("UPSTREAM_TOTAL_TIMEOUT", "300ms")]).await;
    let (ann, bob) = (world.user().await, world.user().await);
    let late = request_id(&ann.ask("openai/mock-delay-20s", "hello").await.expect(504));
    let unpriced = request_id(&ann.ask("openai/mock-small", "hello").await.expect(200));
    let newer = request_id(&ann.ask("openai/mock-small", "hello").await.expect(200));
    let found = gaps(&ann, "").await;
    assert_eq!(ids(&found["unknown_usage"]), [&late]);
    assert_eq!(ids(&found["unpriced"]), [&newer, &unpriced], "newest first");
    assert_eq!(ids(&found["interrupted"]), [""; 0]);
    let row = &found["unpriced"][0];
    fields(
        row,
        &[
            "request_id",
            "created_at",
            "alias",
            "provider",
            "model",
            "api_key_id",
            "status",
            "outcome",
            "usage_source",
            "cost_usd",
            "error",
        ],
    );
    assert_eq!((&row["alias"], &row["provider"]), (&json!("openai/mock-small"), &json!("openai")));
    assert_eq!((&row["model"], &row["cost_usd"]), (&json!("mock-small"), &Value::Null));
    assert_eq!((&row["status"], &row["usage_source"]), (&json!(200), &json!("provider")));
    let row = &found["unknown_usage"][0];
    assert_eq!((&row["status"], &row["outcome"]), (&json!(504), &json!("error")));
    assert_eq!(row["usage_source"], "unknown");

    let before = gaps(&ann, &format!("?to={}", found["unpriced"][0]["created_at"].as_str().unwrap())).await;
    assert_eq!(ids(&before["unpriced"]), [&unpriced]);
    let since = gaps(&ann, &format!("?from={}", found["unpriced"][0]["created_at"].as_str().unwrap())).await;
    assert_eq!((ids(&since["unpriced"]), ids(&since["unknown_usage"])), (vec![newer.as_str()], vec![]));
    assert_eq!(gaps(&bob, "").await, nothing(), "another's gaps");
    for (query, field) in [("?from=noon", "from"), ("?to=", "to"), ("?user_id=1", "user_id"), ("?limit=1", "limit")] {
        let refused = ann.session.get(&format!("/manage/ledger/gaps{query}")).send().await;
        error_about(&refused, 400, "invalid_field", field);
    }
    ann.anonymous().get("/manage/ledger/gaps").send().await.expect(401);
}

#[tokio::test]
async fn a_request_in_flight_is_open_and_one_that_was_killed_is_interrupted() {
    let mut world = world().await;
    let (mut ann, bob) = (world.user().await, world.user().await);
    ann.ask("openai/gpt-4o", "hello").await.expect(200);
    let mut calls = JoinSet::new();
    let call = ann.api().post("/v1/chat/completions").json(&question("openai/mock-delay-20s", "hello"));
    calls.spawn(call.try_send());
    world.mock.wait_for(|seen| seen.model.as_deref() == Some("mock-delay-20s")).await;
    let found = gaps(&ann, "").await;
    assert_eq!(found["open"], 1);
    assert!(LISTS.iter().all(|list| found[list] == json!([])), "{found}");
    assert_eq!(gaps(&bob, "").await["open"], 0, "another's request");

    world.kill();
    calls.shutdown().await;
    world.start_again();
    world.find_again(&mut ann);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let found = loop {
        let found = gaps(&ann, "").await;
        if found["interrupted"] != json!([]) {
            break found;
        }
        assert!(tokio::time::Instant::now() < until, "{found}");
    };
    assert_eq!((found["interrupted"].as_array().unwrap().len(), &found["open"]), (1, &json!(0)));
    let row = &found["interrupted"][0];
    assert_eq!((&row["outcome"], &row["status"]), (&json!("interrupted"), &Value::Null));
    assert_eq!((&row["alias"], &row["usage_source"]), (&json!("openai/mock-delay-20s"), &json!("unknown")));
    assert!(time(&row["created_at"]) <= now_ms());
    assert_eq!(found["unknown_usage"], found["interrupted"]);
    assert_eq!(ann.logs().await.len(), 2);
}
