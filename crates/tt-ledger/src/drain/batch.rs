//! A batch on its way to the sink, and what to note once it is stored.

use std::time::Duration;

use crate::drain::sink::Batch;
use crate::journal::position::Position;

/// The most settlements in a batch.
pub const BATCH: usize = 1000;
/// About the most bytes of the settlements in a batch. One that takes more by itself is a batch of its own. A database takes
/// a batch as one statement, which doubles some of its bytes.
pub const BATCH_BYTES: usize = 4 << 20;
/// The time that a batch that is not full waits for more, from its first settlement on.
pub const WINDOW: Duration = Duration::from_millis(50);

/// The source of a batch's settlements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Origin {
    /// The queue: requests of this process.
    #[default]
    Queue,
    /// The files of this process's own journal: requests of this process.
    OwnFiles,
    /// The journal of a process that has ended. Its requests hold no permits here.
    Orphan,
}

/// The settlements and bytes that a batch has room for.
pub(crate) struct Room {
    settlements: usize,
    bytes: usize,
}

impl Room {
    /// The room of an empty batch.
    pub(crate) const fn new() -> Self {
        Self { settlements: 0, bytes: 0 }
    }

    /// True if there is room for a settlement of so many bytes. The first one always fits.
    pub(crate) const fn fits(&self, bytes: usize) -> bool {
        self.settlements == 0 || (self.settlements < BATCH && self.bytes.saturating_add(bytes) <= BATCH_BYTES)
    }

    /// Notes that the batch has one more settlement of so many bytes.
    pub(crate) const fn take(&mut self, bytes: usize) {
        self.settlements += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// True if there is no room for any other settlement. A reader asks this, because it does not know the size of the
    /// next one.
    pub(crate) const fn is_full(&self) -> bool {
        self.settlements >= BATCH || self.bytes >= BATCH_BYTES
    }
}

/// A batch, and what it was made of.
#[derive(Default)]
pub(crate) struct PreparedBatch {
    pub(crate) batch: Batch,
    pub(crate) origin: Origin,
    /// For each worker and segment, how many of the settlements are in it: to be noted once they are stored.
    pub(crate) by_segment: Vec<(usize, u64, usize)>,
    /// For each worker, the position up to which its chain is stored with this batch.
    pub(crate) ends: Vec<(usize, Position)>,
    /// The number of settlements that waited in memory and are in a journal, and their bytes.
    pub(crate) in_memory: usize,
    pub(crate) bytes_in_memory: usize,
    /// The number of settlements that are in no journal.
    pub(crate) unjournaled: usize,
}

impl PreparedBatch {
    /// Notes that the batch has one more settlement of a worker's chain, which ends at `position`.
    pub(crate) fn note(&mut self, worker: usize, position: Position) {
        match self.ends.iter_mut().find(|(of, _)| *of == worker) {
            Some((_, end)) => *end = position,
            None => self.ends.push((worker, position)),
        }
        match self.by_segment.iter_mut().find(|(of, segment, _)| (*of, *segment) == (worker, position.segment)) {
            Some((.., count)) => *count += 1,
            None => self.by_segment.push((worker, position.segment, 1)),
        }
    }
}
