//! The keys in Redis, and the clock of Redis.

use deadpool_redis::redis::{Client, Commands, cmd};
use tt_core::{ApiKeyId, Timestamp, UserId};
use tt_testkit::redis::RedisServer;

use super::harness::{MIDNIGHT, admitted, key_day, key_minute, patient, runtime, user_day, user_minute};
use crate::{Budgets, Limiter, RedisConfig, WithoutRedis};

#[test]
fn all_keys_of_a_user_share_their_hash_tag_and_expire() {
    let server = RedisServer::start();
    let runtime = runtime();
    runtime.block_on(async {
        let limiter = Limiter::redis(patient(&server), runtime.handle().clone());
        let user = UserId(7);
        let rules = [user_minute(user, 5), user_day(user, 5), key_minute(user, 3, 5), key_day(user, 3, 5)];
        let now = Timestamp::from_millis(MIDNIGHT);
        assert!(admitted(&limiter.worker().await.check(&rules, now).await));
        limiter.seed_day(user, Some(ApiKeyId(4)), now, 1).await;
    });

    let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut keys: Vec<String> = redis.keys("tt:{*").unwrap();
    keys.sort();
    let day = 26 * 3_600_000;
    let want = [
        ("tt:{probe}:minute", 62_000),
        ("tt:{u:7}:day", day),
        ("tt:{u:7}:key:3:day", day),
        ("tt:{u:7}:key:3:minute", 62_000),
        ("tt:{u:7}:key:4:day", day),
        ("tt:{u:7}:minute", 62_000),
    ];
    assert_eq!(keys, want.map(|(key, _)| key));
    for (key, most) in want {
        let left: i64 = redis.pttl(key).unwrap();
        assert!((1..=most).contains(&left), "{key} expires in {left} ms");
    }
}

#[test]
fn installations_on_one_redis_count_apart() {
    let server = RedisServer::start();
    let runtime = runtime();
    runtime.block_on(async {
        let handle = runtime.handle();
        let user = UserId(7);
        let rules = [user_minute(user, 1), user_day(user, 9)];
        let now = Timestamp::from_millis(MIDNIGHT);
        let mut running = Vec::new();
        for name in ["a", "b"] {
            let config = patient(&server).of_installation(name);
            let limiter = Limiter::redis(config.clone(), handle.clone());
            limiter.seed_day(user, None, now, 2).await;
            let worker = limiter.worker().await;
            assert!(admitted(&worker.check(&rules, now).await), "{name} has admitted nothing yet");
            assert!(!admitted(&worker.check(&rules, now).await));
            // The mark of the limits is made by a task that ends with its limiter.
            running.push((limiter, Budgets::redis(config, name, handle)));
        }
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        let began = std::time::Instant::now();
        loop {
            let mut keys: Vec<String> = redis.keys("*").unwrap();
            keys.sort();
            let of = |name: &str| {
                let begin = format!("tt:{name}:");
                let mut of: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix(&begin)).collect();
                of.retain(|key| !key.starts_with("budgets:process:"));
                of.join(" ")
            };
            let want = "budgets:since limits:since {probe}:minute {u:7}:day {u:7}:minute";
            if [of("a"), of("b")] == [want, want] && keys.len() == 12 {
                break;
            }
            assert!(began.elapsed().as_secs() < 20, "{keys:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn the_clock_is_that_of_redis() {
    let server = RedisServer::start();
    let runtime = runtime();
    runtime.block_on(async {
        let worker = Limiter::redis(patient(&server), runtime.handle().clone()).worker().await;
        let rules = [user_minute(UserId(1), 1)];
        assert!(admitted(&worker.check(&rules, Timestamp::from_millis(MIDNIGHT)).await));
        let far_off = Timestamp::from_millis(MIDNIGHT + 1_000_000_000);
        assert!(!admitted(&worker.check(&rules, far_off).await));
    });
}

#[test]
fn a_redis_that_forgot_the_script_gets_it_again() {
    let server = RedisServer::start();
    let runtime = runtime();
    runtime.block_on(async {
        let limiter = Limiter::redis(patient(&server), runtime.handle().clone());
        let worker = limiter.worker().await;
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        cmd("SCRIPT").arg("FLUSH").exec(&mut redis).unwrap();
        let rules = [user_minute(UserId(1), 1)];
        assert!(admitted(&worker.check(&rules, Timestamp::from_millis(MIDNIGHT)).await));
        let kept: bool = redis.exists("tt:{u:1}:minute").unwrap();
        assert!(kept, "it was not Redis that decided");
    });
}

#[test]
fn a_bad_address_names_the_setting_and_hides_the_password() {
    let error = RedisConfig::parse("REDIS_URL", "http://me:hunter2@host", WithoutRedis::Local).unwrap_err();
    assert_eq!(error.field, "REDIS_URL");
    assert!(!error.to_string().contains("hunter2"));
    let config = RedisConfig::parse("REDIS_URL", "redis://me:hunter2@host:1/2", WithoutRedis::Deny).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
