//! The waits of a request for the journal: for the turn in which others add their records, and for a settlement that is
//! written and durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::error::LedgerError;
use crate::journal::synced::Syncing;
use crate::journal::writer::ChainWriter;

/// A wait until a settlement is in the journal and, with [`Fsync::Always`](crate::Fsync::Always), durable. The settlement
/// waits one turn of the runtime for those of other requests, with which it is written together. Dropped, this value writes
/// it at once.
///
/// It resolves to an error if the settlement could not be made durable. It is in the journal either way.
#[must_use = "dropping it writes the settlement by itself"]
#[derive(Default)]
pub struct Durable(Stage);

#[derive(Default)]
enum Stage {
    /// There is nothing to wait for.
    #[default]
    Ready,
    /// It waits to be written, and has let other tasks go first or not.
    Unwritten(Arc<ChainWriter>, Turn),
    /// It is written.
    Written(Syncing),
    /// The same, and somebody waits.
    Awaited(Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>),
}

impl Durable {
    /// Waits to be written by `chain`.
    pub(crate) fn unwritten(chain: Arc<ChainWriter>) -> Self {
        Self(Stage::Unwritten(chain, Turn::default()))
    }

    /// Waits until a write is durable, if it is to be.
    pub(crate) fn written(syncing: Option<Syncing>) -> Self {
        Self(syncing.map_or(Stage::Ready, Stage::Written))
    }

    /// True if there is nothing to wait for.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Stage::Ready => true,
            Stage::Written(syncing) => syncing.is_done(),
            Stage::Unwritten(..) | Stage::Awaited(_) => false,
        }
    }
}

impl Future for Durable {
    type Output = Result<(), LedgerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::take(&mut self.0) {
                Stage::Ready => return Poll::Ready(Ok(())),
                Stage::Unwritten(chain, mut turn) => {
                    if Pin::new(&mut turn).poll(cx).is_pending() {
                        self.0 = Stage::Unwritten(chain, turn);
                        return Poll::Pending;
                    }
                    *self = Self::written(chain.write_waiting());
                }
                Stage::Written(syncing) => self.0 = Stage::Awaited(Box::pin(syncing.done())),
                Stage::Awaited(mut done) => match done.as_mut().poll(cx) {
                    Poll::Ready(result) => return Poll::Ready(result),
                    Poll::Pending => {
                        self.0 = Stage::Awaited(done);
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Stage::Unwritten(chain, _) = std::mem::take(&mut self.0) {
            drop(chain.write_waiting());
        }
    }
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

/// A wait in which the tasks go first that are ready now. If its task polls it twice at once, it ends early: then fewer requests
/// share a write.
#[derive(Default)]
pub(crate) struct Turn {
    has_waited: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
