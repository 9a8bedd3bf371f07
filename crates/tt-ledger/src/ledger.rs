//! Admits requests and tells how much is open and not yet stored.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;
use tt_core::record::Intent;
use tt_core::{Timestamp, UserId};

use crate::drain::Drain;
use crate::drain::batch::BATCH;
use crate::error::LedgerError;
use crate::flusher::Flusher;
use crate::guard::Guard;
use crate::in_flight::{InFlight, Memory};
use crate::journal::Journal;
use crate::journal::config::JournalConfig;
use crate::journal::files::Files;
use crate::journal::request::JournaledRequest;
use crate::journal::writer::ChainWriter;
use crate::observer::{Observers, SettlementObserver};
use crate::recorder::{Clock, Recorder};

/// Admits requests. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    recorder: Arc<Recorder>,
    /// One for each worker; without a journal, one for all.
    workers: Arc<[Arc<Recorder>]>,
}

/// The settlements that are not yet stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Their number in this process, of all users.
    pub unstored: usize,
    /// The time, to the second, at which the longest-waiting one settled; `None` when none waits.
    pub oldest: Option<Timestamp>,
}

/// The content of the ledger in numbers, for health checks and metrics. Each number is read by itself, so they may not
/// fit one another exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Requests that have an intent and no settlement.
    pub open: usize,
    /// Settled requests that the sink has not taken.
    pub unstored: usize,
    /// About the bytes that settlements take in memory while they wait; those that wait in files only take none.
    pub memory_bytes: usize,
    /// The most that `open` and `unstored` may sum up to; beyond it [`Ledger::open`] refuses. `usize::MAX` with a
    /// journal.
    pub capacity: usize,
    /// The bytes that the journal takes on disk, reserved room included.
    pub journal_bytes: u64,
    /// The most bytes that it may take; beyond it [`Ledger::open`] refuses.
    pub max_journal_bytes: u64,
    /// The last intent could not be recorded, and nothing shows yet that the next one can.
    pub refusing: bool,
}

/// Makes a ledger.
#[must_use = "it makes nothing by itself"]
pub struct LedgerBuilder {
    clock: Clock,
    observers: Vec<Arc<dyn SettlementObserver>>,
}

impl LedgerBuilder {
    /// Adds an observer of settlements. Observers are told in the order in which they were added.
    pub fn observer(mut self, observer: Arc<dyn SettlementObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// A ledger in memory, with room for `capacity` requests that are open or not yet stored, and the drain that
    /// empties it. When the process ends, what it holds is lost.
    pub fn in_memory(self, capacity: usize) -> (Ledger, Drain) {
        let (queue, settlements) = unbounded_channel();
        let in_flight = Arc::new(InFlight::new(capacity, Memory::UNBOUNDED, BATCH));
        let observers = Observers::from(self.observers);
        let drain = Drain::new(settlements, Arc::clone(&in_flight), None, observers.clone());
        let recorder = Arc::new(Recorder { queue, in_flight, chain: None, observers, clock: self.clock });
        (Ledger { workers: [Arc::clone(&recorder)].into(), recorder }, drain)
    }

    /// A ledger with a journal, the drain that empties it, and the flusher that makes it durable. The ledger is the
    /// first worker's: [`Ledger::worker`] gives the others. An error when the journal's directory cannot be made or
    /// locked. A full disk is not an error: the ledger refuses intents until there is room.
    pub fn journaled(self, config: JournalConfig, files: Arc<dyn Files>) -> io::Result<(Ledger, Drain, Flusher)> {
        let journal = Arc::new(Journal::open(config, files)?);
        let (queue, settlements) = unbounded_channel();
        let in_flight = Arc::new(InFlight::new(usize::MAX, journal.memory, BATCH));
        let observers = Observers::from(self.observers);
        let drain = Drain::new(settlements, Arc::clone(&in_flight), Some(Arc::clone(&journal)), observers.clone());
        let recorder = |chain: &Arc<ChainWriter>| Recorder {
            queue: queue.clone(),
            in_flight: Arc::clone(&in_flight),
            chain: Some(Arc::clone(chain)),
            observers: observers.clone(),
            clock: Arc::clone(&self.clock),
        };
        let workers: Arc<[_]> = journal.chains.iter().map(|chain| Arc::new(recorder(chain))).collect();
        let first = workers.first().cloned().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((Ledger { recorder: first, workers }, drain, Flusher::new(journal)))
    }
}

impl std::fmt::Debug for LedgerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerBuilder").field("observers", &self.observers.len()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Begins to make a ledger. `clock` is read only for the latency of a request that settles because its guard is
    /// dropped.
    pub fn builder(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> LedgerBuilder {
        LedgerBuilder { clock: Arc::new(clock), observers: Vec::new() }
    }

    /// [`LedgerBuilder::in_memory`] without observers.
    pub fn new(capacity: usize, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> (Self, Drain) {
        Self::builder(clock).in_memory(capacity)
    }

    /// [`LedgerBuilder::journaled`] without observers.
    pub fn journaled(
        config: JournalConfig,
        files: Arc<dyn Files>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> io::Result<(Self, Drain, Flusher)> {
        Self::builder(clock).journaled(config, files)
    }

    /// The ledger of the `n`th worker thread, counted from 0, which writes a chain of its own. Any thread may use any
    /// of them; with a chain for each, threads do not wait for one another.
    #[must_use]
    pub fn worker(&self, n: usize) -> Self {
        let recorder = n.checked_rem(self.workers.len()).and_then(|n| self.workers.get(n)).unwrap_or(&self.recorder);
        Self { recorder: Arc::clone(recorder), workers: Arc::clone(&self.workers) }
    }

    /// Admits a request before any of it is sent upstream, and reserves the room for its settlement. The journal gets
    /// its intent together with its first attempt, so a request that has sent nothing leaves nothing behind when the
    /// process dies.
    pub fn open(&self, intent: Intent) -> Result<Guard, LedgerError> {
        let (in_flight, user) = (&self.recorder.in_flight, intent.user_id);
        in_flight.reserve(user)?;
        let journaled = match &self.recorder.chain {
            None => Ok(None),
            Some(chain) => JournaledRequest::open(chain, &intent).map(Some),
        };
        match journaled {
            Ok(journaled) => Ok(Guard::new(Arc::clone(&self.recorder), intent, journaled)),
            Err(error) => {
                in_flight.void(user);
                Err(error)
            }
        }
    }

    /// The number of requests of `user` that this process has admitted and the sink has not taken: open ones, and those
    /// not yet stored.
    pub fn open_of(&self, user: UserId) -> usize {
        self.recorder.in_flight.of(user)
    }

    /// The settlements of this process that the sink has not taken.
    pub fn backlog(&self) -> Backlog {
        let in_flight = &self.recorder.in_flight;
        Backlog { unstored: in_flight.unstored(), oldest: in_flight.oldest() }
    }

    /// The numbers of open and not yet stored requests, and the size of the journal.
    pub fn status(&self) -> LedgerStatus {
        let in_flight = &self.recorder.in_flight;
        let instance = self.recorder.chain.as_ref().map(|chain| chain.instance());
        LedgerStatus {
            open: in_flight.open(),
            unstored: in_flight.unstored(),
            memory_bytes: in_flight.bytes_in_memory(),
            capacity: in_flight.capacity(),
            journal_bytes: instance.map_or(0, |i| i.bytes()),
            max_journal_bytes: instance.map_or(0, |i| i.max_bytes),
            refusing: instance.is_some_and(|i| i.is_refusing()),
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ledger").field(&self.status()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fixtures::{Sink, guard, intent, ledger, ms, settled};

    fn counts(ledger: &Ledger) -> (usize, usize) {
        (ledger.status().open, ledger.status().unstored)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_ledger_refuses_and_recovers_once_something_is_delivered() {
        let ((ledger, drain), sink) = (ledger(2), Sink::failing([true, true]));
        let requests = async {
            let (one, two) = (guard(&ledger, 1), guard(&ledger, 2));
            assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Full);
            drop(one.settle(settled()));
            assert_eq!(counts(&ledger), (1, 1));
            tokio::time::sleep(ms(60)).await;
            // Settled, but the sink did not take it: its room is still needed.
            assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Full);
            tokio::time::sleep(ms(500)).await;
            assert_eq!(counts(&ledger), (1, 0));
            drop(guard(&ledger, 3).settle(settled()));
            assert_eq!(ledger.open(intent(4)).unwrap_err(), LedgerError::Full);
            drop((ledger, two));
        };
        let (drained, ()) = tokio::join!(drain.run(sink.as_fn(), std::future::pending()), requests);
        assert_eq!(drained.delivered, 3);
        assert_eq!(sink.stored(), [1, 3, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_and_the_backlog_are_level_once_all_is_delivered() {
        let ((ledger, drain), sink) = (ledger(9), Sink::failing([true]));
        let caller = intent(1).user_id;
        let requests = async {
            let (one, two) = (guard(&ledger, 1), guard(&ledger, 2));
            assert_eq!((ledger.open_of(caller), ledger.open_of(UserId(999))), (2, 0));
            assert_eq!(ledger.backlog(), Backlog::default());
            drop(one.settle(settled()));
            tokio::time::sleep(ms(60)).await;
            assert_eq!((ledger.open_of(caller), ledger.backlog().unstored), (2, 1), "the sink did not take it");
            assert!(ledger.backlog().oldest.is_some());
            tokio::time::sleep(ms(500)).await;
            assert_eq!((ledger.open_of(caller), ledger.backlog()), (1, Backlog::default()));
            drop((ledger, two));
        };
        let (drained, ()) = tokio::join!(drain.run(sink.as_fn(), std::future::pending()), requests);
        assert_eq!(drained.delivered, 2);
    }

    #[test]
    fn without_a_drain_it_is_closed_and_settling_still_does_no_harm() {
        let (ledger, drain) = ledger(2);
        let running = guard(&ledger, 1);
        drop(drain);
        assert_eq!(ledger.open(intent(2)).unwrap_err(), LedgerError::Closed);
        drop(running);
        assert_eq!(counts(&ledger), (0, 0));
    }

    #[test]
    fn no_more_are_open_than_there_is_room_for_however_many_threads_ask() {
        let (ledger, _drain) = ledger(100);
        let opened: usize = std::thread::scope(|scope| {
            let ask = || (0..50).filter_map(|id| ledger.open(intent(id)).ok()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let guards: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
            assert_eq!(counts(&ledger), (guards.len(), 0));
            guards.len()
        });
        assert_eq!(opened, 100);
        assert_eq!(counts(&ledger), (0, 100));
    }
}
