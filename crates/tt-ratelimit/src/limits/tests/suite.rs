//! The suite that every limiter must pass, with a clock that the test sets: in memory and on a real Redis.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tt_core::limits::{Decision, Rule, RuleKind};

use super::harness::{DAY_MS, Harness, MIDNIGHT, admit, admitted, deny, key_day, key_minute, user_day, user_minute};
use super::model::{Model, most_in_a_minute};

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
    any_history_is_decided_as_the_model_says,
    never_above_the_limit_in_any_minute_and_exact_about_the_next,
    a_steady_client_gets_98_percent,
    without_rules_everything_is_admitted,
    a_refused_request_is_counted_by_no_rule,
    the_longest_refusal_and_the_fewest_remaining_are_told,
    the_day_ends_at_midnight_utc,
    users_and_keys_are_counted_apart,
    a_lowered_limit_waits_until_enough_has_left,
    a_seeded_day_counts_once_and_only_today,
    a_clock_a_little_behind_admits_nothing_more,
    a_clock_that_was_set_back_locks_nobody_out,
    a_look_at_the_rules_counts_nothing,
);

const NOON: i64 = MIDNIGHT + DAY_MS / 2;

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

/// The time between two requests: mostly a little, sometimes not at all or very far.
fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(0i64),
        4 => 1i64..200,
        4 => 200i64..4000,
        1 => 55_000i64..66_000,
        1 => 1i64..DAY_MS / 4,
    ]
}

/// Any requests of one user with up to two keys, with limits that change in between.
fn any_history_is_decided_as_the_model_says(harness: &Harness) {
    let step = (pause(), 0i64..3, prop::bool::weighted(0.9));
    let limits = (1u64..12, 1u64..60, 1u64..8, 1u64..30);
    let history = (0..DAY_MS, limits.clone(), limits, prop::collection::vec(step, 1..150));
    let run = |(start, limits, others, steps): (i64, _, _, Vec<(i64, i64, bool)>)| {
        let (user, mut model, mut now) = (harness.user(), Model::default(), MIDNIGHT + start);
        for (pause, key, usual) in steps {
            now += pause;
            let (minute, day, of_key, day_of_key) = if usual { limits } else { others };
            let mut rules = vec![user_minute(user, minute), user_day(user, day)];
            if key > 0 {
                rules.extend([key_minute(user, key, of_key), key_day(user, key, day_of_key)]);
            }
            prop_assert_eq!(harness.check(&rules, now), model.check(&rules, now), "at {} by {:?}", now, rules);
        }
        Ok(())
    };
    cases(40).run(&history, run).unwrap();
}

/// A refusal says to the millisecond when the next request will be admitted; the test tries that.
fn never_above_the_limit_in_any_minute_and_exact_about_the_next(harness: &Harness) {
    let history = (0..DAY_MS, 1u64..25, prop::collection::vec((pause(), any::<bool>()), 1..250));
    let run = |(start, limit, steps): (i64, u64, Vec<(i64, bool)>)| {
        let rules = [user_minute(harness.user(), limit)];
        let (mut now, mut times) = (MIDNIGHT + start, Vec::new());
        for (pause, waits) in steps {
            now += pause;
            match harness.check(&rules, now) {
                Decision::Admit { nearest } => {
                    times.push(now);
                    let standing = nearest.unwrap();
                    prop_assert_eq!(standing.limit, limit);
                    prop_assert!(standing.remaining < limit);
                    prop_assert!((1..=61_000).contains(&standing.reset.as_millis()));
                }
                Decision::Deny { rule, limit: told, retry_after } => {
                    prop_assert_eq!((rule, told), (RuleKind::UserMinute, limit));
                    if waits {
                        let retry_at = now + i64::try_from(retry_after.as_millis()).unwrap();
                        prop_assert!(!harness.admits(&rules, retry_at - 1), "admitted before it was time");
                        now = retry_at;
                        prop_assert!(harness.admits(&rules, now), "refused when it was time");
                        times.push(now);
                    }
                }
                Decision::Unavailable => prop_assert!(false),
            }
        }
        prop_assert!(most_in_a_minute(&times) as u64 <= limit);
        Ok(())
    };
    cases(40).run(&history, run).unwrap();
}

/// A client that always has something to send: at twice its limit or more, and at least twice a second.
fn a_steady_client_gets_98_percent(harness: &Harness) {
    const MINUTES: i64 = 12;
    let client = (0..DAY_MS, 1u64..150, 2i64..=5);
    let run = |(start, limit, times_the_limit): (i64, u64, i64)| {
        let rules = [user_minute(harness.user(), limit)];
        let every = 60_000 / i64::try_from(limit).unwrap().max(60) / times_the_limit;
        let tries = (0..MINUTES * 60_000 / every).map(|i| MIDNIGHT + start + i * every);
        let times: Vec<_> = tries.filter(|&now| harness.admits(&rules, now)).collect();
        let want = limit * 98 * MINUTES as u64 / 100;
        prop_assert!(times.len() as u64 >= want, "{} of {want} every {every} ms", times.len());
        prop_assert!(most_in_a_minute(&times) as u64 <= limit);
        Ok(())
    };
    cases(12).run(&client, run).unwrap();
}

fn without_rules_everything_is_admitted(harness: &Harness) {
    assert_eq!(harness.check(&[], NOON), Decision::Admit { nearest: None });
}

fn a_refused_request_is_counted_by_no_rule(harness: &Harness) {
    let user = harness.user();
    let both = [user_minute(user, 2), key_minute(user, 1, 1)];
    assert!(harness.admits(&both, NOON));
    for _ in 0..5 {
        assert_eq!(harness.check(&both, NOON), deny(RuleKind::KeyMinute, 1, 61_000));
    }
    // The user's second request is still free for another key, and that key has not been counted either.
    assert_eq!(harness.check(&[user_minute(user, 2), key_minute(user, 2, 9)], NOON), admit(2, 0, 61_000));
    assert_eq!(harness.check(&[key_minute(user, 2, 9)], NOON), admit(9, 7, 61_000));
}

fn the_longest_refusal_and_the_fewest_remaining_are_told(harness: &Harness) {
    let user = harness.user();
    let rules = [user_minute(user, 5), user_day(user, 3), key_minute(user, 1, 9)];
    for remaining in [2, 1, 0] {
        assert_eq!(harness.check(&rules, NOON), admit(3, remaining, DAY_MS / 2));
    }
    let full = [user_minute(user, 3), user_day(user, 3), key_minute(user, 1, 9)];
    assert_eq!(harness.check(&full, NOON), deny(RuleKind::UserDay, 3, DAY_MS / 2));
}

fn the_day_ends_at_midnight_utc(harness: &Harness) {
    let rules = [user_day(harness.user(), 2)];
    assert_eq!(harness.check(&rules, MIDNIGHT - 2), admit(2, 1, 2));
    assert_eq!(harness.check(&rules, MIDNIGHT - 1), admit(2, 0, 1));
    assert_eq!(harness.check(&rules, MIDNIGHT - 1), deny(RuleKind::UserDay, 2, 1));
    assert_eq!(harness.check(&rules, MIDNIGHT), admit(2, 1, DAY_MS));
    assert_eq!(harness.check(&rules, MIDNIGHT + 3 * DAY_MS), admit(2, 1, DAY_MS));
}

fn users_and_keys_are_counted_apart(harness: &Harness) {
    let (ann, ben) = (harness.user(), harness.user());
    let once = |rule: Rule| harness.admits(&[rule], NOON) && !harness.admits(&[rule], NOON);
    assert!(once(user_minute(ann, 1)) && once(user_minute(ben, 1)));
    assert!(once(user_day(ann, 1)) && once(key_minute(ann, 1, 1)) && once(key_day(ann, 1, 1)));
    assert!(once(key_minute(ann, 2, 1)) && once(key_minute(ben, 1, 1)));
}

fn a_lowered_limit_waits_until_enough_has_left(harness: &Harness) {
    let user = harness.user();
    for second in 0..4 {
        assert!(harness.admits(&[user_minute(user, 4)], NOON + second * 1000));
    }
    // Seconds 0 to 2 must leave the window before fewer than two requests are counted.
    assert_eq!(harness.check(&[user_minute(user, 2)], NOON + 3000), deny(RuleKind::UserMinute, 2, 60_000));
    assert!(harness.admits(&[user_minute(user, 2)], NOON + 63_000));
}

fn a_seeded_day_counts_once_and_only_today(harness: &Harness) {
    let user = harness.user();
    harness.seed_day(user, None, NOON, 7);
    harness.seed_day(user, None, NOON, 7);
    assert_eq!(harness.check(&[user_day(user, 10)], NOON), admit(10, 2, DAY_MS / 2));
    // An older count does not replace what has been counted since.
    harness.seed_day(user, None, NOON, 7);
    assert_eq!(harness.check(&[user_day(user, 10)], NOON), admit(10, 1, DAY_MS / 2));
    // A higher count of before replaces what has been counted since.
    let early = harness.user();
    assert!(harness.admits(&[user_day(early, 10)], NOON));
    harness.seed_day(early, None, NOON, 7);
    assert_eq!(harness.check(&[user_day(early, 10)], NOON), admit(10, 2, DAY_MS / 2));
    harness.seed_day(user, Some(tt_core::ApiKeyId(4)), NOON, 3);
    assert!(!harness.admits(&[key_day(user, 4, 3)], NOON));

    let yesterdays = harness.user();
    harness.seed_day(yesterdays, None, NOON - DAY_MS, 7);
    assert_eq!(harness.check(&[user_day(yesterdays, 10)], NOON), admit(10, 9, DAY_MS / 2));
}

/// Requests are not decided in the order in which they read the clock.
fn a_clock_a_little_behind_admits_nothing_more(harness: &Harness) {
    let user = harness.user();
    let rules = [user_minute(user, 3), user_day(user, 3)];
    let began = MIDNIGHT + 10;
    assert!(harness.admits(&rules, began));
    assert!(harness.admits(&rules, began - 20), "refused just before midnight");
    assert!(harness.admits(&rules, began - 59_000));
    for behind in [0, 20, 1000, 59_000] {
        // All three count in the second and on the day that had begun already.
        let decision = harness.check(&[user_minute(user, 3)], began - behind);
        assert_eq!(decision, deny(RuleKind::UserMinute, 3, 61_000 - 10 + behind));
        assert_eq!(
            harness.check(&[user_day(user, 3)], began - behind),
            deny(RuleKind::UserDay, 3, DAY_MS - 10 + behind)
        );
    }
    for later in [1000, 30_000, 60_999] {
        assert!(!harness.admits(&[user_minute(user, 3)], MIDNIGHT + later), "admitted after {later} ms");
    }
    assert!(harness.admits(&[user_minute(user, 3)], MIDNIGHT + 61_000));
}

/// A clock that was hours ahead is put right between two requests. Admitted requests are judged by the true time.
fn a_clock_that_was_set_back_locks_nobody_out(harness: &Harness) {
    let history = (
        61_000i64..3 * DAY_MS,
        prop::collection::vec(0i64..3000, 1..80),
        prop::collection::vec(0i64..3000, 80..120),
        1u64..10,
    );
    let run = |(wrong, before, after, limit): (i64, Vec<i64>, Vec<i64>, u64)| {
        let rules = [user_minute(harness.user(), limit)];
        let (mut real, mut times) = (NOON, Vec::new());
        for (pause, off) in before.iter().map(|p| (p, wrong)).chain(after.iter().map(|p| (p, 0))) {
            real += pause;
            if admitted(&harness.check(&rules, real + off)) {
                times.push(real);
            }
        }
        prop_assert!(most_in_a_minute(&times) as u64 <= limit);
        let last = real + 62_000;
        prop_assert!(harness.admits(&rules, last), "still refused a minute later");
        Ok(())
    };
    cases(20).run(&history, run).unwrap();

    // Counted requests keep their age: the first of these is 10 s old.
    let rules = [user_minute(harness.user(), 2)];
    assert!(harness.admits(&rules, NOON + DAY_MS) && harness.admits(&rules, NOON + DAY_MS + 10_000));
    assert_eq!(harness.check(&rules, NOON), deny(RuleKind::UserMinute, 2, 51_000));
    assert_eq!(harness.check(&rules, NOON + 51_000), admit(2, 0, 10_000));

    // The day's count moves back with the clock, and ends with the right day.
    let rules = [user_day(harness.user(), 2)];
    assert!(harness.admits(&rules, NOON + 3 * DAY_MS) && harness.admits(&rules, NOON + 3 * DAY_MS));
    assert_eq!(harness.check(&rules, NOON), deny(RuleKind::UserDay, 2, DAY_MS / 2));
    assert_eq!(harness.check(&rules, NOON + DAY_MS), admit(2, 1, DAY_MS / 2));
}

fn a_look_at_the_rules_counts_nothing(harness: &Harness) {
    let user = harness.user();
    let rules = [user_minute(user, 3), user_day(user, 5), key_minute(user, 7, 2)];
    let left = |at| harness.standings(&rules, at).iter().map(|(left, _)| *left).collect::<Vec<_>>();
    assert_eq!(harness.standings(&[], NOON), []);
    for _ in 0..10 {
        assert_eq!(left(NOON), [3, 5, 2]);
    }
    assert!(harness.admits(&rules, NOON) && harness.admits(&rules, NOON + 10_000));
    let standings = harness.standings(&rules, NOON + 20_000);
    assert_eq!(standings, [(1, 41_000), (3, u128::try_from(DAY_MS / 2).unwrap() - 20_000), (0, 41_000)]);
    assert_eq!(harness.standings(&[key_minute(user, 8, 2)], NOON + 20_000)[0].0, 2);
    // A limit that was lowered under the count leaves nothing, and no less.
    assert_eq!(harness.standings(&[user_minute(user, 1)], NOON + 20_000)[0].0, 0);
    // The first leaves the window, and the next day is another.
    assert_eq!(left(NOON + 61_000), [2, 3, 1]);
    assert_eq!(left(NOON + DAY_MS), [3, 5, 2]);
}
