//! The suite that budgets must pass on both backends.

use tt_core::budget::{BudgetKind, BudgetRule};
use tt_core::{NanoUsd, Period, Timestamp};

use super::harness::{Call, Harness, NOON, admin, held, of_key, own, refused, request, spent};
use super::histories::any_history_keeps_every_budget;
use crate::{Reading, Reservation};

macro_rules! on_both {
    ($($fact:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $fact() { super::$fact(&super::Harness::memory()); })+
        }
        mod redis {
            $(#[test] fn $fact() { super::$fact(&super::Harness::redis()); })+
        }
    };
}

on_both!(
    any_history_keeps_every_budget,
    the_worst_case_is_held_while_there_is_ample_and_the_p99_when_it_gets_tight,
    a_refusal_names_the_rule_what_is_spent_held_and_asked,
    every_rule_holds_and_the_nearest_refuses,
    another_attempt_takes_the_place_of_the_one_before,
    an_account_is_used_once_the_store_has_been_read_again,
    a_sum_of_the_store_counts_once_in_any_order,
    a_charge_counts_until_its_row_is_stored,
    nothing_that_was_voided_stays,
    a_new_period_begins_with_what_was_made_in_it,
    a_request_from_before_the_period_counts_in_it,
    a_keys_account_counts_what_came_with_the_key,
    a_budget_of_nothing_admits_what_costs_nothing,
    the_largest_amounts_are_counted_exactly,
);

fn the_worst_case_is_held_while_there_is_ample_and_the_p99_when_it_gets_tight(harness: &Harness) {
    let ask = |spent, worst, p99| {
        let rules = [own(harness.user(), 1000, Period::Day)];
        harness.know(&rules, NOON, spent);
        harness.reserve(0, &Call { p99, ..Call::new(&rules, request(), worst) })
    };
    assert_eq!(ask(200, 100, Some(10)), held(100, false));
    assert_eq!(ask(201, 100, Some(10)), held(10, true));
    assert_eq!(ask(201, 100, None), held(100, false));
    assert_eq!(ask(900, 100, None), held(100, false));
    assert_eq!(ask(901, 100, None), refused(BudgetKind::UserOwn, 1000, 901, 0, 100));
    assert_eq!(ask(901, 100, Some(99)), held(99, true));
    assert_eq!(ask(901, 100, Some(100)), refused(BudgetKind::UserOwn, 1000, 901, 0, 100));
    // a p99 above the worst case counts as the worst case, which needs no cap
    assert_eq!(ask(500, 100, Some(5000)), held(100, false));
}

fn a_refusal_names_the_rule_what_is_spent_held_and_asked(harness: &Harness) {
    let rules = [own(harness.user(), 1000, Period::Month)];
    harness.know(&rules, NOON, 300);
    let (first, second) = (request(), request());
    assert_eq!(harness.reserve(0, &Call::new(&rules, first, 400)), held(400, false));
    assert_eq!(harness.reserve(1, &Call::new(&rules, second, 100)), held(100, false));
    harness.processes[1].0.settle(rules[0].user, second, NanoUsd(60), NanoUsd(0));
    harness.stands(&rules, NOON, &[(360, 400)]);
    let no = refused(BudgetKind::UserOwn, 1000, 360, 400, 241);
    assert_eq!(harness.reserve(1, &Call::new(&rules, request(), 241)), no);
    assert_eq!(harness.standing(&rules, NOON), [(360, 400)], "a refusal changes nothing");
    assert_eq!(harness.reserve(1, &Call::new(&rules, request(), 240)), held(240, false));
}

fn every_rule_holds_and_the_nearest_refuses(harness: &Harness) {
    let user = harness.user();
    let rules = [own(user, 900, Period::Day), admin(user, 500, Period::Day), of_key(user, 7, 300, Period::Total)];
    harness.know(&rules, NOON, 0);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 300)), held(300, false));
    let no = refused(BudgetKind::Key, 300, 0, 300, 1);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 1)), no);
    // without the key the administrator's budget is the nearest; it shares its account with the user's own
    assert_eq!(harness.reserve(0, &Call::new(&rules[..2], request(), 200)), held(200, false));
    let no = refused(BudgetKind::UserAdmin, 500, 0, 500, 1);
    assert_eq!(harness.reserve(1, &Call::new(&rules[..2], request(), 1)), no);
    assert_eq!(harness.reserve(1, &Call::new(&rules[..1], request(), 400)), held(400, false));
    assert_eq!(harness.standing(&rules, NOON), [(0, 900), (0, 900), (0, 300)]);
}

fn another_attempt_takes_the_place_of_the_one_before(harness: &Harness) {
    let rules = [own(harness.user(), 100, Period::Day)];
    harness.know(&rules, NOON, 0);
    let one = request();
    assert_eq!(harness.reserve(0, &Call::new(&rules, one, 80)), held(80, false));
    // what it held itself is replaced, so it does not count; what it has cost does
    assert_eq!(harness.reserve(0, &Call { settled: 10, ..Call::new(&rules, one, 90) }), held(90, false));
    assert_eq!(harness.standing(&rules, NOON), [(10, 90)]);
    let no = refused(BudgetKind::UserOwn, 100, 30, 0, 71);
    assert_eq!(harness.reserve(0, &Call { settled: 30, ..Call::new(&rules, one, 71) }), no);
    assert_eq!(harness.standing(&rules, NOON), [(10, 90)]);
    harness.budgets().settle(rules[0].user, one, NanoUsd(30), NanoUsd(0));
    harness.stands(&rules, NOON, &[(30, 0)]);
}

fn an_account_is_used_once_the_store_has_been_read_again(harness: &Harness) {
    let user = harness.user();
    let rules = [own(user, 100, Period::Day), admin(user, 50, Period::Day), of_key(user, 3, 10, Period::Total)];
    let accounts = vec![rules[0].account(), rules[2].account()];
    let asks = || harness.reserve(0, &Call::new(&rules, request(), 5));
    assert_eq!(asks(), Reservation::NeedSpent(accounts.clone()));
    let first: Vec<_> = accounts.iter().map(|account| spent(*account, NOON, 1, 3)).collect();
    harness.load(&first, Reading::First);
    assert_eq!(asks(), Reservation::NeedSpent(accounts.clone()));
    // Something was stored between the readings, and was not posted here.
    let second: Vec<_> = accounts.iter().map(|account| spent(*account, NOON, 2, 9)).collect();
    harness.load(&second[..1], Reading::Second);
    assert_eq!(asks(), Reservation::NeedSpent(accounts[1..].to_vec()));
    harness.load(&second, Reading::Second);
    assert_eq!(asks(), refused(BudgetKind::Key, 10, 9, 0, 5));
    // Another caller is still at the first reading.
    harness.load(&first, Reading::First);
    assert_eq!(harness.standing(&rules, NOON), [(9, 0), (9, 0), (9, 0)]);
}

fn a_sum_of_the_store_counts_once_in_any_order(harness: &Harness) {
    let rules = [own(harness.user(), 100, Period::Month)];
    let (user, account) = (rules[0].user, rules[0].account());
    harness.know(&rules, NOON, 0);
    let sum = |revision, amount| spent(account, NOON, revision, amount);
    for (posted, stands) in [(sum(5, 50), 50), (sum(4, 40), 50), (sum(5, 50), 50), (sum(6, 55), 55), (sum(5, 50), 55)] {
        harness.post(0, user, &[], &[posted]);
        assert_eq!(harness.standing(&rules, NOON), [(stands, 0)], "{posted:?}");
    }
    let before = Timestamp::parse("t", "2026-10-31").unwrap();
    harness.post(1, user, &[], &[spent(account, before, 99, 99)]);
    assert_eq!(harness.standing(&rules, NOON), [(55, 0)], "the month before");
    let after = Timestamp::parse("t", "2026-12-01").unwrap();
    harness.post(1, user, &[], &[spent(account, after, 1, 7)]);
    assert_eq!(harness.standing(&rules, after), [(7, 0)]);
}

fn a_charge_counts_until_its_row_is_stored(harness: &Harness) {
    let rules = [own(harness.user(), 100, Period::Day)];
    let (user, account, one) = (rules[0].user, rules[0].account(), request());
    harness.know(&rules, NOON, 0);
    assert_eq!(harness.reserve(0, &Call::new(&rules, one, 70)), held(70, false));
    harness.budgets().settle(user, one, NanoUsd(20), NanoUsd(0));
    harness.stands(&rules, NOON, &[(20, 0)]);
    let stored = [spent(account, NOON, 1, 20)];
    // Another process may post the same.
    for process in [0, 1] {
        harness.post(process, user, &[one], &stored);
        assert_eq!(harness.standing(&rules, NOON), [(20, 0)]);
    }
    harness.budgets().settle(user, one, NanoUsd(99), NanoUsd(99));
    harness.post(0, user, &[one], &stored);
    harness.stands(&rules, NOON, &[(20, 0)]);
}

fn nothing_that_was_voided_stays(harness: &Harness) {
    let rules = [own(harness.user(), 100, Period::Day)];
    harness.know(&rules, NOON, 0);
    let one = request();
    assert_eq!(harness.reserve(0, &Call::new(&rules, one, 70)), held(70, false));
    harness.budgets().void(rules[0].user, one);
    harness.budgets().settle(rules[0].user, one, NanoUsd(5), NanoUsd(5));
    harness.stands(&rules, NOON, &[(0, 0)]);
}

fn a_new_period_begins_with_what_was_made_in_it(harness: &Harness) {
    let user = harness.user();
    let rules = [own(user, 100, Period::Day), admin(user, 1000, Period::Month)];
    harness.know(&rules, NOON, 60);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 40)), held(40, false));
    assert!(matches!(harness.reserve(0, &Call::new(&rules, request(), 1)), Reservation::Refused { .. }));
    let tomorrow = NOON.plus_millis(86_400_000);
    let late = request();
    assert_eq!(harness.reserve(1, &Call { at: tomorrow, ..Call::new(&rules, late, 90) }), held(90, false));
    assert_eq!(harness.standing(&rules, tomorrow), [(0, 90), (60, 130)]);
    // The store's sum of tomorrow counts; its sum of today is too late.
    let sums = [spent(rules[0].account(), tomorrow, 1, 90), spent(rules[0].account(), NOON, 9, 100)];
    harness.post(1, user, &[late], &sums);
    assert_eq!(harness.standing(&rules[..1], tomorrow), [(90, 0)]);
}

fn a_request_from_before_the_period_counts_in_it(harness: &Harness) {
    let rules = [own(harness.user(), 100, Period::Day)];
    harness.know(&rules, NOON, 0);
    let tomorrow = NOON.plus_millis(86_400_000);
    assert_eq!(harness.reserve(0, &Call { at: tomorrow, ..Call::new(&rules, request(), 30) }), held(30, false));
    // It arrived at noon and was slow, so tomorrow's budget decides it.
    let slow = request();
    assert_eq!(harness.reserve(0, &Call::new(&rules, slow, 60)), held(60, false));
    assert_eq!(harness.reserve(1, &Call::new(&rules, request(), 11)), refused(BudgetKind::UserOwn, 100, 0, 90, 11));
    harness.budgets().settle(rules[0].user, slow, NanoUsd(50), NanoUsd(0));
    harness.stands(&rules, tomorrow, &[(50, 30)]);
    harness.post(0, rules[0].user, &[slow], &[spent(rules[0].account(), NOON, 1, 50)]);
    assert_eq!(harness.standing(&rules, tomorrow), [(0, 30)]);
}

fn a_keys_account_counts_what_came_with_the_key(harness: &Harness) {
    let user = harness.user();
    let of_user = [own(user, 100, Period::Day)];
    harness.know(&of_user, NOON, 0);
    for (key, worst) in [(Some(1), 10), (Some(2), 20), (None, 30)] {
        assert_eq!(harness.reserve(0, &Call { key, ..Call::new(&of_user, request(), worst) }), held(worst, false));
    }
    // The key gets a budget of its own while its request is under way.
    let rules: [BudgetRule; 2] = [of_user[0], of_key(user, 1, 50, Period::Month)];
    harness.know(&rules, NOON, 0);
    assert_eq!(harness.standing(&rules, NOON), [(0, 60), (0, 10)]);
    assert_eq!(harness.reserve(1, &Call::new(&rules, request(), 5)), held(5, false));
    assert_eq!(harness.standing(&rules, NOON), [(0, 65), (0, 15)]);
}

fn a_budget_of_nothing_admits_what_costs_nothing(harness: &Harness) {
    let rules = [own(harness.user(), 0, Period::Total)];
    harness.know(&rules, NOON, 0);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 0)), held(0, false));
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 1)), refused(BudgetKind::UserOwn, 0, 0, 0, 1));
}

fn the_largest_amounts_are_counted_exactly(harness: &Harness) {
    let most = 9_000_000_000_000_000;
    let rules = [own(harness.user(), most, Period::Total)];
    harness.know(&rules, NOON, most - 12_345_678_901);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 12_345_678_900)), held(12_345_678_900, false));
    let no = refused(BudgetKind::UserOwn, most, most - 12_345_678_901, 12_345_678_900, 2);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 2)), no);
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 1)), held(1, false));
    let far = harness.reserve(0, &Call::new(&rules, request(), i64::MAX));
    assert!(matches!(far, Reservation::Refused { .. }), "{far:?}");
}
