//! The side of the ledger that requests see.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tt_core::record::{Intent, Settlement};
use tt_core::{Timestamp, UserId};

use crate::guard::Entry;
use crate::in_flight::Places;
use crate::journal::files::Files;
use crate::journal::reader::Position;
use crate::journal::writer::Chain;
use crate::journal::{Journal, JournalConfig};
use crate::{Drain, Flusher, Guard, LedgerError};

/// Takes intents. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    /// One for each worker; without a journal, one.
    workers: Arc<[Arc<Shared>]>,
}

/// What a ledger and its guards hold, and the drain does not: when the last is gone, the drain has seen everything.
pub(crate) struct Shared {
    /// Bounded by `places`: nothing is queued that has none.
    pub(crate) queue: UnboundedSender<Queued>,
    pub(crate) places: Arc<Places>,
    /// `None`: in memory only.
    pub(crate) chain: Option<Arc<Chain>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A settlement on its way to the drain.
pub(crate) struct Queued {
    pub(crate) settlement: Settlement,
    /// The worker whose chain it is in, and the place right after it; `None`: in memory only.
    pub(crate) at: Option<(usize, Position)>,
}

/// What is settled and not in the store yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many settlements of this process, of all callers.
    pub pending: usize,
    /// When the one that waits longest settled, to the second; `None` when nothing waits.
    pub oldest: Option<Timestamp>,
}

/// How much the ledger holds, for health and metrics. Counts of one moment, not of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Requests that run: an intent and no settlement yet.
    pub open: usize,
    /// Settled requests that the sink has not taken yet.
    pub undelivered: usize,
    /// What both together may come to; past it [`Ledger::open`] refuses. With a journal there is no such number.
    pub capacity: usize,
    /// What the journal takes on disk, in bytes, the room it has set aside included.
    pub journal_bytes: u64,
    /// What it may take; past it [`Ledger::open`] refuses.
    pub max_journal_bytes: u64,
    /// The last intent could not be recorded, and there is no sign yet that the next one can.
    pub refusing: bool,
}

impl Ledger {
    /// A ledger in memory, with room for `capacity` requests that are open or not yet delivered, and the drain that
    /// empties it. What it holds ends with the process. `clock` is asked only for the latencies of what settles from
    /// `Drop`.
    pub fn new(capacity: usize, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> (Self, Drain) {
        let (queue, settlements) = unbounded_channel();
        let places = Arc::new(Places::new(capacity, usize::MAX));
        let drain = Drain::new(settlements, Arc::clone(&places), None);
        let shared = Arc::new(Shared { queue, places, chain: None, clock: Arc::new(clock) });
        (Self { workers: [Arc::clone(&shared)].into(), shared }, drain)
    }

    /// A ledger on disk, bound to the first worker's chain; the drain that empties it, and what makes it durable. An
    /// error when the journal's directory cannot be made or locked; a full disk is none, it refuses intents.
    pub fn journaled(
        config: JournalConfig,
        files: Arc<dyn Files>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> io::Result<(Self, Drain, Flusher)> {
        let journal = Arc::new(Journal::open(config, files)?);
        let (queue, settlements) = unbounded_channel();
        let places = Arc::new(Places::new(usize::MAX, journal.memory));
        let drain = Drain::new(settlements, Arc::clone(&places), Some(Arc::clone(&journal)));
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(clock);
        let worker = |chain: &Arc<Chain>| Shared {
            queue: queue.clone(),
            places: Arc::clone(&places),
            chain: Some(Arc::clone(chain)),
            clock: Arc::clone(&clock),
        };
        let workers: Arc<[_]> = journal.chains.iter().map(|chain| Arc::new(worker(chain))).collect();
        let first = workers.first().cloned().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((Self { shared: first, workers }, drain, Flusher::new(journal)))
    }

    /// The ledger of the `n`th worker thread, counted from 0: what is opened there goes to a chain of its own. Any
    /// thread may use any of them; a chain for each keeps them from waiting for one another.
    #[must_use]
    pub fn worker(&self, n: usize) -> Self {
        let shared = n.checked_rem(self.workers.len()).and_then(|n| self.workers.get(n)).unwrap_or(&self.shared);
        Self { shared: Arc::clone(shared), workers: Arc::clone(&self.workers) }
    }

    /// Takes a request in, before anything of it is sent upstream, and sets aside the room for its settlement. In the
    /// journal its intent is written together with its first attempt: a request that sent nothing leaves nothing
    /// behind when the process dies.
    pub fn open(&self, intent: Intent) -> Result<Guard, LedgerError> {
        let (places, caller) = (&self.shared.places, intent.user_id);
        places.take()?;
        places.census.enter(caller);
        let entry = match &self.shared.chain {
            None => Ok(None),
            Some(chain) => Entry::open(chain, &intent).map(Some),
        };
        match entry {
            Ok(entry) => Ok(Guard::new(Arc::clone(&self.shared), intent, entry)),
            Err(error) => {
                places.put_back();
                places.census.leave(caller);
                Err(error)
            }
        }
    }

    /// Requests of `caller` that this process has taken in and the sink has not: they run, or have settled and wait.
    pub fn open_of(&self, caller: UserId) -> usize {
        self.shared.places.census.of(caller)
    }

    /// What the sink has not taken yet of what this process has settled.
    pub fn backlog(&self) -> Backlog {
        let places = &self.shared.places;
        Backlog { pending: places.settled(), oldest: places.census.oldest() }
    }

    /// How much is open and undelivered.
    pub fn pending(&self) -> Pending {
        let places = &self.shared.places;
        let instance = self.shared.chain.as_ref().map(|chain| chain.instance());
        Pending {
            open: places.open(),
            undelivered: places.settled(),
            capacity: places.capacity(),
            journal_bytes: instance.map_or(0, |i| i.bytes()),
            max_journal_bytes: instance.map_or(0, |i| i.max_bytes),
            refusing: instance.is_some_and(|i| i.is_refusing()),
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ledger").field(&self.pending()).finish()
    }
}

impl Shared {
    /// Milliseconds from `start` to now; 0 when the clock was set back meanwhile.
    pub(crate) fn since(&self, start: Timestamp) -> u64 {
        u64::try_from((self.clock)().millis().saturating_sub(start.millis())).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fixtures::{Sink, guard, intent, ledger, ms, settled};

    fn counts(ledger: &Ledger) -> (usize, usize) {
        (ledger.pending().open, ledger.pending().undelivered)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_ledger_refuses_and_recovers_once_something_is_delivered() {
        let ((ledger, drain), sink) = (ledger(2), Sink::failing([true, true]));
        let requests = async {
            let (one, two) = (guard(&ledger, 1), guard(&ledger, 2));
            assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Full);
            one.settle(settled());
            assert_eq!(counts(&ledger), (1, 1));
            tokio::time::sleep(ms(60)).await;
            // Settled, but the sink did not take it: its room is still needed.
            assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Full);
            tokio::time::sleep(ms(500)).await;
            assert_eq!(counts(&ledger), (1, 0));
            guard(&ledger, 3).settle(settled());
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
            one.settle(settled());
            tokio::time::sleep(ms(60)).await;
            assert_eq!((ledger.open_of(caller), ledger.backlog().pending), (2, 1), "the sink did not take it");
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
