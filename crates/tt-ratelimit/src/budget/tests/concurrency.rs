//! Many at once.

use std::sync::Arc;

use tokio::task::JoinSet;
use tt_core::{NanoUsd, Period};

use super::bench::{Bench, Call, NOON, admin, of_key, own, request, reserve};
use crate::Reservation;

/// 500 at once on two processes, with room for 10: so many are admitted, whichever budget it is that is near.
fn room_for_ten_admits_ten(bench: &Bench) {
    let user = bench.user();
    let rules = [own(user, 5000, Period::Day), admin(user, 1099, Period::Month), of_key(user, 1, 3000, Period::Total)];
    bench.know(&rules, NOON, 0);
    let answers = bench.runtime.block_on(async {
        let mut tries = JoinSet::new();
        for i in 0..500 {
            let worker = bench.processes[i % 2].1.clone();
            tries.spawn(async move { reserve(&worker, &Call::new(&rules, request(), 100)).await });
        }
        tries.join_all().await
    });
    let admitted = answers.iter().filter(|answer| matches!(answer, Reservation::Held { .. })).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Reservation::Refused { .. })).count();
    assert_eq!((admitted, refused), (10, 490));
    assert_eq!(bench.standing(&rules, NOON), [(0, 1000); 3]);
}

#[test]
fn in_memory_room_for_ten_admits_ten() {
    room_for_ten_admits_ten(&Bench::memory());
}

#[test]
fn on_redis_room_for_ten_admits_ten() {
    room_for_ten_admits_ten(&Bench::redis());
}

/// Requests come and go on two processes while somebody looks: what is used never exceeds the limit, and in the end it
/// is what they cost.
#[test]
fn at_no_instant_is_more_used_than_there_is() {
    let bench = Bench::redis();
    let user = bench.user();
    let rules = [own(user, 1100, Period::Day), of_key(user, 1, 1100, Period::Day)];
    bench.know(&rules, NOON, 0);
    let cost = bench.runtime.block_on(async {
        let mut clients = JoinSet::new();
        for client in 0..16 {
            let (budgets, worker) = bench.processes[client % 2].clone();
            clients.spawn(async move {
                let mut cost = 0;
                for i in 0..20 {
                    let one = request();
                    let call = Call { learned: Some(90), ..Call::new(&rules, one, 100) };
                    let amount = loop {
                        match reserve(&worker, &call).await {
                            Reservation::Held { amount, .. } => break amount,
                            // Until others end.
                            Reservation::Refused { .. } => tokio::task::yield_now().await,
                            other => panic!("{other:?}"),
                        }
                    };
                    if i % 5 == 0 {
                        budgets.release(user, one);
                    } else {
                        cost += amount.0 / 30;
                        budgets.adjust(user, one, NanoUsd(amount.0 / 30), NanoUsd(0));
                    }
                }
                cost
            });
        }
        let looker = Arc::new(bench.processes[0].0.clone());
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
    bench.stands(&rules, NOON, &[(cost, 0), (cost, 0)]);
}
