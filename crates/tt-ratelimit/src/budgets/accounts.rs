//! The accounts and charges of one user, and the decision about a reservation. Pure: the clock is an argument. The Lua
//! scripts in `lua/` do the same in Redis.
//!
//! **Invariant:** no call takes longer because there are more charges. A period begins with a UTC day, so a new account
//! begins with the sums of the days since then.

use std::collections::{BTreeMap, HashMap};

use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp};

use super::reservation::{BudgetedRequest, CostEstimate, Reservation, countable};
use super::standing::{BudgetStanding, Reading, Used};

/// The accounts and charges of one user.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    balances: HashMap<AccountName, Balance>,
    charges: HashMap<RequestId, Charge>,
    /// The sums of `charges`: of all, and of those of each API key, by the UTC day that they count from.
    sums: HashMap<Option<ApiKeyId>, BTreeMap<Timestamp, ChargeSum>>,
}

/// A sum of charges.
#[derive(Debug, Clone, Copy, Default)]
struct ChargeSum {
    settled: NanoUsd,
    held: NanoUsd,
    charges: usize,
}

/// One of the user's accounts: all they spend, or what they spend with one API key, by period.
type AccountName = (Option<ApiKeyId>, Period);

/// One account in the period that began at `start`. `unposted` and `held` are sums over the charges that count for it.
#[derive(Debug, Clone, Copy)]
struct Balance {
    start: Timestamp,
    /// Of `spent`.
    revision: u64,
    /// The sum in the store.
    spent: NanoUsd,
    unposted: NanoUsd,
    held: NanoUsd,
    /// The second reading of the store has been loaded: the account may be used.
    complete: bool,
}

/// The money of one request: its cost so far, and the most it may still cost.
#[derive(Debug, Clone, Copy)]
struct Charge {
    key: Option<ApiKeyId>,
    /// The time at which the request began; or at which a later period began, if that period decided it.
    counts_from: Timestamp,
    settled: NanoUsd,
    held: NanoUsd,
}

impl Charge {
    /// The keys whose sums it is in: `None` for the sum of all charges, and its own.
    fn keys(&self) -> impl Iterator<Item = Option<ApiKeyId>> + use<> {
        std::iter::once(None).chain(self.key.map(Some))
    }

    fn counts_for(&self, (key, _): AccountName, start: Timestamp) -> bool {
        self.counts_from >= start && (key.is_none() || key == self.key)
    }
}

impl ChargeSum {
    fn add(&mut self, charge: &Charge) {
        self.settled = self.settled.plus(charge.settled);
        self.held = self.held.plus(charge.held);
        self.charges += 1;
    }

    fn subtract(&mut self, charge: &Charge) {
        self.settled = self.settled.minus(charge.settled);
        self.held = self.held.minus(charge.held);
        self.charges = self.charges.saturating_sub(1);
    }
}

impl Balance {
    const fn new(start: Timestamp) -> Self {
        let zero = NanoUsd::ZERO;
        Self { start, revision: 0, spent: zero, unposted: zero, held: zero, complete: false }
    }

    fn add(&mut self, charge: &Charge) {
        self.unposted = self.unposted.plus(charge.settled);
        self.held = self.held.plus(charge.held);
    }

    fn subtract(&mut self, charge: &Charge) {
        self.unposted = self.unposted.minus(charge.settled);
        self.held = self.held.minus(charge.held);
    }
}

impl Accounts {
    pub(super) fn reserve(
        &mut self,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        estimate: CostEstimate,
    ) -> Reservation {
        if let Some(missing) = self.missing(request.rules) {
            return Reservation::NeedSpent(missing);
        }
        let mut counts_from = request.created_at;
        for rule in request.rules {
            counts_from = counts_from.max(self.begin_period(rule, request.created_at));
        }

        let earlier = self.charges.get(&request.id).copied();
        let nearest = request.rules.iter().filter_map(|rule| {
            let name = (rule.key, rule.period);
            let mut balance = *self.balances.get(&name)?;
            if let Some(earlier) = earlier.filter(|earlier| earlier.counts_for(name, balance.start)) {
                balance.subtract(&earlier);
            }
            let spent = balance.spent.plus(balance.unposted).plus(settled);
            Some((rule.limit.minus(spent).minus(balance.held), rule, Used { spent, held: balance.held }))
        });
        let Some((remaining, rule, used)) = nearest.min_by_key(|(remaining, ..)| *remaining) else {
            return Reservation::Unavailable;
        };
        let amount =
            if remaining >= estimate.ample() { estimate.worst } else { estimate.p99.unwrap_or(estimate.worst) };
        if amount > remaining {
            let Used { spent, held } = used;
            return Reservation::Refused { kind: rule.kind, limit: rule.limit, spent, held, asked: amount };
        }
        self.put(request.id, Some(Charge { key: request.key, counts_from, settled, held: amount }));
        Reservation::Held { amount, capped: amount < estimate.worst }
    }

    /// Changes a charge if it is there.
    pub(super) fn settle(&mut self, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        if let Some(charge) = self.charges.get(&request).copied() {
            self.put(request, Some(Charge { settled, held, ..charge }));
        }
    }

    /// Removes a charge: its request is posted or voided.
    pub(super) fn remove(&mut self, request: RequestId) {
        self.put(request, None);
    }

    /// Takes a sum of the store, and makes the account if it is not there.
    pub(super) fn load(&mut self, spent: &Spent, reading: Reading) {
        let name = (spent.account.key, spent.account.period);
        let existed = self.balances.contains_key(&name);
        if !existed {
            let made = self.with_charges(name, Balance::new(spent.start));
            self.balances.insert(name, made);
        }
        self.update_spent(spent);
        if let (true, Reading::Second, Some(balance)) = (existed, reading, self.balances.get_mut(&name)) {
            balance.complete = true;
        }
    }

    /// Takes a sum of the store for an account that is there, unless a newer revision of it is known.
    pub(super) fn update_spent(&mut self, spent: &Spent) {
        let name = (spent.account.key, spent.account.period);
        let Some(mut balance) = self.balances.get(&name).copied() else { return };
        if spent.start > balance.start {
            balance = self.with_charges(name, Balance { complete: balance.complete, ..Balance::new(spent.start) });
        }
        if spent.start == balance.start && spent.revision >= balance.revision {
            (balance.revision, balance.spent) = (spent.revision, countable(spent.amount));
        }
        self.balances.insert(name, balance);
    }

    pub(super) fn standing(&mut self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        if let Some(missing) = self.missing(rules) {
            return BudgetStanding::NeedSpent(missing);
        }
        let used = rules.iter().filter_map(|rule| {
            self.begin_period(rule, at);
            let balance = self.balances.get(&(rule.key, rule.period))?;
            Some(Used { spent: balance.spent.plus(balance.unposted), held: balance.held })
        });
        BudgetStanding::Known(used.collect())
    }

    /// The accounts of `rules` that may not be used yet; `None`: all may.
    fn missing(&self, rules: &[BudgetRule]) -> Option<Vec<Account>> {
        let known = |rule: &&BudgetRule| self.balances.get(&(rule.key, rule.period)).is_some_and(|b| b.complete);
        let mut missing: Vec<_> = rules.iter().filter(|rule| !known(rule)).map(BudgetRule::account).collect();
        missing.sort_unstable();
        missing.dedup();
        (!missing.is_empty()).then_some(missing)
    }

    /// Begins the period of `at` in the rule's account if it is later than the period counted there. Returns when the
    /// period that is counted now began.
    fn begin_period(&mut self, rule: &BudgetRule, at: Timestamp) -> Timestamp {
        let (name, start) = ((rule.key, rule.period), rule.period.start(at));
        match self.balances.get(&name).copied() {
            Some(old) if start > old.start => {
                let new = self.with_charges(name, Balance { complete: old.complete, ..Balance::new(start) });
                self.balances.insert(name, new);
                start
            }
            Some(same) => same.start,
            None => start,
        }
    }

    /// Adds all charges that count for the account to `balance`.
    fn with_charges(&self, (key, _): AccountName, mut balance: Balance) -> Balance {
        let days = self.sums.get(&key).into_iter().flat_map(|days| days.range(balance.start..));
        for (_, sum) in days {
            balance.unposted = balance.unposted.plus(sum.settled);
            balance.held = balance.held.plus(sum.held);
        }
        balance
    }

    /// Replaces or removes the charge of a request, in every account that it counts for.
    fn put(&mut self, request: RequestId, new: Option<Charge>) {
        let old = match new {
            Some(charge) => self.charges.insert(request, charge),
            None => self.charges.remove(&request),
        };
        if let Some(old) = old {
            for key in old.keys() {
                self.with_sum(key, old.counts_from.day(), |sum| sum.subtract(&old));
            }
            self.with_balances(&old, |balance| balance.subtract(&old));
        }
        if let Some(new) = new {
            for key in new.keys() {
                self.with_sum(key, new.counts_from.day(), |sum| sum.add(&new));
            }
            self.with_balances(&new, |balance| balance.add(&new));
        }
    }

    /// Applies `change` to the sum of one day. A sum of no charges is dropped.
    fn with_sum(&mut self, key: Option<ApiKeyId>, day: Timestamp, change: impl FnOnce(&mut ChargeSum)) {
        let days = self.sums.entry(key).or_default();
        let sum = days.entry(day).or_default();
        change(sum);
        if sum.charges == 0 {
            days.remove(&day);
        }
        if days.is_empty() {
            self.sums.remove(&key);
        }
    }

    /// Applies `change` to every account that `charge` counts for.
    fn with_balances(&mut self, charge: &Charge, change: impl Fn(&mut Balance)) {
        for key in charge.keys() {
            for period in Period::ALL {
                let name = (key, period);
                if let Some(balance) = self.balances.get_mut(&name).filter(|b| charge.counts_for(name, b.start)) {
                    change(balance);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn charges(&self) -> usize {
        self.charges.len()
    }
}
