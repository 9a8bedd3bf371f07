//! Limits in Redis, and what holds while Redis is down.
//!
//! A request costs one script call on the worker's own connection. While Redis is down, the process decides by its own
//! counters or refuses, as configured ([`WithoutRedis`]). What Redis admits is counted in memory too, so that a process
//! that must decide alone does not begin at zero.

use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::limits::{Decision, Rule};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::memory::MemoryLimits;
use super::script::{LimitScript, probe};
use crate::redis::{Connection, Connections, Failure, LogWords, RedisConfig, RedisState, WithoutRedis, within};

/// The limiter of one process on Redis.
#[derive(Debug)]
pub(super) struct RedisLimits {
    memory: MemoryLimits,
    connections: Arc<Connections>,
    script: LimitScript,
    without: WithoutRedis,
    given_clock: bool,
}

impl RedisLimits {
    pub(super) fn new(config: RedisConfig, control: Handle) -> Self {
        let down = match config.without {
            WithoutRedis::Local => "this process limits requests by its own counters",
            WithoutRedis::Deny => "requests that have a limit are refused",
        };
        let (without, given_clock) = (config.without, config.given_clock);
        let words = LogWords { down, up: "processes share their limits" };
        let script = LimitScript::new(config.keys.clone());
        let probe = probe(&config.keys);
        let connections = Arc::new(Connections::new(config, probe, control, words));
        Self { memory: MemoryLimits::new(), connections, script, without, given_clock }
    }

    pub(super) fn state(&self) -> RedisState {
        self.connections.state()
    }

    pub(super) fn recoveries(&self) -> u64 {
        self.connections.recoveries()
    }

    /// A connection for the worker whose runtime is `runtime`.
    pub(super) async fn connection(&self, runtime: Handle) -> Arc<Connection> {
        self.connections.for_worker(runtime).await
    }

    pub(super) async fn check(&self, connection: &Connection, rules: &[Rule], now: Timestamp) -> Decision {
        if let Some(since) = self.connections.closed() {
            match self.decide(connection, rules, now).await {
                Ok(decision) => {
                    if self.without == WithoutRedis::Local && matches!(decision, Decision::Admit { .. }) {
                        self.memory.count(rules, now);
                    }
                    return decision;
                }
                Err(failure) => self.connections.trip(since, &failure),
            }
        }
        match self.without {
            WithoutRedis::Local => self.memory.check(rules, now),
            WithoutRedis::Deny => Decision::Unavailable,
        }
    }

    async fn decide(&self, connection: &Connection, rules: &[Rule], now: Timestamp) -> Result<Decision, Failure> {
        let given = self.given_clock.then_some(now);
        let mut connection = connection.connected()?;
        within(self.connections.timeout(), self.script.decide(&mut connection, rules, given)).await
    }

    pub(super) async fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        self.memory.seed_day(user, key, day, count);
        let Some(since) = self.connections.closed() else { return };
        let seeded = async {
            let mut connection = self.connections.for_control().await?.connected()?;
            let seed = self.script.seed_day(&mut connection, user, key, day, count);
            within(self.connections.timeout(), seed).await
        };
        if let Err(failure) = seeded.await {
            self.connections.trip(since, &failure);
        }
    }
}
