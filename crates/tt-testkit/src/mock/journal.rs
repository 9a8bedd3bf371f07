//! The requests that the mock received, and the end of each answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;
use tt_core::Usage;

/// The time that [`Journal::wait_for`] waits before it fails the test.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request as the mock received it, and the end of its answer.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The HTTP method.
    pub method: Method,
    /// The path with its query, as sent.
    pub path: String,
    /// The headers as sent, credentials included.
    pub headers: HeaderMap,
    /// The body as sent.
    pub body: Bytes,
    /// The time at which the whole request had been read.
    pub arrived: Instant,
    /// The model asked for, from the body or the path.
    pub model: Option<String>,
    /// The status answered; `None` until then, and when the connection was ended before any.
    pub status: Option<u16>,
    /// The tokens the answer reports, or would have reported had it not been broken off; `None` where it reports none.
    pub usage_sent: Option<Usage>,
    /// Frames of the answer's body (stream: events) handed to the connection, as long as it stood.
    pub frames_sent: usize,
    /// The whole answer was handed to the connection.
    pub completed: bool,
    /// The time from the reading of the request until the client left; `None` if it did not leave early.
    pub cancelled_after: Option<Duration>,
}

impl Seen {
    /// The body as JSON; null where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's text, if it was sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// True if the request is for a list of models, which programs fetch by themselves.
    pub fn is_list(&self) -> bool {
        self.method == Method::GET
    }

    /// True if the answer is over: complete, broken off, or cancelled by the client.
    pub const fn ended(&self) -> bool {
        self.completed || self.cancelled_after.is_some()
    }
}

/// All requests of one mock.
#[derive(Debug)]
pub(super) struct Journal {
    seen: Mutex<Vec<Seen>>,
    changed: watch::Sender<()>,
}

impl Journal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { seen: Mutex::new(Vec::new()), changed: watch::channel(()).0 })
    }

    /// Notes a request that has been read.
    pub(super) fn arrived(self: &Arc<Self>, parts: &Parts, body: &Bytes) -> Ticket {
        let now = Instant::now();
        let seen = Seen {
            method: parts.method.clone(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers.clone(),
            body: body.clone(),
            arrived: now,
            model: None,
            status: None,
            usage_sent: None,
            frames_sent: 0,
            completed: false,
            cancelled_after: None,
        };
        let index = {
            let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(seen);
            all.len() - 1
        };
        self.changed.send_replace(());
        Ticket { journal: Some(Arc::clone(self)), index, arrived: now, frames: 0 }
    }

    /// Requests that ask for something to be done.
    pub(super) fn calls(&self) -> Vec<Seen> {
        self.those(|seen| !seen.is_list())
    }

    /// Requests for a list of models.
    pub(super) fn lists(&self) -> Vec<Seen> {
        self.those(Seen::is_list)
    }

    fn those(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| wanted(seen)).cloned().collect()
    }

    /// The first call for which `wanted` holds, now or within ten seconds.
    pub(super) async fn wait_for(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(seen) = self.calls().into_iter().find(&wanted) {
                    return seen;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(seen) => seen,
            Err(_) => panic!("the mock saw no such request within {PATIENCE:?}; it saw {:#?}", self.calls()),
        }
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            change(seen);
        }
        self.changed.send_replace(());
    }
}

/// One request's place in the journal. Dropped before [`Ticket::complete`] or [`Ticket::broken`], it notes that the
/// client left: hyper drops handlers and bodies the moment it does.
#[derive(Debug)]
pub(super) struct Ticket {
    journal: Option<Arc<Journal>>,
    index: usize,
    arrived: Instant,
    /// Handed to the connection; written down at the end, since streams have many.
    frames: usize,
}

impl Ticket {
    /// The model, as soon as it is known.
    pub(super) fn model(&self, model: &str) {
        self.update(|seen| seen.model = Some(model.to_owned()));
    }

    /// Notes the answer that is about to be sent.
    pub(super) fn answering(&self, status: u16, usage: Option<Usage>) {
        self.update(|seen| {
            seen.status = Some(status);
            seen.usage_sent = usage;
        });
    }

    /// One more frame of the body was handed to the connection.
    pub(super) fn frame(&mut self) {
        self.frames += 1;
    }

    /// The whole answer was handed to the connection.
    pub(super) fn complete(mut self) {
        let frames = self.frames;
        self.update(|seen| (seen.completed, seen.frames_sent) = (true, frames));
        self.journal = None;
    }

    /// The mock broke the answer off, as it was told.
    pub(super) fn broken(mut self) {
        let frames = self.frames;
        self.update(|seen| seen.frames_sent = frames);
        self.journal = None;
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        if let Some(journal) = &self.journal {
            journal.update(self.index, change);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (after, frames) = (self.arrived.elapsed(), self.frames);
        self.update(|seen| (seen.cancelled_after, seen.frames_sent) = (Some(after), frames));
    }
}
