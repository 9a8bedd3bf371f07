//! Limits shared through Redis, and what holds while it is away.
//!
//! All is well: one script call a request, on the worker's own connection. The first failure (no answer within 50 ms, a
//! lost connection, an error) opens the breaker: from then on nobody waits for Redis and the process decides by itself,
//! or refuses. One task on the control plane then dials every link anew, twice a second, runs the very script on each,
//! and closes the breaker when all have answered.
//!
//! What Redis admits is counted in memory too, so that a process that is suddenly alone does not begin at zero.

mod breaker;
mod lines;
mod link;
mod script;

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::Client;
use tokio::runtime::Handle;
use tt_core::limits::{Decision, Rule};
use tt_core::{ApiKeyId, Invalid, Timestamp, UserId};

pub(crate) use self::lines::Lines;
pub(crate) use self::link::{Failure, Link, in_time};
use crate::memory::Memory;

/// How long a request waits for Redis.
const TIMEOUT: Duration = Duration::from_millis(50);

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
    lines: Arc<Lines>,
    without: WithoutRedis,
    given_clock: bool,
}

impl Shared {
    pub(crate) fn new(config: RedisConfig, control: Handle) -> Self {
        let meanwhile = match config.without {
            WithoutRedis::Local => "this process limits requests by itself",
            WithoutRedis::Deny => "requests under a limit are refused",
        };
        let (without, given_clock) = (config.without, config.given_clock);
        let lines = Lines::new(config, control, meanwhile, "limits are shared");
        Self { memory: Memory::new(), lines: Arc::new(lines), without, given_clock }
    }

    pub(crate) fn state(&self) -> RedisState {
        self.lines.state()
    }

    pub(crate) fn returns(&self) -> u64 {
        self.lines.returns()
    }

    /// A connection for the worker whose runtime is `runtime`.
    pub(crate) async fn link(&self, runtime: Handle) -> Arc<Link> {
        self.lines.link(runtime).await
    }

    pub(crate) async fn check(&self, link: &Link, rules: &[Rule], now: Timestamp) -> Decision {
        if let Some(since) = self.lines.closed() {
            let given = self.given_clock.then_some(now);
            match link.ask(self.lines.dialer(), rules, given).await {
                Ok(decision) => {
                    if self.without == WithoutRedis::Local && matches!(decision, Decision::Admit { .. }) {
                        self.memory.count(rules, now);
                    }
                    return decision;
                }
                Err(failure) => self.lines.trip(since, &failure),
            }
        }
        match self.without {
            WithoutRedis::Local => self.memory.check(rules, now),
            WithoutRedis::Deny => Decision::Unavailable,
        }
    }

    pub(crate) async fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        self.memory.seed_day(user, key, day, count);
        let Some(since) = self.lines.closed() else { return };
        let seeded = async {
            let control = self.lines.control().await?;
            control.seed_day(self.lines.dialer(), user, key, day, count).await
        };
        if let Err(failure) = seeded.await {
            self.lines.trip(since, &failure);
        }
    }
}
