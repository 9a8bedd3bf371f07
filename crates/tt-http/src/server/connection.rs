//! One connection: TLS where it is set up, then hyper over a socket with timeouts.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::edge::last_key::LastKey;
use crate::edge::reader::Reader;
use crate::server::h2::{self, Serving};
use crate::server::idle_timeout::{Requests, TimedSocket, Times};
use crate::server::places::Place;
use crate::server::taken::Taken;
use crate::server::tls::{Secured, Tls};
use crate::service::{MOST_HEADER_BYTES, serve_request};
use crate::state::app::App;
use crate::state::worker::Worker;

/// The time that a handshake has to end when the server stops.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(2);

/// An accepted connection on its way to a worker.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    /// The connection's place among all connections, free again when this is dropped.
    pub(super) place: Place,
}

/// Serves the requests of one client until either side ends the connection.
pub(super) async fn serve(serving: Serving, socket: tokio::net::TcpStream, watcher: Watcher) {
    match serving.app.config.tls.clone() {
        None => serve_http1(serving.app, serving.worker, serving.peer, socket, Taken::default(), watcher).await,
        // In a box, so that a connection without TLS takes no more memory for what it does not do.
        Some(tls) => Box::pin(serve_secured(serving, tls, socket, watcher)).await,
    }
}

/// The same, after a handshake that succeeds.
async fn serve_secured(serving: Serving, tls: Arc<Tls>, socket: tokio::net::TcpStream, watcher: Watcher) {
    let Some(Secured { stream, taken, http2 }) = handshake(&serving, &tls, socket).await else { return };
    if http2 {
        h2::serve(serving, stream, taken).await;
    } else {
        serve_http1(serving.app, serving.worker, serving.peer, stream, taken, watcher).await;
    }
}

/// Does the handshake, which a client may take as long for as for the head of a request. `None` if it fails.
async fn handshake(serving: &Serving, tls: &Tls, socket: tokio::net::TcpStream) -> Option<Secured> {
    let stopping = async {
        serving.stop.cancelled().await;
        tokio::time::sleep(HANDSHAKE_GRACE).await;
    };
    let handshake = tokio::time::timeout(serving.app.config.client_header_timeout, tls.handshake(socket));
    tokio::select! {
        done = handshake => match done {
            Ok(Ok(secured)) => return Some(secured),
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        },
        () = stopping => {}
    }
    None
}

/// Serves HTTP/1.1 on `stream`: whatever encrypts it lies below, and `taken` counts what the system takes of that.
async fn serve_http1<S>(app: Arc<App>, worker: Arc<Worker>, peer: IpAddr, stream: S, taken: Taken, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requests = Requests::default();
    let times = Times {
        head: app.config.client_header_timeout,
        idle: app.config.client_idle_timeout,
        write: app.config.client_write_timeout,
    };
    let (reader, last_key) = (Reader::default(), LastKey::default());
    let socket = TimedSocket::new(stream, times, requests.clone(), reader.clone()).above(taken);
    let service = service_fn(move |request| {
        let (app, worker, answering) = (Arc::clone(&app), Arc::clone(&worker), requests.begin());
        let client = (reader.clone(), last_key.clone());
        async move {
            let reply = serve_request(app, worker, peer, client, request).await;
            Ok::<_, Infallible>(reply.map(|body| answering.until_end_of(body)))
        }
    });
    let connection = http1::Builder::new()
        // hyper has one timeout for a slow head and for an idle connection; the socket tells them apart.
        .header_read_timeout(None)
        // hyper keeps the last date until the clock has passed it, so a clock that is set back would stop it.
        .auto_date_header(false)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
