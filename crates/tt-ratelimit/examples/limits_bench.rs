//! Measures the time of a decision: four rules, 10,000 users in turn, one worker. With a Redis address as its argument,
//! it also measures there, one request at a time and 64 at once.
//!
//! `cargo run --release -p tt-ratelimit --example limits_bench [redis://127.0.0.1:6379]`

#![expect(clippy::print_stdout, reason = "its output")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tt_core::budget::UserBudgets;
use tt_core::caller::{Proof, RequestLimits, Role};
use tt_core::limits::{Rules, rules};
use tt_core::{ApiKeyId, Caller, Scope, Timestamp, UserId};
use tt_ratelimit::{LimitWorker, Limiter, RedisConfig, WithoutRedis};

const USERS: i64 = 10_000;
const ROOM: RequestLimits = RequestLimits { minute: 1_000_000, day: 1_000_000_000 };

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let memory = Limiter::memory().worker().await;
        one_by_one(&memory, 10_000).await;
        println!("memory            {:>9.3?} each", one_by_one(&memory, 2_000_000).await);

        if let Some(url) = std::env::args().nth(1) {
            let config = RedisConfig::parse("argument", &url, WithoutRedis::Deny)?;
            let redis = Limiter::redis(config, runtime.handle().clone()).worker().await;
            one_by_one(&redis, 1000).await;
            println!("redis, one by one {:>9.3?} each", one_by_one(&redis, 20_000).await);
            let began = Instant::now();
            let mut at_once = JoinSet::new();
            for _ in 0..64 {
                let redis = redis.clone();
                at_once.spawn(async move { one_by_one(&redis, 2000).await });
            }
            at_once.join_all().await;
            println!("redis, 64 at once {:>9.3?} each", began.elapsed() / (64 * 2000));
        }
        Ok(())
    })
}

async fn one_by_one(worker: &LimitWorker, requests: u32) -> Duration {
    let of: Vec<Rules> = (0..USERS).map(|user| rules(&caller(user), ROOM)).collect();
    let began = Instant::now();
    for rules in of.iter().cycle().zip(0..requests).map(|(rules, _)| rules) {
        black_box(worker.check(rules, now()).await);
    }
    began.elapsed() / requests
}

fn caller(user: i64) -> Caller {
    let proof = Proof::ApiKey {
        id: ApiKeyId(user),
        scopes: vec![Scope::Proxy],
        allowed_aliases: None,
        limits: ROOM,
        budget: None,
    };
    Caller {
        user_id: UserId(user),
        role: Role::User,
        proof,
        expires_at: None,
        limits: RequestLimits::default(),
        budgets: UserBudgets::default(),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
