//! The server: it accepts connections, serves them on worker threads, and runs the background tasks beside them.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tt_store::StoreError;

use crate::background::{Background, changes, reseed};
use crate::server::worker::WorkerThread;
use crate::state::app::App;

mod acceptor;
mod connection;
mod entrance;
mod h2;
mod head_lines;
mod idle_timeout;
mod places;
mod probes;
mod taken;
pub(crate) mod tls;
mod turned_away;
mod worker;

/// The time after the grace period within which a worker ends.
const END_OF_WORKER: Duration = Duration::from_secs(5);

/// The reason why the server could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A worker thread could not be started.
    #[error("cannot start a worker thread")]
    Thread(#[from] io::Error),
    /// The store could not be read before serving begins.
    #[error("cannot read the day's request counts")]
    Store(#[from] StoreError),
    /// A background task panicked; requests in flight have ended as at any stop.
    #[error("the background task {0} panicked")]
    Background(&'static str),
    /// A worker thread did not end in time after the grace period. Its requests are in the journal, unsettled.
    #[error("a worker thread is stuck: its requests are stored by the next start on this journal")]
    Stuck,
}

/// Serves `listener` until `stop`. Then `/health/ready` says 503 for the delay of the shutdown while all else goes on, the
/// listener closes, and requests in flight have the grace period to end. Runs on the control plane.
///
/// # Errors
/// Before anything is accepted: when the day's counts cannot be read or a worker thread cannot be started. Later: when a
/// background task panicked, after a stop like any other, or when a worker does not end.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) -> Result<(), ServerError> {
    // A limiter that did not know the day's counts would grant every daily limit anew.
    reseed::seed(&app).await?;
    // The baseline is read before the directory remembers anything, so that no change falls in between.
    let baseline = changes::baseline(&app).await?;
    changes::refresh_prices(&app).await;
    app.compute.start()?;
    let close = CancellationToken::new();
    let mut workers = Vec::with_capacity(app.config.workers);
    for number in 0..app.config.workers.max(1) {
        workers.push(WorkerThread::start(number, Arc::clone(&app), close.clone())?);
    }
    let background = Background::start(&app, baseline, &close);
    let leaving = async {
        stop.cancelled().await;
        app.start_draining();
        close.run_until_cancelled(tokio::time::sleep(app.config.shutdown_delay)).await;
        close.cancel();
    };
    let accepting = async {
        acceptor::run(&app, &listener, &mut workers, &close).await;
        app.start_draining();
        close.cancel();
        stop.cancel();
    };
    let ((), (), ended) = tokio::join!(leaving, accepting, background.ended(&close));
    drop(listener);
    let threads = workers.into_iter().map(WorkerThread::into_thread).collect();
    match joined(threads, app.config.shutdown_grace + END_OF_WORKER).await {
        None => return Err(ServerError::Stuck),
        Some(true) => {}
        Some(false) => tracing::error!("a worker thread panicked"),
    }
    ended.map_err(ServerError::Background)
}

/// Waits until all threads have ended. Returns false if one of them panicked, and `None` if one has not ended within
/// `most`.
async fn joined(threads: Vec<JoinHandle<()>>, most: Duration) -> Option<bool> {
    let join_all = || threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count() == 0;
    match tokio::time::timeout(most, tokio::task::spawn_blocking(join_all)).await {
        Ok(ended_well) => Some(ended_well.unwrap_or(false)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_does_not_end_is_not_waited_for() {
        let long = Duration::from_secs(20);
        let well = || std::thread::spawn(|| {});
        assert_eq!(joined(vec![well(), well()], long).await, Some(true));
        let panicking = std::thread::spawn(|| panic!("as the test wants it"));
        assert_eq!(joined(vec![panicking, well()], long).await, Some(false));
        let (end, ended) = mpsc::channel::<()>();
        let stuck = std::thread::spawn(move || {
            let _ended = ended.recv();
        });
        assert_eq!(joined(vec![well(), stuck], Duration::from_millis(50)).await, None);
        drop(end);
    }
}
