//! The progress of making a chain durable.

use std::io;

use tokio::sync::watch;

use crate::error::LedgerError;

/// The progress of making a chain durable, counted in writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Synced {
    /// Every write up to this one is durable.
    pub(crate) through: u64,
    /// An `fsync` failed: writes up to this one may be lost with the power supply.
    pub(crate) failed: u64,
}

/// A write that is being made durable.
pub(crate) struct Syncing {
    pub(crate) synced: watch::Receiver<Synced>,
    pub(crate) write: u64,
}

impl Syncing {
    /// True if the write is durable already.
    pub(crate) fn is_done(&self) -> bool {
        self.synced.borrow().through >= self.write
    }

    /// Resolves when the write is durable. An error when it could not be made so.
    pub(crate) async fn done(mut self) -> Result<(), LedgerError> {
        let write = self.write;
        match self.synced.wait_for(|synced| synced.failed >= write || synced.through >= write).await {
            Ok(synced) if synced.failed >= write => Err(LedgerError::Io(io::ErrorKind::Other)),
            Ok(_) => Ok(()),
            Err(_closed) => Err(LedgerError::Closed),
        }
    }
}
