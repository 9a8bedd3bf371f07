//! The side of the ledger that requests see.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tt_core::Timestamp;
use tt_core::record::{Intent, Settlement};

use crate::places::Places;
use crate::{Drain, Guard, LedgerError};

/// Takes intents. Cheap to clone; one for the process.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

/// What a ledger and its guards hold, and the drain does not: when the last is gone, the drain has seen everything.
pub(crate) struct Shared {
    /// Bounded by `places`: nothing is queued that has none.
    pub(crate) queue: UnboundedSender<Settlement>,
    pub(crate) places: Arc<Places>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// How much the ledger holds, for health and metrics. Counts of one moment, not of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Requests that run: an intent and no settlement yet.
    pub open: usize,
    /// Settled requests that the sink has not taken yet.
    pub undelivered: usize,
    /// What both together may come to; past it [`Ledger::open`] refuses.
    pub capacity: usize,
}

impl Ledger {
    /// A ledger with room for `capacity` requests that are open or not yet delivered, and the drain that empties it.
    /// `clock` is asked only for the latencies of what settles from `Drop`.
    pub fn new(capacity: usize, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> (Self, Drain) {
        let (queue, settlements) = unbounded_channel();
        let places = Arc::new(Places::new(capacity));
        let drain = Drain::new(settlements, Arc::clone(&places));
        (Self { shared: Arc::new(Shared { queue, places, clock: Box::new(clock) }) }, drain)
    }

    /// Records that a request was admitted, before anything of it is sent upstream, and sets aside the room for its
    /// settlement.
    pub fn open(&self, intent: Intent) -> Result<Guard, LedgerError> {
        self.shared.places.take()?;
        Ok(Guard::new(Arc::clone(&self.shared), intent))
    }

    /// How much is open and undelivered.
    pub fn pending(&self) -> Pending {
        let places = &self.shared.places;
        Pending { open: places.open(), undelivered: places.settled(), capacity: places.capacity() }
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
    use crate::fixtures::{Sink, guard, intent, ledger, ms, settled};

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
