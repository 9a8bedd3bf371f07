//! Places in a chain of segments.

use tt_core::record::JournalCursor;

/// A place in a chain. Positions are in the order of settling: when the store has a position, it has every settlement
/// that ends at it or before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Bytes from the segment's beginning.
    pub(crate) offset: u64,
}

impl Position {
    /// The cursor that says the chain named `journal` is stored up to here.
    pub(crate) fn cursor(self, journal: String) -> JournalCursor {
        JournalCursor { journal, segment: self.segment, offset: self.offset }
    }
}

impl From<JournalCursor> for Position {
    fn from(cursor: JournalCursor) -> Self {
        Self { segment: cursor.segment, offset: cursor.offset }
    }
}

/// A segment and the number of bytes written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) number: u64,
    /// Bytes. Of a segment whose process has ended: the length of the file.
    pub(crate) limit: u64,
}
