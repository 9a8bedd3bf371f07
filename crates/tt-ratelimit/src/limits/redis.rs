//! Limits in Redis, and what holds while Redis is down or has lost its counters.
//!
//! A request costs one script call on the worker's own connection. What Redis admits is decided in memory too, by what this
//! process alone has admitted. So a process that must decide alone does not begin at zero, and whatever becomes of Redis,
//! one process never admits more than the limit. While Redis is down, the process decides by its own counters or refuses,
//! as configured ([`WithoutRedis`]). When Redis has lost its counters, each process adds what it has admitted in the last
//! minute.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::{MissedTickBehavior, interval};
use tt_core::limits::{Decision, Rule, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::memory::{LastMinute, MemoryLimits};
use super::script::{LimitScript, probe};
use crate::redis::{Connection, Connections, Failure, LogWords, RedisConfig, RedisState, WithoutRedis, within};

/// The pause between two looks at whether Redis has lost its counters.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The longest the control plane waits for an answer. No request waits for it.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(1);

/// The most calls that are under way at once.
const CALLS: usize = 32;

/// The limiter of one process on Redis.
#[derive(Debug)]
pub(super) struct RedisLimits {
    memory: MemoryLimits,
    connections: Arc<Connections>,
    script: LimitScript,
    without: WithoutRedis,
    given_clock: bool,
    clock: LastClock,
    telling: Mutex<Telling>,
    /// Ends the heartbeat task.
    ended: Arc<Notify>,
}

/// The admitted requests that Redis has not been told of yet.
#[derive(Debug, Default)]
struct Telling {
    /// The time since when Redis had its counters, as of the last heartbeat.
    known_since: Option<u64>,
    untold: Vec<LastMinute>,
}

/// The clock of the callers, as the last of them gave it, for a task that has none.
#[derive(Debug)]
struct LastClock {
    made: Instant,
    /// The callers' milliseconds less those since `made`.
    offset_ms: AtomicI64,
}

impl LastClock {
    fn new() -> Self {
        Self { made: Instant::now(), offset_ms: AtomicI64::new(0) }
    }

    fn since_made(&self) -> i64 {
        i64::try_from(self.made.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn set(&self, now: Timestamp) {
        self.offset_ms.store(now.millis().saturating_sub(self.since_made()), Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.offset_ms.load(Ordering::Relaxed).saturating_add(self.since_made()))
    }
}

impl Drop for RedisLimits {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

impl RedisLimits {
    /// Starts the heartbeat task on `control`. It ends when the limits are dropped.
    pub(super) fn start(config: RedisConfig, control: Handle) -> Arc<Self> {
        let down = match config.without {
            WithoutRedis::Local => "this process limits requests by its own counters",
            WithoutRedis::Deny => "requests that have a limit are refused",
        };
        let (without, given_clock) = (config.without, config.given_clock);
        let words = LogWords { down, up: "processes share their limits" };
        let script = LimitScript::new(config.keys.clone());
        let probe = probe(&config.keys);
        let connections = Arc::new(Connections::new(config, probe, control.clone(), words));
        let limits = Arc::new(Self {
            memory: MemoryLimits::new(),
            connections,
            script,
            without,
            given_clock,
            clock: LastClock::new(),
            telling: Mutex::default(),
            ended: Arc::default(),
        });
        let (recovered, ended) = (limits.connections.recovered(), Arc::clone(&limits.ended));
        control.spawn(keep_up_to_date(Arc::downgrade(&limits), recovered, ended));
        limits
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
        self.clock.set(now);
        if let Some(since) = self.connections.closed() {
            match self.decide(connection, rules, now).await {
                Ok(admitted @ Decision::Admit { .. }) => {
                    // The requests that this process has admitted by itself count against the limit too. Redis may have
                    // lost them.
                    let alone = self.memory.check(rules, now);
                    return if matches!(alone, Decision::Admit { .. }) { admitted } else { alone };
                }
                Ok(refused) => {
                    self.memory.see(rules, now);
                    return refused;
                }
                Err(failure) => self.connections.trip(since, &failure),
            }
        }
        match self.without {
            WithoutRedis::Local => self.memory.check(rules, now),
            WithoutRedis::Deny => Decision::Unavailable,
        }
    }

    /// The state of each of `rules`, as Redis has it. While it is down, as this process has it.
    pub(super) async fn standings(&self, connection: &Connection, rules: &[Rule], now: Timestamp) -> Vec<Standing> {
        if let Some(since) = self.connections.closed() {
            let given = self.given_clock.then_some(now);
            let read = async {
                let mut connection = connection.connected()?;
                within(self.connections.timeout(), self.script.standings(&mut connection, rules, given)).await
            };
            match read.await {
                Ok(standings) => return standings,
                Err(failure) => self.connections.trip(since, &failure),
            }
        }
        self.memory.standings(rules, now)
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

    /// The time since when the Redis has its counters that has been told of all admitted requests; `None` until the
    /// first heartbeat, and while requests are told.
    #[cfg(test)]
    pub(super) async fn told(&self) -> Option<u64> {
        let telling = self.telling.lock().await;
        telling.known_since.filter(|_| telling.untold.is_empty())
    }

    /// Checks whether Redis has lost its counters, and then adds to them what this process has admitted in the last
    /// minute. `recovered`: an outage has just ended, so nothing of it was admitted by this Redis. Otherwise Redis was
    /// emptied while it served. The requests admitted between that and this heartbeat, which is a second at most, counts
    /// twice then, which errs on the side of the limit.
    async fn heartbeat(&self, recovered: bool) {
        let mut telling = self.telling.lock().await;
        let Some(closed) = self.connections.closed() else { return };
        let told = async {
            let limit = self.connections.timeout().max(CONTROL_TIMEOUT);
            let mut redis = self.connections.for_control().await?.connected()?;
            let since = within(limit, self.script.since(&mut redis)).await?;
            let Telling { known_since, untold } = &mut *telling;
            let now = self.clock.now();
            if *known_since != Some(since.began_ms) {
                let age_ms = if recovered { 0 } else { since.now_ms.saturating_sub(since.began_ms) };
                // At the first heartbeat without an outage, this Redis has admitted all that is counted here.
                if recovered || known_since.is_some() {
                    *untold = self.memory.last_minute(now, age_ms);
                }
                *known_since = Some(since.began_ms);
            }
            let given = self.given_clock.then_some(now);
            while !untold.is_empty() {
                let rest = untold.len().saturating_sub(CALLS);
                let some = untold.get(rest..).unwrap_or_default();
                let calls = some.iter().map(|one| within(limit, self.script.seed_minute(redis.clone(), one, given)));
                try_join_all(calls).await?;
                untold.truncate(rest);
            }
            Ok(())
        };
        if let Err(failure) = told.await {
            self.connections.trip(closed, &failure);
        }
    }
}

/// Sends heartbeats until `limits` is dropped.
async fn keep_up_to_date(limits: Weak<RedisLimits>, recovered: Arc<Notify>, ended: Arc<Notify>) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_recovered = tokio::select! {
            biased;
            () = ended.notified() => return,
            () = recovered.notified() => true,
            _ = ticks.tick() => false,
        };
        let Some(limits) = limits.upgrade() else { return };
        limits.heartbeat(is_recovered).await;
    }
}
