//! The memory that one stream keeps of its open blocks.

use crate::upstream::error::UpstreamError;

/// The most blocks of one stream that may be open at once. No provider opens so many.
pub(super) const MOST_BLOCKS: usize = 1024;

/// The memory that a block takes beside its texts, in bytes; about the size of the states that are kept.
const BLOCK: usize = 128;

/// Counts the open blocks of one stream and the bytes of their texts, arguments and signatures.
#[derive(Debug, Default)]
pub(super) struct Held {
    blocks: usize,
    bytes: usize,
}

impl Held {
    /// Takes note that a block opens, of which `bytes` are kept.
    ///
    /// # Errors
    /// `Protocol` when too many blocks are open.
    pub(super) fn open(&mut self, bytes: usize) -> Result<(), UpstreamError> {
        if self.blocks >= MOST_BLOCKS {
            return Err(UpstreamError::Protocol(format!("more than {MOST_BLOCKS} blocks are open in a stream")));
        }
        self.opened(bytes);
        Ok(())
    }

    /// Takes note of an open block whose number another place has limited.
    pub(super) fn opened(&mut self, bytes: usize) {
        self.blocks += 1;
        self.bytes += bytes;
    }

    /// Takes note that an open block keeps `after` bytes where it kept `before`.
    pub(super) fn change(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes.saturating_sub(before) + after;
    }

    /// Takes note that a block is closed, of which `bytes` were kept.
    pub(super) fn close(&mut self, bytes: usize) {
        self.blocks = self.blocks.saturating_sub(1);
        self.change(bytes, 0);
    }

    /// The memory that all of it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.blocks * BLOCK + self.bytes
    }
}
