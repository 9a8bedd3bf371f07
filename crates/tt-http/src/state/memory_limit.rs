//! The memory that request bodies take in the whole process, and its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The process would hold more bytes of request bodies than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("request bodies take as much memory as they may")]
pub(crate) struct MemoryLimitExceeded;

/// The bytes of request bodies that the process holds, and the most that it may hold (`MAX_BUFFERED_BYTES`).
#[derive(Debug, Clone)]
pub(crate) struct MemoryLimit {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl MemoryLimit {
    /// Makes a limit of `most_bytes`, of which none is held.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { held: Arc::new(AtomicUsize::new(0)), most: most_bytes }
    }

    /// A share that holds nothing yet.
    pub(crate) fn share(&self) -> MemoryShare {
        MemoryShare { limit: self.clone(), bytes: 0 }
    }
}

/// The part of the limit that one body holds. It is given back on drop.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    limit: MemoryLimit,
    bytes: usize,
}

impl MemoryShare {
    /// Grows the share to `bytes` in all. A smaller number than before changes nothing.
    ///
    /// # Errors
    /// When the process would hold more than it may. The share counts as grown until it is dropped.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), MemoryLimitExceeded> {
        let Some(more) = bytes.checked_sub(self.bytes) else { return Ok(()) };
        let held = self.limit.held.fetch_add(more, Ordering::Relaxed);
        self.bytes = bytes;
        if held.saturating_add(more) > self.limit.most { Err(MemoryLimitExceeded) } else { Ok(()) }
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.limit.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let limit = MemoryLimit::new(100);
        let (mut one, mut other) = (limit.share(), limit.share());
        assert_eq!(one.grow_to(60), Ok(()));
        assert_eq!(other.grow_to(40), Ok(()));
        assert_eq!(other.grow_to(30), Ok(()), "a share never shrinks");
        assert_eq!(limit.share().grow_to(1), Err(MemoryLimitExceeded));
        drop(one);
        assert_eq!(limit.share().grow_to(60), Ok(()));
        assert_eq!(other.grow_to(101), Err(MemoryLimitExceeded));
    }
}
