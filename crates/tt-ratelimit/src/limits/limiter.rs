//! The front of request limits: one limiter for the process, and a handle of it for each worker.

use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::limits::{Decision, Rule, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::memory::MemoryLimits;
#[cfg(feature = "redis")]
use super::redis::RedisLimits;
#[cfg(feature = "redis")]
use crate::redis::Connection;
use crate::redis::{RedisConfig, RedisState};

/// Counts requests and decides which are admitted. Clones share their counters.
#[derive(Debug, Clone)]
pub struct Limiter(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<MemoryLimits>),
    #[cfg(feature = "redis")]
    Redis(Arc<RedisLimits>),
}

impl Limiter {
    /// Limits that hold in this process alone.
    pub fn memory() -> Self {
        Self(Backend::Memory(Arc::new(MemoryLimits::new())))
    }

    /// Limits that hold in all processes on one Redis. `control` runs the tasks that try to reach it while it is down, and
    /// that tell it what this process has admitted after it has lost its counters.
    #[cfg(feature = "redis")]
    pub fn redis(config: RedisConfig, control: Handle) -> Self {
        Self(Backend::Redis(RedisLimits::start(config, control)))
    }

    /// Is never called, since this build has no [`RedisConfig`].
    #[cfg(not(feature = "redis"))]
    pub fn redis(config: RedisConfig, _: Handle) -> Self {
        match config.never {}
    }

    /// A handle for one worker thread. Call this on the runtime that will use the handle, since its connection is
    /// driven there. It succeeds also while Redis is down.
    pub async fn worker(&self) -> LimitWorker {
        match &self.0 {
            Backend::Memory(memory) => LimitWorker(WorkerBackend::Memory(Arc::clone(memory))),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => {
                let connection = redis.connection(Handle::current()).await;
                LimitWorker(WorkerBackend::Redis(Arc::clone(redis), connection))
            }
        }
    }

    /// Sets how many requests of a user, or of one API key of theirs, were admitted on the UTC day that `day` lies in,
    /// before this limiter began to count. A count that is higher stays, since it may include requests of since then.
    pub async fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        match &self.0 {
            Backend::Memory(memory) => memory.seed_day(user, key, day, count),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.seed_day(user, key, day, count).await,
        }
    }

    /// The number of outages of Redis that have ended. In each of them Redis may have lost its counters, so the days
    /// should be seeded again when this number has grown.
    pub fn redis_recoveries(&self) -> u64 {
        match &self.0 {
            Backend::Memory(_) => 0,
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.recoveries(),
        }
    }

    /// The Redis that has been told of all requests that were admitted before it, by the time since when it has its
    /// counters. `None` while there is no such Redis.
    #[cfg(test)]
    #[cfg(feature = "redis")]
    pub(super) async fn told(&self) -> Option<u64> {
        match &self.0 {
            Backend::Memory(_) => None,
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.told().await,
        }
    }

    /// The state of Redis, for `/health/ready`.
    pub fn redis_state(&self) -> RedisState {
        match &self.0 {
            Backend::Memory(_) => RedisState::Off,
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.state(),
        }
    }
}

/// A worker's handle of a [`Limiter`]. Clones share its connection.
#[derive(Debug, Clone)]
pub struct LimitWorker(WorkerBackend);

#[derive(Debug, Clone)]
enum WorkerBackend {
    Memory(Arc<MemoryLimits>),
    #[cfg(feature = "redis")]
    Redis(Arc<RedisLimits>, Arc<Connection>),
}

impl LimitWorker {
    /// A handle of new limits that hold in this process alone. Its checks never wait.
    pub fn memory() -> Self {
        Self(WorkerBackend::Memory(Arc::new(MemoryLimits::new())))
    }

    /// Decides a request by all `rules`: it is counted by every one of them or by none. The rules must be of one
    /// caller, as [`tt_core::limits::rules`] gives them. Without rules the answer is [`Decision::Admit`] and nothing is
    /// counted.
    ///
    /// In memory this never waits. With Redis it is one round trip and waits at most 50 ms; after one such timeout
    /// Redis counts as down, and nobody waits until it is back. Limits in Redis go by the clock of Redis, so that
    /// processes agree on it; `now` is for the counters of this process.
    pub async fn check(&self, rules: &[Rule], now: Timestamp) -> Decision {
        if rules.is_empty() {
            return Decision::Admit { nearest: None };
        }
        match &self.0 {
            WorkerBackend::Memory(memory) => memory.check(rules, now),
            #[cfg(feature = "redis")]
            // A box, so that a caller without Redis has no room for this future.
            WorkerBackend::Redis(redis, connection) => Box::pin(redis.check(connection, rules, now)).await,
        }
    }

    /// The state of each of `rules`, in their order; nothing is counted. While Redis is down it is that of this process.
    pub async fn standings(&self, rules: &[Rule], now: Timestamp) -> Vec<Standing> {
        if rules.is_empty() {
            return Vec::new();
        }
        match &self.0 {
            WorkerBackend::Memory(memory) => memory.standings(rules, now),
            #[cfg(feature = "redis")]
            WorkerBackend::Redis(redis, connection) => redis.standings(connection, rules, now).await,
        }
    }
}
