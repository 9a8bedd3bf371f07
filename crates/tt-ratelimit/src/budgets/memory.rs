//! Budgets in the memory of this process. Every call takes one short lock and never waits for anything else.
//!
//! **Invariant:** everything of a user lies in one shard. Memory is bounded by the users and API keys that have
//! budgets and by the requests that are not posted yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::budget::{BudgetRule, Spent};
use tt_core::{NanoUsd, RequestId, Timestamp, UserId};

use super::accounts::Accounts;
use super::reservation::{BudgetedRequest, CostEstimate, Reservation};
use super::standing::{BudgetStanding, Reading};

const SHARDS: usize = 64;

type Shard = HashMap<UserId, Accounts>;

/// The accounts of all users.
#[derive(Debug)]
pub(super) struct MemoryBudgets([Mutex<Shard>; SHARDS]);

impl MemoryBudgets {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    pub(super) fn reserve(
        &self,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        estimate: CostEstimate,
    ) -> Reservation {
        self.shard(request.user).entry(request.user).or_default().reserve(request, settled, estimate)
    }

    pub(super) fn settle(&self, user: UserId, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        self.change(user, |accounts| accounts.settle(request, settled, held));
    }

    pub(super) fn void(&self, user: UserId, request: RequestId) {
        self.change(user, |accounts| accounts.remove(request));
    }

    pub(super) fn load(&self, spents: &[Spent], reading: Reading) {
        for spent in spents {
            let user = spent.account.user;
            self.shard(user).entry(user).or_default().load(spent, reading);
        }
    }

    pub(super) fn post(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        let mut by_user: BTreeMap<UserId, (Vec<&Spent>, Vec<RequestId>)> = BTreeMap::new();
        for spent in spents {
            by_user.entry(spent.account.user).or_default().0.push(spent);
        }
        for (user, request) in requests {
            by_user.entry(*user).or_default().1.push(*request);
        }
        // Under one lock: `spent` grows by as much as `unposted` shrinks, and nobody sees only one of the two.
        for (user, (spents, requests)) in by_user {
            self.change(user, |accounts| {
                spents.iter().for_each(|spent| accounts.update_spent(spent));
                requests.iter().for_each(|request| accounts.remove(*request));
            });
        }
    }

    pub(super) fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        let Some(first) = rules.first() else { return BudgetStanding::Known(Vec::new()) };
        self.shard(first.user).entry(first.user).or_default().standing(rules, at)
    }

    /// Applies `change` to the accounts of a user. A user without accounts has nothing to change.
    fn change(&self, user: UserId, change: impl FnOnce(&mut Accounts)) {
        if let Some(accounts) = self.shard(user).get_mut(&user) {
            change(accounts);
        }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(user.0.rem_euclid(SHARDS as i64)).unwrap_or(0);
        // A poisoned lock is taken all the same: nothing panics in the middle of a change, so accounts are consistent.
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn charges(&self, user: UserId) -> usize {
        self.shard(user).get(&user).map_or(0, Accounts::charges)
    }
}
