//! The books of this process. Nothing here awaits; whatever is asked is one short lock.
//!
//! **Invariant:** all of a user lies in one shard. What is kept is bounded by the users and keys that have budgets and
//! by the requests that are not yet in the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::budget::{BudgetRule, Spent};
use tt_core::{NanoUsd, RequestId, Timestamp, UserId};

use super::book::Book;
use super::{Ask, BudgetStanding, BudgetedRequest, Reading, Reservation};

const SHARDS: usize = 64;

type Shard = HashMap<UserId, Book>;

/// Everybody's books.
#[derive(Debug)]
pub(super) struct Memory([Mutex<Shard>; SHARDS]);

impl Memory {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    pub(super) fn reserve(&self, request: &BudgetedRequest<'_>, settled: NanoUsd, ask: Ask) -> Reservation {
        self.shard(request.user).entry(request.user).or_default().reserve(request, settled, ask)
    }

    pub(super) fn adjust(&self, user: UserId, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        self.known(user, |book| book.adjust(request, settled, held));
    }

    pub(super) fn release(&self, user: UserId, request: RequestId) {
        self.known(user, |book| book.remove(request));
    }

    pub(super) fn load(&self, spents: &[Spent], reading: Reading) {
        for spent in spents {
            let user = spent.account.user;
            self.shard(user).entry(user).or_default().load(spent, reading);
        }
    }

    pub(super) fn drained(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        let mut news: BTreeMap<UserId, (Vec<&Spent>, Vec<RequestId>)> = BTreeMap::new();
        for spent in spents {
            news.entry(spent.account.user).or_default().0.push(spent);
        }
        for (user, request) in requests {
            news.entry(*user).or_default().1.push(*request);
        }
        // What is spent goes up and what is pending down in one step.
        for (user, (spents, requests)) in news {
            self.known(user, |book| {
                spents.iter().for_each(|spent| book.post(spent));
                requests.iter().for_each(|request| book.remove(*request));
            });
        }
    }

    pub(super) fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        let Some(first) = rules.first() else { return BudgetStanding::Known(Vec::new()) };
        self.shard(first.user).entry(first.user).or_default().standing(rules, at)
    }

    /// What has no book has nothing to be changed.
    fn known(&self, user: UserId, change: impl FnOnce(&mut Book)) {
        if let Some(book) = self.shard(user).get_mut(&user) {
            change(book);
        }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(user.0.rem_euclid(SHARDS as i64)).unwrap_or(0);
        // Books are whole after any panic: nothing between two steps of a change can panic.
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn charges(&self, user: UserId) -> usize {
        self.shard(user).get(&user).map_or(0, Book::charges)
    }
}
