//! The side of the ledger that moves settlements to a sink: in order, in batches, each until it is taken.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tt_core::record::{JournalCursor, Settlement};

use crate::drain::catch_up::Behind;
use crate::drain::sink::{Batch, Plain, Sink};
use crate::in_flight::Places;
use crate::journal::Journal;
use crate::journal::reader::Position;
use crate::ledger::Queued;

pub(crate) mod catch_up;
pub(crate) mod orphan;
pub(crate) mod sink;

/// The most settlements in a batch.
pub const BATCH: usize = 1000;
/// How long a batch that is not full waits for more, from its first settlement on.
pub const WINDOW: Duration = Duration::from_millis(50);

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Short enough for a journal at its limit to take requests again within 5 s after the store is back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often a batch is tried once the end has come: a second and a half with the waits in between.
const LAST_TRIES: u32 = 5;

/// Hands settlements to a sink; made with its [`crate::Ledger`], run once, on the control plane.
pub struct Drain {
    queue: UnboundedReceiver<Queued>,
    places: Arc<Places>,
    /// What is read from files; `None` without a journal.
    behind: Option<Behind>,
}

/// What became of the settlements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "says whether something was lost"]
pub struct Drained {
    /// Taken by the sink.
    pub delivered: u64,
    /// Settled, refused by the sink to the last, and in no journal.
    pub lost: u64,
    /// Requests that were still open at the end. Without a journal, what they settle to is not recorded.
    pub open: u64,
    /// Settled, and left in the journal for the next process.
    pub kept: u64,
}

/// A batch, and what it was made of.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) batch: Batch,
    /// Worker, segment, settlements: to be noted in the chains once it is stored.
    pub(crate) delivered: Vec<(usize, u64, usize)>,
    /// Places to give back: adopted settlements have none.
    pub(crate) places: usize,
    /// How many of them lay in memory, and in a journal.
    memory: usize,
    /// How many lie in no journal.
    volatile: usize,
    /// Where each worker's chain is stored up to.
    pub(crate) ends: Vec<(usize, Position)>,
}

impl Drain {
    pub(crate) fn new(queue: UnboundedReceiver<Queued>, places: Arc<Places>, journal: Option<Arc<Journal>>) -> Self {
        Self { queue, places, behind: journal.map(Behind::new) }
    }

    /// Turns true once the run has stored what dead instances had left behind when it began; without a journal it is.
    pub fn adopted_all(&self) -> watch::Receiver<bool> {
        self.behind.as_ref().map_or_else(|| watch::channel(true).1, Behind::adopted_all)
    }

    /// [`Drain::run_into`] a closure, for a ledger in memory: with a journal it would forget how far it has come.
    pub async fn run<S, F, E>(self, sink: S, shutdown: impl Future<Output = ()>) -> Drained
    where
        S: FnMut(Arc<[Settlement]>) -> F + Send,
        F: Future<Output = Result<(), E>> + Send,
        E: Error + Send,
    {
        self.run_into(Plain(sink), shutdown).await
    }

    /// Delivers until every ledger and guard is gone, or `shutdown` resolves: then no more intents are taken, what has
    /// settled is delivered with a bounded number of tries, and what is still open is left. So let `shutdown` resolve
    /// after the last response body is dropped.
    ///
    /// With a journal it first delivers, and looks from time to time for, what dead instances have left behind. It
    /// reads their files on the runtime's blocking threads, and waits for them.
    ///
    /// `sink` stores a batch as a whole or says why not; it is called again with the same batch, after 100 ms at first
    /// and 2 s at most, until it takes it. A call is never cut short, so it must end by itself, and an error means that
    /// trying again may help: a batch that never can be stored would hold up all that come after it.
    pub async fn run_into(mut self, mut sink: impl Sink, shutdown: impl Future<Output = ()>) -> Drained {
        let mut stop = Stop { signal: pin!(shutdown), fired: false };
        let mut drained = Drained::default();
        while let Some(taken) = self.next(&mut sink, &mut stop).await {
            if self.deliver(&taken, &mut sink, &mut stop).await {
                drained.delivered += taken.batch.settlements.len() as u64;
            } else {
                drained.lost = self.give_up(&taken).await;
                break;
            }
        }
        self.queue.close();
        drained.open = self.places.open() as u64;
        match self.behind.take() {
            None => {
                if drained.lost + drained.open > 0 {
                    let Drained { delivered, lost, open, .. } = drained;
                    tracing::error!(delivered, lost, open, "the ledger ended with requests that are not recorded");
                }
            }
            Some(behind) => {
                drained.kept = self.places.settled() as u64;
                if drained.kept + drained.open > 0 {
                    let Drained { delivered, kept, open, .. } = drained;
                    tracing::warn!(delivered, kept, open, "the next process finds the rest in the journal");
                }
                behind.finish(&mut sink).await;
            }
        }
        drained
    }

    /// The next batch; `None` when there will be none.
    async fn next<F: Future<Output = ()>>(&mut self, sink: &mut impl Sink, stop: &mut Stop<'_, F>) -> Option<Taken> {
        loop {
            if let Some(behind) = &mut self.behind
                && let Some(taken) = behind.next(sink, stop.fired).await
            {
                return Some(taken);
            }
            let mut batch = Vec::new();
            if !stop.fired && self.wait(&mut batch, stop).await.is_none() {
                return None;
            }
            if stop.fired {
                self.places.close();
            }
            while batch.len() < BATCH
                && let Ok(queued) = self.queue.try_recv()
            {
                batch.push(queued);
            }
            if batch.is_empty() && stop.fired {
                if self.behind.as_ref().is_some_and(Behind::is_behind) {
                    continue;
                }
                // From here on a guard that settles learns that it is too late; what came before this is in the queue.
                self.queue.close();
                self.queue.recv_many(&mut batch, BATCH).await;
                if batch.is_empty() {
                    return None;
                }
            }
            if !batch.is_empty() {
                return Some(self.taken(batch));
            }
        }
    }

    /// Waits for a batch, or for something else to do; `None`: every ledger and guard is gone.
    async fn wait<F: Future<Output = ()>>(&mut self, batch: &mut Vec<Queued>, stop: &mut Stop<'_, F>) -> Option<()> {
        let look = self.behind.as_ref().map(Behind::next_look);
        tokio::select! {
            biased;
            () = stop.wait() => {}
            _ = self.queue.recv_many(batch, BATCH) => {
                if batch.is_empty() {
                    // With a journal, what is still in files is delivered as at any end.
                    stop.fired = self.behind.is_some();
                    return stop.fired.then_some(());
                }
                if batch.len() < BATCH {
                    // Not by receiving meanwhile: each settlement would wake this task, at the cost of its sender.
                    tokio::select! {
                        biased;
                        () = stop.wait() => {}
                        () = self.places.full_batch() => {}
                        () = sleep(WINDOW) => {}
                    }
                }
            }
            () = self.places.something_spilled() => {}
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {}
        }
        Some(())
    }

    /// A batch of what was queued, with the cursors behind it.
    fn taken(&mut self, queued: Vec<Queued>) -> Taken {
        let mut taken = Taken { places: queued.len(), ..Taken::default() };
        let mut settlements = Vec::with_capacity(queued.len());
        for Queued { settlement, at } in queued {
            settlements.push(settlement);
            let Some((worker, position)) = at else {
                taken.volatile += 1;
                continue;
            };
            taken.memory += 1;
            taken.note(worker, position);
        }
        taken.batch.settlements = settlements.into();
        if let Some(behind) = &mut self.behind {
            behind.taken_from_memory(&taken);
            taken.batch.cursors = behind.cursors(&taken.ends);
        }
        taken
    }

    /// Offers a batch until it is taken. False: it was the end, and the last try failed.
    async fn deliver<F>(&mut self, taken: &Taken, sink: &mut impl Sink, stop: &mut Stop<'_, F>) -> bool
    where
        F: Future<Output = ()>,
    {
        let mut outage: Option<Instant> = None;
        let mut wait = FIRST_WAIT;
        let mut tries_left = LAST_TRIES;
        loop {
            let error = match sink.record(taken.batch.clone()).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if outage.is_none() {
                tracing::warn!(error = %chain(&error), "settlements cannot be stored and are kept until they can");
                outage = Some(Instant::now());
            }
            if stop.fired || self.queue.is_closed() {
                if tries_left == LAST_TRIES {
                    wait = FIRST_WAIT;
                }
                tries_left -= 1;
                if tries_left == 0 {
                    return false;
                }
            }
            tokio::select! {
                biased;
                () = stop.wait(), if !stop.fired => self.places.close(),
                () = sleep(wait) => wait = LONGEST_WAIT.min(wait * 2),
            }
        }
        self.places.free(taken.places);
        if taken.places > 0 {
            self.places.census.stored(&taken.batch.settlements);
        }
        self.places.free_memory(taken.memory);
        if let Some(behind) = &mut self.behind {
            behind.stored(taken);
        }
        if let Some(since) = outage {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, waiting = self.places.settled(), "settlements are stored again");
        }
        true
    }

    /// Counts and drops what is left in the queue, and in the batch at hand: what of it is in no journal.
    async fn give_up(&mut self, held: &Taken) -> u64 {
        self.queue.close();
        let mut lost = held.volatile;
        while let Some(queued) = self.queue.recv().await {
            lost += usize::from(queued.at.is_none());
        }
        self.places.free(lost);
        lost as u64
    }
}

impl Taken {
    /// One more settlement of a worker's chain is in it.
    pub(crate) fn note(&mut self, worker: usize, position: Position) {
        match self.ends.iter_mut().find(|(of, _)| *of == worker) {
            Some((_, end)) => *end = position,
            None => self.ends.push((worker, position)),
        }
        match self.delivered.iter_mut().find(|(of, segment, _)| (*of, *segment) == (worker, position.segment)) {
            Some((.., count)) => *count += 1,
            None => self.delivered.push((worker, position.segment, 1)),
        }
    }
}

pub(crate) fn cursor(journal: String, at: Position) -> JournalCursor {
    JournalCursor { journal, segment: at.segment, offset: at.offset }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Drain").field(&self.places).finish()
    }
}

impl Drop for Drain {
    /// However a run ends: nobody settles what is admitted from here on.
    fn drop(&mut self) {
        self.places.close();
        self.queue.close();
        let lost = self.places.settled();
        if lost > 0 && self.behind.is_none() && self.places.capacity() != usize::MAX {
            tracing::error!(lost, "the drain was dropped with settlements that are not stored");
        }
    }
}

/// A signal that is asked again after it was given.
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

/// An error with its causes, which libraries tend to leave out of their `Display`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
