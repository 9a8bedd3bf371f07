//! Why the ledger takes no intent. A request that cannot be accounted for is not sent.

use std::io;

/// The ledger refuses. Nothing may be sent upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// As much is open or not yet stored as there is room for. Passes when some is delivered.
    #[error("the ledger is full")]
    Full,
    /// The drain has ended: the process is shutting down.
    #[error("the ledger is closed")]
    Closed,
    /// The journal cannot be written: a full or a broken disk. Passes when the disk recovers.
    #[error("the journal cannot be written ({0})")]
    Io(io::ErrorKind),
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
