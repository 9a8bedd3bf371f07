//! The path by which guards record what happens: permits, the worker's chain, and the queue to the drain.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tt_core::Timestamp;
use tt_core::record::Settlement;

use crate::in_flight::InFlight;
use crate::journal::position::Position;
use crate::journal::writer::ChainWriter;
use crate::observer::Observers;

/// The time now.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The state that a ledger and its guards share. The drain does not hold it: when the last one is dropped, the queue closes
/// and the drain has seen everything.
pub(crate) struct Recorder {
    /// Unbounded, but only a request that holds a permit may queue its settlement.
    pub(crate) queue: UnboundedSender<QueuedSettlement>,
    pub(crate) in_flight: Arc<InFlight>,
    /// The chain that requests are written to, or `None` if there is no journal.
    pub(crate) chain: Option<Arc<ChainWriter>>,
    pub(crate) observers: Observers,
    pub(crate) clock: Clock,
}

/// A settlement on its way to the drain.
pub(crate) struct QueuedSettlement {
    pub(crate) settlement: Settlement,
    /// About the bytes that it takes in memory.
    pub(crate) bytes: usize,
    /// The worker whose chain it is in, and the position right after it; `None`: it is in no journal.
    pub(crate) at: Option<(usize, Position)>,
}

impl Recorder {
    /// Gives the drain a settlement of the journal's chain `worker`, as [`Deliver`](crate::journal::writer::Deliver) says.
    pub(crate) fn deliver(
        &self,
        worker: usize,
        settlement: Settlement,
        at: Option<Position>,
        from_files: bool,
    ) -> bool {
        let Some(at) = at else { return self.queue_unwritten(settlement) };
        if from_files {
            return false;
        }
        let bytes = settlement.bytes();
        // A settlement that is in the journal and not in the queue is read back: by the drain, or by the next process.
        let queued = self.in_flight.reserve_memory(bytes) && {
            let queued = self.queue.send(QueuedSettlement { settlement, bytes, at: Some((worker, at)) }).is_ok();
            if !queued {
                self.in_flight.release_memory(1, bytes);
            }
            queued
        };
        if !queued {
            self.in_flight.spill();
        }
        queued
    }

    /// Gives the drain a settlement that is in no journal. Returns false if the drain has ended: the settlement is lost.
    pub(crate) fn queue_unwritten(&self, settlement: Settlement) -> bool {
        let (request_id, user) = (settlement.intent.request_id, settlement.intent.user_id);
        let queued = self.queue.send(QueuedSettlement { bytes: settlement.bytes(), settlement, at: None }).is_ok();
        if !queued {
            self.in_flight.lost(user);
            tracing::error!(%request_id, "a request settled after the drain ended: it is not recorded");
        }
        queued
    }

    /// Milliseconds from `start` to now; 0 when the clock was set back meanwhile.
    pub(crate) fn since(&self, start: Timestamp) -> u64 {
        u64::try_from((self.clock)().millis().saturating_sub(start.millis())).unwrap_or(0)
    }
}
