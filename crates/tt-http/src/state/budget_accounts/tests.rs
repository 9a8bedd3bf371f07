//! Budget accounts over a store that has rows already.

use tokio::runtime::Handle;
use tt_core::budget::Budget;
use tt_core::plan::Route;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Outcome, Settled};
use tt_core::{Email, Period, Provider, ProviderKeyId};
use tt_store::{Author, StoreConfig};
use tt_testkit::database::TestDb;

use super::*;
use crate::fixtures::intent;

const DAY_MS: i64 = 86_400_000;

const LIMIT: NanoUsd = NanoUsd(1_000);

/// An answered request of `user` that has cost `cost`.
fn settlement(user: UserId, created_at: Timestamp, cost: NanoUsd) -> Settlement {
    let intent = Intent { user_id: user, created_at, ..intent() };
    let started = AttemptStarted {
        alias: "a".to_owned(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        provider_key_id: ProviderKeyId(1),
        model: "gpt-4o".to_owned(),
        notes: Vec::new(),
        started_at: created_at,
        held: None,
    };
    let ended = AttemptEnded { cost: Some(cost), ..AttemptEnded::unbilled(Some(200), "", 1) };
    let settled = Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 1, first_token_ms: None };
    Settlement { intent, attempts: vec![Attempt { started, ended: Some(ended) }], settled }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_before_midnight_does_not_hide_what_was_spent_since() {
    let db = TestDb::sqlite();
    let store = Store::open(StoreConfig::new(db.url().into(), Handle::current())).unwrap();
    store.migrate().await.unwrap();
    let by = Author::operator(Timestamp::from_millis(1_000));
    let email = Email::parse("ann@example.org").unwrap();
    let user = store.create_user(email, "$argon2id$x".into(), by).await.unwrap();
    let budget = Budget { limit: LIMIT, period: Period::Day, soft: false };
    store.set_own_budget(user, Some(budget), by).await.unwrap();

    // The counters know nothing, as after a start, and the store has a row of today.
    let today = now();
    store.record(vec![settlement(user, today, NanoUsd(900))], Vec::new()).await.unwrap();
    let counters = Budgets::memory();
    let worker = counters.worker().await;
    let accounts = BudgetAccounts::new(store, counters, watch::channel(true).1);

    // The first to ask is a request that began yesterday.
    let rules = [BudgetRule { kind: BudgetKind::UserOwn, user, key: None, limit: LIMIT, period: Period::Day }];
    let request = |n, created_at| BudgetedRequest {
        id: RequestId(uuid::Uuid::from_u128(n)),
        user,
        key: None,
        created_at,
        rules: &rules,
    };
    let ask = CostEstimate { worst: NanoUsd(60), p99: None };
    let old = accounts.reserve(&worker, &request(2, today.plus_millis(-DAY_MS)), NanoUsd::ZERO, ask).await.unwrap();
    assert!(old.is_ok_and(|held| held.amount == NanoUsd(60)));

    let new = accounts.reserve(&worker, &request(3, today), NanoUsd::ZERO, ask).await.unwrap();
    let shortfall = new.err().expect("900 are spent and 60 held of 1,000");
    assert_eq!((shortfall.spent, shortfall.held, shortfall.asked), (NanoUsd(900), NanoUsd(60), NanoUsd(60)));
    let used = accounts.standing(&rules, today).await.unwrap();
    assert_eq!(used, [Used { spent: NanoUsd(900), held: NanoUsd(60) }]);
}
