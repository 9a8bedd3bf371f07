//! The state of a chain that is written: its segments and the open requests in them. The caller holds the chain's lock.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use crate::journal::files::JournalFile;
use crate::journal::position::Position;
use crate::journal::writer::waiting::{Entry, Waiting};

#[derive(Default)]
pub(super) struct State {
    pub(super) current: Option<Segment>,
    /// The segments before the current one, oldest first.
    pub(super) sealed: VecDeque<SealedSegment>,
    /// The number of the newest segment; 0 before the first.
    pub(super) last_number: u64,
    /// The open requests by their number in the chain.
    pub(super) open: BTreeMap<u64, Open>,
    /// The most bytes that the open requests have still to write.
    pub(super) reserved: u64,
    /// The bytes they have written, all of them in the current segment.
    pub(super) live: u64,
    /// Records for the next write. Nothing else in this state counts them yet: not their bytes, and not their settlements.
    pub(super) waiting: Waiting,
    /// Writes so far, to all segments.
    pub(super) writes: u64,
    /// Sealed segments that may not be durable, by number.
    pub(super) unsynced: Vec<(u64, Arc<dyn JournalFile>)>,
    /// A file was added to the directory, which may not be durable.
    pub(super) named: bool,
    /// An `fsync` of the current segment failed: nothing new goes into it, since the system may have dropped its bytes.
    pub(super) suspect: bool,
    /// Settlements stay in the files only, until the drain has read the files to their end.
    pub(super) spilled: bool,
    /// Settlements that went to the queue, counted.
    pub(super) queued: u64,
    /// The drain has ended and the files are deleted.
    pub(super) finished: bool,
}

/// The segment that records go to.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<dyn JournalFile>,
    /// Bytes written, and bytes reserved on disk.
    pub(super) written: u64,
    pub(super) allocated: u64,
    /// Settlements in it that are not stored.
    pub(super) unstored: usize,
    /// The end of bytes beyond `written` that a failed write may have left; 0 if there are none.
    pub(super) remains: u64,
}

/// A segment that gets no more records.
pub(super) struct SealedSegment {
    pub(super) number: u64,
    pub(super) written: u64,
    pub(super) allocated: u64,
    pub(super) unstored: usize,
    /// The write that copied its open requests to the next segment. Once that is durable, this segment may be deleted.
    pub(super) copied: u64,
}

/// An open request.
#[derive(Default)]
pub(super) struct Open {
    /// Offset and length of its records in the current segment, in order.
    pub(super) records: Vec<(u64, u64)>,
    /// The most bytes it has still to write.
    pub(super) reserved: u64,
    /// The reason why records that waited could not be written, until the request asks.
    pub(super) failed: Option<io::ErrorKind>,
}

impl State {
    pub(super) fn all_stored(&self) -> bool {
        self.sealed.iter().all(|sealed| sealed.unstored == 0) && self.current.as_ref().is_none_or(|s| s.unstored == 0)
    }

    /// Writes bytes at the end of the current segment, and counts none of them yet. On an error none of them is in it.
    pub(super) fn write(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Some(segment) = &mut self.current else { return Err(io::ErrorKind::NotFound.into()) };
        if bytes.is_empty() {
            return Ok(());
        }
        let (at, length) = (segment.written, bytes.len());
        let remains = usize::try_from(segment.remains.saturating_sub(at)).map_err(io::Error::other)?;
        bytes.resize(length.max(remains), 0);
        let written = segment.file.write_at(at, bytes);
        if written.is_ok() {
            segment.remains = 0;
            self.writes += 1;
        } else {
            // Some of it may have been written, and the next record may be too short to cover it.
            bytes.fill(0);
            let cleared = segment.file.write_at(at, bytes).is_ok();
            segment.remains = if cleared { 0 } else { at + bytes.len() as u64 };
        }
        written
    }

    /// Notes that records of a request are written, and closes the request with its settlement. Returns the position
    /// right after a settlement.
    pub(super) fn note_written(&mut self, entry: &Entry) -> Option<Position> {
        let (Some(segment), Some(open)) = (&mut self.current, self.open.get_mut(&entry.request)) else { return None };
        let length = entry.length;
        match open.records.last_mut() {
            Some((offset, size)) if *offset + *size == segment.written => *size += length,
            _ if length > 0 => open.records.push((segment.written, length)),
            _ => {}
        }
        let used = length.min(open.reserved);
        open.reserved -= used;
        self.reserved -= used;
        segment.written += length;
        self.live += length;
        if !entry.is_settlement() {
            return None;
        }
        segment.unstored += 1;
        let at = Position { segment: segment.number, offset: segment.written };
        self.close(entry.request);
        Some(at)
    }

    /// A request will write no more.
    pub(super) fn close(&mut self, request: u64) {
        if let Some(open) = self.open.remove(&request) {
            self.reserved -= open.reserved;
            self.live -= open.records.iter().map(|(_, length)| length).sum::<u64>();
        }
    }

    /// Appends a part of the current segment to `bytes`.
    pub(super) fn read(&self, mut offset: u64, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Some(segment) = &self.current else { return Ok(()) };
        let mut start = bytes.len();
        bytes.resize(start + usize::try_from(length).map_err(io::Error::other)?, 0);
        while let Some(rest) = bytes.get_mut(start..).filter(|rest| !rest.is_empty()) {
            let read = segment.file.read_at(offset, rest)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            start += read;
            offset += read as u64;
        }
        Ok(())
    }

    /// Seals the current segment. `copied`: the write after which it may be deleted.
    pub(super) fn seal_current(&mut self, copied: u64) {
        if let Some(Segment { number, file, written, allocated, unstored, .. }) = self.current.take() {
            self.unsynced.push((number, file));
            self.sealed.push_back(SealedSegment { number, written, allocated, unstored, copied });
        }
    }
}
