//! A Redis that begins anew, empty, within a minute.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tt_testkit::World;
use tt_testkit::redis::RedisServer;
use tt_testkit::world::within;

use crate::setup::{alone, ask, chat_user};

const LIMIT: usize = 30;

/// One process that counts in Redis.
async fn counted_in_redis() -> World {
    let world = alone().redis(RedisServer::start()).env("RATE_LIMIT_MINUTE", LIMIT.to_string()).start().await;
    world.redis_is("ok", Duration::from_secs(30)).await;
    world
}

#[tokio::test]
async fn a_minute_admits_no_more_when_redis_has_forgotten_it() {
    let mut world = counted_in_redis().await;
    let user = chat_user(&world, "ann").await;
    let client = world.client();
    let begun = Instant::now();
    for _ in 0..LIMIT {
        ask(&client, &user.token).await.expect(200);
    }
    let minute = begun + Duration::from_secs(55);
    ask(&client, &user.token).await.expect(429);
    world.redis().restart();
    world.redis_is("ok", Duration::from_secs(30)).await;
    let until = minute.min(Instant::now() + Duration::from_secs(5));
    let mut refused = 0;
    while Instant::now() < until {
        ask(&client, &user.token).await.expect(429);
        refused += 1;
    }
    assert!(refused > 0, "the minute was over before Redis was back");
}

#[tokio::test]
async fn a_budget_is_set_while_redis_does_not_know_what_is_spent() {
    let mut world = counted_in_redis().await;
    let user = chat_user(&world, "ann").await;
    let session = user.session.clone();
    let put = async |limit: usize| {
        session.put("/manage/budgets").json(&json!({"limit_usd": limit, "period": "month"})).send().await
    };
    within(Duration::from_secs(30), "what is spent is known", async || {
        let answer = put(1).await;
        answer.status == 200 && answer.json()["spent_usd"] == 0
    })
    .await;
    world.redis().restart();
    // For two seconds others might still hold something that this Redis does not know.
    let until = Instant::now() + Duration::from_secs(4);
    let (mut limit, mut unknown) = (1, 0);
    while Instant::now() < until {
        limit += 1;
        let shown = put(limit).await.expect(200).json();
        assert_eq!(shown["limit_usd"], limit);
        unknown += usize::from(shown["spent_usd"].is_null());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(unknown > 0, "what is spent was known all the time");
}
