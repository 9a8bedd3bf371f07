//! Settlements that the store refuses, and settlements that are large.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use tt_core::record::{AttemptEnded, Change, Note, Settlement};

use crate::sim::crashes::{Failure, Refused, Store, begin, config};
use crate::sim::faults::{restart, rows};
use crate::sim::fixtures::{Logs, answered, guard, ms, settled, started};
use crate::sim::simulated::Machine;
use crate::{BATCH_BYTES, Drained, JournalConfig, Ledger};

/// Settles a request whose usage object has `raw` bytes.
fn settle(ledger: &Ledger, id: u128, raw: usize) {
    let mut guard = guard(ledger, id);
    guard.attempt_started(started(200)).unwrap();
    let mut ended = AttemptEnded { error: Some("e".into()), ..answered() };
    ended.usage.raw = "x".repeat(raw);
    ended.usage.usage.output = 7;
    guard.attempt_ended(ended);
    drop(guard.settle(settled()));
}

/// Large enough that no settlement comes from files.
fn roomy() -> JournalConfig {
    JournalConfig { memory: 10_000, segment_bytes: 1 << 20, workers: 1, ..config(0) }
}

/// Settles `count` requests, some of which the store refuses, and runs the drain to its end.
fn run(count: u128, refused: &BTreeSet<u128>, failures: Vec<Failure>, config: JournalConfig) -> Store {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, flusher) = begin(&process, config).unwrap();
    {
        let mut tables = store.tables();
        (tables.unique, tables.failures) = (true, failures);
        tables.refused = refused.iter().map(|id| (*id, Refused::WithTexts)).collect();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let drained = runtime.block_on(async {
        let requests = async {
            for id in 0..count {
                settle(&ledger, id, 5);
                if id % 50 == 0 {
                    flusher.tick();
                    tokio::time::sleep(ms(20)).await;
                }
            }
            // Until the store, where it is away, is back.
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(ledger);
        };
        tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests).0
    });
    assert_eq!(drained, Drained { delivered: u64::try_from(count).unwrap(), lost: 0, open: 0, kept: 0 });
    store
}

fn is_bare(row: &Settlement) -> bool {
    row.attempts[0].started.notes.iter().any(|note| note.param == "row")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn what_the_store_refuses_is_stored_without_its_texts_and_nothing_else_is(
        count in 1_u128..400,
        refused in prop::collection::btree_set(0_u128..400, 0..6),
        away in prop::collection::vec(prop_oneof![Just(Failure::No), Just(Failure::Refused)], 0..9),
        memory in prop_oneof![Just(3_usize), Just(10_000)],
    ) {
        let config = JournalConfig { memory, ..roomy() };
        let store = run(count, &refused, away, config);
        let stored = store.tables().rows.clone();
        let ids: Vec<_> = stored.iter().map(|row| row.intent.request_id.0.as_u128()).collect();
        prop_assert_eq!(ids, (0..count).collect::<Vec<_>>(), "each once, in order");
        for row in &stored {
            let id = row.intent.request_id.0.as_u128();
            prop_assert_eq!(is_bare(row), refused.contains(&id), "request {}", id);
            let ended = row.attempts[0].ended.as_ref().unwrap();
            prop_assert_eq!(ended.usage.usage.output, 7);
            prop_assert_eq!(ended.usage.raw.len(), if is_bare(row) { 0 } else { 5 });
        }
    }
}

#[test]
fn a_refused_row_stands_alone_after_few_calls_and_is_told_of() {
    let (logs, _guard) = Logs::capture();
    let config = roomy();
    let alone = run(1, &[0].into(), Vec::new(), config.clone()).tables().rows.clone();
    let [Note { param, what, why }] = &alone[0].attempts[0].started.notes[..] else { panic!("{alone:?}") };
    assert_eq!((param.as_str(), *what), ("row", Change::Changed));
    assert!(why.starts_with("it could not be stored with its texts"), "{why}");
    assert_eq!(logs.levels(), ["ERROR"]);
    let calls =
        |refused: &[u128]| run(900, &refused.iter().copied().collect(), Vec::new(), config.clone()).tables().calls;
    let none = calls(&[]);
    assert!(calls(&[333]) <= none + 20, "{} and {none}", calls(&[333]));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_everything_is_away_and_rows_keep_their_texts() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, _flusher) = begin(&process, roomy()).unwrap();
    store.tables().unique = true;
    store.tables().refused = (0..40).map(|id| (id, Refused::Altogether)).collect();
    let requests = async {
        (0..40).for_each(|id| settle(&ledger, id, 5));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!((rows(&store), ledger.status().unstored), (Vec::new(), 40));
        let calls = store.tables().calls;
        assert!(calls < 60, "{calls} calls in 20 s");
        store.tables().refused = BTreeMap::new();
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
    assert_eq!(drained.delivered, 40);
    assert!(store.tables().rows.iter().all(|row| !is_bare(row)));
}

#[tokio::test(start_paused = true)]
async fn large_settlements_make_small_batches_and_what_memory_cannot_hold_comes_from_the_files() {
    for memory_bytes in [usize::MAX, 1 << 20] {
        let (machine, store) = (Machine::default(), Store::default());
        let process = machine.process();
        let (ledger, drain, flusher) = begin(&process, JournalConfig { memory_bytes, ..roomy() }).unwrap();
        store.tables().failures = vec![Failure::Refused; 3];
        let requests = async {
            for id in 0..800 {
                settle(&ledger, id, 16 << 10);
                assert!(ledger.status().memory_bytes <= memory_bytes);
                if id % 100 == 0 {
                    flusher.tick();
                    tokio::time::sleep(ms(20)).await;
                }
            }
            drop(ledger);
        };
        let (drained, ()) = tokio::join!(drain.run_into(store.of(&process), std::future::pending()), requests);
        assert_eq!(drained, Drained { delivered: 800, lost: 0, open: 0, kept: 0 });
        let ids: Vec<_> = rows(&store).into_iter().map(|row| row.0).collect();
        assert_eq!(ids, (0..800).collect::<Vec<_>>());
        assert!(store.tables().calls >= 800 * (16 << 10) / BATCH_BYTES, "{} calls", store.tables().calls);
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_read_in_small_batches_and_its_refused_rows_are_stored() {
    let (machine, store) = (Machine::default(), Store::default());
    let process = machine.process();
    let (ledger, drain, _flusher) = begin(&process, roomy()).unwrap();
    (0..600).for_each(|id| settle(&ledger, id, 16 << 10));
    process.kill();
    drop((ledger, drain));
    store.tables().refused = [(17, Refused::WithTexts), (599, Refused::WithTexts)].into();
    restart(&machine, &store, 1).await;
    assert_eq!(store.tables().rows.len(), 600);
    let bare: Vec<_> =
        store.tables().rows.iter().filter(|row| is_bare(row)).map(|row| row.intent.request_id.0.as_u128()).collect();
    assert_eq!(bare, [17, 599]);
}
