//! Moves settlements to a sink: in order, in batches, and each batch again until the sink takes it. A batch that the sink
//! refuses is divided until the settlement that cannot be stored stands alone; that one is stored without its texts.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tt_core::backoff::backoff;
use tt_core::record::{Outcome, Settlement};

use crate::drain::batch::{BATCH, Origin, PreparedBatch, Room, WINDOW};
use crate::drain::from_files::FromFiles;
use crate::drain::offer::{Offer, Offered};
use crate::drain::sink::{ClosureSink, Sink, with_causes};
use crate::in_flight::InFlight;
use crate::journal::Journal;
use crate::observer::Observers;
use crate::recorder::QueuedSettlement;

pub(crate) mod batch;
mod blocking;
mod catch_up;
mod from_files;
mod offer;
mod orphan;
mod orphans;
pub(crate) mod sink;

/// The wait after the first failure to store a batch. It doubles with each further failure, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Short enough that a journal at its limit admits requests again within 5 s after the store is back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Tries for each batch after the end has come. With the waits in between, they take a second and a half.
const LAST_TRIES: u32 = 5;

/// Hands settlements to a sink. It is made together with its [`crate::Ledger`] and runs once.
pub struct Drain {
    queue: UnboundedReceiver<QueuedSettlement>,
    /// The settlements that were taken from the queue and are in no batch yet.
    pending: Vec<QueuedSettlement>,
    in_flight: Arc<InFlight>,
    /// The files to read from; `None` without a journal.
    from_files: Option<FromFiles>,
    observers: Observers,
}

/// The result of a run of the drain: settlements and requests, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "it says whether something was lost"]
pub struct Drained {
    /// The number of settlements that the sink has taken.
    pub delivered: u64,
    /// The number of settlements that the sink refused up to the last try and are in no journal.
    pub lost: u64,
    /// Requests that were still open at the end. Without a journal, their settlements are not recorded.
    pub open: u64,
    /// Settled, and left in the journal for the next process.
    pub kept: u64,
}

impl Drain {
    pub(crate) fn new(
        queue: UnboundedReceiver<QueuedSettlement>,
        in_flight: Arc<InFlight>,
        journal: Option<Arc<Journal>>,
        observers: Observers,
    ) -> Self {
        Self { queue, pending: Vec::new(), in_flight, from_files: journal.map(FromFiles::new), observers }
    }

    /// Turns true once the run has stored everything that processes before this one had left behind. Without a journal it
    /// is true from the beginning.
    pub fn orphans_stored(&self) -> watch::Receiver<bool> {
        self.from_files.as_ref().map_or_else(|| watch::channel(true).1, FromFiles::orphans_stored)
    }

    /// [`Drain::run_into`] for a ledger in memory, with a closure as the sink. A journal needs a [`Sink`] that keeps its
    /// cursors.
    pub async fn run<S, F, E>(self, sink: S, shutdown: impl Future<Output = ()>) -> Drained
    where
        S: FnMut(Arc<[Settlement]>) -> F + Send,
        F: Future<Output = Result<(), E>> + Send,
        E: Error + Send,
    {
        self.run_into(ClosureSink(sink), shutdown).await
    }

    /// Delivers until every ledger and guard is dropped, or `shutdown` resolves. Then the ledger refuses intents, settled
    /// requests are delivered with a bounded number of tries, and open requests are left. So let `shutdown` resolve after
    /// the last response body is dropped.
    ///
    /// With a journal it also delivers what processes before this one have left behind: at the beginning, and whenever a
    /// scan finds such a journal. It reads files on the runtime's blocking threads, and waits for them.
    ///
    /// `sink` stores a batch as a whole or returns an error. After an error it is called again with the same batch, after
    /// 100 ms at first and after 2 s at most, until it stores it. The drain waits for each call, so a call must end by
    /// itself. A batch that the sink says it refuses ([`Sink::is_refusal`]) is offered in halves, down to the settlement
    /// that cannot be stored, which is offered without the texts of its client and its provider. A sink that refuses even
    /// that has no quarrel with what is in the row, so it is taken to be away.
    pub async fn run_into(mut self, mut sink: impl Sink, shutdown: impl Future<Output = ()>) -> Drained {
        let mut stop = Stop { signal: pin!(shutdown), fired: false };
        let mut drained = Drained::default();
        while let Some(batch) = self.next(&mut sink, &mut stop).await {
            let all = batch.batch.settlements.len();
            let left = self.deliver(&batch, &mut sink, &mut stop).await;
            drained.delivered += (all - left) as u64;
            if left > 0 {
                drained.lost = self.give_up(batch.unjournaled.min(left)).await;
                break;
            }
        }
        self.queue.close();
        drained.open = self.in_flight.open() as u64;
        match self.from_files.take() {
            None => {
                if drained.lost + drained.open > 0 {
                    let Drained { delivered, lost, open, .. } = drained;
                    tracing::error!(delivered, lost, open, "the ledger ended with requests that are not recorded");
                }
            }
            Some(from_files) => {
                drained.kept = self.in_flight.unstored() as u64;
                if drained.kept + drained.open > 0 {
                    let Drained { delivered, kept, open, .. } = drained;
                    tracing::warn!(
                        delivered,
                        kept,
                        open,
                        "the ledger ended with requests that the next process will read from the journal"
                    );
                }
                from_files.finish(&mut sink).await;
            }
        }
        drained
    }

    /// The next batch; `None` when there will be none.
    async fn next<F: Future<Output = ()>>(
        &mut self,
        sink: &mut impl Sink,
        stop: &mut Stop<'_, F>,
    ) -> Option<PreparedBatch> {
        loop {
            if let Some(from_files) = &mut self.from_files
                && let Some(batch) = from_files.next(sink, stop.fired).await
            {
                return Some(batch);
            }
            if self.pending.is_empty() && !stop.fired && self.wait(stop).await.is_none() {
                return None;
            }
            if stop.fired {
                self.in_flight.close();
            }
            while self.pending.len() < BATCH
                && let Ok(queued) = self.queue.try_recv()
            {
                self.pending.push(queued);
            }
            if self.pending.is_empty() && stop.fired {
                if self.from_files.as_ref().is_some_and(|files| files.catch_up.is_behind()) {
                    continue;
                }
                // A guard that settles from here on learns that it is too late. Earlier settlements are in the queue.
                self.queue.close();
                self.queue.recv_many(&mut self.pending, BATCH).await;
                if self.pending.is_empty() {
                    return None;
                }
            }
            if !self.pending.is_empty() {
                return Some(self.prepare());
            }
        }
    }

    /// Waits for a batch, or for something else to do. `None`: every ledger and guard is dropped.
    async fn wait<F: Future<Output = ()>>(&mut self, stop: &mut Stop<'_, F>) -> Option<()> {
        let due = self.from_files.as_ref().map(FromFiles::due);
        tokio::select! {
            biased;
            () = stop.wait() => {}
            _ = self.queue.recv_many(&mut self.pending, BATCH) => {
                if self.pending.is_empty() {
                    // With a journal, the files may hold more, which is delivered as after `shutdown`.
                    stop.fired = self.from_files.is_some();
                    return stop.fired.then_some(());
                }
                if self.pending.len() < BATCH {
                    // It does not receive meanwhile: each settlement would wake this task, at the cost of its sender.
                    tokio::select! {
                        biased;
                        () = stop.wait() => {}
                        () = self.in_flight.full_batch() => {}
                        () = sleep(WINDOW) => {}
                    }
                }
            }
            () = self.in_flight.something_spilled() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        Some(())
    }

    /// A batch of pending settlements, as many as it has room for, with the cursors that it brings.
    fn prepare(&mut self) -> PreparedBatch {
        let (mut batch, mut room) = (PreparedBatch::default(), Room::new());
        let count = self.pending.iter().take_while(|queued| {
            let fits = room.fits(queued.bytes);
            room.take(queued.bytes);
            fits
        });
        let count = count.count();
        let mut settlements = Vec::with_capacity(count);
        for QueuedSettlement { settlement, bytes, at } in self.pending.drain(..count) {
            settlements.push(settlement);
            let Some((worker, position)) = at else {
                batch.unjournaled += 1;
                continue;
            };
            batch.in_memory += 1;
            batch.bytes_in_memory += bytes;
            batch.note(worker, position);
        }
        batch.batch.settlements = settlements.into();
        if let Some(from_files) = &mut self.from_files {
            from_files.dequeued(&batch);
            batch.batch.cursors = from_files.catch_up.cursors(&batch.ends);
        }
        batch
    }

    /// Offers a batch, whole or in parts, until all of it is stored. Gives the number of settlements that are not: 0, or
    /// the end has come, and the last try failed.
    async fn deliver<F>(&mut self, batch: &PreparedBatch, sink: &mut impl Sink, stop: &mut Stop<'_, F>) -> usize
    where
        F: Future<Output = ()>,
    {
        let mut outage: Option<Instant> = None;
        let mut waits = 0_u32;
        let mut tries_left = LAST_TRIES;
        let mut offer = Offer::new(batch.batch.clone());
        loop {
            let error = match offer.next(sink).await {
                Offered::Part => {
                    (waits, tries_left) = (0, LAST_TRIES);
                    continue;
                }
                Offered::All => break,
                Offered::Failed(error) => error,
            };
            if outage.is_none() {
                tracing::warn!(
                    error = with_causes(&error),
                    "settlements cannot be stored: the ledger keeps them and tries again"
                );
                outage = Some(Instant::now());
            }
            if stop.fired || self.queue.is_closed() {
                if tries_left == LAST_TRIES {
                    waits = 0;
                }
                tries_left -= 1;
                if tries_left == 0 {
                    return offer.left();
                }
            }
            tokio::select! {
                biased;
                () = stop.wait(), if !stop.fired => self.in_flight.close(),
                () = sleep(backoff(waits, FIRST_WAIT, LONGEST_WAIT, 0)) => waits = waits.saturating_add(1),
            }
        }
        match batch.origin {
            Origin::Queue | Origin::OwnFiles => self.in_flight.stored(&batch.batch.settlements),
            Origin::Orphan => self.tell_of_interrupted(&batch.batch.settlements),
        }
        self.in_flight.release_memory(batch.in_memory, batch.bytes_in_memory);
        if let Some(from_files) = &mut self.from_files {
            from_files.catch_up.stored(batch);
        }
        if let Some(since) = outage {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, unstored = self.in_flight.unstored(), "settlements are stored again");
        }
        0
    }

    /// Tells observers of requests that have settled as their orphan was read. Not earlier than they are stored: if they
    /// cannot be, the next process reads the orphan again.
    fn tell_of_interrupted(&self, settlements: &[Settlement]) {
        let interrupted = settlements.iter().filter(|settlement| settlement.settled.outcome == Outcome::Interrupted);
        interrupted.for_each(|settlement| self.observers.tell(settlement));
    }

    /// Drops the queue, after `lost` settlements of a batch that are in no journal could not be stored. Gives their number
    /// with those of the queue.
    async fn give_up(&mut self, mut lost: usize) -> u64 {
        self.queue.close();
        lost += self.pending.drain(..).filter(|queued| queued.at.is_none()).count();
        while let Some(queued) = self.queue.recv().await {
            lost += usize::from(queued.at.is_none());
        }
        self.in_flight.release(lost);
        lost as u64
    }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Drain").field(&self.in_flight).finish()
    }
}

impl Drop for Drain {
    /// Closes the ledger, however the run ends: nothing would store what is admitted from here on.
    fn drop(&mut self) {
        self.in_flight.close();
        self.queue.close();
        let lost = self.in_flight.unstored();
        if lost > 0 && self.from_files.is_none() && self.in_flight.capacity() != usize::MAX {
            tracing::error!(lost, "the drain was dropped with settlements that are not stored");
        }
    }
}

/// A signal that may be awaited again after it was given.
struct Stop<'a, F> {
    signal: Pin<&'a mut F>,
    fired: bool,
}

impl<F: Future<Output = ()>> Stop<'_, F> {
    async fn wait(&mut self) {
        if !self.fired {
            self.signal.as_mut().await;
            self.fired = true;
        }
    }
}

#[cfg(test)]
mod tests;
