//! The records of several requests that one write puts into a chain.
//!
//! A request adds its records, lets the other requests of its thread add theirs for one turn of the runtime, and then asks
//! for the write. The first that asks writes for all. A write that nobody waits for, such as that of a dropped guard,
//! takes along those that wait.
//!
//! **Invariant:** what waits counts only once it is written, so a write that fails has nothing to take back. A request with
//! records that wait does nothing else before they are written, or have failed.

use std::mem;

use crate::journal::position::Position;

/// Gives a settlement to the drain. It gets the settlement's position in the chain, `None` if it could not be written, and
/// whether the drain is to read the chain from its files. Returns true if the settlement is in the queue. It is called under
/// the chain's lock, so that the queue has the order of the file.
pub(crate) type Deliver = Box<dyn FnOnce(Option<Position>, bool) -> bool + Send>;

/// The bytes at which records wait no longer.
const MOST_BYTES: usize = 64 << 10;

/// Records for the next write, in order.
#[derive(Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Records of one request.
pub(super) struct Entry {
    pub(super) request: u64,
    /// Their bytes.
    pub(super) length: u64,
    /// For a request's last records: what gives its settlement to the drain.
    settlement: Option<Deliver>,
}

impl Waiting {
    pub(super) fn push(&mut self, request: u64, records: &[u8], settlement: Option<Deliver>) {
        self.bytes.extend_from_slice(records);
        self.entries.push(Entry { request, length: records.len() as u64, settlement });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True if no more records should be added before they are written.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= MOST_BYTES
    }

    /// Takes the records out. [`Waiting::reuse`] takes their buffers back.
    pub(super) fn take(&mut self) -> (Vec<u8>, Vec<Entry>) {
        (mem::take(&mut self.bytes), mem::take(&mut self.entries))
    }

    pub(super) fn reuse(&mut self, mut bytes: Vec<u8>, entries: Vec<Entry>) {
        bytes.clear();
        bytes.shrink_to(MOST_BYTES);
        (self.bytes, self.entries) = (bytes, entries);
    }
}

impl Entry {
    pub(super) fn is_settlement(&self) -> bool {
        self.settlement.is_some()
    }

    /// Gives the settlement to the drain, as [`Deliver`] says. Returns `None` for records without one.
    pub(super) fn deliver(self, at: Option<Position>, from_files: bool) -> Option<bool> {
        self.settlement.map(|deliver| deliver(at, from_files))
    }
}
