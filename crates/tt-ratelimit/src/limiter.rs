//! What the rest of the program sees: one limiter, a handle of it per worker, whichever way it counts.

use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::limits::{Decision, Rule};
use tt_core::{ApiKeyId, Timestamp, UserId};

use crate::memory::Memory;
use crate::redis::{Link, Shared};
use crate::{RedisConfig, RedisState};

/// Counts requests and decides which go on. Clones are the same limiter.
#[derive(Debug, Clone)]
pub struct Limiter(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<Memory>),
    Redis(Arc<Shared>),
}

impl Limiter {
    /// Limits that hold in this process.
    pub fn memory() -> Self {
        Self(Backend::Memory(Arc::new(Memory::new())))
    }

    /// Limits that hold in all processes on one Redis. Connects when the first worker does; while Redis is away,
    /// `control` runs the task that looks for it.
    pub fn redis(config: RedisConfig, control: Handle) -> Self {
        Self(Backend::Redis(Arc::new(Shared::new(config, control))))
    }

    /// The handle for one worker thread: call it on the runtime that will use it, since its connection is driven there.
    /// Redis being away does not fail it.
    pub async fn worker(&self) -> Worker {
        match &self.0 {
            Backend::Memory(memory) => Worker(Seat::Memory(Arc::clone(memory))),
            Backend::Redis(shared) => Worker(Seat::Redis(Arc::clone(shared), shared.link(Handle::current()).await)),
        }
    }

    /// Tells the limiter what was admitted, before it started, on the UTC day that `day` lies in: to the user, or to
    /// one key of theirs. A count that is higher stays: some of it may have been admitted since.
    pub async fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        match &self.0 {
            Backend::Memory(memory) => memory.seed_day(user, key, day, count),
            Backend::Redis(shared) => shared.seed_day(user, key, day, count).await,
        }
    }

    /// How often Redis has come back after it had not answered: each time it may have lost what it counted.
    pub fn redis_returns(&self) -> u64 {
        match &self.0 {
            Backend::Memory(_) => 0,
            Backend::Redis(shared) => shared.returns(),
        }
    }

    /// How it is with Redis, for `/health/ready`.
    pub fn redis_state(&self) -> RedisState {
        match &self.0 {
            Backend::Memory(_) => RedisState::Off,
            Backend::Redis(shared) => shared.state(),
        }
    }
}

/// A worker's handle of a [`Limiter`]. Clones share its connection.
#[derive(Debug, Clone)]
pub struct Worker(Seat);

#[derive(Debug, Clone)]
enum Seat {
    Memory(Arc<Memory>),
    Redis(Arc<Shared>, Arc<Link>),
}

impl Worker {
    /// Decides a request by all `rules` or none. They are of one caller, as `tt_core::limits::rules` gives them; without
    /// any the answer is [`Decision::Admit`] and nothing is touched.
    ///
    /// In memory this never waits. With Redis it is one round trip, and it waits at most 50 ms, once: then Redis is away.
    /// Shared limits go by the clock of Redis; `now` is what this process would count by.
    pub async fn check(&self, rules: &[Rule], now: Timestamp) -> Decision {
        if rules.is_empty() {
            return Decision::Admit { nearest: None };
        }
        match &self.0 {
            Seat::Memory(memory) => memory.check(rules, now),
            Seat::Redis(shared, link) => shared.check(link, rules, now).await,
        }
    }
}
