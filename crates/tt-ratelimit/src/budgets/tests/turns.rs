//! Periods begin while many charges are open, without any of them being read: in memory and in Redis.

use deadpool_redis::redis::{Client, Connection, Script, cmd};
use tokio::task::JoinSet;
use tt_core::budget::BudgetRule;
use tt_core::{NanoUsd, Period, Timestamp, UserId};

use super::harness::{Call, Harness, NOON, held, of_key, own, request, reserve};

/// Enough that a hash in Redis is a table, and that reading all would take milliseconds.
const CHARGES: i64 = 3_000;

const TOMORROW: Timestamp = NOON.plus_millis(86_400_000);

fn redis(harness: &Harness) -> Connection {
    Client::open(harness.server.as_ref().unwrap().url()).unwrap().get_connection().unwrap()
}

/// Many requests of the user under way, each holding 1, half of them with the API key 1.
fn many_under_way(harness: &Harness, rules: &[BudgetRule]) {
    let user = rules[0].user;
    let answers = harness.runtime.block_on(async {
        let mut asking = JoinSet::new();
        for n in 0..CHARGES {
            let (worker, rules) = (harness.processes[0].1.clone(), rules.to_vec());
            asking.spawn(async move {
                let key = (n % 2 == 0).then_some(1);
                let with_key = rules.iter().filter(|rule| rule.key.is_none() || key.is_some()).copied();
                let rules: Vec<_> = with_key.collect();
                reserve(&worker, &Call { key, user, ..Call::new(&rules, request(), 1) }).await
            });
        }
        asking.join_all().await
    });
    assert!(answers.iter().all(|answer| *answer == held(1, false)));
}

fn all_periods(user: UserId) -> [BudgetRule; 4] {
    [
        own(user, 1_000_000, Period::Day),
        of_key(user, 1, 1_000_000, Period::Day),
        own(user, 1_000_000, Period::Month),
        of_key(user, 1, 1_000_000, Period::Total),
    ]
}

fn begins_with_the_right_sums(harness: &Harness) -> [BudgetRule; 4] {
    let rules = all_periods(harness.user());
    harness.know(&rules, NOON, 0);
    many_under_way(harness, &rules);
    assert_eq!(
        harness.standing(&rules, NOON),
        [(0, CHARGES), (0, CHARGES / 2), (0, CHARGES), (0, CHARGES / 2)],
        "today"
    );
    assert_eq!(harness.reserve(1, &Call { at: TOMORROW, ..Call::new(&rules, request(), 7) }), held(7, false));
    assert_eq!(
        harness.standing(&rules, TOMORROW),
        [(0, 7), (0, 7), (0, CHARGES + 7), (0, CHARGES / 2 + 7)],
        "those of yesterday count for the month and in total"
    );
    // Accounts that are made anew begin with all that is under way.
    harness.forgets(rules[0].user);
    harness.know(&rules, TOMORROW, 0);
    assert_eq!(harness.standing(&rules, TOMORROW), [(0, 7), (0, 7), (0, CHARGES + 7), (0, CHARGES / 2 + 7)]);
    rules
}

#[test]
fn in_memory_a_period_begins_with_the_right_sums() {
    begins_with_the_right_sums(&Harness::memory());
}

#[test]
fn in_redis_a_period_begins_without_reading_every_charge() {
    let harness = Harness::redis();
    let () = cmd("CONFIG").arg("RESETSTAT").query(&mut redis(&harness)).unwrap();
    let rules = begins_with_the_right_sums(&harness);
    let stats: String = cmd("INFO").arg("commandstats").query(&mut redis(&harness)).unwrap();
    for reads_all in ["cmdstat_hvals:", "cmdstat_hgetall:"] {
        assert!(!stats.contains(reads_all), "{stats}");
    }
    // Neither does it take long to find the charges of dead processes.
    let stale = harness.runtime.block_on(harness.budgets().stale(rules[0].user, TOMORROW)).unwrap();
    assert_eq!(stale, []);
}

#[test]
fn charges_that_were_made_or_removed_by_hand_are_counted_right() {
    let harness = Harness::redis();
    let user = harness.user();
    let rules = all_periods(user);
    harness.know(&rules, NOON, 0);
    let (ours, theirs) = (request(), request());
    assert_eq!(harness.reserve(0, &Call::new(&rules, ours, 10)), held(10, false));
    let charges = format!("tt:{{u:{user}}}:charges");
    let write = "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({'x', '1', tonumber(ARGV[2]), 0, 5, 1}))";
    let write = Script::new(write);
    let mut call = write.key(&charges);
    call.arg(theirs.to_string()).arg(NOON.millis());
    let _new: i64 = call.invoke(&mut redis(&harness)).unwrap();
    let made_anew = || {
        harness.forgets(user);
        harness.know(&rules, NOON, 0);
        harness.standing(&rules, NOON)
    };
    assert_eq!(made_anew(), [(0, 15); 4]);
    harness.budgets().settle(user, ours, NanoUsd(4), NanoUsd(0));
    harness.stands(&rules, NOON, &[(4, 5); 4]);
    assert_eq!(made_anew(), [(4, 5); 4]);
    let () = cmd("HDEL").arg(&charges).arg(theirs.to_string()).query(&mut redis(&harness)).unwrap();
    assert_eq!(made_anew(), [(4, 0); 4]);
    harness.post(1, user, &[ours], &[]);
    harness.stands(&rules, NOON, &[(0, 0); 4]);
    let left: i64 = cmd("EXISTS").arg(format!("tt:{{u:{user}}}:charge_sums")).query(&mut redis(&harness)).unwrap();
    assert_eq!(left, 0, "without charges there are no sums");
}
