//! Reads this process's own chains back from their files, where settlements came faster than memory could hold them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tt_core::record::JournalCursor;

use crate::drain::batch::{Origin, PreparedBatch, Room};
use crate::drain::blocking::blocking;
use crate::journal::Journal;
use crate::journal::position::Position;
use crate::journal::reader::ChainReader;
use crate::journal::writer::ChainWriter;

/// The wait after a chain could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// The progress of the drain in each worker's chain.
pub(crate) struct CatchUp {
    journal: Arc<Journal>,
    /// One for each worker.
    chains: Vec<Progress>,
    /// The last attempt to read a chain failed.
    unreadable: bool,
}

#[derive(Default)]
struct Progress {
    /// The number of settlements that came from the queue.
    dequeued: u64,
    /// The position up to which the chain is stored.
    stored: Option<Position>,
    /// Reads the chain's files while the drain is behind.
    reader: Option<ChainReader>,
}

impl CatchUp {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let chains = journal.chains.iter().map(|_| Progress::default()).collect();
        Self { journal, chains, unreadable: false }
    }

    /// True if there are settlements that only the files hold, and the files can be read.
    pub(crate) fn is_behind(&self) -> bool {
        !self.unreadable && self.journal.chains.iter().any(|chain| chain.spilled().is_some())
    }

    /// A worker whose chain is to be read from its files, because everything that was queued before is taken.
    pub(crate) fn ready(&self) -> Option<usize> {
        let chains = self.journal.chains.iter().zip(&self.chains);
        chains.enumerate().find_map(|(worker, (chain, progress))| {
            chain.spilled().is_some_and(|queued| queued == progress.dequeued).then_some(worker)
        })
    }

    /// Notes that `batch` was taken from the queue.
    pub(crate) fn dequeued(&mut self, batch: &PreparedBatch) {
        for (worker, _, count) in &batch.by_segment {
            if let Some(progress) = self.chains.get_mut(*worker) {
                progress.dequeued += *count as u64;
            }
        }
    }

    /// The cursors of chains that are stored up to `ends`.
    pub(crate) fn cursors(&self, ends: &[(usize, Position)]) -> Arc<[JournalCursor]> {
        let name = |worker: &usize| self.journal.chains.get(*worker).map(|chain| chain.name());
        ends.iter().filter_map(|(worker, end)| Some(end.cursor(name(worker)?))).collect()
    }

    /// Notes that `batch` is stored.
    pub(crate) fn stored(&mut self, batch: &PreparedBatch) {
        for (worker, segment, count) in &batch.by_segment {
            if let Some(chain) = self.journal.chains.get(*worker) {
                chain.stored(*segment, *count);
            }
        }
        for (worker, end) in &batch.ends {
            if let Some(progress) = self.chains.get_mut(*worker) {
                progress.stored = Some(*end);
            }
        }
    }

    /// The next batch from the files of a chain that is behind; `None`: none is, or it cannot be read now.
    pub(crate) async fn next(&mut self) -> Option<PreparedBatch> {
        let worker = self.ready()?;
        let progress = self.chains.get_mut(worker)?;
        let chain = Arc::clone(self.journal.chains.get(worker)?);
        let mut reader = match progress.reader.take() {
            Some(reader) => reader,
            None => {
                let instance = chain.instance();
                let (files, dir) = (Arc::clone(&instance.files), instance.dir.clone());
                ChainReader::new(files, dir, worker, chain.extents(0), progress.stored)
            }
        };
        let read = blocking(move || {
            let mut batch = PreparedBatch { origin: Origin::OwnFiles, ..PreparedBatch::default() };
            let behind = read_batch(&chain, &mut reader, &mut batch)?;
            Ok((batch, behind.then_some(reader)))
        });
        match read.await {
            Ok((mut batch, reader)) => {
                self.unreadable = false;
                progress.reader = reader;
                batch.batch.cursors = self.cursors(&batch.ends);
                (!batch.batch.settlements.is_empty()).then_some(batch)
            }
            Err(error) => {
                // The next attempt begins again where the store is.
                self.unreadable = true;
                tracing::error!(%error, worker, "the journal cannot be read back");
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }
}

/// Reads settlements that are not stored into `batch`. False: it has read to the end of the chain, whose settlements go
/// to the queue again from here on.
fn read_batch(chain: &ChainWriter, reader: &mut ChainReader, batch: &mut PreparedBatch) -> io::Result<bool> {
    let (mut settlements, mut room) = (Vec::new(), Room::new());
    let behind = loop {
        while !room.is_full()
            && let Some((settlement, position)) = reader.next()?
        {
            room.take(settlement.bytes());
            settlements.push(settlement);
            batch.note(chain.worker, position);
        }
        if room.is_full() {
            break true;
        }
        if chain.caught_up(reader.position()) {
            break false;
        }
        reader.follow(chain.extents(reader.position().segment));
    };
    batch.batch.settlements = settlements.into();
    Ok(behind)
}
