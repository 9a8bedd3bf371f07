//! Tells when a settlement is written, and when it is durable.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;

use crate::error::LedgerError;
use crate::journal::writer::ChainWriter;

/// The progress of making a chain durable, counted in writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Synced {
    /// Every write up to this one is durable.
    pub(crate) through: u64,
    /// An `fsync` failed: writes up to this one may be lost with the power supply.
    pub(crate) failed: u64,
}

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
    /// It is written, by this write.
    Written(watch::Receiver<Synced>, u64),
    /// The same, for one who waits.
    Syncing(Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>),
}

impl Durable {
    /// Waits to be written by `chain`.
    pub(crate) fn unwritten(chain: Arc<ChainWriter>) -> Self {
        Self(Stage::Unwritten(chain, Turn::default()))
    }

    /// Waits until a write that was made is durable.
    pub(crate) fn after(synced: watch::Receiver<Synced>, write: u64) -> Self {
        Self(Stage::Written(synced, write))
    }

    /// True if there is nothing to wait for.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Stage::Ready => true,
            Stage::Written(synced, write) => synced.borrow().through >= *write,
            Stage::Unwritten(..) | Stage::Syncing(_) => false,
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
                    *self = chain.write_waiting();
                }
                Stage::Written(synced, write) => self.0 = Stage::Syncing(Box::pin(synced_through(synced, write))),
                Stage::Syncing(mut synced) => match synced.as_mut().poll(cx) {
                    Poll::Ready(done) => return Poll::Ready(done),
                    Poll::Pending => {
                        self.0 = Stage::Syncing(synced);
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

/// A wait in which the tasks go first that are ready now.
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

async fn synced_through(mut synced: watch::Receiver<Synced>, write: u64) -> Result<(), LedgerError> {
    match synced.wait_for(|synced| synced.failed >= write || synced.through >= write).await {
        Ok(synced) if synced.failed >= write => Err(LedgerError::Io(io::ErrorKind::Other)),
        Ok(_) => Ok(()),
        Err(_closed) => Err(LedgerError::Closed),
    }
}
