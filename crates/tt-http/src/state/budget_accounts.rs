//! Budget accounts: the counters of budgets, kept in agreement with the store. Spending that the counters do not know is
//! read from the store, and spending that the drain has stored is posted to them.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tt_core::budget::{Account, BudgetKind, BudgetRule, Spent};
use tt_core::record::Settlement;
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};
use tt_ratelimit::{
    BudgetStanding, BudgetWorker, BudgetedRequest, Budgets, CostEstimate, Reading, Reservation, StaleCharge, Used,
};
use tt_store::{Store, StoreError};

use crate::clock::now;

/// The most requests that read spending from the store at a time. After a start every user with a budget needs a
/// reading.
const READERS: usize = 4;

/// The longest time that a request waits for the store, or for the journal of a crashed process to be stored.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The number of times that spending is read for one question: the counters may lose again at once what was loaded, but
/// not every time.
const TRIES: usize = 3;

/// The most users whose charges [`BudgetAccounts::reconcile`] checks.
const MOST_SERVED: usize = 100_000;

/// The age from which the store is asked whether it has the row of a charge whose process has died. Charges that are
/// younger are most often about to be posted.
const STALE_MS: i64 = 5_000;

/// The reason why budgets cannot be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BudgetAccountsError {
    /// Several processes share the database, and no Redis counts what they spend together.
    #[error("no Redis counts what the processes spend together")]
    Uncounted,
    /// The counters, the store, or the replay of a journal that a crash left did not get ready in time.
    #[error("what was spent is not known in time")]
    Unavailable,
    /// The store failed.
    #[error("what was spent cannot be read")]
    Store(#[from] StoreError),
}

/// Money that is held for an attempt.
pub(crate) struct Held {
    pub(crate) amount: NanoUsd,
    /// True if the amount is less than the worst case, so that the output must be capped to what it pays for.
    pub(crate) capped: bool,
}

/// A budget that has too little left for an attempt.
pub(crate) struct Shortfall {
    pub(crate) kind: BudgetKind,
    pub(crate) limit: NanoUsd,
    /// The amount spent of it, including the ended attempts of this request.
    pub(crate) spent: NanoUsd,
    /// The amount held of it by other requests.
    pub(crate) held: NanoUsd,
    /// The amount that would have been held for this attempt.
    pub(crate) asked: NanoUsd,
}

/// The budget accounts of one process.
pub struct BudgetAccounts {
    counters: Budgets,
    store: Store,
    /// True if all spending is in the store. It is false until the journals that crashed processes left are stored.
    complete: watch::Receiver<bool>,
    readers: Semaphore,
    /// Users with a budget whom this process has served.
    served: Mutex<HashSet<UserId>>,
    /// True if several processes share the database without a Redis that counts for all of them.
    uncounted: bool,
}

impl BudgetAccounts {
    /// Accounts over `store`, counted by `counters`. Requests under a budget wait until `complete` is true.
    pub fn new(store: Store, counters: Budgets, complete: watch::Receiver<bool>) -> Self {
        Self { counters, store, complete, readers: Semaphore::new(READERS), served: Mutex::default(), uncounted: false }
    }

    /// Accounts for several processes that share nothing but a database. No process knows what the others are spending,
    /// so every request under a budget is refused.
    pub fn off(store: Store) -> Self {
        Self { uncounted: true, ..Self::new(store, Budgets::off(), watch::channel(true).1) }
    }

    /// The counters.
    pub(crate) fn counters(&self) -> &Budgets {
        &self.counters
    }

    /// Holds money for the next attempt of `request`, as [`BudgetWorker::reserve`] does, and reads what the counters do
    /// not know.
    ///
    /// # Errors
    /// When no budget can be checked.
    pub(crate) async fn reserve(
        &self,
        worker: &BudgetWorker,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        ask: CostEstimate,
    ) -> Result<Result<Held, Shortfall>, BudgetAccountsError> {
        self.complete().await?;
        self.note_served(request.user);
        let mut reader = None;
        for _ in 0..=TRIES {
            match worker.reserve(request, settled, ask).await {
                Reservation::NeedSpent(accounts) => self.read(&mut reader, accounts).await?,
                Reservation::Unavailable => return Err(self.unavailable()),
                Reservation::Held { amount, capped } => return Ok(Ok(Held { amount, capped })),
                Reservation::Refused { kind, limit, spent, held, asked } => {
                    return Ok(Err(Shortfall { kind, limit, spent, held, asked }));
                }
            }
        }
        Err(self.unavailable())
    }

    /// Reads the usage of `rules` in the periods that `at` lies in, in the order of the rules, which all belong to one
    /// user.
    pub(crate) async fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> Result<Vec<Used>, BudgetAccountsError> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        self.complete().await?;
        let mut reader = None;
        for _ in 0..=TRIES {
            match self.counters.standing(rules, at).await {
                BudgetStanding::NeedSpent(accounts) => self.read(&mut reader, accounts).await?,
                BudgetStanding::Unavailable => break,
                BudgetStanding::Known(used) => return Ok(used),
            }
        }
        Err(self.unavailable())
    }

    fn unavailable(&self) -> BudgetAccountsError {
        if self.uncounted { BudgetAccountsError::Uncounted } else { BudgetAccountsError::Unavailable }
    }

    async fn complete(&self) -> Result<(), BudgetAccountsError> {
        if *self.complete.borrow() {
            return Ok(());
        }
        let mut complete = self.complete.clone();
        let waited = tokio::time::timeout(TIMEOUT, complete.wait_for(|complete| *complete)).await;
        if matches!(waited, Ok(Ok(_))) { Ok(()) } else { Err(self.unavailable()) }
    }

    /// Reads from the store what `accounts` have spent, and loads it into the counters. It does so twice, since the
    /// second reading sees what was stored between the first reading and its loading. The first call for a request only
    /// takes a place among the readers: while it waits, another request may load the same accounts.
    ///
    /// Each reading is of the period that lasts now, also for a request that began before midnight and asks again after
    /// it: what was stored since midnight would be missing from today's budget.
    async fn read<'a>(
        &'a self,
        reader: &mut Option<SemaphorePermit<'a>>,
        accounts: Vec<Account>,
    ) -> Result<(), BudgetAccountsError> {
        if reader.is_none() {
            let place = tokio::time::timeout(TIMEOUT, self.readers.acquire()).await;
            *reader = Some(place.ok().and_then(Result::ok).ok_or_else(|| self.unavailable())?);
            return Ok(());
        }
        for reading in [Reading::First, Reading::Second] {
            let spents = tokio::time::timeout(TIMEOUT, self.store.spent(accounts.clone(), now())).await;
            let spents = spents.map_err(|_| self.unavailable())?;
            self.counters.load(&spents?, reading).await;
        }
        Ok(())
    }

    fn note_served(&self, user: UserId) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() < MOST_SERVED {
            served.insert(user);
        }
    }

    fn served(&self) -> Vec<UserId> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Posts settlements that have just been stored: their cost moves from the charges of requests in flight to what is
    /// spent. It may be called again after an error.
    pub async fn recorded(&self, settlements: &[Settlement]) -> Result<(), StoreError> {
        let requests = settlements.iter().map(|settlement| {
            let intent = &settlement.intent;
            (intent.user_id, intent.api_key_id, intent.request_id)
        });
        self.post(requests.collect()).await
    }

    async fn post(&self, requests: Vec<(UserId, Option<ApiKeyId>, RequestId)>) -> Result<(), StoreError> {
        if requests.is_empty() {
            return Ok(());
        }
        let subjects: BTreeSet<_> = requests.iter().flat_map(|(user, key, _)| [(*user, None), (*user, *key)]).collect();
        let spents = self.store.budgeted_spent(subjects, now()).await?;
        // A budget may have been taken away while its user's requests still hold money.
        let mut concerned: HashSet<UserId> = spents.iter().map(|spent| spent.account.user).collect();
        {
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            concerned.extend(requests.iter().map(|(user, ..)| *user).filter(|user| served.contains(user)));
        }
        let requests = requests.into_iter().filter(|(user, ..)| concerned.contains(user));
        let requests: Vec<_> = requests.map(|(user, _, request)| (user, request)).collect();
        if !requests.is_empty() {
            self.counters.post(&requests, &spents).await;
        }
        Ok(())
    }

    /// Posts what `user` has spent, after a budget of theirs was set: rows stored without a budget were not posted.
    pub(crate) async fn budget_set(&self, user: UserId) -> Result<(), StoreError> {
        let spents: Vec<Spent> = self.store.budgeted_spent(BTreeSet::from([(user, None)]), now()).await?;
        if !spents.is_empty() {
            self.counters.post(&[], &spents).await;
        }
        Ok(())
    }

    /// Posts what users have spent, after recorded requests were priced anew: of the users whom this process has served.
    /// Others, and API keys, are posted when their next row is stored.
    pub(crate) async fn repriced(&self) -> Result<(), StoreError> {
        for user in self.served() {
            self.budget_set(user).await?;
        }
        Ok(())
    }

    /// Takes back the charges of requests whose rows are stored: the process that stored them ended before it could post
    /// them.
    pub(crate) async fn reconcile(&self) -> Result<(), StoreError> {
        let before = now().plus_millis(-STALE_MS);
        for user in self.served() {
            let Some(stale) = self.counters.stale(user, before).await else { return Ok(()) };
            let requests: Vec<RequestId> = stale.iter().map(|StaleCharge { request, .. }| *request).collect();
            if requests.is_empty() {
                continue;
            }
            let recorded = self.store.recorded(requests).await?;
            if !recorded.is_empty() {
                tracing::info!(%user, requests = recorded.len(), "the charges that a dead process left are taken back");
            }
            self.post(recorded).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
