//! What is counted of one user, and how it is decided. Pure: the clock is an argument. The scripts beside this file say
//! the same in Lua.

use std::collections::HashMap;

use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp};

use super::{Ask, BudgetStanding, BudgetedRequest, Reading, Reservation, Used, countable};

/// Accounts and charges of one user.
#[derive(Debug, Default)]
pub(super) struct Book {
    accounts: HashMap<Name, Balance>,
    charges: HashMap<RequestId, Charge>,
}

/// An account of the user's.
type Name = (Option<ApiKeyId>, Period);

/// One account in the period that began at `start`.
///
/// `pending` and `held` are the sums over the charges that count for it.
#[derive(Debug, Clone, Copy)]
struct Balance {
    start: Timestamp,
    revision: u64,
    spent: NanoUsd,
    pending: NanoUsd,
    held: NanoUsd,
    /// The store has been read since this was made.
    sure: bool,
}

/// What one request has cost and may still cost.
#[derive(Debug, Clone, Copy)]
struct Charge {
    key: Option<ApiKeyId>,
    /// The request's beginning, or that of a later period it was decided by.
    counts_from: Timestamp,
    settled: NanoUsd,
    held: NanoUsd,
}

impl Charge {
    fn counts_for(&self, (key, _): Name, start: Timestamp) -> bool {
        self.counts_from >= start && (key.is_none() || key == self.key)
    }
}

impl Balance {
    const fn new(start: Timestamp) -> Self {
        let zero = NanoUsd::ZERO;
        Self { start, revision: 0, spent: zero, pending: zero, held: zero, sure: false }
    }

    fn add(&mut self, charge: &Charge) {
        self.pending = self.pending.plus(charge.settled);
        self.held = self.held.plus(charge.held);
    }

    fn take(&mut self, charge: &Charge) {
        self.pending = self.pending.minus(charge.settled);
        self.held = self.held.minus(charge.held);
    }
}

impl Book {
    pub(super) fn reserve(&mut self, request: &BudgetedRequest<'_>, settled: NanoUsd, ask: Ask) -> Reservation {
        if let Some(missing) = self.missing(request.rules) {
            return Reservation::NeedSpent(missing);
        }
        let mut counts_from = request.created_at;
        for rule in request.rules {
            counts_from = counts_from.max(self.roll(rule, request.created_at));
        }

        let own = self.charges.get(&request.id).copied();
        let nearest = request.rules.iter().filter_map(|rule| {
            let name = (rule.key, rule.period);
            let mut balance = *self.accounts.get(&name)?;
            if let Some(own) = own.filter(|own| own.counts_for(name, balance.start)) {
                balance.take(&own);
            }
            let spent = balance.spent.plus(balance.pending).plus(settled);
            Some((rule.limit.minus(spent).minus(balance.held), rule, Used { spent, held: balance.held }))
        });
        let Some((remaining, rule, used)) = nearest.min_by_key(|(remaining, ..)| *remaining) else {
            return Reservation::Unavailable;
        };
        let hold = if remaining >= ask.ample() { ask.worst } else { ask.learned.unwrap_or(ask.worst) };
        if hold > remaining {
            let Used { spent, held } = used;
            return Reservation::Refused { kind: rule.kind, limit: rule.limit, spent, held, asked: hold };
        }
        self.put(request.id, Some(Charge { key: request.key, counts_from, settled, held: hold }));
        Reservation::Held { amount: hold, capped: hold < ask.worst }
    }

    /// Changes a charge that is there.
    pub(super) fn adjust(&mut self, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        if let Some(charge) = self.charges.get(&request).copied() {
            self.put(request, Some(Charge { settled, held, ..charge }));
        }
    }

    /// Forgets a charge.
    pub(super) fn remove(&mut self, request: RequestId) {
        self.put(request, None);
    }

    /// Takes the store's word, and makes the account if it is not there.
    pub(super) fn load(&mut self, spent: &Spent, reading: Reading) {
        let name = (spent.account.key, spent.account.period);
        let there = self.accounts.contains_key(&name);
        if !there {
            let made = self.recounted(name, Balance::new(spent.start));
            self.accounts.insert(name, made);
        }
        self.post(spent);
        if let (true, Reading::Second, Some(balance)) = (there, reading, self.accounts.get_mut(&name)) {
            balance.sure = true;
        }
    }

    /// Takes the store's word for an account that is there: the newest stands.
    pub(super) fn post(&mut self, spent: &Spent) {
        let name = (spent.account.key, spent.account.period);
        let Some(mut balance) = self.accounts.get(&name).copied() else { return };
        if spent.start > balance.start {
            balance = self.recounted(name, Balance { sure: balance.sure, ..Balance::new(spent.start) });
        }
        if spent.start == balance.start && spent.revision >= balance.revision {
            (balance.revision, balance.spent) = (spent.revision, countable(spent.amount));
        }
        self.accounts.insert(name, balance);
    }

    pub(super) fn standing(&mut self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        if let Some(missing) = self.missing(rules) {
            return BudgetStanding::NeedSpent(missing);
        }
        let used = rules.iter().filter_map(|rule| {
            self.roll(rule, at);
            let balance = self.accounts.get(&(rule.key, rule.period))?;
            Some(Used { spent: balance.spent.plus(balance.pending), held: balance.held })
        });
        BudgetStanding::Known(used.collect())
    }

    /// The accounts of `rules` that cannot be used yet, if there are any.
    fn missing(&self, rules: &[BudgetRule]) -> Option<Vec<Account>> {
        let known = |rule: &&BudgetRule| self.accounts.get(&(rule.key, rule.period)).is_some_and(|b| b.sure);
        let mut missing: Vec<_> = rules.iter().filter(|rule| !known(rule)).map(BudgetRule::account).collect();
        missing.sort_unstable();
        missing.dedup();
        (!missing.is_empty()).then_some(missing)
    }

    /// Begins the account's period of `at` if that is a later one; when the one being counted began.
    fn roll(&mut self, rule: &BudgetRule, at: Timestamp) -> Timestamp {
        let (name, start) = ((rule.key, rule.period), rule.period.start(at));
        match self.accounts.get(&name).copied() {
            Some(old) if start > old.start => {
                let new = self.recounted(name, Balance { sure: old.sure, ..Balance::new(start) });
                self.accounts.insert(name, new);
                start
            }
            Some(same) => same.start,
            None => start,
        }
    }

    /// `balance` with the charges that count for it.
    fn recounted(&self, name: Name, mut balance: Balance) -> Balance {
        let start = balance.start;
        for charge in self.charges.values().filter(|charge| charge.counts_for(name, start)) {
            balance.add(charge);
        }
        balance
    }

    /// Replaces the charge of a request, in every account it counts for.
    fn put(&mut self, request: RequestId, new: Option<Charge>) {
        let old = match new {
            Some(charge) => self.charges.insert(request, charge),
            None => self.charges.remove(&request),
        };
        for (name, balance) in &mut self.accounts {
            if let Some(old) = old.filter(|old| old.counts_for(*name, balance.start)) {
                balance.take(&old);
            }
            if let Some(new) = new.filter(|new| new.counts_for(*name, balance.start)) {
                balance.add(&new);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn charges(&self) -> usize {
        self.charges.len()
    }
}
