//! Why the ledger takes no intent. A request that cannot be accounted for is not sent.

/// The ledger refuses. Nothing of the request was recorded; nothing may be sent upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// As many requests are open or not yet stored as there is room for. Passes when some are delivered.
    #[error("the ledger is full")]
    Full,
    /// The drain has ended: the process is shutting down.
    #[error("the ledger is closed")]
    Closed,
}
