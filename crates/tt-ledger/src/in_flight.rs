//! Permits: every request holds one from its intent until the sink has taken its settlement. Counted in all and by
//! user.
//!
//! It must not know where settlements go: it counts them, and wakes the drain.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tt_core::record::Settlement;
use tt_core::{Timestamp, UserId};

use crate::error::LedgerError;

mod by_user;

use by_user::ByUser;

/// The number and size of the settlements of a journal that may wait in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) settlements: usize,
    pub(crate) bytes: usize,
}

impl Memory {
    pub(crate) const UNBOUNDED: Self = Self { settlements: usize::MAX, bytes: usize::MAX };
}

/// The atomic counts publish no memory to other threads, so `Relaxed` is enough throughout.
#[derive(Debug)]
pub(crate) struct InFlight {
    capacity: usize,
    /// `unstored <= permits <= capacity`, except between the two steps of one change.
    permits: AtomicUsize,
    /// Of those, the ones whose request has settled.
    unstored: AtomicUsize,
    /// Settlements of a journal that wait in memory, their bytes, and how much of both may.
    in_memory: AtomicUsize,
    bytes_in_memory: AtomicUsize,
    memory_capacity: Memory,
    users: ByUser,
    closed: AtomicBool,
    /// The number of settlements in a full batch.
    batch: usize,
    full_batch: Notify,
    spilled: Notify,
}

impl InFlight {
    /// `capacity`: requests that may hold a permit. `memory_capacity`: what may wait in memory of journaled settlements.
    /// `batch`: the drain is woken each time so many have settled.
    pub(crate) fn new(capacity: usize, memory_capacity: Memory, batch: usize) -> Self {
        Self {
            capacity,
            permits: AtomicUsize::new(0),
            unstored: AtomicUsize::new(0),
            in_memory: AtomicUsize::new(0),
            bytes_in_memory: AtomicUsize::new(0),
            memory_capacity,
            users: ByUser::default(),
            closed: AtomicBool::new(false),
            batch,
            full_batch: Notify::new(),
            spilled: Notify::new(),
        }
    }

    /// Reserves a permit for a request of `user`. [`InFlight::void`] gives it back if the request never runs.
    pub(crate) fn reserve(&self, user: UserId) -> Result<(), LedgerError> {
        if self.is_closed() {
            return Err(LedgerError::Closed);
        }
        let room = |permits| (permits < self.capacity).then_some(permits + 1);
        self.permits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_permits| LedgerError::Full)?;
        self.users.enter(user);
        Ok(())
    }

    /// Gives back the permit of a request that was refused after all.
    pub(crate) fn void(&self, user: UserId) {
        self.permits.fetch_sub(1, Ordering::Relaxed);
        self.users.leave(user);
    }

    /// A request has settled, at that time. To be called before its settlement is queued.
    pub(crate) fn settle(&self, at: Timestamp) {
        let unstored = self.unstored.fetch_add(1, Ordering::Relaxed) + 1;
        if unstored.is_multiple_of(self.batch) {
            self.full_batch.notify_one();
        }
        self.users.settled(at);
    }

    /// The sink has taken these: their permits are free.
    pub(crate) fn stored(&self, settlements: &[Settlement]) {
        self.release(settlements.len());
        self.users.stored(settlements);
    }

    /// A request of `user` has settled after the drain ended, and its settlement is lost.
    pub(crate) fn lost(&self, user: UserId) {
        self.release(1);
        self.users.lost(user);
    }

    /// Frees the permits of `count` settlements.
    pub(crate) fn release(&self, count: usize) {
        self.unstored.fetch_sub(count, Ordering::Relaxed);
        self.permits.fetch_sub(count, Ordering::Relaxed);
    }

    /// Reserves room in memory for a journaled settlement of so many bytes. False: there is none, and the drain must read
    /// the settlement back from its file.
    pub(crate) fn reserve_memory(&self, bytes: usize) -> bool {
        let most = self.memory_capacity;
        let room = |used| (used < most.settlements).then_some(used + 1);
        if self.in_memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return false;
        }
        let room = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= most.bytes);
        let reserved = self.bytes_in_memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        if !reserved {
            self.in_memory.fetch_sub(1, Ordering::Relaxed);
        }
        reserved
    }

    /// Frees the room in memory of `count` settlements of so many bytes together.
    pub(crate) fn release_memory(&self, count: usize, bytes: usize) {
        self.in_memory.fetch_sub(count, Ordering::Relaxed);
        self.bytes_in_memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The bytes of journaled settlements that wait in memory.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.bytes_in_memory.load(Ordering::Relaxed)
    }

    /// Wakes the drain because a chain's settlements from now on are in its files only.
    pub(crate) fn spill(&self) {
        self.spilled.notify_one();
    }

    /// Resolves after [`InFlight::spill`], and perhaps without one.
    pub(crate) async fn something_spilled(&self) {
        self.spilled.notified().await;
    }

    /// Refuses every intent from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Resolves when about a batch has settled. When it resolves early, the batch is smaller.
    pub(crate) async fn full_batch(&self) {
        self.full_batch.notified().await;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Requests that have an intent and no settlement.
    pub(crate) fn open(&self) -> usize {
        self.permits.load(Ordering::Relaxed).saturating_sub(self.unstored())
    }

    /// Settlements that the sink has not taken.
    pub(crate) fn unstored(&self) -> usize {
        self.unstored.load(Ordering::Relaxed)
    }

    /// Permits that requests of `user` hold.
    pub(crate) fn of(&self, user: UserId) -> usize {
        self.users.of(user)
    }

    /// The time, to the second, of the longest-waiting settlement; `None` when none waits.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.users.oldest()
    }
}
