//! A journal from its beginning to its end: durability, names, orphans on a real disk, and the flusher's thread.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tt_core::Timestamp;
use tt_core::record::Outcome;

use crate::sim::crashes::{Failure, Store, begin, config};
use crate::sim::faults::{restart, rows, segments, settle_one};
use crate::sim::fixtures::{guard, ms, settled, started};
use crate::sim::simulated::Machine;
use crate::{Disk, Drain, Drained, Flusher, Fsync, JournalConfig, Ledger};

#[tokio::test(start_paused = true)]
async fn with_fsync_always_a_settlement_is_ready_when_it_is_durable() {
    let machine = Machine::default();
    let process = machine.process();
    let (ledger, _drain, flusher) = begin(&process, JournalConfig { fsync: Fsync::Always, ..config(0) }).unwrap();
    let durable = guard(&ledger, 1).settle(settled());
    assert!(!durable.is_ready());
    assert!(tokio::time::timeout(ms(500), durable).await.is_err());
    let durable = guard(&ledger, 2).settle(settled());
    let tick = async {
        tokio::time::sleep(ms(3)).await;
        flusher.tick();
    };
    let (waited, ()) = tokio::join!(durable, tick);
    assert_eq!(waited, Ok(()));
    // A failed sync is reported, and later records go to a new segment.
    machine.set_sync_fails(true);
    let durable = guard(&ledger, 3).settle(settled());
    flusher.tick();
    assert!(durable.await.is_err());
    machine.set_sync_fails(false);
    let before = segments(&machine, "i000").len();
    let durable = guard(&ledger, 4).settle(settled());
    assert_eq!(segments(&machine, "i000").len(), before + 1);
    flusher.tick();
    assert!(durable.is_ready());
    assert_eq!(durable.await, Ok(()));
}

#[test]
fn otherwise_it_is_ready_at_once() {
    for fsync in [Fsync::Never, Fsync::Every(ms(50))] {
        let process = Machine::default().process();
        let (ledger, _drain, _flusher) = begin(&process, JournalConfig { fsync, ..config(0) }).unwrap();
        assert!(guard(&ledger, 1).settle(settled()).is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_at_the_end_leaves_all_to_the_next_process() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(0)).unwrap();
    (0..20).for_each(|id| settle_one(&ledger.worker(usize::try_from(id).unwrap()), id));
    let late = guard(&ledger, 20);
    store.tables().failures = vec![Failure::Refused; 100];
    let drained = drain.run_into(store.of(&process), std::future::ready(())).await;
    assert_eq!(drained, Drained { delivered: 0, lost: 0, open: 1, kept: 20 });
    // A request that settles after the drain is in the journal as well.
    drop(late.settle(settled()));
    drop((ledger, flusher));
    store.tables().failures.clear();
    restart(&machine, &store, 1).await;
    assert_eq!(store.by_id().keys().copied().collect::<Vec<_>>(), (0..=20).collect::<Vec<_>>());
    assert_eq!(store.tables().rows.len(), 21);
    assert!(store.tables().cursors.is_empty());
}

#[test]
fn a_name_is_used_once_and_is_a_name() {
    let machine = Machine::default();
    let (ledger, ..) = begin(&machine.process(), config(0)).unwrap();
    drop(ledger);
    assert_eq!(begin(&machine.process(), config(0)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    for name in ["", ".x", "a/b", "..", "a\\b"] {
        let named = JournalConfig { instance: name.into(), ..config(0) };
        assert_eq!(begin(&machine.process(), named).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
    }
}

fn on_disk(dir: &Path, name: &str) -> (Ledger, Drain, Flusher) {
    let config = JournalConfig { workers: 2, orphan_scan_interval: ms(1), ..JournalConfig::new(dir, name) };
    Ledger::journaled(config, Arc::new(Disk), || Timestamp::from_millis(1000)).unwrap()
}

#[tokio::test]
async fn on_a_real_disk_two_processes_store_each_orphan_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::default();
    let alive = Machine::default().process();
    for nth in 0..5 {
        let (ledger, drain, flusher) = on_disk(dir.path(), &format!("dead{nth}"));
        (0..50).for_each(|id| settle_one(&ledger.worker(usize::try_from(id).unwrap()), nth * 100 + id));
        let mut open = guard(&ledger, nth * 100 + 50);
        open.attempt_started(started(200)).unwrap();
        flusher.tick();
        // The guard must not write when it is dropped, as in a process that is killed.
        drop((ledger, drain, flusher));
        std::mem::forget(open);
    }
    // The forgotten guards hold the locks. So the orphans are copies, which nobody has locked.
    let copies = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        let to = copies.path().join(entry.file_name());
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let both = ["one", "two"].map(|name| {
        let (ledger, drain, flusher) = on_disk(copies.path(), name);
        let (stop, stopped) = oneshot::channel::<()>();
        let (store, alive) = (store.clone(), alive.clone());
        let run = drain.run_into(store.of(&alive), async { stopped.await.unwrap() });
        let wait = async move {
            while store.tables().rows.len() < 255 || !store.tables().cursors.is_empty() {
                tokio::task::yield_now().await;
            }
            stop.send(()).unwrap();
            drop((ledger, flusher));
        };
        async { tokio::join!(run, wait).0 }
    });
    let [one, two] = both;
    let (one, two) = tokio::join!(one, two);
    assert_eq!(one.delivered + two.delivered, 255);
    let stored = store.by_id();
    assert_eq!((stored.len(), store.tables().rows.len()), (255, 255));
    let interrupted = stored.values().flatten().filter(|row| row.settled.outcome == Outcome::Interrupted);
    assert_eq!(interrupted.count(), 5);
    assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn orphans_stored_turns_true_once_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, drain, flusher) = on_disk(dir.path(), "dead");
    (0..50).for_each(|id| settle_one(&ledger.worker(usize::try_from(id).unwrap()), id));
    flusher.tick();
    drop((ledger, drain, flusher));
    let (ledger, drain, flusher) = on_disk(dir.path(), "next");
    let mut all = drain.orphans_stored();
    assert!(!*all.borrow());
    let (store, alive) = (Store::default(), Machine::default().process());
    let (stop, stopped) = oneshot::channel::<()>();
    let run = drain.run_into(store.of(&alive), async { stopped.await.unwrap() });
    let wait = async {
        all.wait_for(|all| *all).await.unwrap();
        assert_eq!(store.tables().rows.len(), 50);
        stop.send(()).unwrap();
        drop((ledger, flusher));
    };
    assert_eq!(tokio::join!(run, wait).0.delivered, 50);
    assert!(
        *Ledger::new(1, || Timestamp::from_millis(0)).1.orphans_stored().borrow(),
        "without a journal nothing is left"
    );
}

#[test]
fn the_flusher_works_on_its_thread_until_the_drain_ends() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { fsync: Fsync::Always, ..JournalConfig::new(dir.path(), "a") };
    let (ledger, drain, flusher) = Ledger::journaled(config, Arc::new(Disk), || Timestamp::from_millis(1)).unwrap();
    let thread = std::thread::spawn(move || flusher.run());
    let store = Store::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let drained = runtime.block_on(async {
        let alive = Machine::default().process();
        let requests = async {
            assert_eq!(guard(&ledger, 1).settle(settled()).await, Ok(()));
            drop(ledger);
        };
        tokio::join!(drain.run_into(store.of(&alive), std::future::pending()), requests).0
    });
    thread.join().unwrap();
    assert_eq!(drained, Drained { delivered: 1, lost: 0, open: 0, kept: 0 });
    assert_eq!(rows(&store), [(1, Outcome::Ok, 0)]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
