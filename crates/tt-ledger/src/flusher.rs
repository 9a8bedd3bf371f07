//! Makes the journal durable, in a loop on a thread of its own, because `fsync` blocks for milliseconds.

use std::sync::Arc;

use crate::journal::Journal;

/// Makes the journal durable, deletes the segments that are stored, and notices when there is room again.
#[must_use = "without it nothing is made durable, and nothing is ever deleted"]
pub struct Flusher {
    journal: Arc<Journal>,
}

impl Flusher {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// Works until the drain has ended. It blocks, so it needs a thread of its own.
    pub fn run(self) {
        while self.journal.instance.wait() {
            self.journal.tick();
        }
        self.journal.tick();
    }

    /// Does one round of that work, for a caller that keeps time itself. Blocks.
    pub fn tick(&self) {
        self.journal.tick();
    }
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("instance", &self.journal.instance.name).finish_non_exhaustive()
    }
}
