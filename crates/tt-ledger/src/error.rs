//! The reasons for which the ledger refuses an intent.

use std::io;

/// The ledger cannot account for the request, so it must not be sent upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Open and not yet stored requests take all the room there is. Passes when some are stored.
    #[error("the ledger is full")]
    Full,
    /// The drain has ended: the process is shutting down.
    #[error("the ledger is closed")]
    Closed,
    /// The journal cannot be written because the disk is full or broken. Passes when the disk recovers.
    #[error("the journal cannot be written ({0})")]
    Io(io::ErrorKind),
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
