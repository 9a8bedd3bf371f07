//! The client as the reader of its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reader at the other end of one connection. Clones are the same reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader(Arc<AtomicBool>);

impl Reader {
    /// Notes that the connection is cut because the client took nothing of an answer for `CLIENT_WRITE_TIMEOUT`.
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True if the connection was cut for that reason.
    pub(crate) fn was_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
