//! HTTP/2, which is spoken over TLS only: one connection with many streams, each of them one request.
//!
//! The times that a client has are those of HTTP/1: for the head of its first request (`CLIENT_HEADER_TIMEOUT`), between
//! requests (`CLIENT_IDLE_TIMEOUT`), to take something of an answer (`CLIENT_WRITE_TIMEOUT`, for each stream by itself),
//! and for a body. What HTTP/2 adds is bounded here: streams, headers, bytes that wait, streams that are opened only to be
//! reset.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::edge::last_key::LastKey;
use crate::edge::reader::Reader;
use crate::edge::reply::IntoReply as _;
use crate::server::h2::connection::{Limits, OpenStreams};
use crate::server::h2::stream::Unfinished;

use crate::server::idle_timeout::{Requests, TimedSocket, Times};
use crate::server::taken::Taken;
use crate::service::{header_bytes, serve_request};
use crate::state::app::App;
use crate::state::worker::Worker;

mod connection;
mod stream;

pub(super) use stream::Streams;

/// The most requests at a time on one connection. The standard recommends no fewer (RFC 9113, 6.5.2).
const MOST_STREAMS: u32 = 100;

/// The largest list of headers of a request, in which each counts with 32 bytes besides, and the path too. It is larger than
/// `MOST_HEADER_BYTES`, so that requests near the limits are refused by the same rules as over HTTP/1. Past this one a request
/// is a 431 at once, and a head that goes on in more CONTINUATION frames than it can fill ends the connection.
const MOST_HEADER_LIST: u32 = 80 * 1024;

/// The most bytes of the headers of all requests at a time on one connection.
const MOST_HEADERS_AT_ONCE: usize = 256 * 1024;

/// The bytes of a request's body, and of the bodies of all requests on a connection, that a client may send before they
/// are read.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// The bytes of an answer that HTTP/2 may hold. An answer gives one piece at a time, and the next when that is taken.
const MOST_SEND_BUFFER: usize = 64 * 1024;

/// The most streams that the client has reset before they were looked at, and the most that were reset because the client
/// broke the protocol on them. Past either the connection ends (rapid reset, CVE-2023-44487).
const MOST_RESET_UNSEEN: usize = 20;
const MOST_RESET_BY_FAULT: usize = 128;

/// The time after which a client is asked whether it is still there, and the time that it has to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// The parts that a connection needs.
pub(super) struct Serving {
    pub(super) app: Arc<App>,
    pub(super) worker: Arc<Worker>,
    pub(super) peer: IpAddr,
    /// From its cancellation on the connection takes no new requests, and ends with its last one.
    pub(super) stop: CancellationToken,
    /// Owns the tasks of the streams.
    pub(super) tasks: TaskTracker,
}

/// The settings of a connection, whose streams are spawned by `streams`.
pub(super) fn limited<E: Clone>(streams: E) -> http2::Builder<E> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MOST_SEND_BUFFER)
        .max_pending_accept_reset_streams(MOST_RESET_UNSEEN)
        .max_local_error_reset_streams(MOST_RESET_BY_FAULT)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER);
    builder
}

/// Serves the requests of one client until either side ends the connection. `stream` carries HTTP/2; `taken` counts what
/// the system takes of what lies below it.
pub(super) async fn serve<S>(serving: Serving, stream: S, taken: Taken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Serving { app, worker, peer, stop, tasks } = serving;
    let config = &app.config;
    let (idle, write) = (config.client_idle_timeout, config.client_write_timeout);
    let times = Times { head: config.client_header_timeout, idle, write };
    let (requests, reader, last_key) = (Requests::default(), Reader::default(), LastKey::default());
    let socket = TimedSocket::new(stream, times, requests.clone(), reader.clone()).above(taken).carrying_http2();
    let (open, streams) = (OpenStreams::default(), Streams::new(tasks, write));
    let service = {
        let (app, open, streams) = (Arc::clone(&app), open.clone(), streams.clone());
        service_fn(move |request: Request<Incoming>| {
            let (app, worker) = (Arc::clone(&app), Arc::clone(&worker));
            let client = (reader.of_stream(), last_key.clone());
            let head = header_bytes(request.headers());
            let is_head = request.method() == http::Method::HEAD;
            let unfinished = Unfinished::new(requests.begin(), open.begin(head), client.0.clone());
            let fits = open.header_bytes() <= MOST_HEADERS_AT_ONCE;
            streams.begins(unfinished.progress());
            async move {
                let reply = if fits {
                    serve_request(app, worker, peer, client, request).await
                } else {
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_reply()
                };
                Ok::<_, Infallible>(unfinished.answer(reply, is_head))
            }
        })
    };
    let connection = pin!(limited(streams).serve_connection(TokioIo::new(socket), service));
    let limits = Limits { idle, may_leave_all: app.config.trusts(peer) };
    connection::run(connection, &open, &stop, || app.draining(), limits).await;
}
