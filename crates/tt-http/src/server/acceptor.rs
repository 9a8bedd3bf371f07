//! Accepts connections on the control plane and hands each to the worker that serves the fewest and is not stuck.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::connection::Accepted;
use crate::server::entrance::{self, Ended};
use crate::server::places::Places;
use crate::server::probes::{BEHIND, New, Probes};
use crate::server::turned_away::TurnedAway;
use crate::server::worker::WorkerThread;
use crate::state::app::App;

/// The pause after a connection could not be accepted. The usual cause is a process without free file descriptors, which
/// other connections must give back first.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// The most connections of one address, so that no client takes the places of all others. A trusted proxy may have more.
const MOST_OF_ONE_ADDRESS: usize = 1000;

/// The most bytes that the system takes for a client and has not sent. With more, a slow reader would seem to take
/// nothing for minutes, and then a megabyte at once.
const MOST_UNSENT_BYTES: u32 = 128 * 1024;

/// The least time between two log lines about connections that were turned away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Accepts until `stop`. Past `MAX_CONNECTIONS`, or past those that one address may have, a connection is told that there
/// are too many. Returns early when a worker thread has ended, since nothing can be served by it any more.
pub(super) async fn run(
    app: &Arc<App>,
    listener: &TcpListener,
    workers: &mut [WorkerThread],
    stop: &CancellationToken,
) {
    let most = app.config.max_connections;
    let (places, turned_away) = (Places::new(most, MOST_OF_ONE_ADDRESS), TurnedAway::beside(most));
    let mut told: Option<Instant> = None;
    let (probes, mut seen) = Probes::new();
    loop {
        let (socket, peer) = tokio::select! {
            Some(new) = seen.recv() => {
                if hand_over(workers, new, stop).await.is_err() {
                    break;
                }
                continue;
            }
            accepted = accept(listener, stop) => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
        };
        let Some(place) = places.take(peer.ip(), app.config.trusts(peer.ip())) else {
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                tracing::warn!(
                    peer = %peer.ip(), max_connections = most, max_of_one_address = MOST_OF_ONE_ADDRESS,
                    "there are too many connections: more are turned away"
                );
            }
            turned_away.answer(socket, peer.ip(), app.config.tls.as_ref());
            continue;
        };
        let new = New { socket, peer, place };
        let now = std::time::Instant::now();
        // The contents of TLS cannot be told before a handshake.
        let behind = app.config.tls.is_none() && workers.iter().any(|worker| worker.load.lag(now) >= BEHIND);
        let Some(new) = (if behind { probes.look(new) } else { Some(new) }) else { continue };
        if hand_over(workers, new, stop).await.is_err() {
            break;
        }
    }
}

/// Hands a connection to the worker that serves the fewest and is not stuck.
async fn hand_over(workers: &mut [WorkerThread], new: New, stop: &CancellationToken) -> Result<(), Ended> {
    let New { socket, peer, place } = new;
    // A socket that cannot leave this runtime is closed.
    let Ok(socket) = socket.into_std() else { return Ok(()) };
    let entrances = workers.iter_mut().map(|worker| &mut worker.entrance);
    let entrance = entrance::choose(entrances, Instant::now()).ok_or(Ended)?;
    let handed_over = entrance.hand_over(Accepted { socket, peer, place }).await;
    if handed_over.is_err() && !stop.is_cancelled() {
        tracing::error!("a worker thread has ended: the server stops");
    }
    handed_over
}

/// The next connection; `None` once it is time to stop.
async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        let ready = accepted.and_then(|(socket, peer)| {
            // With Nagle's algorithm, small chunks of a stream would wait up to 40 ms for each other.
            socket.set_nodelay(true)?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            SockRef::from(&socket).set_tcp_notsent_lowat(MOST_UNSENT_BYTES)?;
            Ok((socket, peer))
        });
        match ready {
            Ok(ready) => return Some(ready),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}
