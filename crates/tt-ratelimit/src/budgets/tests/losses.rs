//! Redis is emptied, killed and hangs; processes die; callers do not wait. The two seconds after a loss are real here.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Client, Commands, cmd};
use tokio::task::JoinSet;
use tt_core::budget::{BudgetKind, BudgetRule};
use tt_core::{NanoUsd, Period, Timestamp};
use tt_testkit::redis::RedisServer;

use super::harness::{Call, Harness, NOON, held, of_key, own, refused, request, reserve, spent};
use crate::budgets::outbox::{Charge, Update};
use crate::budgets::script::{Answer, BudgetScript};
use crate::limits::tests::harness::{config, patient};
use crate::redis::Keys;
use crate::{BudgetedRequest, Budgets, CostEstimate, Reading, RedisState, Reservation};

const LATER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Reserves as a process does: where the accounts are not known, it loads them from the store, which has nothing spent.
fn asks(harness: &Harness, process: usize, call: &Call<'_>) -> Reservation {
    for reading in [Reading::First, Reading::Second] {
        match harness.reserve(process, call) {
            Reservation::NeedSpent(accounts) => {
                let read: Vec<_> = accounts.iter().map(|account| spent(*account, call.at, 0, 0)).collect();
                harness.load(&read, reading);
            }
            answer => return answer,
        }
    }
    harness.reserve(process, call)
}

/// Reserves until there is an answer other than unavailable. Returns it, and how long it took.
fn asks_until_answered(harness: &Harness, process: usize, call: &Call<'_>) -> (Reservation, Duration) {
    let began = Instant::now();
    loop {
        let answer = asks(harness, process, call);
        if answer != Reservation::Unavailable {
            return (answer, began.elapsed());
        }
        assert!(began.elapsed() < Duration::from_secs(20), "unavailable for ever");
        harness.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    }
}

fn flush(harness: &Harness) {
    let mut redis = Client::open(harness.server.as_ref().unwrap().url()).unwrap().get_connection().unwrap();
    let () = cmd("FLUSHALL").query(&mut redis).unwrap();
}

#[test]
fn emptied_under_load_nothing_is_decided_until_all_have_sent_their_charges_again() {
    let harness = Harness::redis();
    let user = harness.user();
    let rules = [own(user, 1000, Period::Day), of_key(user, 1, 1000, Period::Total)];
    let (first, second) = (request(), request());
    assert_eq!(asks(&harness, 0, &Call::new(&rules, first, 300)), held(300, false));
    assert_eq!(asks(&harness, 1, &Call::new(&rules, second, 200)), held(200, false));
    harness.processes[1].0.settle(user, second, NanoUsd(150), NanoUsd(0));
    harness.stands(&rules, NOON, &[(150, 300), (150, 300)]);

    // A crowd of requests that would fit if what is held were lost.
    let crowd = harness.runtime.block_on(async {
        let mut tries = JoinSet::new();
        for i in 0..200 {
            let worker = harness.processes[i % 2].1.clone();
            tries.spawn(async move {
                tokio::time::sleep(Duration::from_millis(u64::try_from(i).unwrap())).await;
                reserve(&worker, &Call::new(&rules, request(), 600)).await
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::task::block_in_place(|| flush(&harness));
        tries.join_all().await
    });
    let odd = crowd.iter().find(|answer| !matches!(answer, Reservation::Refused { .. } | Reservation::Unavailable));
    assert_eq!(odd, None);
    assert!(crowd.contains(&Reservation::Unavailable));

    let (answer, after) = asks_until_answered(&harness, 1, &Call::new(&rules, request(), 600));
    assert_eq!(answer, refused(BudgetKind::UserOwn, 1000, 150, 300, 600));
    assert!(after > Duration::from_millis(1000), "decided after {after:?}");
    assert_eq!(harness.standing(&rules, NOON), [(150, 300), (150, 300)]);
}

#[test]
fn killed_it_is_unavailable_and_back_again_nothing_is_forgotten() {
    let mut harness = Harness::redis();
    let user = harness.user();
    let rules = [own(user, 1000, Period::Day)];
    let (first, second) = (request(), request());
    assert_eq!(asks(&harness, 0, &Call::new(&rules, first, 300)), held(300, false));
    assert_eq!(asks(&harness, 1, &Call::new(&rules, second, 200)), held(200, false));
    harness.server.as_mut().unwrap().kill();
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 1)), Reservation::Unavailable);
    assert_eq!(harness.budgets().redis_state(), RedisState::Down);
    // Charges that are settled and posted meanwhile are sent when Redis is back.
    harness.processes[1].0.settle(user, second, NanoUsd(20), NanoUsd(0));
    let stored = [spent(rules[0].account(), NOON, 1, 30)];
    harness.post(0, user, &[first], &stored);
    harness.server.as_mut().unwrap().restart();

    let call = Call::new(&rules, request(), 1000);
    let began = Instant::now();
    let answer = loop {
        match harness.reserve(0, &call) {
            Reservation::NeedSpent(_) => {
                harness.load(&stored, Reading::First);
                harness.load(&stored, Reading::Second);
            }
            Reservation::Unavailable => {
                assert!(began.elapsed() < Duration::from_secs(20));
                harness.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
            }
            answer => break answer,
        }
    };
    assert_eq!(answer, refused(BudgetKind::UserOwn, 1000, 50, 0, 1000));
    harness.post(1, user, &[second], &[spent(rules[0].account(), NOON, 2, 50)]);
    harness.stands(&rules, NOON, &[(50, 0)]);
}

#[test]
fn hung_it_is_unavailable_within_its_time_and_holds_nothing_afterwards() {
    let harness = Harness::on(RedisServer::start(), config);
    let rules = [own(harness.user(), 1000, Period::Day)];
    assert_eq!(asks_until_answered(&harness, 0, &Call::new(&rules, request(), 300)).0, held(300, false));
    let server = harness.server.as_ref().unwrap();
    server.pause();
    let began = Instant::now();
    assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 500)), Reservation::Unavailable);
    let took = began.elapsed();
    assert!((Duration::from_millis(50)..Duration::from_millis(250)).contains(&took), "after {took:?}");
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(harness.reserve(0, &Call::new(&rules, request(), 500)), Reservation::Unavailable);
    }
    assert!(began.elapsed() < Duration::from_millis(200), "another wait");
    server.resume();
    // The first call was under way. It arrives in Redis now, and nobody waits for its answer.
    let (answer, _) = asks_until_answered(&harness, 0, &Call::new(&rules, request(), 1001));
    assert!(matches!(answer, Reservation::Refused { .. }), "{answer:?}");
    let began = Instant::now();
    while harness.runtime.block_on(harness.budgets().standing(&rules, NOON))
        != crate::BudgetStanding::Known(vec![crate::Used { spent: NanoUsd(0), held: NanoUsd(300) }])
    {
        assert!(began.elapsed() < Duration::from_secs(20), "it holds still");
        harness.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    }
}

#[test]
fn a_caller_that_does_not_wait_holds_nothing() {
    let harness = Harness::redis();
    let rules = [own(harness.user(), 1000, Period::Day)];
    harness.know(&rules, NOON, 0);
    let mut given_up = 0;
    for _ in 0..50 {
        let one = request();
        let answer = harness.runtime.block_on(async {
            let call = Call::new(&rules, one, 10);
            let mut asked = pin!(reserve(&harness.processes[0].1, &call));
            // The call is sent, and dropped before it is answered, unless the answer came at once.
            let answer = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await;
            tokio::task::yield_now().await;
            answer
        });
        match answer {
            Poll::Pending => given_up += 1,
            Poll::Ready(answer) => {
                assert_eq!(answer, held(10, false));
                harness.budgets().void(rules[0].user, one);
            }
        }
    }
    assert!(given_up > 0);
    harness.stands(&rules, NOON, &[(0, 0)]);
    harness.charges_nothing(rules[0].user);
}

/// A process that reserves money and then ends as if it had been killed. Returns its requests.
fn dies_holding(server: &RedisServer, rules: &[BudgetRule], worst: &[i64]) -> Vec<tt_core::RequestId> {
    let doomed = super::harness::runtime();
    let budgets = Budgets::redis(patient(server), "doomed", doomed.handle());
    let held_by = worst.iter().map(|worst| {
        let one = request();
        let answer = doomed.block_on(async {
            let worker = budgets.worker().await;
            reserve(&worker, &Call::new(rules, one, *worst)).await
        });
        assert_eq!(answer, held(*worst, false));
        one
    });
    let requests = held_by.collect();
    // It counts as alive from its first heartbeat on.
    let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
    let began = Instant::now();
    while !redis.exists::<_, bool>("tt:budgets:process:doomed").unwrap() {
        assert!(began.elapsed() < Duration::from_secs(20), "no heartbeat");
        std::thread::sleep(Duration::from_millis(5));
    }
    doomed.shutdown_background();
    requests
}

#[test]
fn a_dead_process_holds_until_its_charges_are_posted_or_expire() {
    let harness = Harness::redis();
    let user = harness.user();
    let rules = [own(user, 1000, Period::Day)];
    harness.know(&rules, NOON, 0);
    let dead = dies_holding(harness.server.as_ref().unwrap(), &rules, &[100, 200, 300]);
    let alive = request();
    assert_eq!(harness.reserve(1, &Call::new(&rules, alive, 50)), held(50, false));
    let stale = || harness.runtime.block_on(harness.budgets().stale(user, LATER)).unwrap();
    assert_eq!(stale(), [], "it sent a heartbeat just now");
    assert_eq!(harness.standing(&rules, NOON), [(0, 650)]);

    // As after five seconds without a heartbeat.
    let mut redis = Client::open(harness.server.as_ref().unwrap().url()).unwrap().get_connection().unwrap();
    let () = redis.del("tt:budgets:process:doomed").unwrap();
    let mut found: Vec<_> = stale().iter().map(|charge| (charge.request, charge.held.0)).collect();
    found.sort_unstable();
    assert_eq!(found, [(dead[0], 100), (dead[1], 200), (dead[2], 300)]);
    assert_eq!(harness.standing(&rules, NOON), [(0, 650)], "they are held still");
    let early = harness.runtime.block_on(harness.budgets().stale(user, NOON)).unwrap();
    assert_eq!(early, [], "those made from noon on are not asked for");

    // The process that adopted its journal posts one of them.
    harness.post(0, user, &dead[..1], &[spent(rules[0].account(), NOON, 1, 70)]);
    assert_eq!(harness.standing(&rules, NOON), [(70, 550)]);
    assert_eq!(harness.runtime.block_on(harness.budgets().expire(user)), Some(2));
    assert_eq!(harness.standing(&rules, NOON), [(70, 50)]);
    assert_eq!(harness.runtime.block_on(harness.budgets().expire(user)), Some(0));
}

#[test]
fn what_a_process_left_in_redis_without_knowing_is_found_and_removed() {
    let harness = Harness::redis();
    let rules = [own(harness.user(), 1000, Period::Day)];
    harness.know(&rules, NOON, 0);
    let (kept, left) = (request(), request());
    assert_eq!(harness.reserve(0, &Call::new(&rules, kept, 10)), held(10, false));
    // Another process of the same name makes the charge, as an answer that came too late would.
    let runtime = super::harness::runtime();
    let same = Budgets::redis(patient(harness.server.as_ref().unwrap()), "a", runtime.handle());
    let answer = runtime.block_on(async { reserve(&same.worker().await, &Call::new(&rules, left, 20)).await });
    assert_eq!(answer, held(20, false));
    drop(same);
    // Its first heartbeat would send the charge again.
    drop(runtime);
    harness.stands(&rules, NOON, &[(0, 30)]);
    assert_eq!(harness.runtime.block_on(harness.budgets().stale(rules[0].user, LATER)), Some(vec![]));
    harness.stands(&rules, NOON, &[(0, 10)]);
}

#[test]
fn accounts_without_a_charge_go_after_two_days() {
    let harness = Harness::redis();
    let rules = [own(harness.user(), 1000, Period::Day)];
    harness.know(&rules, NOON, 0);
    let mut redis = Client::open(harness.server.as_ref().unwrap().url()).unwrap().get_connection().unwrap();
    let mut ttl = || redis.pttl::<_, i64>(format!("tt:{{u:{}}}:budgets", rules[0].user)).unwrap();
    assert!((1..=172_800_000).contains(&ttl()));
    let one = request();
    assert_eq!(harness.reserve(0, &Call::new(&rules, one, 10)), held(10, false));
    assert_eq!(ttl(), -1);
    harness.post(0, rules[0].user, &[one], &[]);
    assert!((1..=172_800_000).contains(&ttl()));
}

#[test]
fn a_redis_nobody_has_used_decides_after_two_heartbeats() {
    let server = RedisServer::start();
    let harness = Harness::on(server, |server| {
        // Make it new again.
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        let () = cmd("FLUSHALL").query(&mut redis).unwrap();
        patient(server)
    });
    let rules = [own(harness.user(), 1000, Period::Day)];
    let call = Call::new(&rules, request(), 10);
    assert_eq!(harness.reserve(0, &call), Reservation::Unavailable);
    assert_eq!(asks_until_answered(&harness, 0, &call).0, held(10, false));
}

#[test]
fn what_arrives_late_changes_nothing() {
    let harness = Harness::redis();
    let rules = [own(harness.user(), 1000, Period::Day)];
    harness.know(&rules, NOON, 0);
    let (user, one) = (rules[0].user, request());
    assert_eq!(harness.reserve(0, &Call::new(&rules, one, 10)), held(10, false));
    assert_eq!(harness.reserve(0, &Call { settled: 5, ..Call::new(&rules, one, 20) }), held(20, false));
    let client = Client::open(harness.server.as_ref().unwrap().url()).unwrap();
    let script = BudgetScript::new(Keys::default());
    harness.runtime.block_on(async {
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        for version in [1, 2] {
            let (settled, held) = (NanoUsd(0), NanoUsd(99));
            let charge = Charge { key: None, counts_from: NOON, settled, held, version };
            let update = Update { charges: vec![(one, charge)], ..Update::default() };
            script.sync(redis.clone(), "a", user, None, &update).await.unwrap();
            let late = BudgetedRequest { id: one, user, key: None, created_at: NOON, rules: &rules };
            let ask = CostEstimate { worst: NanoUsd(99), p99: None };
            let answer = script.reserve(&mut redis, "a", &late, version, NanoUsd(0), ask).await.unwrap();
            assert!(matches!(answer, Answer::Overtaken), "{answer:?}");
        }
    });
    assert_eq!(harness.standing(&rules, NOON), [(5, 20)]);
}
