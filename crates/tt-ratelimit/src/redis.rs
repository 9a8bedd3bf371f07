//! Limits shared through Redis, and what holds while it is away.
//!
//! All is well: one script call a request, on the worker's own connection. The first failure (no answer within 50 ms, a
//! lost connection, an error) opens the breaker: from then on nobody waits for Redis and the process decides by itself,
//! or refuses. One task on the control plane then dials every link anew, twice a second, runs the very script on each,
//! and closes the breaker when all have answered.
//!
//! What Redis admits is counted in memory too, so that a process that is suddenly alone does not begin at zero.

mod breaker;
mod link;
mod script;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use deadpool_redis::redis::Client;
use tokio::runtime::Handle;
use tt_core::limits::{Decision, Rule};
use tt_core::{ApiKeyId, Invalid, Timestamp, UserId};

use self::breaker::Breaker;
use self::link::Dialer;
pub(crate) use self::link::Link;
use self::script::LimitScript;
use crate::memory::Memory;

/// How long a request waits for Redis.
const TIMEOUT: Duration = Duration::from_millis(50);

/// The pause between two looks for a Redis that is away.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// What request limits do while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutRedis {
    /// Each process limits by itself.
    #[default]
    Local,
    /// Requests under a rule are [`Decision::Unavailable`].
    Deny,
}

/// How it is with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisState {
    /// None is configured.
    Off,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// Where Redis is and what to do without it. Its `Debug` keeps the address, which may hold a password, to itself.
#[derive(Clone)]
pub struct RedisConfig {
    client: Client,
    without: WithoutRedis,
    timeout: Duration,
    given_clock: bool,
}

impl RedisConfig {
    /// Reads a `redis://` or `rediss://` address; `field` names it in the error. For `rediss` the process must have
    /// installed its rustls crypto provider before the first connection.
    pub fn parse(field: &'static str, url: &str, without: WithoutRedis) -> Result<Self, Invalid> {
        // The error of the client may quote the address.
        let client = Client::open(url)
            .map_err(|_| Invalid::new(field, "must be redis://[user:password@]host[:port][/database] or rediss://…"))?;
        Ok(Self { client, without, timeout: TIMEOUT, given_clock: false })
    }

    /// For tests that are not about the timeout, on a machine that may be busy.
    #[cfg(test)]
    pub(crate) fn waiting(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// For tests: `now` replaces the clock of Redis.
    #[cfg(test)]
    pub(crate) fn at_given_clock(self) -> Self {
        Self { given_clock: true, ..self }
    }
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig")
            .field("without", &self.without)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The limiter on Redis of one process.
#[derive(Debug)]
pub(crate) struct Shared {
    memory: Memory,
    breaker: Breaker,
    dialer: Arc<Dialer>,
    without: WithoutRedis,
    given_clock: bool,
    control: Arc<Link>,
    links: Mutex<Vec<Weak<Link>>>,
}

impl Shared {
    pub(crate) fn new(config: RedisConfig, control: Handle) -> Self {
        let control = Arc::new(Link::new(control));
        Self {
            memory: Memory::new(),
            breaker: Breaker::default(),
            dialer: Arc::new(Dialer::new(config.client, LimitScript::new(), config.timeout)),
            without: config.without,
            given_clock: config.given_clock,
            links: Mutex::new(vec![Arc::downgrade(&control)]),
            control,
        }
    }

    pub(crate) fn state(&self) -> RedisState {
        if self.breaker.is_open() { RedisState::Down } else { RedisState::Up }
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

    pub(crate) async fn check(self: &Arc<Self>, link: &Link, rules: &[Rule], now: Timestamp) -> Decision {
        if let Some(since) = self.breaker.closed() {
            let given = self.given_clock.then_some(now);
            match link.ask(&self.dialer, rules, given).await {
                Ok(decision) => {
                    if self.without == WithoutRedis::Local && matches!(decision, Decision::Admit { .. }) {
                        self.memory.count(rules, now);
                    }
                    return decision;
                }
                Err(failure) => self.trip(since, &failure),
            }
        }
        match self.without {
            WithoutRedis::Local => self.memory.check(rules, now),
            WithoutRedis::Deny => Decision::Unavailable,
        }
    }

    pub(crate) async fn seed_day(self: &Arc<Self>, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        self.memory.seed_day(user, key, day, count);
        let Some(since) = self.breaker.closed() else { return };
        let seeded = async {
            if !self.control.is_connected() {
                self.control.dial(&self.dialer).await?;
            }
            self.control.seed_day(&self.dialer, user, key, day, count).await
        };
        if let Err(failure) = seeded.await {
            self.trip(since, &failure);
        }
    }

    /// Opens the breaker, unless that has been done since `since`; whoever does it says so and starts the way back.
    fn trip(self: &Arc<Self>, since: breaker::Closed, failure: &link::Failure) {
        let Some(opened) = self.breaker.open(since) else { return };
        let meanwhile = match self.without {
            WithoutRedis::Local => "this process limits requests by itself",
            WithoutRedis::Deny => "requests under a limit are refused",
        };
        tracing::warn!(error = %failure, "Redis does not answer: until it does, {meanwhile}");
        self.control.runtime().spawn(recover(Arc::downgrade(self), opened));
    }

    /// Dials every link anew: one that hung may hang for minutes more.
    async fn redial(&self) -> Result<(), link::Failure> {
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

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for Redis until it answers, then closes the breaker. Ends with the limiter.
async fn recover(shared: Weak<Shared>, opened: breaker::Opened) {
    let began = Instant::now();
    while let Some(shared) = shared.upgrade() {
        if shared.redial().await.is_ok() {
            shared.breaker.close(opened);
            let away_ms = began.elapsed().as_millis();
            tracing::info!(%away_ms, "Redis answers again: limits are shared");
            return;
        }
        drop(shared);
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
