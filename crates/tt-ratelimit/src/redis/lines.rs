//! All connections to Redis for one purpose, and whether they are used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::breaker::{self, Breaker};
use super::link::{Dialer, Failure, Link};
use super::script::LimitScript;
use super::{RedisConfig, RedisState};

/// The pause between two looks for a Redis that is away.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// The connections of one process: one of the control plane, one of each worker, behind one breaker.
#[derive(Debug)]
pub(crate) struct Lines {
    breaker: Breaker,
    dialer: Arc<Dialer>,
    control: Arc<Link>,
    links: Mutex<Vec<Weak<Link>>>,
    /// What holds while Redis is away, for the log.
    meanwhile: &'static str,
    /// What holds when it is back.
    again: &'static str,
    /// Told when it is back.
    back: Arc<Notify>,
}

impl Lines {
    pub(crate) fn new(config: RedisConfig, control: Handle, meanwhile: &'static str, again: &'static str) -> Self {
        let control = Arc::new(Link::new(control));
        Self {
            breaker: Breaker::default(),
            dialer: Arc::new(Dialer::new(config.client, LimitScript::new(), config.timeout)),
            links: Mutex::new(vec![Arc::downgrade(&control)]),
            control,
            meanwhile,
            again,
            back: Arc::default(),
        }
    }

    pub(crate) fn state(&self) -> RedisState {
        if self.breaker.is_open() { RedisState::Down } else { RedisState::Up }
    }

    /// How often Redis has come back.
    pub(crate) fn returns(&self) -> u64 {
        self.breaker.closings()
    }

    /// What a failure from now on counts against; `None`: Redis is away and must not be asked.
    pub(crate) fn closed(&self) -> Option<breaker::Closed> {
        self.breaker.closed()
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Told when Redis is back.
    pub(crate) fn back(&self) -> Arc<Notify> {
        Arc::clone(&self.back)
    }

    /// A connection for the worker whose runtime is `runtime`.
    pub(crate) async fn link(self: &Arc<Self>, runtime: Handle) -> Arc<Link> {
        let link = Arc::new(Link::new(runtime));
        let since = self.breaker.closed();
        self.links().push(Arc::downgrade(&link));
        if let (Err(failure), Some(since)) = (link.dial(&self.dialer).await, since) {
            self.trip(since, &failure);
        }
        link
    }

    /// The control plane's connection.
    pub(crate) async fn control(&self) -> Result<&Link, Failure> {
        if !self.control.is_connected() {
            self.control.dial(&self.dialer).await?;
        }
        Ok(&self.control)
    }

    /// Opens the breaker, unless that has been done since `since`; whoever does it says so and starts the way back.
    pub(crate) fn trip(self: &Arc<Self>, since: breaker::Closed, failure: &Failure) {
        let Some(opened) = self.breaker.open(since) else { return };
        tracing::warn!(error = %failure, "Redis does not answer: until it does, {}", self.meanwhile);
        self.control.runtime().spawn(recover(Arc::downgrade(self), opened));
    }

    /// Dials every link anew: one that hung may hang for minutes more.
    async fn redial(&self) -> Result<(), Failure> {
        let links: Vec<_> = {
            let mut links = self.links();
            links.retain(|link| link.strong_count() > 0);
            links.iter().filter_map(Weak::upgrade).collect()
        };
        for link in links {
            link.dial(&self.dialer).await?;
        }
        Ok(())
    }

    fn links(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for Redis until it answers, then closes the breaker. Ends with the lines.
async fn recover(lines: Weak<Lines>, opened: breaker::Opened) {
    let began = Instant::now();
    while let Some(lines) = lines.upgrade() {
        if lines.redial().await.is_ok() {
            lines.breaker.close(opened);
            lines.back.notify_one();
            let away_ms = began.elapsed().as_millis();
            tracing::info!(%away_ms, "Redis answers again: {}", lines.again);
            return;
        }
        drop(lines);
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
