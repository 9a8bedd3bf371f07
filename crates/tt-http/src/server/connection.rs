//! One connection: hyper over a socket with timeouts.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::edge::last_key::LastKey;
use crate::edge::reader::Reader;
use crate::server::idle_timeout::{Requests, TimedSocket, Times};
use crate::server::places::Place;
use crate::service::{MOST_HEADER_BYTES, serve_request};
use crate::state::app::App;
use crate::state::worker::Worker;

/// An accepted connection on its way to a worker.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    /// The connection's place among all connections, free again when this is dropped.
    pub(super) place: Place,
}

/// Serves the requests of one client until either side ends the connection. `stream` carries plain HTTP/1.1: whatever
/// encrypts it lies below.
pub(super) async fn serve<S>(app: Arc<App>, worker: Arc<Worker>, peer: IpAddr, stream: S, watcher: Watcher)
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
    let socket = TimedSocket::new(stream, times, requests.clone(), reader.clone());
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
