//! Accepts connections on the control plane and hands each to the worker that serves the fewest.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::server::connection::Accepted;
use crate::server::worker::WorkerThread;

/// The pause after a connection could not be accepted. The usual cause is a process without free file descriptors, which
/// other connections must give back first.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Accepts until `stop`, and at most `most_connections` at a time: further clients wait in the listener's backlog.
/// Returns early when a worker thread has ended, since nothing can be served by it any more.
pub(super) async fn run(
    listener: &TcpListener,
    most_connections: usize,
    workers: &[WorkerThread],
    stop: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(most_connections));
    while let Some(accepted) = accept(listener, &places, stop).await {
        let Some(worker) = workers.iter().min_by_key(|worker| worker.connections()) else { break };
        if worker.hand_over(accepted).await.is_err() {
            if !stop.is_cancelled() {
                tracing::error!("a worker thread has ended: the server stops");
            }
            break;
        }
    }
}

/// The next connection; `None` once it is time to stop.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Accepted> {
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return None,
            place = Arc::clone(places).acquire_owned() => place.ok()?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        let socket = accepted.and_then(|(socket, peer)| {
            // With Nagle's algorithm, small chunks of a stream would wait up to 40 ms for each other.
            socket.set_nodelay(true)?;
            Ok((socket.into_std()?, peer))
        });
        match socket {
            Ok((socket, peer)) => return Some(Accepted { socket, peer, place }),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}
