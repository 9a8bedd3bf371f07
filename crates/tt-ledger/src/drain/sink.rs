//! Where the drain puts settlements: what the binary wires to the store.

use std::error::Error;
use std::sync::Arc;

use tt_core::record::{JournalCursor, Settlement};

/// What is stored in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Requests that ended, in the order in which they did within each chain.
    pub settlements: Arc<[Settlement]>,
    /// How far each chain is stored with them: one cursor a chain, to replace the last of its name. It goes forward, but
    /// for a journal that lost its end with the power supply.
    pub cursors: Arc<[JournalCursor]>,
}

/// A store of settlements. Its calls are never cut short, so they must end by themselves.
pub trait Sink: Send {
    /// What goes wrong. Trying again may help.
    type Error: Error + Send;

    /// Stores a batch as a whole, or nothing of it. Called again with the same batch after an error; a request that is
    /// stored already is to be left as it is.
    fn record(&mut self, batch: Batch) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// How far a chain is stored; `None`: not at all.
    fn cursor(&mut self, journal: String) -> impl Future<Output = Result<Option<JournalCursor>, Self::Error>> + Send;

    /// A chain is gone for ever, and its cursor with it.
    fn forget(&mut self, journal: String) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A sink for a ledger in memory: it has no cursors.
pub(crate) struct Plain<S>(pub(crate) S);

impl<S, F, E> Sink for Plain<S>
where
    S: FnMut(Arc<[Settlement]>) -> F + Send,
    F: Future<Output = Result<(), E>> + Send,
    E: Error + Send,
{
    type Error = E;

    fn record(&mut self, batch: Batch) -> impl Future<Output = Result<(), E>> + Send {
        (self.0)(batch.settlements)
    }

    async fn cursor(&mut self, _journal: String) -> Result<Option<JournalCursor>, E> {
        Ok(None)
    }

    async fn forget(&mut self, _journal: String) -> Result<(), E> {
        Ok(())
    }
}
