//! Fixtures of this crate's tests: one function for each record, a sink with a script, and captured logs.
//!
//! A field that is new in a record needs a value here, and nowhere else in these tests. Give it the value that serde gives
//! it when an old journal is read.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber, span};
use tt_core::plan::Route;
use tt_core::record::{AttemptEnded, AttemptStarted, Intent, Operation, Outcome, Settled, Settlement};
use tt_core::{Dialect, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UserId};
use uuid::Uuid;

use crate::{Drain, Guard, Ledger};

/// A ledger in memory whose clock says 1,000 ms.
pub(crate) fn ledger(capacity: usize) -> (Ledger, Drain) {
    Ledger::new(capacity, || Timestamp::from_millis(1000))
}

pub(crate) fn guard(ledger: &Ledger, id: u128) -> Guard {
    ledger.open(intent(id)).unwrap()
}

/// A request of user 1, admitted at 100 ms.
pub(crate) fn intent(id: u128) -> Intent {
    Intent {
        request_id: RequestId(Uuid::from_u128(id)),
        created_at: Timestamp::from_millis(100),
        user_id: UserId(1),
        api_key_id: None,
        alias: "a".into(),
        dialect: Dialect::OpenAiChat,
        stream: true,
        route_reason: String::new(),
        chain: Vec::new(),
        tags: Tags::default(),
        client: None,
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    }
}

pub(crate) fn started(at_ms: i64) -> AttemptStarted {
    AttemptStarted {
        alias: "a".into(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        provider_key_id: ProviderKeyId(1),
        model: "m".into(),
        started_at: Timestamp::from_millis(at_ms),
        notes: Vec::new(),
        held: None,
    }
}

pub(crate) fn answered() -> AttemptEnded {
    AttemptEnded { error: None, ..AttemptEnded::unbilled(Some(200), "", 5) }
}

pub(crate) fn settled() -> Settled {
    Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 9, first_token_ms: Some(3) }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A sink that fails as its script says, and stores everything after that.
#[derive(Clone)]
pub(crate) struct Sink {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    failures: VecDeque<bool>,
    calls: Vec<(u128, Vec<u128>)>,
    settlements: Vec<Settlement>,
}

#[derive(Debug, thiserror::Error)]
#[error("store is away")]
pub(crate) struct Away(#[source] std::io::Error);

impl Default for Sink {
    fn default() -> Self {
        Self::failing([])
    }
}

impl Sink {
    /// `true`: the call fails.
    pub(crate) fn failing(script: impl IntoIterator<Item = bool>) -> Self {
        let failures = script.into_iter().collect();
        Self { start: Instant::now(), state: Arc::new(Mutex::new(State { failures, ..State::default() })) }
    }

    pub(crate) fn as_fn(&self) -> impl FnMut(Arc<[Settlement]>) -> Ready<Result<(), Away>> + use<> {
        let sink = self.clone();
        move |batch| {
            let mut state = sink.state();
            state.calls.push((sink.start.elapsed().as_millis(), ids(&batch)));
            if state.failures.pop_front() == Some(true) {
                return ready(Err(Away(std::io::ErrorKind::ConnectionRefused.into())));
            }
            state.settlements.extend(batch.iter().cloned());
            ready(Ok(()))
        }
    }

    /// Every call: milliseconds from the making of the sink, and the request ids it was given.
    pub(crate) fn calls(&self) -> Vec<(u128, Vec<u128>)> {
        self.state().calls.clone()
    }

    /// The ids of what it took, in order.
    pub(crate) fn stored(&self) -> Vec<u128> {
        ids(&self.state().settlements)
    }

    pub(crate) fn settlements(&self) -> Vec<Settlement> {
        self.state().settlements.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn ids(settlements: &[Settlement]) -> Vec<u128> {
    settlements.iter().map(|s| s.intent.request_id.0.as_u128()).collect()
}

/// Log lines of this thread, captured while the guard lives.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<(String, String)>>>);

impl Logs {
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        // With a single subscriber, tracing caches what the first thread that meets an event says about it. Tests run in
        // parallel, so there must be more than one.
        static MORE_THAN_ONE: OnceLock<[Dispatch; 2]> = OnceLock::new();
        MORE_THAN_ONE.get_or_init(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::new())));
        let logs = Self::default();
        let guard = tracing::subscriber::set_default(logs.clone());
        (logs, guard)
    }

    pub(crate) fn levels(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(level, _)| level.clone()).collect()
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().iter().map(|(_, text)| text.as_str()).collect()
    }
}

impl Subscriber for Logs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tt_ledger")
    }

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push((event.metadata().level().to_string(), text.0));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
