//! The sums over budgets, for the metrics: of the budgets that requests have used here lately. They are made now and then,
//! so that a scrape waits for nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::budget::{BudgetKind, BudgetRule};
use tt_core::time::DAY_MS;
use tt_core::{ApiKeyId, Period, Timestamp, UserId};
use tt_metrics::BudgetSum;
use tt_ratelimit::{BudgetStanding, Budgets, Used};

/// The most budgets whose amounts are summed up: with Redis, those of one user are a round trip.
const MOST_BUDGETS: usize = 1000;

/// A budget counts for so long after a request has used it.
const KEPT_MS: i64 = DAY_MS;

/// A budget: its kind, and whose it is.
type BudgetId = (UserId, Option<ApiKeyId>, BudgetKind);

/// The budgets in use, and their sums.
#[derive(Debug, Default)]
pub(crate) struct BudgetSums {
    used: Mutex<HashMap<BudgetId, (BudgetRule, Timestamp)>>,
    sums: Mutex<Vec<BudgetSum>>,
}

impl BudgetSums {
    /// Notes that a request used these budgets at `at`. Beyond [`MOST_BUDGETS`] further budgets are left out.
    pub(crate) fn note(&self, rules: &[BudgetRule], at: Timestamp) {
        let mut used = lock(&self.used);
        for rule in rules {
            let id = (rule.user, rule.key, rule.kind);
            if used.len() < MOST_BUDGETS || used.contains_key(&id) {
                used.insert(id, (*rule, at));
            }
        }
    }

    /// The sums as they were made last.
    pub(crate) fn now(&self) -> Vec<BudgetSum> {
        lock(&self.sums).clone()
    }

    /// Makes the sums as they are at `at`, of what `counters` know. Budgets that they do not know, or not at the moment, are
    /// left out.
    pub(crate) async fn make(&self, counters: &Budgets, at: Timestamp) {
        let mut sums: BTreeMap<(&'static str, Period), BudgetSum> = BTreeMap::new();
        for rules in self.by_user(at).into_values() {
            if let BudgetStanding::Known(used) = counters.standing(&rules, at).await {
                rules.iter().zip(used).for_each(|(rule, used)| add(&mut sums, rule, used));
            }
        }
        *lock(&self.sums) = sums.into_values().collect();
    }

    /// The budgets in use, by their users. Others are forgotten.
    fn by_user(&self, at: Timestamp) -> BTreeMap<UserId, Vec<BudgetRule>> {
        let mut used = lock(&self.used);
        used.retain(|_, (_, last)| at.millis() - last.millis() <= KEPT_MS);
        let mut by_user: BTreeMap<UserId, Vec<BudgetRule>> = BTreeMap::new();
        for (rule, _) in used.values() {
            by_user.entry(rule.user).or_default().push(*rule);
        }
        by_user
    }
}

fn add(sums: &mut BTreeMap<(&'static str, Period), BudgetSum>, rule: &BudgetRule, Used { spent, held }: Used) {
    let BudgetRule { kind, period, limit, .. } = *rule;
    let zero =
        BudgetSum { kind, period, limit: Default::default(), spent: Default::default(), held: Default::default() };
    let sum = sums.entry((kind.as_str(), period)).or_insert(zero);
    sum.limit = sum.limit.plus(limit);
    sum.spent = sum.spent.plus(spent);
    sum.held = sum.held.plus(held);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tt_core::NanoUsd;
    use tt_core::budget::Spent;
    use tt_ratelimit::Reading;

    use super::*;

    fn rule(user: i64, key: Option<i64>, limit: i64) -> BudgetRule {
        let kind = if key.is_some() { BudgetKind::Key } else { BudgetKind::UserOwn };
        BudgetRule { kind, user: UserId(user), key: key.map(ApiKeyId), limit: NanoUsd(limit), period: Period::Total }
    }

    async fn spent(counters: &Budgets, rule: &BudgetRule, amount: i64) {
        let start = Timestamp::from_millis(0);
        let spent = Spent { account: rule.account(), start, revision: 1, amount: NanoUsd(amount) };
        counters.load(&[spent], Reading::First).await;
        counters.load(&[spent], Reading::Second).await;
    }

    #[tokio::test]
    async fn budgets_of_a_kind_are_summed_up_and_nobody_is_named() {
        let (sums, counters, at) = (BudgetSums::default(), Budgets::memory(), Timestamp::from_millis(5));
        let (ann, bob, key) = (rule(1, None, 100), rule(2, None, 50), rule(2, Some(7), 10));
        spent(&counters, &ann, 30).await;
        spent(&counters, &bob, 4).await;
        spent(&counters, &key, 3).await;
        sums.note(&[ann], at);
        sums.note(&[bob, key], at);
        sums.make(&counters, at).await;
        let shown: Vec<_> =
            sums.now().iter().map(|sum| (sum.kind.as_str(), sum.limit.0, sum.spent.0, sum.held.0)).collect();
        assert_eq!(shown, [("key", 10, 3, 0), ("user_own", 150, 34, 0)]);

        // A limit that was changed counts from the next request on, and a budget that nobody uses is forgotten.
        sums.note(&[BudgetRule { limit: NanoUsd(200), ..ann }], at.plus_millis(KEPT_MS));
        sums.make(&counters, at.plus_millis(KEPT_MS + 1)).await;
        let shown: Vec<_> = sums.now().iter().map(|sum| (sum.kind.as_str(), sum.limit.0)).collect();
        assert_eq!(shown, [("user_own", 200)]);
    }

    #[tokio::test]
    async fn the_number_of_budgets_is_bounded() {
        let (sums, at) = (BudgetSums::default(), Timestamp::from_millis(5));
        for user in 0..2 * i64::try_from(MOST_BUDGETS).unwrap() {
            sums.note(&[rule(user, None, 1)], at);
        }
        assert_eq!(lock(&sums.used).len(), MOST_BUDGETS);
    }
}
