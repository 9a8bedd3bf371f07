//! A provider to test against: OpenAI, Anthropic and Gemini on one address, with their credentials, their strictness
//! and their ways to fail.
//!
//! Answers depend on the request only: `mock reply to: <last user text>`, a token per word. A request with tools whose
//! last user text holds `call <tool>` is answered with that call, with the arguments that follow (`call read path=/tmp/a
//! limit=3`) or with examples for the tool's schema. A tool result is answered with `tool said: <result>`, or by
//! [`Behaviour::agent`] with the next call where the result holds `call <tool>`.
//! [`Behaviour`] says what else an answer can be.
//!
//! **Invariant:** nothing here shares code with the crates under test, so that a mistake made there is not made here.

mod anthropic;
mod anthropic_history;
mod ask;
mod behaviour;
mod embeddings;
mod gemini;
mod gemini_history;
mod gzip;
mod journal;
mod json;
mod openai;
mod prebuilt;
mod recording;
mod respond;
mod responses;
mod route;
mod script;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tt_core::Provider;

pub use self::behaviour::{Behaviour, Matcher};
use self::journal::Journal;
pub use self::journal::Seen;
use self::prebuilt::Prebuilt;
use self::script::Script;
use self::wire::{Reset, Wire};
use crate::workers::{Serve, Workers};

/// The most bytes that a request body may have.
const MAX_BODY: usize = 256 << 20;

/// A running mock upstream. Dropping it ends its connections.
#[derive(Debug)]
pub struct MockUpstream {
    state: Arc<State>,
    workers: Workers,
}

/// The settings of a [`MockUpstream`] that is to be started.
#[derive(Debug, Clone)]
pub struct Builder {
    address: SocketAddr,
    threads: usize,
    journal: bool,
    recordings: Option<PathBuf>,
}

/// The state that all connections share.
#[derive(Debug)]
struct State {
    journal: Option<Arc<Journal>>,
    rules: Mutex<Vec<Rule>>,
    serial: AtomicU64,
    recordings: Option<PathBuf>,
}

#[derive(Debug)]
struct Rule {
    matcher: Matcher,
    behaviour: Behaviour,
    /// The number of requests that it is still for; `None`: all.
    left: Option<u64>,
}

impl Builder {
    /// The port; 0, the default, takes a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.address = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        self
    }

    /// Sets the number of worker threads; 1 by default.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Chooses whether requests are kept for [`MockUpstream::requests`]; they are by default.
    #[must_use]
    pub const fn journal(mut self, keep: bool) -> Self {
        self.journal = keep;
        self
    }

    /// Sets the directory in which `mock-recording-<id>` finds its recordings. It holds `openai/`, `anthropic/`,
    /// `gemini/`.
    #[must_use]
    pub fn recordings(mut self, directory: impl Into<PathBuf>) -> Self {
        self.recordings = Some(directory.into());
        self
    }

    /// Starts the mock. Fails if the port cannot be bound.
    pub fn start(self) -> io::Result<MockUpstream> {
        let state = Arc::new(State {
            journal: self.journal.then(Journal::new),
            rules: Mutex::default(),
            serial: AtomicU64::new(1),
            recordings: self.recordings,
        });
        let shared = Arc::clone(&state);
        let make = move || Server { state: Arc::clone(&shared), prebuilt: Arc::default() };
        Ok(MockUpstream { state, workers: Workers::start(self.address, self.threads, make)? })
    }
}

impl MockUpstream {
    /// A mock on a free port of 127.0.0.1 with one thread of its own.
    ///
    /// # Panics
    /// If no port can be bound.
    pub fn start() -> Self {
        Self::builder().start().unwrap_or_else(|error| panic!("the mock upstream could not start: {error}"))
    }

    /// The mock's settings.
    pub const fn builder() -> Builder {
        Builder {
            address: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            threads: 1,
            journal: true,
            recordings: None,
        }
    }

    /// The bound address.
    pub const fn address(&self) -> SocketAddr {
        self.workers.address()
    }

    /// `http://ADDRESS`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The value of a provider's `*_BASE_URL` that leads to this mock. OpenAI's ends in `/v1`.
    pub fn base_url(&self, provider: Provider) -> String {
        match provider {
            Provider::OpenAi => format!("{}/v1", self.url()),
            Provider::Anthropic | Provider::Gemini => self.url(),
        }
    }

    /// A credential that the mock takes for `provider`. So does every other that begins like it; all others are wrong.
    pub const fn key(provider: Provider) -> &'static str {
        match provider {
            Provider::OpenAi => "sk-mock",
            Provider::Anthropic => "sk-ant-mock",
            Provider::Gemini => "AIzaMock",
        }
    }

    /// From now on, requests that match behave so. The rule added last wins; [`Self::once`] goes before.
    pub fn on(&self, matcher: impl Into<Matcher>, behaviour: Behaviour) {
        self.rule(matcher.into(), behaviour, None);
    }

    /// The next request that matches behaves so. Several calls make a queue.
    pub fn once(&self, matcher: impl Into<Matcher>, behaviour: Behaviour) {
        self.rule(matcher.into(), behaviour, Some(1));
    }

    /// The next `n` requests that match behave so, after those queued before.
    pub fn times(&self, n: u64, matcher: impl Into<Matcher>, behaviour: Behaviour) {
        self.rule(matcher.into(), behaviour, Some(n));
    }

    /// Forgets all behaviours.
    pub fn clear_behaviours(&self) {
        self.state.rules().clear();
    }

    fn rule(&self, matcher: Matcher, behaviour: Behaviour, left: Option<u64>) {
        self.state.rules().push(Rule { matcher, behaviour, left });
    }

    /// Every request so far, oldest first, but for lists of models: programs fetch those when they like.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.journal.as_ref().map_or_else(Vec::new, |journal| journal.calls())
    }

    /// Every request for a list of models so far, oldest first.
    pub fn lists(&self) -> Vec<Seen> {
        self.state.journal.as_ref().map_or_else(Vec::new, |journal| journal.lists())
    }

    /// The first of [`Self::requests`] for which `wanted` holds, those of the past included.
    ///
    /// # Panics
    /// If there is none within ten seconds, or the mock keeps no journal.
    pub async fn wait_for(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        match &self.state.journal {
            Some(journal) => journal.wait_for(wanted).await,
            None => panic!("this mock keeps no journal"),
        }
    }

    /// Serves until the process ends.
    pub fn serve_forever(self) {
        self.workers.join();
    }
}

impl State {
    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The behaviour for this request: from the queue, else from the last rule, else from the words in the model's
    /// name.
    fn behaviour(&self, seen: &Seen) -> Behaviour {
        let mut rules = self.rules();
        if let Some(rule) = rules.iter_mut().find(|rule| rule.left.is_some_and(|n| n > 0) && rule.matcher.matches(seen))
        {
            rule.left = rule.left.map(|n| n - 1);
            return rule.behaviour.clone();
        }
        let permanent = rules.iter().rev().find(|rule| rule.left.is_none() && rule.matcher.matches(seen));
        match permanent {
            Some(rule) => rule.behaviour.clone(),
            None => seen.model.as_deref().and_then(Behaviour::from_model).unwrap_or_default(),
        }
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// The state of one worker.
#[derive(Debug)]
struct Server {
    state: Arc<State>,
    prebuilt: Arc<Prebuilt>,
}

impl Serve for Server {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let (wire, reset) = Wire::new(socket);
        let (state, prebuilt) = (Arc::clone(&self.state), Arc::clone(&self.prebuilt));
        let service =
            service_fn(move |request| answer(Arc::clone(&state), Arc::clone(&prebuilt), reset.clone(), request));
        async move {
            // An error is the client's leaving or a fault that a test asked for.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
        }
    }
}

async fn answer(
    state: Arc<State>,
    prebuilt: Arc<Prebuilt>,
    reset: Reset,
    request: Request<Incoming>,
) -> io::Result<Response<Script>> {
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    if let Some(response) = prebuilt.answer(&parts, &body, &reset) {
        return Ok(response);
    }
    let ticket = state.journal.as_ref().map(|journal| journal.arrived(&parts, &body));
    let made = route::answer(&state, &parts, body, ticket.as_ref());
    if let Some(delay) = made.delay {
        tokio::time::sleep(delay).await;
    }
    if made.reset_at_once {
        reset.arm();
        if let Some(ticket) = ticket {
            ticket.broken();
        }
        return Err(io::Error::other("the mock resets here"));
    }
    Ok(made.into_response(reset, ticket))
}

async fn read(mut body: Incoming) -> io::Result<Bytes> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if first.is_empty() && all.is_empty() {
            first = data;
            if !body.is_end_stream() {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(0);
                all.reserve((first.len() + announced).min(MAX_BODY));
                all.extend_from_slice(&first);
            }
        } else {
            all.extend_from_slice(&data);
        }
        if all.len() > MAX_BODY {
            return Err(io::Error::other("the body is too large for the mock"));
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests;
