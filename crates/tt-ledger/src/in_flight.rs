//! The room of a ledger: one place for each request from its intent until the sink has taken its settlement.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::LedgerError;
use crate::drain::BATCH;
use crate::in_flight::by_user::Census;

pub(crate) mod by_user;

/// Counts only: no memory is published through them, so `Relaxed` will do throughout.
#[derive(Debug)]
pub(crate) struct Places {
    capacity: usize,
    /// `settled <= taken <= capacity`, but for the moment between two counts.
    taken: AtomicUsize,
    settled: AtomicUsize,
    /// Settlements in memory, and what they may come to.
    memory: AtomicUsize,
    memory_capacity: usize,
    /// The same by caller.
    pub(crate) census: Census,
    closed: AtomicBool,
    full_batch: Notify,
    spilled: Notify,
}

impl Places {
    pub(crate) fn new(capacity: usize, memory_capacity: usize) -> Self {
        Self {
            capacity,
            taken: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            memory: AtomicUsize::new(0),
            memory_capacity,
            census: Census::default(),
            closed: AtomicBool::new(false),
            full_batch: Notify::new(),
            spilled: Notify::new(),
        }
    }

    /// Sets a place aside.
    pub(crate) fn take(&self) -> Result<(), LedgerError> {
        if self.is_closed() {
            return Err(LedgerError::Closed);
        }
        let room = |taken| (taken < self.capacity).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(drop)
            .map_err(|_taken| LedgerError::Full)
    }

    /// Gives back a place whose request never ran.
    pub(crate) fn put_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes room for a settlement in memory; false: it is to be read back from its file.
    pub(crate) fn take_memory(&self) -> bool {
        let room = |taken| (taken < self.memory_capacity).then_some(taken + 1);
        self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    pub(crate) fn free_memory(&self, count: usize) {
        self.memory.fetch_sub(count, Ordering::Relaxed);
    }

    /// A chain's settlements go to its files only from now on.
    pub(crate) fn spill(&self) {
        self.spilled.notify_one();
    }

    /// Resolves when there is something to read from files, or may be.
    pub(crate) async fn something_spilled(&self) {
        self.spilled.notified().await;
    }

    /// The request of a place has settled; to be called before its settlement is queued.
    pub(crate) fn settle(&self) {
        let settled = self.settled.fetch_add(1, Ordering::Relaxed) + 1;
        if settled.is_multiple_of(BATCH) {
            self.full_batch.notify_one();
        }
    }

    /// Gives back the places of `count` settlements, delivered or lost.
    pub(crate) fn free(&self, count: usize) {
        self.settled.fetch_sub(count, Ordering::Relaxed);
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }

    /// Takes no more intents.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Resolves when about a batch has settled. May be early, which makes a smaller batch.
    pub(crate) async fn full_batch(&self) {
        self.full_batch.notified().await;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Requests that have an intent and no settlement.
    pub(crate) fn open(&self) -> usize {
        self.taken.load(Ordering::Relaxed).saturating_sub(self.settled())
    }

    /// Settlements the sink has not taken yet.
    pub(crate) fn settled(&self) -> usize {
        self.settled.load(Ordering::Relaxed)
    }
}
