//! Observers see every settlement once, on every way out: what they count equals what the store gets.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tt_core::Timestamp;
use tt_core::record::{Outcome, Settlement};

use crate::sim::crashes::{Failure, Store, config};
use crate::sim::fixtures::{Sink, answered, guard, ms, settled, started};
use crate::sim::simulated::{Machine, Process};
use crate::{Drain, Drained, Flusher, JournalConfig, Ledger, SettlementObserver};

/// Every settlement it was told of.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Settlement>>>);

impl SettlementObserver for Seen {
    fn settled(&self, settlement: &Settlement) {
        self.0.lock().unwrap().push(settlement.clone());
    }
}

impl Seen {
    fn all(&self) -> Vec<Settlement> {
        self.0.lock().unwrap().clone()
    }

    fn outcomes(&self) -> Vec<(u128, Outcome)> {
        self.all().iter().map(|s| (s.intent.request_id.0.as_u128(), s.settled.outcome)).collect()
    }
}

fn begin(process: &Process, config: JournalConfig, seen: &Seen) -> (Ledger, Drain, Flusher) {
    let builder = Ledger::builder(|| Timestamp::from_millis(1000)).observer(Arc::new(seen.clone()));
    builder.journaled(config, Arc::new(process.clone())).unwrap()
}

/// Runs the drain until orphans are stored.
async fn run(drain: Drain, store: &Store, process: &Process) -> Drained {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut orphans = drain.orphans_stored();
    let end = async {
        let _ = tokio::time::timeout(ms(100_000), orphans.wait_for(|stored| *stored)).await;
        stop.send(()).unwrap();
    };
    tokio::join!(drain.run_into(store.of(process), async { stopped.await.unwrap() }), end).0
}

#[tokio::test(start_paused = true)]
async fn settled_dropped_and_panicked_requests_are_seen_as_the_sink_sees_them() {
    let (seen, sink, heard) = (Seen::default(), Sink::failing([true, true]), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&heard);
    let builder = Ledger::builder(|| Timestamp::from_millis(1000)).observer(Arc::new(seen.clone()));
    let (ledger, drain) = builder.observer(Arc::new(move |_: &Settlement| *count.lock().unwrap() += 1)).in_memory(9);
    let mut first = guard(&ledger, 1);
    first.attempt_started(started(200)).unwrap();
    first.last_attempt_ended(answered());
    assert_eq!(seen.all(), [], "it has not settled");
    drop(first.settle(settled()));
    drop(guard(&ledger, 2));
    let third = guard(&ledger, 3);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _guard = third;
        std::panic::resume_unwind(Box::new("quiet"));
    }));
    assert!(unwound.is_err());
    assert_eq!(seen.outcomes(), [(1, Outcome::Ok), (2, Outcome::Cancelled), (3, Outcome::Error)]);
    drop(ledger);
    let drained = drain.run(sink.as_fn(), std::future::pending()).await;
    assert_eq!(drained.delivered, 3);
    assert_eq!((seen.all(), *heard.lock().unwrap()), (sink.settlements(), 3), "also when the sink refuses twice");
}

#[tokio::test(start_paused = true)]
async fn requests_that_a_dead_process_left_open_are_seen_once_they_are_stored() {
    let (machine, store) = (Machine::default(), Store::default());
    let (before, after) = (Seen::default(), Seen::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(0), &before);
    drop(guard(&ledger, 1).settle(settled()));
    let mut open = guard(&ledger, 2);
    open.attempt_started(started(200)).unwrap();
    process.kill();
    drop((drain, flusher));
    std::mem::forget((ledger, open));
    assert_eq!(before.outcomes(), [(1, Outcome::Ok)]);

    // A process whose store stays away sees nothing, and leaves the orphan to the next one.
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(1), &after);
    store.tables().failures = vec![Failure::Refused; 1000];
    let drained = drain.run_into(store.of(&process), tokio::time::sleep(ms(20_000))).await;
    assert_eq!((drained.delivered, after.outcomes()), (0, vec![]));
    process.kill();
    drop((ledger, flusher));

    store.tables().failures.clear();
    let process = machine.process();
    let (_ledger, drain, _flusher) = begin(&process, config(2), &after);
    assert_eq!(run(drain, &store, &process).await.delivered, 2);
    assert_eq!(after.outcomes(), [(2, Outcome::Interrupted)], "request 1 was seen by the process that settled it");
    let mut all = [before.all(), after.all()].concat();
    all.sort_by_key(|s| s.intent.request_id.0);
    assert_eq!(all, store.by_id().into_values().flatten().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn settlements_that_are_read_back_from_files_are_not_seen_again() {
    let (machine, store, seen) = (Machine::default(), Store::default(), Seen::default());
    let process = machine.process();
    let (ledger, drain, _flusher) = begin(&process, config(0), &seen);
    for id in 0..100 {
        let mut guard = guard(&ledger, id);
        guard.attempt_started(started(200)).unwrap();
        drop(guard.settle(settled()));
    }
    drop(ledger);
    let drained = drain.run_into(store.of(&process), std::future::pending()).await;
    assert_eq!(drained.delivered, 100);
    assert_eq!(seen.all(), store.tables().rows, "memory holds three of them");
}
