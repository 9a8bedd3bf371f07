//! Tells when what was written to a chain is durable.

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

/// A wait until a settlement is durable. Ready at once, except with [`Fsync::Always`](crate::Fsync::Always).
#[derive(Debug, Default)]
pub struct Durable {
    /// The write to wait for, or `None` if there is nothing to wait for.
    awaited: Option<(watch::Receiver<Synced>, u64)>,
}

impl Durable {
    pub(crate) fn after(synced: watch::Receiver<Synced>, write: u64) -> Self {
        Self { awaited: Some((synced, write)) }
    }

    /// True if the write is durable already, so that waiting ends at once.
    pub fn is_ready(&self) -> bool {
        self.awaited.as_ref().is_none_or(|(synced, write)| synced.borrow().through >= *write)
    }

    /// Resolves when the settlement is durable. An error when it could not be made so; it is in the journal either way.
    pub async fn wait(self) -> Result<(), LedgerError> {
        let Some((mut synced, write)) = self.awaited else { return Ok(()) };
        let known = synced.wait_for(|synced| synced.failed >= write || synced.through >= write).await;
        match known {
            Ok(synced) if synced.failed >= write => Err(LedgerError::Io(io::ErrorKind::Other)),
            Ok(_) => Ok(()),
            Err(_closed) => Err(LedgerError::Closed),
        }
    }
}
