//! Writes that several requests share: what each of them is told, and what a next process finds.

use std::io;
use std::task::Poll;

use tt_core::record::{Attempt, AttemptEnded, Outcome, Settlement};

use crate::sim::crashes::{Store, begin, config, poll};
use crate::sim::faults::{restart, rows, settle_one};
use crate::sim::fixtures::{Logs, answered, guard, intent, settled, started};
use crate::sim::simulated::{Machine, Process};
use crate::{Drain, Flusher, Guard, JournalConfig, Ledger, LedgerError};

/// One chain, in which two open requests share writes.
fn one_chain(process: &Process) -> (Ledger, Drain, Flusher) {
    begin(process, JournalConfig { workers: 1, segment_bytes: 100_000, ..config(0) }).unwrap()
}

/// Starts an attempt of each request, all within one turn. Returns what each is told.
fn start_all(guards: &mut [Guard]) -> Vec<Result<(), LedgerError>> {
    let mut starts: Vec<_> =
        guards.iter_mut().map(|guard| Box::pin(guard.attempt_started_with_others(started(200)))).collect();
    assert!(starts.iter_mut().all(|start| poll(start).is_pending()));
    let told = |start| match poll(start) {
        Poll::Ready(told) => told,
        Poll::Pending => panic!("a start waits for more than one turn"),
    };
    starts.iter_mut().map(told).collect()
}

fn settlements(store: &Store) -> Vec<Settlement> {
    store.tables().rows.clone()
}

#[tokio::test(start_paused = true)]
async fn starts_and_settlements_of_one_turn_are_one_write_each() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, _flusher) = one_chain(&process);
    let mut guards: Vec<_> = (0..5).map(|id| guard(&ledger, id)).collect();
    // The third change from here on kills the process: two are allowed.
    process.kill_at(2, 0);
    assert_eq!(start_all(&mut guards), [Ok(()); 5]);
    let last = guards.split_off(4);
    let mut settling: Vec<_> = guards.into_iter().map(|guard| guard.settle(settled())).collect();
    assert!(settling.iter_mut().all(|one| poll(one).is_pending()));
    assert!(settling.iter_mut().all(|one| poll(one) == Poll::Ready(Ok(()))));
    assert!(!process.is_dead());
    process.kill();
    drop((last, drain));
    restart(&machine, &store, 1).await;
    let ok = [0, 1, 2, 3].map(|id| (id, Outcome::Ok, 1));
    assert_eq!(rows(&store), [&ok[..], &[(4, Outcome::Interrupted, 1)]].concat());
}

#[tokio::test(start_paused = true)]
async fn few_open_requests_write_at_once() {
    let process = Machine::default().process();
    let (ledger, _drain, _flusher) = begin(&process, JournalConfig { shared_writes_from: 2, ..config(0) }).unwrap();
    let mut alone = guard(&ledger, 1);
    assert_eq!(poll(&mut Box::pin(alone.attempt_started_with_others(started(200)))), Poll::Ready(Ok(())));
    assert!(alone.settle(settled()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_told_to_every_start_and_loses_no_settlement() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, _flusher) = one_chain(&process);
    let mut guards: Vec<_> = (1..4).map(|id| guard(&ledger, id)).collect();
    let mut ends = guard(&ledger, 4);
    ends.attempt_started(started(200)).unwrap();
    machine.set_broken(true);
    let (logs, capture) = Logs::capture();
    // A settlement waits for the same write.
    ends.last_attempt_ended(answered());
    let settling = ends.settle(settled());
    let error = Err(LedgerError::Io(io::ErrorKind::Other));
    assert_eq!(start_all(&mut guards), [error; 3]);
    assert!(guards.iter().all(|guard| guard.attempts().is_empty()));
    assert_eq!(logs.levels(), ["ERROR", "ERROR"], "{}", logs.text());
    drop((capture, settling));

    machine.set_broken(false);
    let third = guards.pop().unwrap();
    assert_eq!(start_all(&mut guards), [Ok(()), Ok(())]);
    drop(third);
    drop(guards.remove(0).settle(settled()));
    // The settlement that is in no file is delivered by the process itself.
    let ended = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        process.kill();
    };
    tokio::select! { biased; () = ended => {}, _ = drain.run_into(store.of(&process), std::future::pending()) => {} }
    drop(guards);
    store.tables().unique = true;
    restart(&machine, &store, 1).await;
    let expected = [(4, Outcome::Ok, 1), (3, Outcome::Cancelled, 0), (1, Outcome::Ok, 1), (2, Outcome::Interrupted, 1)];
    assert_eq!(rows(&store), expected);
    let ended = &settlements(&store)[0].attempts[0].ended;
    assert_eq!(*ended, Some(answered()), "the row has what the attempt used");
}

#[tokio::test(start_paused = true)]
async fn a_request_given_up_before_its_start_is_written_was_not_sent() {
    let not_sent = AttemptEnded::unbilled(None, "the request was given up before it was sent", 0);
    for is_killed in [false, true] {
        let (machine, store) = (Machine::default(), Store::default());
        let process = machine.process();
        let (ledger, drain, _flusher) = one_chain(&process);
        let (mut one, other) = (guard(&ledger, 1), guard(&ledger, 2));
        let mut start = Box::pin(one.attempt_started_with_others(started(200)));
        assert!(poll(&mut start).is_pending());
        drop(start);
        drop(one);
        settle_one(&ledger, 3);
        if is_killed {
            process.kill();
            drop((other, drain));
        } else {
            drop((other, ledger));
            assert_eq!(drain.run_into(store.of(&process), std::future::pending()).await.lost, 0);
        }
        restart(&machine, &store, 1).await;
        let all = settlements(&store);
        let [Attempt { ended, .. }] = &all[0].attempts[..] else { panic!("{all:?}") };
        assert_eq!((all[0].settled.outcome, ended.as_ref()), (Outcome::Cancelled, Some(&not_sent)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_can_be_followed_by_another() {
    let process = Machine::default().process();
    let (ledger, _drain, _flusher) = one_chain(&process);
    let (mut one, _other) = (guard(&ledger, 1), guard(&ledger, 2));
    assert!(poll(&mut Box::pin(one.attempt_started_with_others(started(200)))).is_pending());
    one.attempt_started(started(300)).unwrap();
    let ends: Vec<_> = one.attempts().iter().map(|attempt| attempt.ended.as_ref().map(|end| &end.source)).collect();
    assert_eq!(ends, [Some(&tt_core::UsageSource::None), None]);
}

#[test]
fn what_waits_is_written_before_it_is_too_much() {
    let process = Machine::default().process();
    let (ledger, _drain, _flusher) =
        begin(&process, JournalConfig { workers: 1, ..JournalConfig::new("/j", "i") }).unwrap();
    let mut guards: Vec<_> = (0..200).map(|id| ledger.open(intent(id)).unwrap()).collect();
    let mut starts: Vec<_> =
        guards.iter_mut().map(|guard| Box::pin(guard.attempt_started_with_others(long()))).collect();
    let ready: Vec<_> = starts.iter_mut().map(|start| poll(start).is_ready()).collect();
    assert!(ready.contains(&true), "none of {} starts of 2 KB each was written", ready.len());
}

fn long() -> tt_core::record::AttemptStarted {
    let note =
        tt_core::record::Note { param: "p".to_owned(), what: tt_core::record::Change::Changed, why: "w".repeat(2000) };
    tt_core::record::AttemptStarted { notes: vec![note], ..started(200) }
}
