//! The state of a chain that is written: its segments and the open requests in them. The caller holds the chain's lock.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use crate::journal::files::JournalFile;

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

#[derive(Default)]
/// An open request.
pub(super) struct Open {
    /// Offset and length of its records in the current segment, in order.
    pub(super) records: Vec<(u64, u64)>,
    /// The most bytes it has still to write.
    pub(super) reserved: u64,
}

impl State {
    pub(super) fn all_stored(&self) -> bool {
        self.sealed.iter().all(|sealed| sealed.unstored == 0) && self.current.as_ref().is_none_or(|s| s.unstored == 0)
    }

    /// Writes records of a request at the end of the current segment. On an error none of them is in it.
    pub(super) fn write(&mut self, request: u64, records: &[u8]) -> io::Result<()> {
        let (Some(segment), Some(open)) = (&mut self.current, self.open.get_mut(&request)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if records.is_empty() {
            return Ok(());
        }
        let length = records.len() as u64;
        if let Err(error) = segment.file.write_at(segment.written, records) {
            // Some of it may have been written, and the next record may be too short to cover it.
            let _ = segment.file.write_at(segment.written, &vec![0; records.len()]);
            return Err(error);
        }
        match open.records.last_mut() {
            Some((offset, size)) if *offset + *size == segment.written => *size += length,
            _ => open.records.push((segment.written, length)),
        }
        let used = length.min(open.reserved);
        open.reserved -= used;
        self.reserved -= used;
        segment.written += length;
        self.live += length;
        self.writes += 1;
        Ok(())
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
        if let Some(Segment { number, file, written, allocated, unstored }) = self.current.take() {
            self.unsynced.push((number, file));
            self.sealed.push_back(SealedSegment { number, written, allocated, unstored, copied });
        }
    }
}
