//! Budgets as they are kept, and the spending they count.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tt_core::budget::{Account, Budget, Period, Spent, UserBudgets};
use tt_core::caller::Proof;
use tt_core::price::{Override, PicoPerToken, PriceTable};
use tt_core::record::Attempt;
use tt_core::{ApiKeyId, KeyHash, NanoUsd, Provider, Timestamp, Usage, UsageSource, UserId};
use tt_store::{NewApiKey, Object, Rerate, StoreError, UserPatch};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt, by, new_api_key, request_id};

on_both!(
    budgets_are_seen_by_every_caller_and_taken_away,
    spending_is_what_the_rows_cost_in_each_period,
    a_row_that_is_there_already_is_not_spent_again,
    what_was_held_is_spent_where_the_cost_is_not_known,
    replicas_spend_at_once_without_loss,
    only_what_a_budget_counts_is_told,
    recorded_requests_are_known,
    old_days_are_forgotten_and_nothing_else,
    the_migration_finds_what_was_spent_before_it,
);

const ANN: UserId = UserId(1);

fn budget(limit: i64, period: Period) -> Budget {
    Budget::new(NanoUsd(limit), period).unwrap()
}

fn account(user: UserId, key: Option<ApiKeyId>, period: Period) -> Account {
    Account { user, key, period }
}

/// A request with this cost.
fn cost(user: UserId, key: Option<i64>, millis: i64, n: u8, nano: i64) -> Request {
    let attempts = vec![attempt(Provider::OpenAi, Usage::default(), Some(nano))];
    Request { key: key.map(ApiKeyId), attempts, ..Request::new(user, millis, n) }
}

async fn record(f: &Fixture, requests: &[Request]) -> usize {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap()
}

/// The amount and the revision of one account at one time.
async fn spent(f: &Fixture, user: UserId, key: Option<i64>, period: Period, now: Timestamp) -> (i64, u64) {
    let account = account(user, key.map(ApiKeyId), period);
    let [spent] = f.spent(vec![account], now).await.unwrap().try_into().unwrap();
    assert_eq!((spent.account, spent.start), (account, period.start(now)));
    (spent.amount.0, spent.revision)
}

async fn budgets_are_seen_by_every_caller_and_taken_away(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let of_key = budget(0, Period::Total);
    f.create_api_key(ann, NewApiKey { budget: Some(of_key), ..new_api_key(1) }, by(at(0))).await.unwrap();
    f.create_api_key(ann, new_api_key(2), by(at(0))).await.unwrap();
    f.create_session(ann, KeyHash([3; 32]), at(100), by(at(0))).await.unwrap();
    assert_eq!(f.api_keys(ann).await.unwrap().iter().map(|key| key.budget).collect::<Vec<_>>(), [Some(of_key), None]);

    let seen = async || {
        let mut budgets = Vec::new();
        for hash in [1, 2] {
            let caller = f.caller_by_key(KeyHash([hash; 32])).await.unwrap().unwrap();
            let Proof::ApiKey { budget, .. } = caller.proof else { panic!("a session") };
            assert_eq!(budget, (hash == 1).then_some(of_key));
            budgets.push(caller.budgets);
        }
        budgets.push(f.caller_by_session(KeyHash([3; 32])).await.unwrap().unwrap().budgets);
        budgets.push(f.user(ann).await.unwrap().unwrap().budgets);
        budgets.dedup();
        let [budgets] = budgets.try_into().unwrap();
        budgets
    };
    assert_eq!(seen().await, UserBudgets::default());

    let (own, admin) = (budget(5, Period::Day), budget(Budget::MOST.0, Period::Month));
    let patch = UserPatch { budget: Some(Some(admin)), ..UserPatch::default() };
    let changes = f.latest_change().await.unwrap();
    assert_eq!(f.update_user(ann, patch, by(at(1))).await.unwrap().budgets.admin, Some(admin));
    f.set_own_budget(ann, Some(own), by(at(1))).await.unwrap();
    assert_eq!(f.changes_since(changes, 9).await.unwrap().len(), 2, "others must hear of both");
    let both = UserBudgets { own: Some(own), admin: Some(admin) };
    assert_eq!(seen().await, both);
    // Other changes leave them alone, and neither takes the other away.
    f.update_user(ann, UserPatch { disabled: Some(false), ..UserPatch::default() }, by(at(2))).await.unwrap();
    assert_eq!(seen().await, both);
    f.set_own_budget(ann, None, by(at(3))).await.unwrap();
    assert_eq!(seen().await, UserBudgets { own: None, ..both });
    f.update_user(ann, UserPatch { budget: Some(None), ..UserPatch::default() }, by(at(4))).await.unwrap();
    assert_eq!(seen().await, UserBudgets::default());
    let nobody = f.set_own_budget(UserId(99), Some(own), by(at(5))).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(Object::User))), "{nobody:?}");
}

async fn spending_is_what_the_rows_cost_in_each_period(f: &Fixture) {
    // Noon of 23 November; eight days before and after are the same month's ends or another month's.
    record(
        f,
        &[
            cost(ANN, None, 0, 1, 1),
            cost(ANN, Some(7), 0, 2, 20),
            cost(ANN, Some(8), 0, 3, 300),
            cost(ANN, Some(7), 12 * HOUR - 1, 4, 4_000),
            cost(ANN, Some(7), 12 * HOUR, 5, 50_000),
            cost(ANN, Some(7), 8 * DAY, 6, 600_000),
            cost(UserId(2), Some(9), 0, 7, 7_000_000),
        ],
    )
    .await;
    for (key, period, now, amount) in [
        (None, Period::Day, at(0), 4_321),
        (Some(7), Period::Day, at(0), 4_020),
        (Some(8), Period::Day, at(0), 300),
        (None, Period::Day, at(DAY), 50_000),
        (None, Period::Month, at(0), 54_321),
        (Some(7), Period::Month, at(DAY), 54_020),
        (None, Period::Month, at(8 * DAY), 600_000),
        (None, Period::Total, at(0), 654_321),
        (Some(7), Period::Total, at(30 * DAY), 654_020),
        (Some(9), Period::Total, at(0), 0),
        (None, Period::Day, at(2 * DAY), 0),
    ] {
        let (found, revision) = spent(f, ANN, key, period, now).await;
        assert_eq!(found, amount, "{key:?} {period:?} {now:?}");
        assert_eq!(revision, u64::from(amount > 0), "one batch, one change");
    }
    let several = [Period::Total, Period::Day].map(|period| account(UserId(2), None, period));
    let both = f.spent(several.to_vec(), at(0)).await.unwrap();
    assert_eq!(
        both.iter().map(|spent| (spent.account, spent.amount.0)).collect::<Vec<_>>(),
        several.map(|a| (a, 7_000_000))
    );
    assert_eq!(f.spent(Vec::new(), at(0)).await.unwrap(), []);
}

async fn a_row_that_is_there_already_is_not_spent_again(f: &Fixture) {
    let requests = [cost(ANN, Some(7), 0, 1, 5), cost(ANN, Some(7), 0, 2, 6)];
    record(f, &requests[..1]).await;
    assert_eq!(spent(f, ANN, None, Period::Total, at(0)).await, (5, 1));
    record(f, &requests).await;
    record(f, &requests).await;
    assert_eq!(spent(f, ANN, None, Period::Total, at(0)).await, (11, 2));
    assert_eq!(spent(f, ANN, Some(7), Period::Day, at(0)).await, (11, 2));
    // An unknown cost for which nothing was held counts nothing, and changes no sum.
    let mut unknown = cost(ANN, Some(7), 0, 3, 0);
    unknown.attempts[0].ended = None;
    assert_eq!(record(f, &[unknown]).await, 1);
    assert_eq!(spent(f, ANN, None, Period::Total, at(0)).await, (11, 2));
}

async fn what_was_held_is_spent_where_the_cost_is_not_known(f: &Fixture) {
    let held = |n: u8, known: Option<i64>, source: UsageSource| {
        let mut request = cost(ANN, Some(7), 0, n, 0);
        let Attempt { started, ended } = &mut request.attempts[0];
        started.held = Some(NanoUsd(1_000));
        let end = ended.as_mut().unwrap();
        (end.cost, end.source) = (known.map(NanoUsd), source);
        request
    };
    let mut cut_off = held(3, None, UsageSource::Unknown);
    cut_off.attempts[0].ended = None;
    let known = held(1, Some(30), UsageSource::Provider);
    record(f, &[known, held(2, None, UsageSource::Unknown), cut_off, held(4, None, UsageSource::Provider)]).await;
    assert_eq!(spent(f, ANN, Some(7), Period::Month, at(0)).await, (3_030, 1));
    let unknown = f.log_detail(ANN, request_id(0, 2)).await.unwrap().unwrap();
    assert_eq!((unknown.row.cost, unknown.row.source), (None, UsageSource::Unknown), "the row stays unknown");

    // A price that was missing takes the place of the hold; nothing is charged twice, however often it is asked for.
    let price = Override {
        provider: Provider::OpenAi,
        model: "openai-model".to_owned(),
        input: PicoPerToken(1_000),
        output: PicoPerToken(1_000),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        effective_from: at(-DAY),
    };
    let prices = Arc::new(PriceTable::builtin().unwrap().with_overrides([price]));
    for _ in 0..2 {
        let all = Rerate { from: at(-DAY), to: at(DAY), after: None, limit: 100, now: at(DAY) };
        f.rerate(Arc::clone(&prices), all).await.unwrap();
        // The usage is empty, so both requests with known usage cost nothing now.
        assert_eq!(spent(f, ANN, Some(7), Period::Month, at(0)).await.0, 2_000);
    }
}

async fn replicas_spend_at_once_without_loss(f: &Fixture) {
    let (one, two) = (f.another(), f.another());
    for round in 0..5_i64 {
        let requests = |half: u8| -> Vec<_> {
            let of = |n: u8| cost(UserId(1 + i64::from(n % 3)), Some(i64::from(n % 5)), round, n, 1).settlement();
            (0..100).map(|n| of(n * 2 + half)).collect()
        };
        let reversed = requests(1).into_iter().rev().collect();
        let (a, b) = tokio::join!(one.record(requests(0), Vec::new()), two.record(reversed, Vec::new()));
        assert_eq!(a.unwrap() + b.unwrap(), 200);
    }
    let mut sum = 0;
    for user in 1..=3 {
        let (amount, revision) = spent(f, UserId(user), None, Period::Day, at(0)).await;
        assert_eq!(revision, 10, "every batch changed it");
        sum += amount;
    }
    assert_eq!(sum, 1_000);
}

async fn only_what_a_budget_counts_is_told(f: &Fixture) {
    let (ann, bob, cem) = (f.sign_up("ann").await, f.sign_up("bob").await, f.sign_up("cem").await);
    let admin = UserPatch { budget: Some(Some(budget(9, Period::Month))), ..UserPatch::default() };
    f.update_user(ann, admin, by(at(0))).await.unwrap();
    f.set_own_budget(ann, Some(budget(9, Period::Day)), by(at(0))).await.unwrap();
    let of_key = Some(budget(9, Period::Total));
    let key = f.create_api_key(bob, NewApiKey { budget: of_key, ..new_api_key(1) }, by(at(0))).await.unwrap();
    let bare = f.create_api_key(bob, new_api_key(2), by(at(0))).await.unwrap();
    let other = f.create_api_key(bob, NewApiKey { budget: of_key, ..new_api_key(3) }, by(at(0))).await.unwrap();
    record(f, &[cost(ann, None, 0, 1, 10), cost(bob, Some(key.0), 0, 2, 200), cost(bob, Some(bare.0), 0, 3, 3_000)])
        .await;

    let subjects = BTreeSet::from([(ann, None), (bob, Some(key)), (bob, Some(bare)), (cem, None)]);
    let told = f.budgeted_spent(subjects, at(HOUR)).await.unwrap();
    let line = |spent: &Spent| (spent.account, spent.amount.0, spent.revision);
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            (account(ann, None, Period::Day), 10, 1),
            (account(ann, None, Period::Month), 10, 1),
            (account(bob, Some(key), Period::Total), 200, 1),
        ],
        "not the key {other}, which is no subject"
    );
    assert_eq!(f.budgeted_spent(BTreeSet::from([(cem, None), (bob, Some(bare))]), at(0)).await.unwrap(), []);
    assert_eq!(f.budgeted_spent(BTreeSet::new(), at(0)).await.unwrap(), []);
}

async fn recorded_requests_are_known(f: &Fixture) {
    record(f, &[cost(ANN, None, 0, 1, 1), cost(UserId(2), Some(7), 5, 2, 1)]).await;
    let asked = [(0, 1), (0, 2), (5, 2), (9, 9)].map(|(millis, n)| request_id(millis, n));
    let known = f.recorded(asked.to_vec()).await.unwrap();
    assert_eq!(known, [(ANN, None, asked[0]), (UserId(2), Some(ApiKeyId(7)), asked[2])]);
    assert_eq!(f.recorded(Vec::new()).await.unwrap(), []);
}

async fn old_days_are_forgotten_and_nothing_else(f: &Fixture) {
    record(f, &[cost(ANN, Some(7), -40 * DAY, 1, 1), cost(ANN, Some(7), 0, 2, 20)]).await;
    assert_eq!(f.prune_spending(at(0).day()).await.unwrap(), 2, "the user's day and the key's");
    assert_eq!(spent(f, ANN, None, Period::Day, at(-40 * DAY)).await.0, 0);
    assert_eq!(spent(f, ANN, None, Period::Day, at(0)).await.0, 20);
    assert_eq!(spent(f, ANN, None, Period::Month, at(-40 * DAY)).await.0, 1);
    assert_eq!(spent(f, ANN, Some(7), Period::Total, at(0)).await.0, 21);
}

async fn the_migration_finds_what_was_spent_before_it(f: &Fixture) {
    record(
        f,
        &[
            cost(ANN, None, 0, 1, 1),
            cost(ANN, Some(7), HOUR, 2, 20),
            cost(ANN, Some(7), 12 * HOUR, 3, 300),
            cost(ANN, Some(8), 8 * DAY, 4, 4_000),
            cost(UserId(2), None, -23 * DAY, 5, 50_000),
        ],
    )
    .await;
    let all = async || {
        let mut all = Vec::new();
        for user in [ANN, UserId(2)] {
            for key in [None, Some(7), Some(8)] {
                for period in Period::ALL {
                    for now in [-23 * DAY, 0, DAY, 8 * DAY] {
                        all.push(spent(f, user, key, period, at(now)).await.0);
                    }
                }
            }
        }
        all
    };
    let before = all().await;
    let database = if f.is_sqlite() { "sqlite" } else { "postgres" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(database);
    let migration = std::fs::read_to_string(folder.join("2026-11-23-000300_budgets/up.sql")).unwrap();
    let (_, insert) = migration.split_once("INSERT INTO spending").unwrap();
    crate::migrations::execute(f.url(), "DELETE FROM spending").await;
    assert!(all().await.iter().all(|amount| *amount == 0));
    crate::migrations::execute(f.url(), &format!("INSERT INTO spending{insert}")).await;
    assert_eq!(all().await, before);
}
