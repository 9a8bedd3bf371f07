//! What makes the journal durable: a loop on a thread of its own, since `fsync` blocks for milliseconds.

use std::sync::Arc;

use tokio::sync::watch;

use crate::LedgerError;
use crate::journal::Journal;

/// Makes the journal durable, deletes what is drained from it and notices when there is room again.
#[must_use = "without it nothing is made durable, and nothing is ever deleted"]
pub struct Flusher {
    journal: Arc<Journal>,
}

impl Flusher {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// Works until the drain has ended. Blocks: for a thread of its own.
    pub fn run(self) {
        while self.journal.instance.wait() {
            self.journal.tick();
        }
        self.journal.tick();
    }

    /// One round of its work, for those who keep time themselves. Blocks.
    pub fn tick(&self) {
        self.journal.tick();
    }
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("instance", &self.journal.instance.name).finish_non_exhaustive()
    }
}

/// How far a chain is durable, counted in writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Synced {
    pub(crate) through: u64,
    /// Writes up to this one may not be.
    pub(crate) failed: u64,
}

/// Whether a settlement is durable. Ready at once, but with [`crate::Fsync::Always`].
#[derive(Debug, Default)]
pub struct Durable {
    pending: Option<(watch::Receiver<Synced>, u64)>,
}

impl Durable {
    pub(crate) fn after(synced: watch::Receiver<Synced>, write: u64) -> Self {
        Self { pending: Some((synced, write)) }
    }

    /// Is there nothing to wait for?
    pub fn is_ready(&self) -> bool {
        self.pending.as_ref().is_none_or(|(synced, write)| synced.borrow().through >= *write)
    }

    /// Resolves when it is durable; an error when it could not be made so. It is in the journal either way.
    pub async fn wait(self) -> Result<(), LedgerError> {
        let Some((mut synced, write)) = self.pending else { return Ok(()) };
        let known = synced.wait_for(|synced| synced.failed >= write || synced.through >= write).await;
        match known {
            Ok(synced) if synced.failed >= write => Err(LedgerError::Io(std::io::ErrorKind::Other)),
            Ok(_) => Ok(()),
            Err(_closed) => Err(LedgerError::Closed),
        }
    }
}
