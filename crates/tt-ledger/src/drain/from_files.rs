//! The drain's source beside the queue: the files of this process's journal and of orphans.

use std::mem;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::drain::batch::PreparedBatch;
use crate::drain::blocking::blocking;
use crate::drain::catch_up::CatchUp;
use crate::drain::orphans::Orphans;
use crate::drain::sink::{Sink, forget};
use crate::journal::Journal;

pub(crate) struct FromFiles {
    journal: Arc<Journal>,
    pub(crate) catch_up: CatchUp,
    orphans: Orphans,
    /// The last batch came from files, so the next one comes from the queue if there is one.
    queues_turn: bool,
}

impl FromFiles {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let (catch_up, orphans) = (CatchUp::new(Arc::clone(&journal)), Orphans::new(Arc::clone(&journal)));
        Self { journal, catch_up, orphans, queues_turn: false }
    }

    /// Turns true once everything is stored that processes before this one had left behind.
    pub(crate) fn orphans_stored(&self) -> watch::Receiver<bool> {
        self.orphans.all_stored()
    }

    /// The time at which the next step is due that no wake-up announces.
    pub(crate) fn due(&self) -> Instant {
        if self.catch_up.ready().is_some() { Instant::now() } else { self.orphans.due() }
    }

    /// Notes that a batch was taken from the queue.
    pub(crate) fn dequeued(&mut self, batch: &PreparedBatch) {
        self.catch_up.dequeued(batch);
        self.queues_turn = false;
    }

    /// A batch from files, if it is their turn and there is something to read. At the `end` of a run, orphans are left
    /// to the next process.
    pub(crate) async fn next(&mut self, sink: &mut impl Sink, end: bool) -> Option<PreparedBatch> {
        if mem::take(&mut self.queues_turn) {
            return None;
        }
        let mut batch = self.catch_up.next().await;
        if batch.is_none() {
            if end {
                self.orphans.abandon();
            } else {
                batch = self.orphans.next(sink).await;
            }
        }
        self.queues_turn = batch.is_some();
        batch
    }

    /// Deletes what is stored, at the end of a run.
    pub(crate) async fn finish(self, sink: &mut impl Sink) {
        let journal = self.journal;
        if let Ok(gone) = blocking(move || Ok(journal.finish())).await {
            forget(sink, gone).await;
        }
    }
}
