//! A batch on its way to the sink, and what to note once it is stored.

use std::time::Duration;

use crate::drain::sink::Batch;
use crate::journal::position::Position;

/// The most settlements in a batch.
pub const BATCH: usize = 1000;
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

/// A batch, and what it was made of.
#[derive(Default)]
pub(crate) struct PreparedBatch {
    pub(crate) batch: Batch,
    pub(crate) origin: Origin,
    /// For each worker and segment, how many of the settlements are in it: to be noted once they are stored.
    pub(crate) by_segment: Vec<(usize, u64, usize)>,
    /// For each worker, the position up to which its chain is stored with this batch.
    pub(crate) ends: Vec<(usize, Position)>,
    /// The number of settlements that waited in memory and are in a journal.
    pub(crate) in_memory: usize,
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
