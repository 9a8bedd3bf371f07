//! A receiver of webhooks, which keeps what it gets and fails as a test asks it to.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::workers::{Serve, Workers};

/// The largest body that is read, in bytes.
const MOST: usize = 64 * 1024;

/// The way in which a receiver answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// With 204.
    Takes,
    /// With this status.
    Answers(u16),
    /// With 302 to this address.
    Redirects(String),
    /// Not at all: it reads the request, and holds the connection.
    Hangs,
    /// Not at all: it reads the request, and closes the connection.
    BreaksOff,
}

/// A request that a receiver has read.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path, with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
    /// True if it was answered with 2xx.
    pub taken: bool,
}

impl Received {
    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.body))
    }
}

/// A running receiver. Dropping it ends its connections.
#[derive(Debug)]
pub struct Receiver {
    state: Arc<State>,
    workers: Workers,
}

#[derive(Debug, Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// The moods of paths, by the beginning of the path; the last that fits holds.
    moods: Mutex<Vec<(String, Mood)>>,
}

impl Receiver {
    /// A receiver on a free port of 127.0.0.1 that takes everything.
    ///
    /// # Panics
    /// If no port can be bound.
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let address = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let workers = Workers::start(address, 1, move || Server { state: Arc::clone(&shared) });
        let workers = workers.unwrap_or_else(|error| panic!("the receiver could not start: {error}"));
        Self { state, workers }
    }

    /// The address of `path` here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.workers.address())
    }

    /// From now on, requests whose path begins with `path` are answered so.
    pub fn be(&self, path: &str, mood: Mood) {
        lock(&self.state.moods).push((path.to_owned(), mood));
    }

    /// Every request so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    /// Waits until `wanted` holds for all requests so far, and returns them.
    ///
    /// # Panics
    /// If it does not hold within `most`.
    pub async fn wait(&self, most: Duration, wanted: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let until = Instant::now() + most;
        loop {
            let received = self.received();
            if wanted(&received) {
                return received;
            }
            assert!(
                Instant::now() < until,
                "not within {most:?}; there are {} requests, the last {:?}",
                received.len(),
                received.last()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Server {
    state: Arc<State>,
}

impl Serve for Server {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let state = Arc::clone(&self.state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        async move {
            // An error is the peer's leaving, or a fault that a test asked for.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        }
    }
}

/// Reads a body of `most` bytes at most.
pub(crate) async fn read(mut body: Incoming, most: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        all.extend(frame.map_err(io::Error::other)?.into_data().unwrap_or_default());
        if all.len() > most {
            return Err(io::Error::other("the body is too large for the receiver"));
        }
    }
    Ok(all)
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = read(body, MOST).await?;
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let mood = {
        let moods = lock(&state.moods);
        moods.iter().rev().find(|(begin, _)| path.starts_with(begin)).map_or(Mood::Takes, |(_, mood)| mood.clone())
    };
    let status = match &mood {
        Mood::Takes => 204,
        Mood::Answers(status) => *status,
        Mood::Redirects(_) => 302,
        Mood::Hangs | Mood::BreaksOff => 0,
    };
    lock(&state.received).push(Received {
        path,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        taken: (200..300).contains(&status),
    });
    let mut answer = Response::builder().status(status.max(200));
    match mood {
        Mood::Takes | Mood::Answers(_) => {}
        Mood::Redirects(to) => answer = answer.header("location", to),
        Mood::Hangs => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Mood::BreaksOff => return Err(io::Error::other("the receiver breaks off here")),
    }
    answer.body(Full::default()).map_err(io::Error::other)
}
