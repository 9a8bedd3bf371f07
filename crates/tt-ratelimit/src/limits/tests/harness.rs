//! A limiter under test, whose clock the test sets, and short ways to write rules.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tt_core::limits::{Decision, Rule, RuleKind, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};
use tt_testkit::redis::RedisServer;

use crate::{LimitWorker, Limiter, RedisConfig, WithoutRedis};

/// 2026-11-23 00:00 UTC.
pub(crate) const MIDNIGHT: i64 = 1_795_392_000_000;

pub(super) const DAY_MS: i64 = 86_400_000;

/// A limiter, and the runtime and Redis it needs.
pub(super) struct Harness {
    runtime: Runtime,
    limiter: Limiter,
    worker: LimitWorker,
    users: AtomicI64,
    _server: Option<RedisServer>,
}

impl Harness {
    pub(super) fn memory() -> Self {
        Self::new(runtime(), Limiter::memory(), None)
    }

    pub(super) fn redis() -> Self {
        let server = RedisServer::start();
        let runtime = runtime();
        let config = patient(&server).at_given_clock();
        let limiter = Limiter::redis(config, runtime.handle().clone());
        Self::new(runtime, limiter, Some(server))
    }

    fn new(runtime: Runtime, limiter: Limiter, server: Option<RedisServer>) -> Self {
        let worker = runtime.block_on(limiter.worker());
        Self { runtime, limiter, worker, users: AtomicI64::new(1), _server: server }
    }

    /// A user for whom nothing is counted yet.
    pub(super) fn user(&self) -> UserId {
        UserId(self.users.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn check(&self, rules: &[Rule], at_ms: i64) -> Decision {
        self.runtime.block_on(self.worker.check(rules, Timestamp::from_millis(at_ms)))
    }

    /// For each rule the number of requests left, and the milliseconds until there are more.
    pub(super) fn standings(&self, rules: &[Rule], at_ms: i64) -> Vec<(u64, u128)> {
        let standings = self.runtime.block_on(self.worker.standings(rules, Timestamp::from_millis(at_ms)));
        standings.into_iter().map(|standing| (standing.remaining, standing.reset.as_millis())).collect()
    }

    pub(super) fn admits(&self, rules: &[Rule], at_ms: i64) -> bool {
        admitted(&self.check(rules, at_ms))
    }

    pub(super) fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, at_ms: i64, count: u64) {
        self.runtime.block_on(self.limiter.seed_day(user, key, Timestamp::from_millis(at_ms), count));
    }
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn config(server: &RedisServer) -> RedisConfig {
    RedisConfig::parse("REDIS_URL", &server.url(), WithoutRedis::Local).unwrap()
}

/// A configuration that waits for Redis as long as a busy machine may need, and refuses without it: a script that fails
/// must not go unnoticed because the process knew the answer too.
pub(crate) fn patient(server: &RedisServer) -> RedisConfig {
    RedisConfig::parse("REDIS_URL", &server.url(), WithoutRedis::Deny).unwrap().waiting(Duration::from_secs(30))
}

pub(super) fn admitted(decision: &Decision) -> bool {
    matches!(decision, Decision::Admit { .. })
}

pub(super) fn user_minute(user: UserId, limit: u64) -> Rule {
    Rule { kind: RuleKind::UserMinute, user, key: None, limit }
}

pub(super) fn user_day(user: UserId, limit: u64) -> Rule {
    Rule { kind: RuleKind::UserDay, user, key: None, limit }
}

pub(super) fn key_minute(user: UserId, key: i64, limit: u64) -> Rule {
    Rule { kind: RuleKind::KeyMinute, user, key: Some(ApiKeyId(key)), limit }
}

pub(super) fn key_day(user: UserId, key: i64, limit: u64) -> Rule {
    Rule { kind: RuleKind::KeyDay, user, key: Some(ApiKeyId(key)), limit }
}

pub(super) fn deny(rule: RuleKind, limit: u64, retry_after_ms: i64) -> Decision {
    Decision::Deny { rule, limit, retry_after: millis(retry_after_ms) }
}

pub(super) fn admit(limit: u64, remaining: u64, reset_ms: i64) -> Decision {
    Decision::Admit { nearest: Some(Standing { limit, remaining, reset: millis(reset_ms) }) }
}

pub(super) fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}
