//! All connections of a process to Redis for one purpose, behind one circuit breaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::breaker::{Breaker, ClosedSpan, OpenSpan};
use super::config::RedisConfig;
use super::connection::{Connection, Connector, Failure};
use super::probe::Probe;
use super::state::RedisState;

/// The pause between two attempts to reach a Redis that is down. It does not grow: there is one task a process, and
/// requests are refused or counted apart until Redis is back.
const RECONNECT_EVERY: Duration = Duration::from_millis(500);

/// The second half of the log lines about an outage of Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogWords {
    /// Says what happens while Redis is down.
    pub(crate) down: &'static str,
    /// Says what happens again when Redis is back.
    pub(crate) up: &'static str,
}

/// The connections of one process: one for the control plane, one for each worker.
#[derive(Debug)]
pub(crate) struct Connections {
    breaker: Breaker,
    connector: Arc<Connector>,
    control: Arc<Connection>,
    all: Mutex<Vec<Weak<Connection>>>,
    words: LogWords,
    /// Notified when an outage has ended.
    recovered: Arc<Notify>,
}

impl Connections {
    /// Connects nothing yet. `control` drives the control plane's connection and the task that ends an outage.
    pub(crate) fn new(config: RedisConfig, probe: Probe, control: Handle, words: LogWords) -> Self {
        let control = Arc::new(Connection::new(control));
        Self {
            breaker: Breaker::default(),
            connector: Arc::new(Connector::new(config.client, probe, config.timeout)),
            all: Mutex::new(vec![Arc::downgrade(&control)]),
            control,
            words,
            recovered: Arc::default(),
        }
    }

    pub(crate) fn state(&self) -> RedisState {
        if self.breaker.is_open() { RedisState::Down } else { RedisState::Up }
    }

    /// The number of outages of Redis that have ended.
    pub(crate) fn recoveries(&self) -> u64 {
        self.breaker.closings()
    }

    /// The span that a failure from now on counts against; `None`: Redis is down and must not be called.
    pub(crate) fn closed(&self) -> Option<ClosedSpan> {
        self.breaker.closed()
    }

    /// The longest a request waits for an answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.connector.timeout()
    }

    /// Notified when an outage has ended.
    pub(crate) fn recovered(&self) -> Arc<Notify> {
        Arc::clone(&self.recovered)
    }

    /// A connection for the worker whose runtime is `runtime`. A failure to connect opens the breaker.
    pub(crate) async fn for_worker(self: &Arc<Self>, runtime: Handle) -> Arc<Connection> {
        let connection = Arc::new(Connection::new(runtime));
        let since = self.breaker.closed();
        self.all().push(Arc::downgrade(&connection));
        if let (Err(failure), Some(since)) = (connection.reconnect(&self.connector).await, since) {
            self.trip(since, &failure);
        }
        connection
    }

    /// The control plane's connection, connected if it was not.
    pub(crate) async fn for_control(&self) -> Result<&Connection, Failure> {
        if !self.control.is_connected() {
            self.control.reconnect(&self.connector).await?;
        }
        Ok(&self.control)
    }

    /// Opens the breaker, unless that has been done since `since`. The caller that opens it logs the outage and starts
    /// the task that ends it.
    pub(crate) fn trip(self: &Arc<Self>, since: ClosedSpan, failure: &Failure) {
        let Some(opened) = self.breaker.open(since) else { return };
        tracing::warn!(error = %failure, "Redis does not answer: until it does, {}", self.words.down);
        self.control.runtime().spawn(recover(Arc::downgrade(self), opened));
    }

    /// Connects every connection anew, those too that seem to work: one that hung may hang for minutes more.
    async fn reconnect_all(&self) -> Result<(), Failure> {
        let all: Vec<_> = {
            let mut all = self.all();
            all.retain(|connection| connection.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        for connection in all {
            connection.reconnect(&self.connector).await?;
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries to reach Redis until it answers, then closes the breaker. Ends early when `connections` is dropped.
async fn recover(connections: Weak<Connections>, opened: OpenSpan) {
    let began = Instant::now();
    while let Some(connections) = connections.upgrade() {
        if connections.reconnect_all().await.is_ok() {
            connections.breaker.close(opened);
            connections.recovered.notify_one();
            let down_ms = began.elapsed().as_millis();
            tracing::info!(%down_ms, "Redis answers again: {}", connections.words.up);
            return;
        }
        drop(connections);
        tokio::time::sleep(RECONNECT_EVERY).await;
    }
}
