//! A segment file: its name, its header, and the reader of its frames.
//!
//! A segment begins with a header, then with the carry: a copy of everything that the requests open at that moment had
//! written. The records written since follow. So a segment and those after it hold everything about the requests open at
//! its beginning, and an older segment may be deleted once its settlements are stored.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::journal::files::JournalFile;
use crate::journal::frame::{self, HEAD, LONGEST, Record};

const MAGIC: [u8; 8] = *b"ttledgr1";
/// Magic, the segment's number, the carry's length in bytes, checksum; little-endian.
const HEADER_BYTES: usize = 28;
const HEADER: u64 = HEADER_BYTES as u64;
const SUFFIX: &str = ".seg";
const CHUNK: usize = 256 << 10;

/// The path of a segment.
pub(crate) fn path(dir: &Path, worker: usize, number: u64) -> PathBuf {
    dir.join(format!("{worker}-{number:016}{SUFFIX}"))
}

/// The worker and number in a segment's name, or `None` if it is not a segment's name.
pub(crate) fn parse(name: &str) -> Option<(usize, u64)> {
    let (worker, number) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    Some((worker.parse().ok()?, number.parse().ok()?))
}

/// The header of segment `number`, with a carry of `carry` bytes.
pub(crate) fn header(number: u64, carry: u64) -> Vec<u8> {
    let mut bytes = [MAGIC, number.to_le_bytes(), carry.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The length of the carry, or `None` if these bytes are not the header of this segment.
fn carry(bytes: &[u8], number: u64) -> Option<u64> {
    let length = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    (bytes == header(number, length)).then_some(length)
}

/// The next item in a segment.
#[derive(Debug)]
pub(crate) enum Next {
    /// A record, and its request's number in the chain.
    Record(u64, Box<Record>),
    /// The end of what was written so far.
    End,
    /// A record that was being written when the process or the machine died; nothing comes after it.
    Torn,
    /// Bytes that cannot be read, with more after them.
    Damaged,
}

/// Reads a segment from its beginning, up to a limit that may be raised.
pub(crate) struct SegmentReader {
    pub(crate) number: u64,
    file: Arc<dyn JournalFile>,
    limit: u64,
    buffer: Vec<u8>,
    /// The offset of `buffer` in the file.
    base: u64,
    /// The offset of the next frame in the file.
    pub(crate) offset: u64,
    /// The offset at which the carry ends; `None` before the header was read.
    pub(crate) carry_end: Option<u64>,
}

impl SegmentReader {
    /// `limit`: bytes that were written, or may have been.
    pub(crate) fn new(number: u64, file: Arc<dyn JournalFile>, limit: u64) -> Self {
        Self { number, file, limit, buffer: Vec::new(), base: 0, offset: 0, carry_end: None }
    }

    /// Notes that the segment was written up to `limit`.
    pub(crate) fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// Skips everything up to the limit.
    pub(crate) fn skip(&mut self) {
        self.offset = self.limit;
    }

    /// Reads the next frame.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        if self.carry_end.is_none() {
            let number = self.number;
            match carry(self.peek(HEADER_BYTES)?, number) {
                Some(length) => self.carry_end = Some(HEADER.saturating_add(length)),
                None => return self.unreadable(HEADER, false),
            }
            self.offset = HEADER;
        }
        let Some(head) = self.peek(HEAD)?.first_chunk() else { return self.unreadable(HEAD as u64, true) };
        let (length, crc) = frame::head(*head);
        if length == 0 {
            return self.unreadable(0, true);
        }
        let size = HEAD + length;
        if length > LONGEST {
            return self.unreadable(HEAD as u64, false);
        }
        let payload = self.peek(size)?.get(HEAD..size);
        let Some(payload) = payload.filter(|payload| crc32fast::hash(payload) == crc) else {
            return self.unreadable(size as u64, false);
        };
        let Some((request, record)) = frame::decode(payload) else { return Ok(Next::Damaged) };
        self.offset += size as u64;
        Ok(Next::Record(request, Box::new(record)))
    }

    /// Classifies the unreadable bytes at `offset`: a frame of `size` bytes, or zeros (`blank`).
    fn unreadable(&self, size: u64, blank: bool) -> io::Result<Next> {
        let first_used = self.first_used(self.offset)?;
        Ok(match first_used {
            None => Next::End,
            Some(_) if blank && size == 0 => Next::Damaged,
            Some(_) if self.first_used(self.offset.saturating_add(size))?.is_some() => Next::Damaged,
            Some(_) => Next::Torn,
        })
    }

    /// The offset of the first byte from `at` on that is not zero.
    fn first_used(&self, at: u64) -> io::Result<Option<u64>> {
        let (mut at, mut bytes) = (at, vec![0; CHUNK]);
        while at < self.limit {
            let count = read(&*self.file, at, self.limit, &mut bytes)?;
            if count == 0 {
                break;
            }
            if let Some(used) = bytes.iter().take(count).position(|byte| *byte != 0) {
                return Ok(Some(at + used as u64));
            }
            at += count as u64;
        }
        Ok(None)
    }

    /// The next `count` bytes from `offset` on, or fewer at the limit.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let skipped = usize::try_from(self.offset - self.base).unwrap_or(usize::MAX).min(self.buffer.len());
        if self.buffer.len() - skipped < count {
            self.buffer.drain(..skipped);
            self.base = self.offset;
            while self.buffer.len() < count {
                let (end, at) = (self.buffer.len(), self.base + self.buffer.len() as u64);
                self.buffer.resize(end + CHUNK.max(count), 0);
                let read = read(&*self.file, at, self.limit, self.buffer.get_mut(end..).unwrap_or_default());
                self.buffer.truncate(end + *read.as_ref().unwrap_or(&0));
                if read? == 0 {
                    break;
                }
            }
        }
        let start = usize::try_from(self.offset - self.base).unwrap_or(usize::MAX);
        let rest = self.buffer.get(start..).unwrap_or_default();
        Ok(rest.get(..count).unwrap_or(rest))
    }
}

/// Reads some bytes from `at` on, none beyond `limit`.
fn read(file: &dyn JournalFile, at: u64, limit: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
    file.read_at(at, bytes.get_mut(..room).unwrap_or_default())
}
