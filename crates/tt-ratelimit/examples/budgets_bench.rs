//! Measures the time of a request that has budgets: three rules, 1,000 users in turn, one worker, 64 requests at once.
//! Each request is reserved and settled, and a hundred at a time are posted. With a Redis address as its argument, it
//! also measures there, and prints how long a script call took by Redis's own statistics, next to the limits script
//! with four rules.
//!
//! `cargo run --release -p tt-ratelimit --example budgets_bench [redis://127.0.0.1:6379]`
//!
//! It empties that Redis.

#![expect(clippy::print_stdout, reason = "its output")]

use std::error::Error;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use tokio::task::JoinSet;
use tt_core::budget::{BudgetKind, BudgetRule, Spent};
use tt_core::limits::{Rule, RuleKind};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp, UserId};
use tt_ratelimit::{
    BudgetWorker, BudgetedRequest, Budgets, CostEstimate, Limiter, Reading, RedisConfig, Reservation, WithoutRedis,
};

const USERS: i64 = 1000;
const AT_ONCE: u128 = 64;
const EACH: u128 = 1000;
const DRAINED_AT_ONCE: usize = 100;
const AT: Timestamp = Timestamp::from_millis(1_795_435_200_000);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        println!("memory  {:>9.3?} a request", requests(&Budgets::memory()).await?);
        let Some(url) = std::env::args().nth(1) else { return Ok(()) };
        let config = RedisConfig::parse("argument", &url, WithoutRedis::Deny)?;
        let mut redis = Client::open(url)?.get_multiplexed_async_connection().await?;
        let () = cmd("FLUSHALL").query_async(&mut redis).await?;
        let () = cmd("SET").arg("tt:budgets:since").arg(1).query_async(&mut redis).await?;

        let budgets = Budgets::redis(config.clone(), "bench", runtime.handle());
        println!("redis   {:>9.3?} a request", requests(&budgets).await?);

        // One of each at a time, so that the statistics are of it alone.
        let worker = budgets.worker().await;
        reset(&mut redis).await?;
        let mut made = Vec::new();
        for i in 0..10_000 {
            made.push(reserve(&worker, user(i), id(u128::MAX / 2 + i)).await?);
        }
        println!("reserve: {} µs of Redis each", script_time(&mut redis).await?);
        reset(&mut redis).await?;
        for some in made.chunks(DRAINED_AT_ONCE) {
            budgets.post(some, &[]).await;
        }
        println!("post:    {} µs of Redis a call, a user's rows each", script_time(&mut redis).await?);

        let limits = Limiter::redis(config, runtime.handle().clone()).worker().await;
        reset(&mut redis).await?;
        for i in 0..10_000 {
            limits.check(&limit_rules(user(i)), AT).await;
        }
        println!("limits:  {} µs of Redis each", script_time(&mut redis).await?);
        Ok(())
    })
}

/// The time of a request, from reserving to posting.
async fn requests(budgets: &Budgets) -> Result<Duration, Box<dyn Error>> {
    let worker = budgets.worker().await;
    for reading in [Reading::First, Reading::Second] {
        for user in (0..USERS).map(UserId) {
            let nothing = |rule: &BudgetRule| {
                let account = rule.account();
                Spent { account, start: account.period.start(AT), revision: 0, amount: NanoUsd::ZERO }
            };
            budgets.load(&rules(user).iter().map(nothing).collect::<Vec<_>>(), reading).await;
        }
    }
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..AT_ONCE {
        let (budgets, worker) = (budgets.clone(), worker.clone());
        clients.spawn(async move {
            let mut done = Vec::new();
            for i in client * EACH..(client + 1) * EACH {
                let (user, one) = reserve(&worker, user(i), id(i)).await.map_err(|e| e.to_string())?;
                budgets.settle(user, one, NanoUsd(5), NanoUsd::ZERO);
                done.push((user, one));
                if done.len() == DRAINED_AT_ONCE {
                    budgets.post(&done, &[]).await;
                    done.clear();
                }
            }
            budgets.post(&done, &[]).await;
            Ok::<_, String>(())
        });
    }
    for done in clients.join_all().await {
        done?;
    }
    Ok(began.elapsed() / u32::try_from(AT_ONCE * EACH)?)
}

async fn reserve(worker: &BudgetWorker, user: UserId, id: RequestId) -> Result<(UserId, RequestId), Box<dyn Error>> {
    let rules = rules(user);
    let request = BudgetedRequest { id, user, key: Some(ApiKeyId(user.0)), created_at: AT, rules: &rules };
    let ask = CostEstimate { worst: NanoUsd(1000), p99: Some(NanoUsd(100)) };
    loop {
        match worker.reserve(&request, NanoUsd::ZERO, ask).await {
            Reservation::Held { .. } => return Ok((user, id)),
            // A machine that is busy with other things may not make it in 50 ms.
            Reservation::Unavailable => tokio::time::sleep(Duration::from_millis(10)).await,
            other => return Err(format!("{other:?}").into()),
        }
    }
}

fn rules(user: UserId) -> [BudgetRule; 3] {
    let rule = |kind, key, period| BudgetRule { kind, user, key, limit: NanoUsd(1_000_000_000), period };
    [
        rule(BudgetKind::UserOwn, None, Period::Day),
        rule(BudgetKind::UserAdmin, None, Period::Month),
        rule(BudgetKind::Key, Some(ApiKeyId(user.0)), Period::Month),
    ]
}

fn limit_rules(user: UserId) -> [Rule; 4] {
    let rule = |kind, key| Rule { kind, user, key, limit: 1_000_000 };
    let key = Some(ApiKeyId(user.0));
    [
        rule(RuleKind::UserMinute, None),
        rule(RuleKind::UserDay, None),
        rule(RuleKind::KeyMinute, key),
        rule(RuleKind::KeyDay, key),
    ]
}

fn user(i: u128) -> UserId {
    UserId(i64::try_from(i % USERS.unsigned_abs() as u128).unwrap_or_default())
}

fn id(i: u128) -> RequestId {
    // A number in hexadecimal always reads as one.
    format!("{i:032x}").parse().unwrap_or_else(|_| unreachable!())
}

async fn reset(redis: &mut MultiplexedConnection) -> Result<(), Box<dyn Error>> {
    Ok(cmd("CONFIG").arg("RESETSTAT").query_async(redis).await?)
}

/// Microseconds a script call took, as Redis counts them.
async fn script_time(redis: &mut MultiplexedConnection) -> Result<String, Box<dyn Error>> {
    let stats: String = cmd("INFO").arg("commandstats").query_async(redis).await?;
    let of_scripts = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:"));
    let each = of_scripts.and_then(|line| line.split(',').find_map(|field| field.strip_prefix("usec_per_call=")));
    Ok(each.unwrap_or("no").to_owned())
}
