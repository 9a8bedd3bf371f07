//! Redis killed, hung and started again while requests go on.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::redis::RedisServer;
use tt_testkit::world::within;

use crate::day::not_across_midnight;
use crate::setup::{ask, chat_user, two, two_with};

/// The time that a request waits for Redis, once.
const WAIT: Duration = Duration::from_millis(50);

/// The time within which limits must be shared again: 2 s by contract, and more for a busy machine.
const SHARED_WITHIN: Duration = Duration::from_secs(6);

/// Asks through both processes in turn until `done` has; how it went.
async fn load_until(cluster: &World, token: &str, done: impl Future<Output = ()>) -> Vec<(Response, Duration)> {
    let mut answers = Vec::new();
    let mut done = std::pin::pin!(done);
    for turn in 0_usize.. {
        let begun = Instant::now();
        let ask = async { (ask(&cluster.client_of(turn), token).await, begun.elapsed()) };
        let mut ask = std::pin::pin!(ask);
        tokio::select! {
            answer = &mut ask => answers.push(answer),
            () = &mut done => {
                answers.push(ask.await);
                break;
            }
        }
    }
    answers
}

/// None failed, and no more than the first few can have waited for Redis: were there one wait for each, the fastest
/// quarter would have taken as long too.
#[track_caller]
fn went_on(what: &str, answers: &[(Response, Duration)]) {
    for (answer, _) in answers {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    }
    let mut times: Vec<Duration> = answers.iter().map(|(_, took)| *took).collect();
    times.sort();
    let (quarter, longest) = (*times.get(times.len() / 4).unwrap(), *times.last().unwrap());
    println!("{what}: {} requests, a quarter within {quarter:?}, all within {longest:?}", times.len());
    assert!(quarter < WAIT, "{what}: only a quarter was answered within {quarter:?}");
    assert!(longest < WAIT + Duration::from_secs(2), "{what}: one took {longest:?}");
}

/// A key with `limit` a minute admits that many through both processes together.
async fn limits_are_shared(cluster: &World, key: &str, limit: usize) {
    let mut admitted = 0;
    for turn in 0..2 * limit {
        let answer = ask(&cluster.client_of(turn), key).await;
        match answer.status.as_u16() {
            200 => admitted += 1,
            429 => assert_eq!(answer.error_code(), "rate_limit_exceeded"),
            _ => panic!("{}", answer.text()),
        }
    }
    assert_eq!(admitted, limit, "admitted through both processes");
}

#[tokio::test]
async fn requests_go_on_while_redis_is_killed_or_hangs_and_limits_are_shared_again_after() {
    let mut cluster = two(&[("RATE_LIMIT_MINUTE", "1000000")]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({})).await.token;
    let mut narrow = Vec::new();
    for _ in 0..5 {
        narrow.push(user.new_api_key(&json!({"rate_limit_minute": 4})).await.token);
    }
    let mut narrow = narrow.into_iter();
    let mut next = || narrow.next().unwrap();

    limits_are_shared(&cluster, &next(), 4).await;
    for kill in [true, false] {
        let what = if kill { "killed" } else { "hung" };
        if kill {
            cluster.redis().kill();
        } else {
            cluster.redis().pause();
        }
        let answers = load_until(&cluster, &key, async {
            cluster.redis_is("unavailable", Duration::from_secs(10)).await;
            // Still away: more requests, of which none may wait.
            let seen = cluster.sent().len();
            within(Duration::from_secs(60), "50 more requests", async || cluster.sent().len() >= seen + 50).await;
        })
        .await;
        went_on(what, &answers);
        for process in 0..2 {
            assert_eq!(cluster.readiness(process).await.status, 200, "{what}: it limits by itself, and serves");
        }
        // Each process limits by itself: four each.
        let alone = next();
        for process in 0..2 {
            for left in (0..4).rev() {
                let answer = ask(&cluster.client_of(process), &alone).await.expect(200);
                assert_eq!(answer.number("x-ratelimit-remaining-requests"), left, "{what}");
            }
            ask(&cluster.client_of(process), &alone).await.expect(429);
        }

        if kill {
            cluster.redis().restart();
        } else {
            cluster.redis().resume();
        }
        let answers = load_until(&cluster, &key, async {
            let took = cluster.redis_is("ok", SHARED_WITHIN).await;
            println!("{what}: shared again after {took:?}");
        })
        .await;
        went_on(what, &answers);
        limits_are_shared(&cluster, &next(), 4).await;
    }
    for process in 0..2 {
        let log = cluster.program_of(process).stderr();
        assert!(log.contains("Redis does not answer"), "{log}");
    }
}

#[tokio::test]
async fn the_days_count_outlives_a_redis_that_lost_it_under_load() {
    not_across_midnight().await;
    const LIMIT: u64 = 1000;
    const BEFORE: usize = 60;
    let mut cluster = two(&[("RATE_LIMIT_DAILY", "1000")]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({})).await.token;
    for turn in 0..BEFORE {
        ask(&cluster.client_of(turn), &key).await.expect(200);
    }
    within(Duration::from_secs(20), "all are in the log", async || {
        let logs = cluster.client_of(0).bearer(&user.token).get("/manage/logs?limit=500");
        logs.send().await.expect(200).json()["data"].as_array().unwrap().len() == BEFORE
    })
    .await;
    cluster.redis().kill();
    for process in 0..2 {
        ask(&cluster.client_of(process), &key).await.expect(200);
    }
    cluster.redis().restart();
    // Requests are the first to count in the empty Redis.
    load_until(&cluster, &key, async {
        cluster.redis_is("ok", SHARED_WITHIN).await;
    })
    .await;
    // Were the day to begin anew, only what was asked since would be missing.
    let asked = AtomicUsize::new(0);
    within(Duration::from_secs(10), "what was counted before is counted again", async || {
        let turn = asked.fetch_add(1, Ordering::Relaxed);
        let left = ask(&cluster.client_of(turn), &key).await.expect(200).number("x-ratelimit-remaining-requests");
        left + u64::try_from(turn).unwrap() < LIMIT - u64::try_from(BEFORE).unwrap() + 10
    })
    .await;
}

#[tokio::test]
async fn a_start_without_redis_serves_and_shares_limits_once_it_is_there() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut cluster = two_with(redis, &[("RATE_LIMIT_MINUTE", "1000")]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({"rate_limit_minute": 4})).await.token;
    for process in 0..2 {
        ask(&cluster.client_of(process), &user.token).await.expect(200);
        let readiness = cluster.readiness(process).await.expect(200).json();
        assert_eq!(readiness["redis"], "unavailable");
    }
    cluster.redis().restart();
    cluster.redis_is("ok", SHARED_WITHIN).await;
    limits_are_shared(&cluster, &key, 4).await;
}

#[tokio::test]
async fn where_limits_need_redis_requests_under_one_are_503_without_it() {
    let mut cluster = two(&[("LIMITS_WITHOUT_REDIS", "deny")]).await;
    let user = chat_user(&cluster, "ann").await;
    let limited = user.new_api_key(&json!({"rate_limit_minute": 1000})).await.token;
    let free = user.new_api_key(&json!({})).await.token;
    for process in 0..2 {
        ask(&cluster.client_of(process), &limited).await.expect(200);
    }
    cluster.redis().kill();
    let sent = cluster.sent().len();
    for process in 0..2 {
        let refused = ask(&cluster.client_of(process), &limited).await.expect(503);
        assert_eq!(refused.error_code(), "limits_unavailable");
        assert!(refused.number("retry-after") >= 1);
        let readiness = cluster.readiness(process).await.expect(503).json();
        assert_eq!(readiness["redis"], "unavailable");
    }
    assert_eq!(cluster.sent().len(), sent, "what was refused has not been sent");
    for process in 0..2 {
        ask(&cluster.client_of(process), &free).await.expect(200);
    }
    cluster.redis().restart();
    cluster.redis_is("ok", SHARED_WITHIN).await;
    for process in 0..2 {
        cluster.readiness(process).await.expect(200);
        ask(&cluster.client_of(process), &limited).await.expect(200);
    }
}
