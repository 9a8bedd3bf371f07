//! Many requests at once.

use std::sync::Arc;

use tokio::task::JoinSet;
use tt_core::{NanoUsd, Period};

use super::harness::{Call, Harness, NOON, admin, of_key, own, request, reserve};
use crate::Reservation;

/// 500 requests at once on two processes, with room for 10: exactly 10 are admitted, although several budgets hold.
fn room_for_ten_admits_ten(harness: &Harness) {
    let user = harness.user();
    let rules = [own(user, 5000, Period::Day), admin(user, 1099, Period::Month), of_key(user, 1, 3000, Period::Total)];
    harness.know(&rules, NOON, 0);
    let answers = harness.runtime.block_on(async {
        let mut tries = JoinSet::new();
        for i in 0..500 {
            let worker = harness.processes[i % 2].1.clone();
            tries.spawn(async move { reserve(&worker, &Call::new(&rules, request(), 100)).await });
        }
        tries.join_all().await
    });
    let admitted = answers.iter().filter(|answer| matches!(answer, Reservation::Held { .. })).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Reservation::Refused { .. })).count();
    assert_eq!((admitted, refused), (10, 490));
    assert_eq!(harness.standing(&rules, NOON), [(0, 1000); 3]);
}

#[test]
fn in_memory_room_for_ten_admits_ten() {
    room_for_ten_admits_ten(&Harness::memory());
}

#[test]
fn on_redis_room_for_ten_admits_ten() {
    room_for_ten_admits_ten(&Harness::redis());
}

/// Requests begin and end on two processes while the standing is read: what is used never exceeds the limit, and in the
/// end it is what the requests cost.
#[test]
fn at_no_instant_is_more_used_than_there_is() {
    let harness = Harness::redis();
    let user = harness.user();
    let rules = [own(user, 1100, Period::Day), of_key(user, 1, 1100, Period::Day)];
    harness.know(&rules, NOON, 0);
    let cost = harness.runtime.block_on(async {
        let mut clients = JoinSet::new();
        for client in 0..16 {
            let (budgets, worker) = harness.processes[client % 2].clone();
            clients.spawn(async move {
                let mut cost = 0;
                for i in 0..20 {
                    let one = request();
                    let call = Call { p99: Some(90), ..Call::new(&rules, one, 100) };
                    let amount = loop {
                        match reserve(&worker, &call).await {
                            Reservation::Held { amount, .. } => break amount,
                            // Try again until other requests have ended.
                            Reservation::Refused { .. } => tokio::task::yield_now().await,
                            other => panic!("{other:?}"),
                        }
                    };
                    if i % 5 == 0 {
                        budgets.void(user, one);
                    } else {
                        cost += amount.0 / 30;
                        budgets.settle(user, one, NanoUsd(amount.0 / 30), NanoUsd(0));
                    }
                }
                cost
            });
        }
        let looker = Arc::new(harness.processes[0].0.clone());
        let mut total = 0;
        while let Some(cost) = {
            let used = looker.standing(&rules, NOON).await;
            let crate::BudgetStanding::Known(used) = used else { panic!("{used:?}") };
            assert!(used.iter().all(|used| used.spent.0 + used.held.0 <= 1100), "{used:?}");
            clients.join_next().await
        } {
            total += cost.unwrap();
        }
        total
    });
    assert_eq!(cost, 16 * 16 * 3);
    harness.stands(&rules, NOON, &[(cost, 0), (cost, 0)]);
}
