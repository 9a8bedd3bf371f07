//! Connections past the limits: each is told so and closed, and one that asks for `/health` is still answered, so that a
//! full server is not taken for a dead one.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::edge::error::ApiError;
use crate::server::places::Places;
use crate::service::{MOST_HEADER_BYTES, turn_away};

/// The longest time that a connection past the limits may last.
const LONGEST: Duration = Duration::from_secs(2);

/// The most such connections at a time, and of one address. Past this a connection is answered without being read.
const MOST: usize = 64;
const MOST_OF_ONE_ADDRESS: usize = 8;

/// The connections past the limits.
pub(super) struct TurnedAway {
    places: Places,
    tasks: TaskTracker,
}

impl TurnedAway {
    /// Makes the places that fit a server of `connections` connections.
    pub(super) fn beside(connections: usize) -> Self {
        let places = Places::new((connections / 2).clamp(4, MOST), MOST_OF_ONE_ADDRESS);
        Self { places, tasks: TaskTracker::new() }
    }

    /// Answers one connection, on the current runtime.
    pub(super) fn answer(&self, socket: TcpStream, peer: IpAddr) {
        let Some(place) = self.places.take(peer, false) else {
            let body = String::from_utf8(ApiError::too_many_connections().body()).unwrap_or_default();
            let reply = format!(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 retry-after: 1\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // The reply is small and the connection is new: the reply fits, or the client has gone.
            let _sent = socket.try_write(reply.as_bytes());
            return;
        };
        self.tasks.spawn(async move {
            let _until_its_end = place;
            answer_once(socket).await;
        });
    }
}

/// Answers the one request of a connection: `/health` as ever, and everything else with the reason.
pub(super) async fn answer_once(socket: TcpStream) {
    let service = service_fn(async |request| Ok::<_, Infallible>(turn_away(request).await));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    if !matches!(tokio::time::timeout(LONGEST, connection).await, Ok(Ok(()))) {
        tracing::debug!("a connection that no worker serves ended early");
    }
}
