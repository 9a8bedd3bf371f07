//! The interface by which the drain reaches a store.

use std::error::Error;
use std::sync::Arc;

use tt_core::record::{JournalCursor, Settlement};

/// Settlements and cursors to be stored in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Requests that ended, in the order in which they did within each chain.
    pub settlements: Arc<[Settlement]>,
    /// The positions up to which chains are stored with them: at most one cursor a chain, which replaces the one of its name.
    /// Cursors go forward, except in a journal that lost its end with the power supply.
    pub cursors: Arc<[JournalCursor]>,
}

/// A store of settlements. The drain waits for each call, so a call must end by itself.
pub trait Sink: Send {
    /// The reason why a call failed. The drain tries again.
    type Error: Error + Send;

    /// Stores a batch as a whole, or nothing of it. After an error it is called again with the same batch, or with parts
    /// of it ([`Sink::is_refusal`]), of which only the last has the cursors. A request that is stored already must be left
    /// as it is.
    fn record(&mut self, batch: Batch) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// True if the store was reached and refused what it was given. Then the same batch is of no use to it, and the
    /// drain offers its halves, down to the settlement that cannot be stored.
    fn is_refusal(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// The cursor of a chain, or `None` if nothing of the chain is stored.
    fn cursor(&mut self, journal: String) -> impl Future<Output = Result<Option<JournalCursor>, Self::Error>> + Send;

    /// Deletes the cursor of a chain that was deleted.
    fn forget(&mut self, journal: String) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A closure as the sink of a ledger in memory, which has no cursors.
pub(crate) struct ClosureSink<S>(pub(crate) S);

impl<S, F, E> Sink for ClosureSink<S>
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

/// Makes the sink forget the cursors of chains that were deleted. Logs what fails: such a cursor stays and does no
/// harm.
pub(crate) async fn forget(sink: &mut impl Sink, chains: Vec<String>) {
    for chain in chains {
        if let Err(error) = sink.forget(chain.clone()).await {
            tracing::warn!(error = with_causes(&error), chain, "the cursor of a deleted journal cannot be deleted");
        }
    }
}

/// An error followed by its causes, which libraries tend to leave out of their `Display`.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
