//! A client that closes its connection: the upstream is cancelled at once, and the ledger has the tokens used so far.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_testkit::Behaviour;
use tt_testkit::world::{User, chat_head, question, streamed_question};

use crate::prices::nano_of;
use crate::setup::{world, world_with};

/// A cancelled upstream must be so within this time of the client's leaving.
const AT_ONCE: Duration = Duration::from_secs(1);

fn endless() -> Behaviour {
    Behaviour::ok().chunks(10_000).drip(Duration::from_millis(10))
}

fn raw_request(user: &User, body: &Value) -> String {
    let body = body.to_string();
    chat_head(user.api_key(), body.len()) + &body
}

#[tokio::test]
async fn leaving_a_stream_cancels_it_and_leaves_a_row() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in [(OpenAi, "gpt-4o"), (Anthropic, "claude-sonnet-4-5"), (Gemini, "gemini-2.5-flash")] {
        world.mock.on(model, endless());
        user.alias(model, provider, model).await;
        let mut stream = user.ask_stream(model, "one two three").await;
        for _ in 0..6 {
            stream.next().await.unwrap();
        }
        drop(stream);
        let left = Instant::now();
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(model) && seen.cancelled_after.is_some()).await;
        assert!(left.elapsed() < AT_ONCE, "{provider}: cancelled after {:?}", left.elapsed());
        let row = user.row_when(|row| row["alias"] == model).await;
        assert_eq!((&row["status"], &row["outcome"]), (&json!(499), &json!("cancelled")), "{row}");
        assert_eq!((&row["usage_source"], &row["stream"]), (&json!("partial"), &json!(true)), "{row}");
        assert!(row["input_tokens"].as_u64().unwrap() > 0 && row["output_tokens"].as_u64().unwrap() > 0, "{row}");
        assert!(nano_of(&row["cost_usd"]) > 0 && row["first_token_ms"].is_u64(), "{row}");
    }
    let usage = user.session.get("/manage/usage?group_by=status").send().await.expect(200).json();
    assert_eq!((&usage[0]["status"], &usage[0]["requests"]), (&json!(499), &json!(3)));
    assert_eq!((&usage[0]["cancelled"], &usage[0]["errors"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn a_connection_that_is_reset_or_half_closed_counts_as_gone() {
    let world = world().await;
    let user = world.user().await;
    for half_close in [true, false] {
        let model = format!("mock-endless-{half_close}");
        world.mock.on(model.as_str(), endless());
        user.alias(&model, OpenAi, &model).await;
        let body = streamed_question(&model, "one two three");
        let mut raw = user.anonymous().raw().await;
        raw.write(raw_request(&user, &body)).await;
        let head = raw.read_until("t3", Duration::from_secs(10)).await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("t3"), "{head}");
        if half_close {
            raw.half_close().await;
            // Only the sending side is closed: the connection itself stays open until the server ends it.
            let left = Instant::now();
            world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model) && seen.cancelled_after.is_some()).await;
            assert!(left.elapsed() < AT_ONCE, "cancelled after {:?}", left.elapsed());
        } else {
            raw.abort();
            let left = Instant::now();
            world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model) && seen.cancelled_after.is_some()).await;
            assert!(left.elapsed() < AT_ONCE, "cancelled after {:?}", left.elapsed());
        }
        let row = user.row_when(|row| row["alias"] == model.as_str()).await;
        assert_eq!((&row["status"], &row["usage_source"]), (&json!(499), &json!("partial")), "{row}");
    }
}

#[tokio::test]
async fn leaving_before_an_answer_cancels_the_call() {
    let world = world().await;
    let user = world.user().await;
    for (number, stream) in [false, true].into_iter().enumerate() {
        let model = format!("mock-delay-60s-{number}");
        user.alias(&model, OpenAi, &model).await;
        let mut body = question(&model, "hello");
        body["stream"] = json!(stream);
        let mut raw = user.anonymous().raw().await;
        raw.write(raw_request(&user, &body)).await;
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model)).await;
        drop(raw);
        let left = Instant::now();
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model) && seen.cancelled_after.is_some()).await;
        assert!(left.elapsed() < AT_ONCE, "cancelled after {:?}", left.elapsed());
        let row = user.row_when(|row| row["alias"] == model.as_str()).await;
        assert_eq!((&row["status"], &row["outcome"]), (&json!(499), &json!("cancelled")), "{row}");
        // The request was sent and nothing came back, so its cost is not known.
        assert_eq!((&row["usage_source"], &row["cost_usd"]), (&json!("unknown"), &Value::Null), "{row}");
    }
}

#[tokio::test]
async fn leaving_between_attempts_stops_them() {
    let world = world_with(&[("MAX_RETRIES", "10")]).await;
    let user = world.user().await;
    user.alias("bad", OpenAi, "mock-status-503").await;
    let mut raw = user.anonymous().raw().await;
    raw.write(raw_request(&user, &question("bad", "hello"))).await;
    world.mock.wait_for(|seen| seen.status == Some(503)).await;
    drop(raw);
    let row = user.row_when(|row| row["alias"] == "bad").await;
    assert_eq!((&row["status"], &row["outcome"]), (&json!(499), &json!("cancelled")), "{row}");
    let tried = row["attempts"].as_u64().unwrap();
    assert!(tried < 11, "all attempts were made for nobody");
}
