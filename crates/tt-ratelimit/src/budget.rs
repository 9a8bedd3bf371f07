//! Budgets: money is held before it can be spent, so that what is settled and what is held never exceed a limit.
//!
//! What is counted is an [`Account`]: `spent` is the store's word, `pending` what ended attempts cost whose request the
//! store does not have yet, `held` what attempts under way may cost at most. The last two are sums over *charges*, one
//! a request, from its first reservation until its row is in the store. `spent` comes with a revision, so that hearing
//! it twice, or late, changes nothing.
//!
//! A charge counts for an account of its user, or of its key, if it was made in the account's period. A request that
//! began before a period that is being counted already is decided by it, and counts in it until its row is stored.

mod book;
mod memory;
mod own;
mod script;
mod shared;

use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::budget::{Account, BudgetKind, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use self::memory::Memory;
use self::shared::Shared;
use crate::redis::Link;
use crate::{RedisConfig, RedisState};

/// A request under a budget.
#[derive(Debug, Clone, Copy)]
pub struct BudgetedRequest<'a> {
    /// Its id.
    pub id: RequestId,
    /// Whose it is.
    pub user: UserId,
    /// The API key it came with, whether that has a budget or not.
    pub key: Option<ApiKeyId>,
    /// When it arrived: the `created_at` of its row.
    pub created_at: Timestamp,
    /// The budgets that hold for it, as `tt_core::budget::rules` gives them.
    pub rules: &'a [BudgetRule],
}

/// How much an attempt is to be held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What it can cost at most.
    pub worst: NanoUsd,
    /// What calls like it have really needed, where that is known; more than `worst` counts as `worst`.
    pub learned: Option<NanoUsd>,
}

impl Ask {
    /// What both backends can count: not negative, and no more than is exact everywhere, which no budget covers.
    fn bounded(self) -> Self {
        let worst = countable(self.worst);
        Self { worst, learned: self.learned.map(|learned| countable(learned).min(worst)) }
    }

    /// While `remaining` is this much or more, the worst case is held.
    fn ample(self) -> NanoUsd {
        NanoUsd(self.worst.0.saturating_mul(8))
    }
}

/// From nothing to 2^53 nano-dollars: what a double holds exactly, and more than any budget.
fn countable(amount: NanoUsd) -> NanoUsd {
    NanoUsd(amount.0.clamp(0, 1 << 53))
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// It may be sent.
    Held {
        /// What is held for it.
        amount: NanoUsd,
        /// `amount` is less than the worst case: the call must be capped to what it pays for.
        capped: bool,
    },
    /// It does not fit; nothing has changed.
    Refused {
        /// The budget with the least left.
        kind: BudgetKind,
        /// Its limit.
        limit: NanoUsd,
        /// What is spent of it, ended attempts of this request too.
        spent: NanoUsd,
        /// What is held of it by other requests.
        held: NanoUsd,
        /// What this attempt would have held.
        asked: NanoUsd,
    },
    /// What these have spent is not known here: read it from the store, [`Budgets::load`] it, **read it again** and load
    /// that as [`Reading::Second`], then ask anew.
    NeedSpent(Vec<Account>),
    /// Nobody can say: the counters are shared and out of reach, or have been lost a moment ago, and are not guessed.
    Unavailable,
}

/// What the store was read for, in [`Budgets::load`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Because of a [`Reservation::NeedSpent`]. An account made from it is not used yet: what was stored between the
    /// reading and the making is in neither.
    First,
    /// Once more, begun after the first had been loaded. The account holds from now on.
    Second,
}

/// What is used of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Spent in the period, stored or not.
    pub spent: NanoUsd,
    /// Held for attempts under way.
    pub held: NanoUsd,
}

/// What is used of some budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetStanding {
    /// Of each, in the order of the rules.
    Known(Vec<Used>),
    /// As [`Reservation::NeedSpent`].
    NeedSpent(Vec<Account>),
    /// As [`Reservation::Unavailable`].
    Unavailable,
}

/// A charge whose process no longer gives a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleCharge {
    /// Of which request.
    pub request: RequestId,
    /// When that was made.
    pub created_at: Timestamp,
    /// What its ended attempts cost.
    pub settled: NanoUsd,
    /// What is held for it.
    pub held: NanoUsd,
}

/// Counts money against budgets. Clones are the same.
#[derive(Debug, Clone)]
pub struct Budgets(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Off,
    Memory(Arc<Memory>),
    Redis(Arc<Shared>),
}

impl Budgets {
    /// Budgets that hold in this process, for a store that no other process uses.
    pub fn memory() -> Self {
        Self(Backend::Memory(Arc::new(Memory::new())))
    }

    /// Budgets that hold in all processes on one Redis. `process` names this one, as no other is or was named, its own
    /// earlier runs included. While this lives, a task on `control` gives its sign of life each second.
    ///
    /// What is configured for request limits without Redis ([`crate::WithoutRedis`]) means nothing here: without Redis
    /// whatever has a budget is [`Reservation::Unavailable`]. So it is for two seconds after Redis has lost its data,
    /// and after the first process ever has connected to it.
    pub fn redis(config: RedisConfig, process: &str, control: &Handle) -> Self {
        Self(Backend::Redis(Shared::start(config, process, control)))
    }

    /// No counters at all: whatever has a budget is [`Reservation::Unavailable`]. For several processes without Redis.
    pub const fn off() -> Self {
        Self(Backend::Off)
    }

    /// How it is with Redis, for `/health/ready`.
    pub fn redis_state(&self) -> RedisState {
        match &self.0 {
            Backend::Off | Backend::Memory(_) => RedisState::Off,
            Backend::Redis(shared) => shared.state(),
        }
    }

    /// The handle for one worker thread: call it on the runtime that will use it, since its connection is driven there.
    /// Redis being away does not fail it.
    pub async fn worker(&self) -> BudgetWorker {
        match &self.0 {
            Backend::Off => BudgetWorker(Seat::Off),
            Backend::Memory(memory) => BudgetWorker(Seat::Memory(Arc::clone(memory))),
            Backend::Redis(shared) => {
                BudgetWorker(Seat::Redis(Arc::clone(shared), shared.link(Handle::current()).await))
            }
        }
    }

    /// An attempt has ended: the request's attempts have cost `settled` so far, and `held` is still held for it (0,
    /// unless another attempt is under way). Never waits, so that it can be called from `Drop`. Does nothing for a
    /// request that holds nothing.
    pub fn adjust(&self, user: UserId, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        let (settled, held) = (countable(settled), countable(held));
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.adjust(user, request, settled, held),
            Backend::Redis(shared) => shared.adjust(request, settled, held),
        }
    }

    /// Nothing was sent for this request and no row will tell of it: its charge is gone. Never waits.
    pub fn release(&self, user: UserId, request: RequestId) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.release(user, request),
            Backend::Redis(shared) => shared.release(request),
        }
    }

    /// Tells what the store says was spent, for a [`Reservation::NeedSpent`]. An account that is there already is only
    /// changed by a newer word.
    pub async fn load(&self, spents: &[Spent], reading: Reading) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.load(spents, reading),
            Backend::Redis(shared) => shared.load(spents, reading).await,
        }
    }

    /// The store has the rows of these requests, and says since then that so much is spent. To be called after the commit
    /// that stored them, by the process that served them or, once that has ended, by any.
    pub async fn drained(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        match &self.0 {
            Backend::Off => {}
            Backend::Memory(memory) => memory.drained(requests, spents),
            Backend::Redis(shared) => shared.drained(requests, spents).await,
        }
    }

    /// What is used of `rules`, which are of one user, in the periods of `at`.
    pub async fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        match &self.0 {
            _ if rules.is_empty() => BudgetStanding::Known(Vec::new()),
            Backend::Off => BudgetStanding::Unavailable,
            Backend::Memory(memory) => memory.standing(rules, at),
            Backend::Redis(shared) => shared.standing(rules, at).await,
        }
    }

    /// Charges of `user` made before `before` by processes that no longer give a sign of life. `None` while the counters
    /// cannot be reached. A request among them whose row the store has was stored by a process that ended before it
    /// could say so: post it to [`Budgets::drained`].
    pub async fn stale(&self, user: UserId, before: Timestamp) -> Option<Vec<StaleCharge>> {
        match &self.0 {
            Backend::Off | Backend::Memory(_) => Some(Vec::new()),
            Backend::Redis(shared) => shared.stale(user, before).await,
        }
    }

    /// An operator's word that the charges of `user` made by processes that give no sign of life will never be
    /// settled: how many are gone. `None` while the counters cannot be reached.
    pub async fn clear(&self, user: UserId) -> Option<usize> {
        let stale = self.stale(user, Timestamp::from_millis(i64::MAX)).await?;
        let gone: Vec<_> = stale.iter().map(|charge| (user, charge.request)).collect();
        self.drained(&gone, &[]).await;
        Some(gone.len())
    }
}

/// A worker's handle of [`Budgets`]. Clones share its connection.
#[derive(Debug, Clone)]
pub struct BudgetWorker(Seat);

#[derive(Debug, Clone)]
enum Seat {
    Off,
    Memory(Arc<Memory>),
    Redis(Arc<Shared>, Arc<Link>),
}

impl BudgetWorker {
    /// Holds money for the next attempt of `request`, whose attempts so far have cost `settled`: by all of its budgets
    /// or by none. What it held before is replaced.
    ///
    /// While the least that remains is eight times the worst case or more, the worst case is held; below that what is
    /// learned, where it is known. In memory this never waits; with Redis it is one round trip and waits at most 50 ms,
    /// once: then Redis is away. It may be dropped while it waits, and then holds nothing.
    pub async fn reserve(&self, request: &BudgetedRequest<'_>, settled: NanoUsd, ask: Ask) -> Reservation {
        let (settled, ask) = (countable(settled), ask.bounded());
        match &self.0 {
            _ if request.rules.is_empty() => Reservation::Held { amount: ask.worst, capped: false },
            Seat::Off => Reservation::Unavailable,
            Seat::Memory(memory) => memory.reserve(request, settled, ask),
            Seat::Redis(shared, link) => shared.reserve(link, request, settled, ask).await,
        }
    }
}

#[cfg(test)]
mod tests;
