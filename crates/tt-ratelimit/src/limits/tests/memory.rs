//! Counters in memory are dropped when they no longer count anything.

use tt_core::{Timestamp, UserId};

use super::harness::{DAY_MS, MIDNIGHT, admitted, user_day, user_minute};
use crate::limits::memory::MemoryLimits;

const USERS: i64 = 10_000;

/// Sends one request of each of `users`, at `now`.
fn visit(memory: &MemoryLimits, users: std::ops::Range<i64>, now: i64) {
    for user in users.map(UserId) {
        let rules = [user_minute(user, 5), user_day(user, 5)];
        assert!(admitted(&memory.check(&rules, Timestamp::from_millis(now))));
    }
}

#[test]
fn an_idle_minute_goes_after_61_seconds_and_a_day_when_it_is_over() {
    let memory = MemoryLimits::new();
    visit(&memory, 0..USERS, MIDNIGHT);
    assert_eq!(memory.sizes(), (10_000, 10_000));

    // One user in every shard, so that every shard is swept.
    visit(&memory, USERS..USERS + 64, MIDNIGHT + 60_999);
    assert_eq!(memory.sizes(), (10_064, 10_064), "still counted");
    visit(&memory, USERS + 64..USERS + 128, MIDNIGHT + 61_000);
    assert_eq!(memory.sizes(), (10_128, 128), "only those of the last minute");

    visit(&memory, USERS + 128..USERS + 192, MIDNIGHT + DAY_MS);
    assert_eq!(memory.sizes(), (64, 64), "only those of today");
}

#[test]
fn sweeping_changes_no_decision() {
    let memory = MemoryLimits::new();
    let rules = [user_minute(UserId(0), 1), user_day(UserId(0), 2)];
    let check = |now| admitted(&memory.check(&rules, Timestamp::from_millis(now)));
    assert!(check(MIDNIGHT));
    visit(&memory, 64..65, MIDNIGHT + 61_000);
    assert!(check(MIDNIGHT + 61_000), "the minute is over");
    visit(&memory, 128..129, MIDNIGHT + 200_000);
    assert!(!check(MIDNIGHT + 200_000), "the day is not");
}
