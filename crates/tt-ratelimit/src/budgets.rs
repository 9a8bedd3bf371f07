//! Budgets: money is reserved before it can be spent, so that what is spent and what is held never exceed a limit.
//!
//! The life of a request's money has four steps:
//!
//! | step | call | the amount is then |
//! |---|---|---|
//! | reserve | [`BudgetWorker::reserve`], before each attempt | *held*: what the attempt may cost at most |
//! | settle | [`Budgets::settle`], when an attempt has ended | *unposted*: its cost is known, its row is not stored |
//! | post | [`Budgets::post`], when the request's row is stored | *spent*: in the store's sum |
//! | void | [`Budgets::void`], when nothing was sent | gone |
//!
//! If the process ends before it has posted or voided, the money stays held until another process posts it, or an
//! operator has it [expire](Budgets::expire).
//!
//! An [`Account`](tt_core::budget::Account) is `spent` (the sum in the store) plus `unposted` plus `held`. The last two
//! are sums over *charges*: each request has one charge from its first reservation until it is posted. `spent` comes
//! with a revision, so that receiving it twice, or out of order, changes nothing.
//!
//! A charge counts for an account of its user, or of its API key, if the request was made in the account's period. A
//! request that began before the period that is counted now is decided by that period, and counts in it until it is
//! posted.

mod accounts;
mod memory;
#[cfg(feature = "redis")]
mod outbox;
#[cfg(feature = "redis")]
mod redis;
mod reservation;
#[cfg(feature = "redis")]
mod script;
mod standing;

use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::budget::{BudgetRule, Spent};
use tt_core::{NanoUsd, RequestId, Timestamp, UserId};

use self::memory::MemoryBudgets;
#[cfg(feature = "redis")]
use self::redis::RedisBudgets;
use self::reservation::countable;
pub use self::reservation::{BudgetedRequest, CostEstimate, Reservation};
pub use self::standing::{BudgetStanding, Reading, StaleCharge, Used};
#[cfg(feature = "redis")]
use crate::redis::Connection;
use crate::redis::{RedisConfig, RedisState};

/// Counts money against budgets. Clones share their accounts.
#[derive(Debug, Clone)]
pub struct Budgets(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Off,
    Memory(Arc<MemoryBudgets>),
    #[cfg(feature = "redis")]
    Redis(Arc<RedisBudgets>),
}

impl Budgets {
    /// Budgets that hold in this process, for a store that no other process uses.
    pub fn memory() -> Self {
        Self(Backend::Memory(Arc::new(MemoryBudgets::new())))
    }

    /// Budgets that hold in all processes on one Redis. `process` is the name of this process, which no other process
    /// has or had, earlier runs of this program included. As long as the budgets live, a task on `control` sends a
    /// heartbeat each second.
    ///
    /// [`crate::WithoutRedis`] has no effect here: while Redis is down, every request that has a budget is
    /// [`Reservation::Unavailable`]. The same holds for two seconds after Redis has lost its data, and after the very
    /// first process has connected to it.
    #[cfg(feature = "redis")]
    pub fn redis(config: RedisConfig, process: &str, control: &Handle) -> Self {
        Self(Backend::Redis(RedisBudgets::start(config, process, control)))
    }

    /// Is never called, since this build has no [`RedisConfig`].
    #[cfg(not(feature = "redis"))]
    pub fn redis(config: RedisConfig, _: &str, _: &Handle) -> Self {
        match config.never {}
    }

    /// Budgets that are not counted: every request that has a budget is [`Reservation::Unavailable`]. This is for
    /// several processes without Redis, where no process knows the spending of the others.
    pub const fn off() -> Self {
        Self(Backend::Off)
    }

    /// The state of Redis, for `/health/ready`.
    pub fn redis_state(&self) -> RedisState {
        match &self.0 {
            Backend::Off | Backend::Memory(_) => RedisState::Off,
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.state(),
        }
    }

    /// A handle for one worker thread. Call this on the runtime that will use the handle, since its connection is
    /// driven there. It succeeds also while Redis is down.
    pub async fn worker(&self) -> BudgetWorker {
        match &self.0 {
            Backend::Off => BudgetWorker(WorkerBackend::Off),
            Backend::Memory(memory) => BudgetWorker(WorkerBackend::Memory(Arc::clone(memory))),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => {
                let connection = redis.connection(Handle::current()).await;
                BudgetWorker(WorkerBackend::Redis(Arc::clone(redis), connection))
            }
        }
    }

    /// Replaces what is held for an attempt that has ended by what it cost. `settled` is the cost of all attempts of
    /// the request so far; `held` stays held for it: 0, unless another attempt is under way. Does nothing for a request
    /// that has no charge. Never waits, so that it can be called from `Drop`.
    pub fn settle(&self, user: UserId, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        let (settled, held) = (countable(settled), countable(held));
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.settle(user, request, settled, held),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.settle(request, settled, held),
        }
    }

    /// Removes the charge of a request for which nothing was sent, and which will have no row in the store. Never
    /// waits.
    pub fn void(&self, user: UserId, request: RequestId) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.void(user, request),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.void(request),
        }
    }

    /// Takes what is spent by the store, as a [`Reservation::NeedSpent`] asked for it. An account that is there already
    /// is changed only by a newer revision.
    pub async fn load(&self, spents: &[Spent], reading: Reading) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.load(spents, reading),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.load(spents, reading).await,
        }
    }

    /// Removes the charges of `requests`, whose rows are in the store, and takes the sums that include them, in one
    /// step. Call it after the commit that stored the rows: by the process that served the requests or, once that has
    /// ended, by any other.
    pub async fn post(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.post(requests, spents),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.post(requests, spents).await,
        }
    }

    /// Returns how much of `rules`, which must be of one user, is used in the periods of `at`.
    pub async fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        match &self.0 {
            _ if rules.is_empty() => BudgetStanding::Known(Vec::new()),
            Backend::Off => BudgetStanding::Unavailable,
            Backend::Memory(memory) => memory.standing(rules, at),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.standing(rules, at).await,
        }
    }

    /// The charges of `user` made before `before` by processes whose heartbeat has stopped. `None` while Redis is down.
    ///
    /// If the store has the row of such a request, the process that stored it ended before it could post: call
    /// [`Budgets::post`] for it.
    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "only Redis has stale charges"))]
    pub async fn stale(&self, user: UserId, before: Timestamp) -> Option<Vec<StaleCharge>> {
        match &self.0 {
            Backend::Off | Backend::Memory(_) => Some(Vec::new()),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.stale(user, before).await,
        }
    }

    /// Removes all [stale](Self::stale) charges of `user`, because an operator says that they will never be posted.
    /// Returns how many they were; `None` while Redis is down.
    pub async fn expire(&self, user: UserId) -> Option<usize> {
        let stale = self.stale(user, Timestamp::from_millis(i64::MAX)).await?;
        let expired: Vec<_> = stale.iter().map(|charge| (user, charge.request)).collect();
        self.post(&expired, &[]).await;
        Some(expired.len())
    }
}

/// A worker's handle of [`Budgets`]. Clones share its connection.
#[derive(Debug, Clone)]
pub struct BudgetWorker(WorkerBackend);

#[derive(Debug, Clone)]
enum WorkerBackend {
    Off,
    Memory(Arc<MemoryBudgets>),
    #[cfg(feature = "redis")]
    Redis(Arc<RedisBudgets>, Arc<Connection>),
}

impl BudgetWorker {
    /// Holds money for the next attempt of `request`, whose earlier attempts have cost `settled`: in all of its budgets
    /// or in none. It replaces what the request held before.
    ///
    /// While every budget has eight times `estimate.worst` left or more, the worst case is held. Below that,
    /// `estimate.p99` is held where it is known, so that a nearly used budget still admits calls.
    ///
    /// In memory this never waits. With Redis it is one round trip and waits at most 50 ms; after one such timeout
    /// Redis counts as down, and nobody waits until it is back. If the future is dropped before it is ready, nothing is
    /// held.
    pub async fn reserve(
        &self,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        estimate: CostEstimate,
    ) -> Reservation {
        let (settled, estimate) = (countable(settled), estimate.bounded());
        match &self.0 {
            _ if request.rules.is_empty() => Reservation::Held { amount: estimate.worst, capped: false },
            WorkerBackend::Off => Reservation::Unavailable,
            WorkerBackend::Memory(memory) => memory.reserve(request, settled, estimate),
            #[cfg(feature = "redis")]
            WorkerBackend::Redis(redis, connection) => redis.reserve(connection, request, settled, estimate).await,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "redis")]
mod tests;
