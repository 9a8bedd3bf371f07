//! What budgets must do on either backend.

use tt_core::budget::{BudgetKind, BudgetRule};
use tt_core::{NanoUsd, Period, Timestamp};

use super::bench::{Bench, Call, NOON, admin, held, of_key, own, refused, request, spent};
use super::histories::any_history_keeps_every_budget;
use crate::{Reading, Reservation};

macro_rules! on_both {
    ($($fact:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $fact() { super::$fact(&super::Bench::memory()); })+
        }
        mod redis {
            $(#[test] fn $fact() { super::$fact(&super::Bench::redis()); })+
        }
    };
}

on_both!(
    any_history_keeps_every_budget,
    the_worst_case_is_held_while_there_is_ample_and_what_is_learned_when_it_gets_tight,
    a_refusal_names_the_rule_what_is_spent_held_and_asked,
    every_rule_holds_and_the_nearest_refuses,
    another_attempt_takes_the_place_of_the_one_before,
    an_account_is_used_once_the_store_has_been_read_again,
    a_word_of_the_store_counts_once_in_any_order,
    a_charge_counts_until_its_row_is_stored,
    nothing_that_was_released_stays,
    a_new_period_begins_with_what_was_made_in_it,
    a_request_from_before_the_period_counts_in_it,
    a_keys_account_counts_what_came_with_the_key,
    a_budget_of_nothing_admits_what_costs_nothing,
    the_largest_amounts_are_counted_exactly,
);

fn the_worst_case_is_held_while_there_is_ample_and_what_is_learned_when_it_gets_tight(bench: &Bench) {
    let ask = |spent, worst, learned| {
        let rules = [own(bench.user(), 1000, Period::Day)];
        bench.know(&rules, NOON, spent);
        bench.reserve(0, &Call { learned, ..Call::new(&rules, request(), worst) })
    };
    assert_eq!(ask(200, 100, Some(10)), held(100, false));
    assert_eq!(ask(201, 100, Some(10)), held(10, true));
    assert_eq!(ask(201, 100, None), held(100, false));
    assert_eq!(ask(900, 100, None), held(100, false));
    assert_eq!(ask(901, 100, None), refused(BudgetKind::UserOwn, 1000, 901, 0, 100));
    assert_eq!(ask(901, 100, Some(99)), held(99, true));
    assert_eq!(ask(901, 100, Some(100)), refused(BudgetKind::UserOwn, 1000, 901, 0, 100));
    // what is learned is no more than the worst case, and that is no cap then
    assert_eq!(ask(500, 100, Some(5000)), held(100, false));
}

fn a_refusal_names_the_rule_what_is_spent_held_and_asked(bench: &Bench) {
    let rules = [own(bench.user(), 1000, Period::Month)];
    bench.know(&rules, NOON, 300);
    let (first, second) = (request(), request());
    assert_eq!(bench.reserve(0, &Call::new(&rules, first, 400)), held(400, false));
    assert_eq!(bench.reserve(1, &Call::new(&rules, second, 100)), held(100, false));
    bench.processes[1].0.adjust(rules[0].user, second, NanoUsd(60), NanoUsd(0));
    bench.stands(&rules, NOON, &[(360, 400)]);
    let no = refused(BudgetKind::UserOwn, 1000, 360, 400, 241);
    assert_eq!(bench.reserve(1, &Call::new(&rules, request(), 241)), no);
    assert_eq!(bench.standing(&rules, NOON), [(360, 400)], "a refusal changes nothing");
    assert_eq!(bench.reserve(1, &Call::new(&rules, request(), 240)), held(240, false));
}

fn every_rule_holds_and_the_nearest_refuses(bench: &Bench) {
    let user = bench.user();
    let rules = [own(user, 900, Period::Day), admin(user, 500, Period::Day), of_key(user, 7, 300, Period::Total)];
    bench.know(&rules, NOON, 0);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 300)), held(300, false));
    let no = refused(BudgetKind::Key, 300, 0, 300, 1);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 1)), no);
    // without the key an administrator's budget is the nearest, which shares its account with the user's own
    assert_eq!(bench.reserve(0, &Call::new(&rules[..2], request(), 200)), held(200, false));
    let no = refused(BudgetKind::UserAdmin, 500, 0, 500, 1);
    assert_eq!(bench.reserve(1, &Call::new(&rules[..2], request(), 1)), no);
    assert_eq!(bench.reserve(1, &Call::new(&rules[..1], request(), 400)), held(400, false));
    assert_eq!(bench.standing(&rules, NOON), [(0, 900), (0, 900), (0, 300)]);
}

fn another_attempt_takes_the_place_of_the_one_before(bench: &Bench) {
    let rules = [own(bench.user(), 100, Period::Day)];
    bench.know(&rules, NOON, 0);
    let one = request();
    assert_eq!(bench.reserve(0, &Call::new(&rules, one, 80)), held(80, false));
    // its own hold is not in its way, what it has cost is
    assert_eq!(bench.reserve(0, &Call { settled: 10, ..Call::new(&rules, one, 90) }), held(90, false));
    assert_eq!(bench.standing(&rules, NOON), [(10, 90)]);
    let no = refused(BudgetKind::UserOwn, 100, 30, 0, 71);
    assert_eq!(bench.reserve(0, &Call { settled: 30, ..Call::new(&rules, one, 71) }), no);
    assert_eq!(bench.standing(&rules, NOON), [(10, 90)]);
    bench.budgets().adjust(rules[0].user, one, NanoUsd(30), NanoUsd(0));
    bench.stands(&rules, NOON, &[(30, 0)]);
}

fn an_account_is_used_once_the_store_has_been_read_again(bench: &Bench) {
    let user = bench.user();
    let rules = [own(user, 100, Period::Day), admin(user, 50, Period::Day), of_key(user, 3, 10, Period::Total)];
    let accounts = vec![rules[0].account(), rules[2].account()];
    let asks = || bench.reserve(0, &Call::new(&rules, request(), 5));
    assert_eq!(asks(), Reservation::NeedSpent(accounts.clone()));
    let first: Vec<_> = accounts.iter().map(|account| spent(*account, NOON, 1, 3)).collect();
    bench.load(&first, Reading::First);
    assert_eq!(asks(), Reservation::NeedSpent(accounts.clone()));
    // The drain stored something in between, and nobody heard of it.
    let second: Vec<_> = accounts.iter().map(|account| spent(*account, NOON, 2, 9)).collect();
    bench.load(&second[..1], Reading::Second);
    assert_eq!(asks(), Reservation::NeedSpent(accounts[1..].to_vec()));
    bench.load(&second, Reading::Second);
    assert_eq!(asks(), refused(BudgetKind::Key, 10, 9, 0, 5));
    // Somebody else is still at their first reading.
    bench.load(&first, Reading::First);
    assert_eq!(bench.standing(&rules, NOON), [(9, 0), (9, 0), (9, 0)]);
}

fn a_word_of_the_store_counts_once_in_any_order(bench: &Bench) {
    let rules = [own(bench.user(), 100, Period::Month)];
    let (user, account) = (rules[0].user, rules[0].account());
    bench.know(&rules, NOON, 0);
    let word = |revision, amount| spent(account, NOON, revision, amount);
    for (said, stands) in
        [(word(5, 50), 50), (word(4, 40), 50), (word(5, 50), 50), (word(6, 55), 55), (word(5, 50), 55)]
    {
        bench.drained(0, user, &[], &[said]);
        assert_eq!(bench.standing(&rules, NOON), [(stands, 0)], "{said:?}");
    }
    let before = Timestamp::parse("t", "2026-10-31").unwrap();
    bench.drained(1, user, &[], &[spent(account, before, 99, 99)]);
    assert_eq!(bench.standing(&rules, NOON), [(55, 0)], "the month before");
    let after = Timestamp::parse("t", "2026-12-01").unwrap();
    bench.drained(1, user, &[], &[spent(account, after, 1, 7)]);
    assert_eq!(bench.standing(&rules, after), [(7, 0)]);
}

fn a_charge_counts_until_its_row_is_stored(bench: &Bench) {
    let rules = [own(bench.user(), 100, Period::Day)];
    let (user, account, one) = (rules[0].user, rules[0].account(), request());
    bench.know(&rules, NOON, 0);
    assert_eq!(bench.reserve(0, &Call::new(&rules, one, 70)), held(70, false));
    bench.budgets().adjust(user, one, NanoUsd(20), NanoUsd(0));
    bench.stands(&rules, NOON, &[(20, 0)]);
    let stored = [spent(account, NOON, 1, 20)];
    // Another process may say so too.
    for process in [0, 1] {
        bench.drained(process, user, &[one], &stored);
        assert_eq!(bench.standing(&rules, NOON), [(20, 0)]);
    }
    bench.budgets().adjust(user, one, NanoUsd(99), NanoUsd(99));
    bench.drained(0, user, &[one], &stored);
    bench.stands(&rules, NOON, &[(20, 0)]);
}

fn nothing_that_was_released_stays(bench: &Bench) {
    let rules = [own(bench.user(), 100, Period::Day)];
    bench.know(&rules, NOON, 0);
    let one = request();
    assert_eq!(bench.reserve(0, &Call::new(&rules, one, 70)), held(70, false));
    bench.budgets().release(rules[0].user, one);
    bench.budgets().adjust(rules[0].user, one, NanoUsd(5), NanoUsd(5));
    bench.stands(&rules, NOON, &[(0, 0)]);
}

fn a_new_period_begins_with_what_was_made_in_it(bench: &Bench) {
    let user = bench.user();
    let rules = [own(user, 100, Period::Day), admin(user, 1000, Period::Month)];
    bench.know(&rules, NOON, 60);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 40)), held(40, false));
    assert!(matches!(bench.reserve(0, &Call::new(&rules, request(), 1)), Reservation::Refused { .. }));
    let tomorrow = NOON.plus_millis(86_400_000);
    let late = request();
    assert_eq!(bench.reserve(1, &Call { at: tomorrow, ..Call::new(&rules, late, 90) }), held(90, false));
    assert_eq!(bench.standing(&rules, tomorrow), [(0, 90), (60, 130)]);
    // What the store says of tomorrow is news, of today no more.
    let words = [spent(rules[0].account(), tomorrow, 1, 90), spent(rules[0].account(), NOON, 9, 100)];
    bench.drained(1, user, &[late], &words);
    assert_eq!(bench.standing(&rules[..1], tomorrow), [(90, 0)]);
}

fn a_request_from_before_the_period_counts_in_it(bench: &Bench) {
    let rules = [own(bench.user(), 100, Period::Day)];
    bench.know(&rules, NOON, 0);
    let tomorrow = NOON.plus_millis(86_400_000);
    assert_eq!(bench.reserve(0, &Call { at: tomorrow, ..Call::new(&rules, request(), 30) }), held(30, false));
    // It arrived at noon and was slow: what is left is tomorrow's.
    let slow = request();
    assert_eq!(bench.reserve(0, &Call::new(&rules, slow, 60)), held(60, false));
    assert_eq!(bench.reserve(1, &Call::new(&rules, request(), 11)), refused(BudgetKind::UserOwn, 100, 0, 90, 11));
    bench.budgets().adjust(rules[0].user, slow, NanoUsd(50), NanoUsd(0));
    bench.stands(&rules, tomorrow, &[(50, 30)]);
    bench.drained(0, rules[0].user, &[slow], &[spent(rules[0].account(), NOON, 1, 50)]);
    assert_eq!(bench.standing(&rules, tomorrow), [(0, 30)]);
}

fn a_keys_account_counts_what_came_with_the_key(bench: &Bench) {
    let user = bench.user();
    let of_user = [own(user, 100, Period::Day)];
    bench.know(&of_user, NOON, 0);
    for (key, worst) in [(Some(1), 10), (Some(2), 20), (None, 30)] {
        assert_eq!(bench.reserve(0, &Call { key, ..Call::new(&of_user, request(), worst) }), held(worst, false));
    }
    // The key gets a budget of its own while its request is under way.
    let rules: [BudgetRule; 2] = [of_user[0], of_key(user, 1, 50, Period::Month)];
    bench.know(&rules, NOON, 0);
    assert_eq!(bench.standing(&rules, NOON), [(0, 60), (0, 10)]);
    assert_eq!(bench.reserve(1, &Call::new(&rules, request(), 5)), held(5, false));
    assert_eq!(bench.standing(&rules, NOON), [(0, 65), (0, 15)]);
}

fn a_budget_of_nothing_admits_what_costs_nothing(bench: &Bench) {
    let rules = [own(bench.user(), 0, Period::Total)];
    bench.know(&rules, NOON, 0);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 0)), held(0, false));
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 1)), refused(BudgetKind::UserOwn, 0, 0, 0, 1));
}

fn the_largest_amounts_are_counted_exactly(bench: &Bench) {
    let most = 9_000_000_000_000_000;
    let rules = [own(bench.user(), most, Period::Total)];
    bench.know(&rules, NOON, most - 12_345_678_901);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 12_345_678_900)), held(12_345_678_900, false));
    let no = refused(BudgetKind::UserOwn, most, most - 12_345_678_901, 12_345_678_900, 2);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 2)), no);
    assert_eq!(bench.reserve(0, &Call::new(&rules, request(), 1)), held(1, false));
    let far = bench.reserve(0, &Call::new(&rules, request(), i64::MAX));
    assert!(matches!(far, Reservation::Refused { .. }), "{far:?}");
}
