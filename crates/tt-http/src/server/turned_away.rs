//! Connections past the limits: each is told so and closed, and one that asks for `/health` is still answered, so that a
//! full server is not taken for a dead one.

use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::edge::error::ApiError;
use crate::edge::reply::Reply;
use crate::server::h2::{self, Streams};
use crate::server::places::Places;
use crate::server::tls::{Secured, Tls};
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

    /// Answers one connection, on the current runtime. With TLS, a connection for which there is no place is closed: a
    /// handshake would be more work than what it is turned away for.
    pub(super) fn answer(&self, socket: TcpStream, peer: IpAddr, tls: Option<&Arc<Tls>>) {
        match (self.places.take(peer, false), tls) {
            (Some(place), tls) => {
                let (tls, tasks) = (tls.cloned(), self.tasks.clone());
                self.tasks.spawn(async move {
                    let _until_its_end = place;
                    limited(answer(socket, tls, tasks)).await;
                });
            }
            (None, Some(_)) => {}
            (None, None) => answer_unread(&socket),
        }
    }
}

/// Answers the one request of a connection: `/health` as ever, and everything else with the reason.
pub(super) async fn answer_once(socket: TcpStream) {
    limited(answer_http1(socket)).await;
}

/// Waits for the end of an answer, which may take [`LONGEST`].
async fn limited(answer: impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>>) {
    if !matches!(tokio::time::timeout(LONGEST, answer).await, Ok(Ok(()))) {
        tracing::debug!("a connection that no worker serves ended early");
    }
}

/// Writes the reply to a connection of which nothing is read.
fn answer_unread(socket: &TcpStream) {
    let body = String::from_utf8(ApiError::too_many_connections().body()).unwrap_or_default();
    let reply = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The reply is small and the connection is new: the reply fits, or the client has gone.
    let _sent = socket.try_write(reply.as_bytes());
}

/// Answers the requests of one connection, after the handshake where there is TLS.
async fn answer(
    socket: TcpStream,
    tls: Option<Arc<Tls>>,
    tasks: TaskTracker,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let Some(tls) = tls else { return answer_http1(socket).await };
    let Secured { stream, http2, .. } = tls.handshake(socket).await?;
    if !http2 {
        return answer_http1(stream).await;
    }
    // Without the wait for what the client takes: the whole connection ends soon.
    let streams = Streams::new(tasks, LONGEST);
    Ok(h2::limited(streams).serve_connection(TokioIo::new(stream), service_fn(turn_all_away)).await?)
}

async fn answer_http1<S>(stream: S) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(turn_all_away));
    Ok(connection.await?)
}

async fn turn_all_away(request: Request<Incoming>) -> Result<Reply, Infallible> {
    Ok(turn_away(request).await)
}
