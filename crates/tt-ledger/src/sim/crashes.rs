//! Intents, attempts, settlements, rotations, outages, kills and losses of power in any order: the store ends up with
//! each request once.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::oneshot;
use tt_core::Timestamp;
use tt_core::record::{JournalCursor, Outcome, Settlement};

use crate::sim::fixtures::{answered, intent, ms, settled, started};
use crate::sim::simulated::{Machine, Process};
use crate::{BATCH, BATCH_BYTES, Batch, Drain, Flusher, Fsync, Guard, JournalConfig, Ledger, Sink};

/// A store that outlives processes; its calls are transactions.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Tables>>);

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) rows: Vec<Settlement>,
    pub(crate) cursors: HashMap<String, JournalCursor>,
    /// Calls that fail, the next first.
    pub(crate) failures: Vec<Failure>,
    /// Requests whose rows are refused as they are, and which of those even without their texts.
    pub(crate) refused: BTreeMap<u128, Refused>,
    /// The number of calls that stored or refused rows.
    pub(crate) calls: usize,
    /// Leaves out rows that are there, as the real one does.
    pub(crate) unique: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    No,
    Refused,
    /// Stored, but the process dies before it learns of it.
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    WithTexts,
    Altogether,
}

impl Tables {
    fn refuses(&self, row: &Settlement) -> bool {
        let is_bare = row.attempts.iter().any(|attempt| attempt.started.notes.iter().any(|note| note.param == "row"));
        match self.refused.get(&row.intent.request_id.0.as_u128()) {
            None => false,
            Some(Refused::WithTexts) => !is_bare,
            Some(Refused::Altogether) => true,
        }
    }
}

impl Store {
    pub(crate) fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.0.lock().unwrap()
    }

    pub(crate) fn by_id(&self) -> BTreeMap<u128, Vec<Settlement>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &self.tables().rows {
            all.entry(row.intent.request_id.0.as_u128()).or_default().push(row.clone());
        }
        all
    }

    pub(crate) fn of(&self, process: &Process) -> Connection {
        Connection { store: self.clone(), process: process.clone() }
    }
}

/// A process's connection to the store.
pub(crate) struct Connection {
    store: Store,
    process: Process,
}

impl Connection {
    fn call<T>(&self, answer: impl FnOnce(&mut Tables) -> T) -> Result<T, std::io::Error> {
        let mut tables = self.store.tables();
        let failure =
            if self.process.is_dead() { Failure::Refused } else { tables.failures.pop().unwrap_or(Failure::No) };
        if failure == Failure::Refused {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        let answer = answer(&mut tables);
        if failure == Failure::Killed {
            self.process.kill();
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        Ok(answer)
    }
}

impl Sink for Connection {
    type Error = std::io::Error;

    async fn record(&mut self, batch: Batch) -> Result<(), Self::Error> {
        let bytes: usize = batch.settlements.iter().map(Settlement::bytes).sum();
        let is_small = batch.settlements.len() <= BATCH && bytes < BATCH_BYTES + 100_000;
        assert!(is_small, "{} settlements, {bytes} bytes", batch.settlements.len());
        self.call(|tables| {
            tables.calls += 1;
            if batch.settlements.iter().any(|row| tables.refuses(row)) {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            for row in batch.settlements.iter() {
                if !tables.unique || tables.rows.iter().all(|r| r.intent.request_id != row.intent.request_id) {
                    tables.rows.push(row.clone());
                }
            }
            for cursor in batch.cursors.iter() {
                let before = tables.cursors.insert(cursor.journal.clone(), cursor.clone());
                let before = before.map(|c| (c.segment, c.offset));
                // A loss of power may have taken what the store was given already.
                let on = before <= Some((cursor.segment, cursor.offset));
                assert!(on || tables.unique, "{before:?} then {cursor:?}");
            }
            Ok(())
        })
        .flatten()
    }

    fn is_refusal(&self, error: &Self::Error) -> bool {
        error.kind() == std::io::ErrorKind::InvalidData
    }

    async fn cursor(&mut self, journal: String) -> Result<Option<JournalCursor>, Self::Error> {
        self.call(|tables| tables.cursors.get(&journal).cloned())
    }

    async fn forget(&mut self, journal: String) -> Result<(), Self::Error> {
        self.call(|tables| drop(tables.cursors.remove(&journal)))
    }
}

/// Segments and memory are so small that every run rotates and spills.
pub(crate) fn config(instance: usize) -> JournalConfig {
    JournalConfig {
        workers: 2,
        segment_bytes: 600,
        memory: 3,
        fsync: Fsync::Every(ms(50)),
        shared_writes_from: 2,
        orphan_scan_interval: Duration::from_secs(7),
        ..JournalConfig::new("/journal", format!("i{instance:03}"))
    }
}

pub(crate) fn begin(process: &Process, config: JournalConfig) -> std::io::Result<(Ledger, Drain, Flusher)> {
    Ledger::journaled(config, Arc::new(process.clone()), || Timestamp::from_millis(1000))
}

#[derive(Debug, Clone)]
enum Step {
    Open,
    Start(usize),
    /// So many requests from one on start an attempt with one write. Of the last one's start nobody awaits the end.
    StartTogether {
        first: usize,
        count: usize,
        last_is_given_up: bool,
    },
    End(usize, usize),
    Settle(usize),
    /// So many requests from one on settle with one write, for which somebody waits or not.
    SettleTogether {
        first: usize,
        count: usize,
        waits: bool,
    },
    Drop(usize),
    Tick,
    Wait(u64),
    /// The store: calls that fail from now on.
    Fail(Vec<Failure>),
    Full(bool),
}

#[derive(Debug, Clone)]
struct Life {
    steps: Vec<Step>,
    /// The change during which the process dies, and how many bytes of that change reach the disk.
    killed: Option<(usize, usize)>,
    /// If the power is lost too: how many bytes of each write that was not durable survive.
    power: Option<Vec<usize>>,
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![2 => Just(Failure::No), 3 => Just(Failure::Refused), 1 => Just(Failure::Killed)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Open),
        6 => any::<usize>().prop_map(Step::Start),
        3 => (any::<usize>(), 1_usize..5, any::<bool>()).prop_map(|(first, count, last_is_given_up)| {
            Step::StartTogether { first, count, last_is_given_up }
        }),
        4 => (any::<usize>(), prop_oneof![4 => Just(0_usize), 1 => 0_usize..9000]).prop_map(|(n, raw)| Step::End(n, raw)),
        4 => any::<usize>().prop_map(Step::Settle),
        2 => (any::<usize>(), 1_usize..5, any::<bool>()).prop_map(|(first, count, waits)| {
            Step::SettleTogether { first, count, waits }
        }),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => Just(Step::Tick),
        2 => (0_u64..400).prop_map(Step::Wait),
        1 => prop::collection::vec(failure(), 0..4).prop_map(Step::Fail),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

fn life(power: bool) -> impl Strategy<Value = Life> {
    let survives = prop::collection::vec(prop_oneof![Just(0_usize), 0_usize..900, Just(usize::MAX)], 1..20);
    let killed = prop_oneof![1 => Just(None), 3 => (0_usize..150, 0_usize..700).prop_map(Some)];
    let power = if power { prop::option::of(survives).boxed() } else { Just(None).boxed() };
    (prop::collection::vec(step(), 0..80), killed, power).prop_map(|(steps, killed, power)| Life {
        steps,
        killed,
        power,
    })
}

/// The row that a request must become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The request sent nothing and did not settle.
    Nothing,
    /// It died with its process.
    Interrupted,
    Settled,
    Cancelled,
    /// The process was killed while it was being written.
    Unclear,
}

struct Running {
    id: u128,
    guard: Guard,
    sent: bool,
}

struct World {
    machine: Machine,
    store: Store,
    expected: BTreeMap<u128, Expected>,
    /// Requests whose last record may not have been durable when the power was lost.
    fragile: BTreeMap<u128, bool>,
    /// The number of attempts that were recorded.
    attempts: BTreeMap<u128, usize>,
    next: u128,
}

impl World {
    async fn live(&mut self, nth: usize, life: &Life) {
        let process = self.machine.process();
        if let Some((after, bytes)) = life.killed {
            process.kill_at(after, bytes);
        }
        let Ok((ledger, drain, flusher)) = begin(&process, config(nth)) else {
            assert!(process.is_dead());
            return;
        };
        let drained = drain.run_into(self.store.of(&process), std::future::pending());
        let requests = self.requests(&process, ledger, &flusher, &life.steps);
        tokio::select! { biased; () = requests => {}, _ = drained => unreachable!("the ledger lives") }
        self.machine.set_capacity(None);
        if let Some(survives) = &life.power {
            let mut survives = survives.iter().cycle();
            self.machine.lose_power(|_| *survives.next().unwrap());
        }
    }

    async fn requests(&mut self, process: &Process, ledger: Ledger, flusher: &Flusher, steps: &[Step]) {
        let mut running: Vec<Running> = Vec::new();
        // Requests of this life whose last record is not durable.
        let mut fresh: Vec<u128> = Vec::new();
        for step in steps {
            if process.is_dead() {
                break;
            }
            let pick = |n: &usize, running: &Vec<Running>| n.checked_rem(running.len());
            match step {
                Step::Open => {
                    let id = self.next;
                    self.next += 1;
                    if let Ok(guard) = ledger.worker(usize::try_from(id % 2).unwrap()).open(intent(id)) {
                        running.push(Running { id, guard, sent: false });
                        self.expected.insert(id, Expected::Nothing);
                    }
                }
                Step::Start(n) => {
                    if let Some(at) = pick(n, &running) {
                        let r = &mut running[at];
                        r.sent |= r.guard.attempt_started(started(0)).is_ok();
                        let dead = process.is_dead() && !r.sent;
                        self.expect(r, if dead { Expected::Unclear } else { Expected::Interrupted });
                        self.attempts.insert(r.id, r.guard.attempts().len());
                        fresh.push(r.id);
                    }
                }
                Step::StartTogether { first, count, last_is_given_up } => {
                    if let Some(at) = pick(first, &running) {
                        let end = running.len().min(at + count);
                        let (sent, waiting) = start_together(&mut running[at..end], *last_is_given_up);
                        for (r, sent) in running[at..end].iter_mut().zip(&sent) {
                            r.sent |= sent;
                            let dead = process.is_dead() && !r.sent;
                            self.expect(r, if dead { Expected::Unclear } else { Expected::Interrupted });
                            self.attempts.insert(r.id, r.guard.attempts().len());
                            fresh.push(r.id);
                        }
                        if *last_is_given_up {
                            let r = running.remove(end - 1);
                            // It is not known yet whether its start is written.
                            self.attempts.insert(r.id, r.guard.attempts().len() - waiting);
                            let id = r.id;
                            drop(r);
                            let dead = process.is_dead();
                            self.expected.insert(id, if dead { Expected::Unclear } else { Expected::Cancelled });
                        }
                    }
                }
                Step::End(n, raw) => {
                    if let Some(at) = pick(n, &running) {
                        let mut ended = answered();
                        ended.usage.raw = "x".repeat(*raw);
                        running[at].guard.attempt_ended(ended);
                    }
                }
                Step::Settle(n) | Step::Drop(n) => {
                    if let Some(at) = pick(n, &running) {
                        let r = running.swap_remove(at);
                        let id = r.id;
                        let outcome = match step {
                            Step::Settle(_) => {
                                drop(r.guard.settle(settled()));
                                Expected::Settled
                            }
                            _ => {
                                drop(r.guard);
                                Expected::Cancelled
                            }
                        };
                        self.expected.insert(id, if process.is_dead() { Expected::Unclear } else { outcome });
                        fresh.push(id);
                    }
                }
                Step::SettleTogether { first, count, waits } => {
                    if let Some(at) = pick(first, &running) {
                        let end = running.len().min(at + count);
                        let settling: Vec<_> = running.drain(at..end).collect();
                        let ids: Vec<_> = settling.iter().map(|r| r.id).collect();
                        let mut durable: Vec<_> = settling.into_iter().map(|r| r.guard.settle(settled())).collect();
                        if *waits {
                            for one in &mut durable {
                                let _first_turn = poll(one);
                            }
                            assert!(durable.iter_mut().all(|one| poll(one).is_ready()));
                        }
                        drop(durable);
                        let outcome = if process.is_dead() { Expected::Unclear } else { Expected::Settled };
                        self.expected.extend(ids.iter().map(|id| (*id, outcome)));
                        fresh.extend(ids);
                    }
                }
                Step::Tick => {
                    flusher.tick();
                    if !process.is_dead() {
                        fresh.clear();
                    }
                }
                Step::Wait(millis) => tokio::time::sleep(ms(*millis)).await,
                Step::Fail(failures) => self.store.tables().failures.clone_from(failures),
                Step::Full(full) => self.machine.set_capacity(full.then(|| self.machine.size())),
            }
        }
        process.kill();
        self.fragile.extend(fresh.into_iter().map(|id| (id, true)));
        drop(running);
    }

    fn expect(&mut self, running: &Running, then: Expected) {
        if running.sent || then == Expected::Unclear {
            self.expected.insert(running.id, then);
        }
    }

    /// A process that lives until all is stored.
    async fn settle_down(&mut self, nth: usize) {
        self.store.tables().failures.clear();
        let process = self.machine.process();
        let (ledger, drain, flusher) = begin(&process, config(nth)).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let drained = drain.run_into(self.store.of(&process), async { stopped.await.unwrap() });
        let end = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            stop.send(()).unwrap();
        };
        let (drained, ()) = tokio::join!(drained, end);
        flusher.tick();
        drop(ledger);
        assert_eq!((drained.lost, drained.open, drained.kept), (0, 0, 0));
    }
}

/// Starts an attempt of each request with one write. Nobody awaits the last one's start if it `is_given_up`. Returns which
/// may be sent, and the number of starts that were given up while they waited.
fn start_together(running: &mut [Running], is_given_up: bool) -> (Vec<bool>, usize) {
    let given_up = running.len() - usize::from(is_given_up);
    let starts = running.iter_mut().map(|r| Box::pin(r.guard.attempt_started_with_others(started(0))));
    // A start is `None` here once it is ready.
    let mut starts: Vec<_> = starts.map(Some).collect();
    let (mut sent, mut waiting) = (vec![false; starts.len()], 0);
    for _turn in 0..2 {
        for (n, unready) in starts.iter_mut().enumerate() {
            if let Some(start) = unready
                && let Poll::Ready(started) = poll(start)
            {
                sent[n] = started.is_ok();
                *unready = None;
            }
        }
        waiting += starts.drain(given_up.min(starts.len())..).flatten().count();
    }
    assert!(starts.iter().all(Option::is_none));
    (sent, waiting)
}

pub(super) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn row(settlement: &Settlement) -> Expected {
    match settlement.settled.outcome {
        Outcome::Interrupted => Expected::Interrupted,
        Outcome::Cancelled => Expected::Cancelled,
        _ => Expected::Settled,
    }
}

fn run(lives: &[Life]) -> World {
    let store = Store::default();
    let power = lives.iter().any(|life| life.power.is_some());
    store.tables().unique = power;
    let mut world = World {
        machine: Machine::default(),
        store,
        expected: BTreeMap::new(),
        fragile: BTreeMap::new(),
        attempts: BTreeMap::new(),
        next: 0,
    };
    world.machine.keep_removals(lives.len().is_multiple_of(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for (nth, life) in lives.iter().enumerate() {
            world.live(nth, life).await;
        }
        world.settle_down(lives.len()).await;
    });
    world
}

fn leaves_nothing_behind(world: &World) {
    // A process that is killed while it makes its directory leaves its lock under a hidden name.
    let hidden = |path: &std::path::PathBuf| path.to_string_lossy().contains("/.");
    let left: Vec<_> = world.machine.paths().into_iter().filter(|path| !hidden(path)).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    /// Only the cursors prevent doubles here, because this store would take a row twice.
    #[test]
    fn killed_processes_lose_and_double_nothing(lives in prop::collection::vec(life(false), 1..4)) {
        let world = run(&lives);
        let stored = world.store.by_id();
        for (id, expected) in &world.expected {
            let rows: Vec<_> = stored.get(id).into_iter().flatten().map(row).collect();
            match expected {
                Expected::Nothing => prop_assert_eq!(rows, [], "request {}", id),
                Expected::Unclear => prop_assert!(rows.len() <= 1, "request {}: {:?}", id, rows),
                expected => prop_assert_eq!(rows, [*expected], "request {}", id),
            }
        }
        for (id, settlement) in stored.iter().flat_map(|(id, rows)| rows.iter().map(move |row| (id, row))) {
            let attempts = &settlement.attempts;
            // The last attempt may have been written while its process was killed.
            let known = world.attempts.get(id).copied().unwrap_or(0);
            prop_assert!((known..=known + 1).contains(&attempts.len()), "request {}: {:?}", id, attempts);
            prop_assert!(attempts.iter().all(|a| a.ended.is_some()), "{:?}", attempts);
        }
        leaves_nothing_behind(&world);
    }

    #[test]
    fn a_lost_power_supply_takes_only_what_was_not_durable(lives in prop::collection::vec(life(true), 1..4)) {
        let world = run(&lives);
        let stored = world.store.by_id();
        for (id, expected) in &world.expected {
            let rows: Vec<_> = stored.get(id).into_iter().flatten().map(row).collect();
            prop_assert!(rows.len() <= 1, "request {}: {:?}", id, rows);
            if !world.fragile.contains_key(id) {
                match expected {
                    Expected::Nothing => prop_assert_eq!(rows, [], "request {}", id),
                    Expected::Unclear => {}
                    expected => prop_assert_eq!(rows, [*expected], "request {}", id),
                }
            }
        }
    }
}
