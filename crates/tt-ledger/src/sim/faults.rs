//! The journal against disks that are full, broken or damaged, and against a store that is away.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tt_core::record::bounds::ERROR_BYTES;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Outcome, Settlement};

use crate::sim::crashes::{Failure, Store, begin, config};
use crate::sim::fixtures::{Logs, answered, guard, intent, ms, settled, started};
use crate::sim::simulated::{Machine, Process};
use crate::{Drain, Drained, JournalConfig, Ledger, LedgerError};

/// Runs `drain` for a while, then to its end.
async fn drain_all(drain: Drain, store: &Store, process: &Process) -> Drained {
    let (stop, stopped) = oneshot::channel::<()>();
    let end = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        stop.send(()).unwrap();
    };
    let running = drain.run_into(store.of(process), async { stopped.await.unwrap() });
    tokio::join!(running, end).0
}

/// Starts the next process on the machine, and runs it until it has stored what is left.
pub(super) async fn restart(machine: &Machine, store: &Store, nth: usize) {
    let process = machine.process();
    let (_ledger, drain, _flusher) = begin(&process, config(nth)).unwrap();
    let drained = drain_all(drain, store, &process).await;
    assert_eq!((drained.open, drained.kept), (0, 0));
}

pub(super) fn rows(store: &Store) -> Vec<(u128, Outcome, usize)> {
    let row = |s: &Settlement| (s.intent.request_id.0.as_u128(), s.settled.outcome, s.attempts.len());
    store.tables().rows.iter().map(row).collect()
}

pub(super) fn settle_one(ledger: &Ledger, id: u128) {
    let mut guard = guard(ledger, id);
    guard.attempt_started(started(200)).unwrap();
    guard.attempt_ended(answered());
    drop(guard.settle(settled()));
}

/// The segments of the first worker that an instance has.
pub(super) fn segments(machine: &Machine, instance: &str) -> Vec<std::path::PathBuf> {
    let of = Path::new("/journal").join(instance);
    machine
        .paths()
        .into_iter()
        .filter(|path| path.starts_with(&of) && path.extension() == Some("seg".as_ref()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_intents_and_records_how_running_requests_end() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(0)).unwrap();
    machine.set_capacity(Some(20_000));
    let mut running = Vec::new();
    let refused = loop {
        match ledger.open(intent(running.len() as u128)) {
            Ok(guard) => running.push(guard),
            Err(error) => break error,
        }
    };
    assert_eq!((refused, running.len()), (LedgerError::Io(io::ErrorKind::StorageFull), 3));
    assert!(ledger.status().refusing);
    machine.set_capacity(Some(0));
    for guard in &mut running {
        guard.attempt_started(started(200)).unwrap();
        guard.attempt_ended(AttemptEnded::unanswered("a".repeat(3000), 1));
    }
    running.drain(..2).for_each(|guard| drop(guard.settle(settled())));
    process.kill();
    drop((running, drain));

    machine.set_capacity(None);
    restart(&machine, &store, 1).await;
    assert_eq!(rows(&store), [(0, Outcome::Ok, 1), (1, Outcome::Ok, 1), (2, Outcome::Interrupted, 1)]);
    drop(flusher);
}

#[test]
fn an_end_that_does_not_fit_on_a_full_disk_keeps_its_numbers() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, config(0)).unwrap();
    let mut guard = guard(&ledger, 1);
    guard.attempt_started(started(200)).unwrap();
    machine.set_capacity(Some(0));
    let mut ended = AttemptEnded { error: Some("\u{1}".repeat(5000)), ..answered() };
    ended.usage.usage.output = 77;
    ended.usage.raw = "x".repeat(100_000);
    guard.attempt_ended(ended);
    let mut last = settled();
    last.error = Some("\u{1}".repeat(50_000));
    drop(guard.settle(last));
    process.kill();
    machine.set_capacity(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(restart(&machine, &store, 1));
    let rows = store.tables().rows.clone();
    let [Settlement { attempts, settled, .. }] = &rows[..] else { panic!("{rows:?}") };
    let [Attempt { ended: Some(ended), .. }] = &attempts[..] else { panic!("{attempts:?}") };
    assert_eq!((ended.usage.usage.output, ended.usage.raw.as_str()), (77, ""));
    // The room of the texts that were left out is enough for it.
    assert_eq!((settled.outcome, settled.error.as_ref().unwrap().len()), (Outcome::Ok, ERROR_BYTES));
}

/// Settles a request on a full disk, after its attempt ended with a usage object of `raw` bytes. Returns the bytes that
/// are left of the request's error.
fn error_left_on_a_full_disk(raw: usize) -> usize {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, config(0)).unwrap();
    let mut guard = guard(&ledger, 1);
    guard.attempt_started(started(200)).unwrap();
    machine.set_capacity(Some(0));
    let mut ended = answered();
    ended.usage.raw = "x".repeat(raw);
    guard.attempt_ended(ended);
    let mut last = settled();
    last.error = Some("\u{1}".repeat(50_000));
    drop(guard.settle(last));
    process.kill();
    machine.set_capacity(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(restart(&machine, &store, 1));
    let rows = store.tables().rows.clone();
    let [Settlement { settled, .. }] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(settled.outcome, Outcome::Ok);
    settled.error.as_ref().unwrap().len()
}

#[test]
fn a_settlement_that_does_not_fit_on_a_full_disk_keeps_its_outcome() {
    let left: Vec<_> = (0..16).map(|n| error_left_on_a_full_disk(n * 500)).collect();
    assert!(left.iter().all(|left| [80, ERROR_BYTES].contains(left)), "{left:?}");
    assert!(left.contains(&80) && left.contains(&ERROR_BYTES), "{left:?}");
}

#[test]
fn space_that_comes_back_is_noticed_without_a_request() {
    let (machine, (logs, _guard)) = (Machine::default(), Logs::capture());
    let process = machine.process();
    let (ledger, _drain, flusher) = begin(&process, config(0)).unwrap();
    machine.set_capacity(Some(0));
    for id in 0..3 {
        assert_eq!(ledger.open(intent(id)).unwrap_err(), LedgerError::Io(io::ErrorKind::StorageFull));
    }
    flusher.tick();
    assert!(ledger.status().refusing);
    machine.set_capacity(None);
    flusher.tick();
    assert!(!ledger.status().refusing);
    settle_one(&ledger, 4);
    assert_eq!(logs.levels(), ["ERROR", "INFO"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_at_its_limit_refuses_until_the_store_is_back() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let config = JournalConfig { max_bytes: 200_000, memory: 5, workers: 1, ..config(0) };
    let (ledger, drain, flusher) = begin(&process, config).unwrap();
    store.tables().failures = vec![Failure::Refused; 12];
    let (mut taken, mut refused) = (0, 0);
    let requests = async {
        for id in 0..6000 {
            match ledger.open(intent(id)) {
                Ok(mut guard) => {
                    guard.attempt_started(started(200)).unwrap();
                    drop(guard.settle(settled()));
                    taken += 1;
                }
                Err(error) => {
                    assert_eq!(error, LedgerError::Full);
                    refused += 1;
                }
            }
            assert!(ledger.status().journal_bytes <= 200_000);
            assert!(machine.size() <= 200_000);
            flusher.tick();
            tokio::time::sleep(ms(10)).await;
        }
        assert!(!ledger.status().refusing);
        assert!(ledger.status().journal_bytes < 50_000);
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
    assert!(refused > 100 && taken > 1000, "{taken} taken, {refused} refused");
    assert_eq!(drained, Drained { delivered: taken, lost: 0, open: 0, kept: 0 });
    let stored = store.by_id();
    assert_eq!((stored.len() as u64, store.tables().rows.len() as u64), (taken, taken));
}

#[tokio::test(start_paused = true)]
async fn what_outruns_memory_comes_from_the_files_once_and_in_order() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let config = JournalConfig { memory: 700, workers: 1, segment_bytes: 100_000, ..config(0) };
    let (ledger, drain, flusher) = begin(&process, config).unwrap();
    store.tables().failures = vec![Failure::Refused; 5];
    let requests = async {
        for id in 0..6000 {
            settle_one(&ledger, id);
            if id % 100 == 0 {
                flusher.tick();
                tokio::time::sleep(ms(50)).await;
            }
        }
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
    assert_eq!(drained, Drained { delivered: 6000, lost: 0, open: 0, kept: 0 });
    let ids: Vec<_> = rows(&store).into_iter().map(|row| row.0).collect();
    assert_eq!(ids, (0..6000).collect::<Vec<_>>());
    assert_eq!(machine.paths(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn a_long_request_is_carried_through_rotations_and_old_segments_go() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(0)).unwrap();
    let mut long = guard(&ledger, 1_000_000);
    let requests = async {
        long.attempt_started(started(200)).unwrap();
        for id in 0..1000 {
            settle_one(&ledger, id);
            if id == 500 {
                long.attempt_ended(AttemptEnded::unbilled(Some(500), "first", 7));
                long.attempt_started(started(300)).unwrap();
            }
            if id % 50 == 0 {
                flusher.tick();
                tokio::time::sleep(ms(60)).await;
            }
        }
        tokio::time::sleep(ms(60)).await;
        flusher.tick();
        let left = segments(&machine, "i000");
        assert!(left.len() <= 2 && left[0].to_string_lossy().contains("0-00000000000"), "{left:?}");
        process.kill();
    };
    tokio::select! { biased; () = requests => {}, _ = drain.run_into(store.of(&process), std::future::pending()) => {} }
    drop((ledger, long));
    restart(&machine, &store, 1).await;
    let rows = store.tables().rows.clone();
    assert_eq!(rows.len(), 1001);
    let last = rows.last().unwrap();
    assert_eq!((last.settled.outcome, last.settled.status), (Outcome::Interrupted, None));
    let ends: Vec<_> = last.attempts.iter().map(|a| a.ended.clone().unwrap()).collect();
    let died = "the process ended while the request ran";
    assert_eq!(ends, [AttemptEnded::unbilled(Some(500), "first", 7), AttemptEnded::unanswered(died, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_torn_last_record_is_one_warning_and_all_before_it_counts() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, config(0)).unwrap();
    settle_one(&ledger, 1);
    let mut open = guard(&ledger, 2);
    open.attempt_started(started(200)).unwrap();
    // The process dies while it writes the end of the attempt.
    process.kill_at(0, 30);
    open.attempt_ended(answered());
    assert!(process.is_dead());
    drop(open);
    let (logs, _guard) = Logs::capture();
    restart(&machine, &store, 1).await;
    assert_eq!(rows(&store), [(1, Outcome::Ok, 1), (2, Outcome::Interrupted, 1)]);
    assert_eq!(logs.levels(), ["WARN", "INFO"]);
    assert!(logs.text().contains("torn"), "{}", logs.text());
    assert_eq!(machine.paths(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn a_disk_filled_by_what_is_stored_already_is_freed() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, JournalConfig { segment_bytes: 1 << 20, ..config(0) }).unwrap();
    machine.set_capacity(Some(300_000));
    let requests = async {
        let mut refused = 0;
        for id in 0..8000 {
            match ledger.open(intent(id)) {
                Ok(guard) => drop(guard.settle(settled())),
                Err(_) => refused += 1,
            }
            flusher.tick();
            tokio::time::sleep(ms(20)).await;
        }
        assert!((1..100).contains(&refused), "{refused} refused");
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
    assert_eq!((drained.lost, drained.kept), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_stood_in_its_own_way_on_a_full_disk_is_really_given_back() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, JournalConfig { segment_bytes: 1 << 20, ..config(0) }).unwrap();
    let requests = async {
        for outage in 0..10 {
            // There is room for the beginnings of two segments, then for nothing.
            machine.set_capacity(Some(300_000));
            settle_one(&ledger, outage);
            machine.set_capacity(Some(0));
            while ledger.open(intent(100 + outage)).is_ok() {}
            for _ in 0..10 {
                tokio::time::sleep(ms(100)).await;
                flusher.tick();
            }
            assert!(ledger.open(intent(200)).is_err());
            flusher.tick();
            assert_eq!((machine.size(), ledger.status().journal_bytes), (0, 0), "after {outage} others");
        }
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
    assert_eq!((drained.lost, drained.kept), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_segment_is_deleted_before_what_it_was_copied_to_is_durable() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config(0)).unwrap();
    let mut long = guard(&ledger, 100);
    long.attempt_started(started(200)).unwrap();
    flusher.tick();
    let requests = async {
        machine.set_sync_fails(true);
        for id in 0..10 {
            settle_one(&ledger, id);
            tokio::time::sleep(ms(60)).await;
            flusher.tick();
        }
        process.kill();
    };
    tokio::select! { biased; () = requests => {}, _ = drain.run_into(store.of(&process), std::future::pending()) => {} }
    machine.set_sync_fails(false);
    machine.keep_removals(true);
    machine.lose_power(|_| 0);
    store.tables().unique = true;
    restart(&machine, &store, 1).await;
    assert_eq!(store.by_id()[&100][0].settled.outcome, Outcome::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_a_segment_is_begun_loses_no_attempt() {
    let mut torn = 0;
    for nth in 0..40 {
        let (machine, store) = (Machine::default(), Store::default());
        let process = machine.process();
        let (ledger, _drain, _flusher) = begin(&process, config(0)).unwrap();
        let mut long = guard(&ledger, 100);
        long.attempt_started(started(200)).unwrap();
        long.attempt_ended(AttemptEnded::unbilled(Some(500), "first", 7));
        long.attempt_started(started(300)).unwrap();
        process.kill_at(nth, 100);
        for id in 0..20 {
            if let Ok(mut guard) = ledger.open(intent(id)) {
                let _ = guard.attempt_started(started(200));
            }
        }
        process.kill();
        let (logs, _guard) = Logs::capture();
        restart(&machine, &store, 1).await;
        torn += usize::from(logs.text().contains("torn"));
        let rows = &store.by_id()[&100];
        assert_eq!((rows.len(), rows[0].attempts.len()), (1, 2), "killed at change {nth}");
        assert_eq!(rows[0].attempts[0].ended, Some(AttemptEnded::unbilled(Some(500), "first", 7)));
    }
    assert!(torn > 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_segment_is_kept_aside_and_what_can_be_read_around_it_counts() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, JournalConfig { segment_bytes: 800, ..config(0) }).unwrap();
    let mut long = guard(&ledger, 100);
    long.attempt_started(started(200)).unwrap();
    for id in 0..15 {
        settle_one(&ledger, id);
    }
    process.kill();
    drop(long);
    let segments = segments(&machine, "i000");
    assert!(segments.len() >= 3, "{segments:?}");
    machine.damage(&segments[1], |bytes| {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[used / 2] ^= 1;
    });
    let (logs, _guard) = Logs::capture();
    restart(&machine, &store, 1).await;
    let stored = store.by_id();
    assert!(stored.values().all(|rows| rows.len() == 1));
    let lost = (0..15).filter(|id| !stored.contains_key(id)).count();
    assert!((1..4).contains(&lost), "{lost} lost: {:?}", stored.keys());
    assert!(stored.contains_key(&0) && stored.contains_key(&14));
    assert_eq!(stored[&100][0].settled.outcome, Outcome::Interrupted);
    assert!(logs.levels().contains(&"ERROR".to_owned()));
    let kept = segments[1].with_extension("seg.corrupt");
    assert_eq!(machine.paths(), [kept, "/journal/i000/lock".into()]);
    // The next process leaves it alone.
    restart(&machine, &store, 2).await;
    assert_eq!(machine.paths().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_end_was_in_a_damaged_place_is_interrupted() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, JournalConfig { segment_bytes: 300, ..config(0) }).unwrap();
    let mut one = guard(&ledger, 1);
    one.attempt_started(started(200)).unwrap();
    drop(one.settle(settled()));
    settle_one(&ledger, 2);
    let at = segments(&machine, "i000");
    machine.damage(&at[0], |bytes| {
        // The last records of it: the end of the attempt, and the settlement.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[used - 60..used].fill(b'?');
    });
    settle_one(&ledger, 3);
    process.kill();
    restart(&machine, &store, 1).await;
    let mut rows = rows(&store);
    rows.sort_unstable_by_key(|row| row.0);
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(rows.iter().any(|row| row.1 == Outcome::Interrupted), "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_disk_refuses_attempts_and_leaves_no_half_records() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, _drain, _flusher) = begin(&process, config(0)).unwrap();
    let mut guard = guard(&ledger, 1);
    machine.set_broken(true);
    assert_eq!(guard.attempt_started(started(200)).unwrap_err(), LedgerError::Io(io::ErrorKind::Other));
    assert_eq!(guard.attempts(), []);
    // Half of this is longer than what comes next.
    let long = AttemptStarted { alias: "a".repeat(5000), ..started(200) };
    assert_eq!(guard.attempt_started(long).unwrap_err(), LedgerError::Io(io::ErrorKind::Other));
    machine.set_broken(false);
    guard.attempt_started(started(300)).unwrap();
    machine.set_broken(true);
    guard.attempt_ended(answered());
    machine.set_broken(false);
    // The end that could not be written comes with the settlement.
    drop(guard.settle(settled()));
    process.kill();
    let (logs, _guard) = Logs::capture();
    restart(&machine, &store, 1).await;
    assert_eq!(logs.levels(), ["INFO"], "{}", logs.text());
    let rows = store.tables().rows.clone();
    assert_eq!(rows[0].attempts, [Attempt { started: started(300), ended: Some(answered()) }]);
}
