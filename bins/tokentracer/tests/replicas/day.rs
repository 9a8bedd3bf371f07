//! The day's count outlives the process, without Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tt_core::Provider;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::world::{question, within};

use crate::setup::alone;

const DAY: u64 = 86_400;

fn seconds_left_of_the_day() -> u64 {
    DAY - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % DAY
}

/// Waits for tomorrow where today is nearly over.
pub(crate) async fn not_across_midnight() {
    within(Duration::from_secs(120), "enough is left of the day", async || seconds_left_of_the_day() > 90).await;
}

#[tokio::test]
async fn the_days_count_survives_a_stop_and_a_crash() {
    not_across_midnight().await;
    let mut alone = alone().envs(&[("RATE_LIMIT_DAILY", "6")]).start().await;
    let user = alone.sign_up("ann").await;
    user.add_provider_key(Provider::OpenAi).await;
    let narrow = user.new_api_key(&json!({"rate_limit_daily": 3})).await.token;
    let wide = user.new_api_key(&json!({})).await.token;
    let ask = async |alone: &World, key: &str| {
        let call = alone.client().post("/v1/chat/completions").bearer(key);
        call.json(&question("openai/mock-small", "hello")).send().await
    };
    let remaining = |answer: &Response| answer.number("x-ratelimit-remaining-requests");

    assert_eq!(remaining(&ask(&alone, &narrow).await.expect(200)), 2);
    assert_eq!(remaining(&ask(&alone, &narrow).await.expect(200)), 1);
    alone.stop();
    alone.start_again();
    assert_eq!(remaining(&ask(&alone, &narrow).await.expect(200)), 0);
    let refused = ask(&alone, &narrow).await.expect(429);
    assert_eq!(refused.number("x-ratelimit-limit-requests"), 3);
    assert_eq!(remaining(&ask(&alone, &wide).await.expect(200)), 2);
    // A request that is in the log stays counted after a crash.
    within(Duration::from_secs(20), "all four are in the log", async || {
        let client = alone.client().bearer(&user.token);
        let page = client.get("/manage/logs").send().await.expect(200).json();
        page["data"].as_array().unwrap().len() == 4
    })
    .await;
    alone.kill();
    alone.start_again();
    // Four of six are gone, three of them through the narrow key.
    ask(&alone, &narrow).await.expect(429);
    assert_eq!(remaining(&ask(&alone, &wide).await.expect(200)), 1);
    assert_eq!(remaining(&ask(&alone, &wide).await.expect(200)), 0);
    let refused = ask(&alone, &wide).await.expect(429);
    assert_eq!(refused.error_code(), "rate_limit_exceeded");
    let (left, wait) = (seconds_left_of_the_day(), refused.number("retry-after"));
    assert!(wait.abs_diff(left) <= 5, "retry after {wait} s, the day has {left} s left");
    let sent = alone.mock.requests();
    assert_eq!(sent.iter().filter(|seen| seen.path.ends_with("/chat/completions")).count(), 6);
}
