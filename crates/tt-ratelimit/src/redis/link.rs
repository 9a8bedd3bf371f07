//! One connection to Redis, driven by the runtime of the worker that uses it.
//!
//! The connections are ours and not a `ConnectionManager`'s: that one reconnects after an error but never after a
//! timeout, and would go on with a connection whose other end is gone without a word.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;
use tt_core::limits::{Decision, Rule};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::script::LimitScript;

/// How long a new connection may take. More than a request waits: nobody waits for this.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Parts of the time that Redis has for its answer.
const PARTS: u32 = 5;

/// Turns of the worker's runtime that a call may take besides: to write it, to read its answer and to hand that on, each
/// behind what else is to be done. An idle worker makes them within microseconds.
const LAST_TURNS: usize = 8;

/// Requests of one worker that may wait to be written.
const PIPELINE: usize = 1024;

/// Why Redis cannot be used.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection yet, or no longer.
    NotConnected,
    /// It did not answer within this time.
    Timeout(Duration),
    /// It, or the connection to it, said no.
    Redis(RedisError),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotConnected => f.write_str("not connected"),
            Self::Timeout(after) => write!(f, "no answer within {} ms", after.as_millis()),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

/// What all links have in common.
#[derive(Debug)]
pub(crate) struct Dialer {
    client: Client,
    script: LimitScript,
    timeout: Duration,
}

impl Dialer {
    pub(super) const fn new(client: Client, script: LimitScript, timeout: Duration) -> Self {
        Self { client, script, timeout }
    }

    /// How long a request waits.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A new connection on which the script has just run in time.
    async fn dial(&self) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = in_time(CONNECT_TIMEOUT, connect).await?;
        in_time(self.timeout, self.script.probe(&mut connection)).await?;
        Ok(connection)
    }
}

/// One connection, or the place for one.
#[derive(Debug)]
pub(crate) struct Link {
    runtime: Handle,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(super) const fn new(runtime: Handle) -> Self {
        Self { runtime, connection: Mutex::new(None) }
    }

    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }

    /// Connects anew, on the link's own runtime. A runtime that has ended needs no connection.
    pub(super) async fn dial(&self, dialer: &Arc<Dialer>) -> Result<(), Failure> {
        let dialer = Arc::clone(dialer);
        let connection = match self.runtime.spawn(async move { dialer.dial().await }).await {
            Ok(dialled) => dialled?,
            Err(ended) if ended.is_cancelled() => return Ok(()),
            Err(_panicked) => return Err(Failure::NotConnected),
        };
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(())
    }

    /// Has Redis decide `rules`. `given` replaces its clock.
    pub(super) async fn ask(
        &self,
        dialer: &Dialer,
        rules: &[Rule],
        given: Option<Timestamp>,
    ) -> Result<Decision, Failure> {
        let mut connection = self.connection().ok_or(Failure::NotConnected)?;
        in_time(dialer.timeout, dialer.script.decide(&mut connection, rules, given)).await
    }

    /// Raises a day's count.
    pub(super) async fn seed_day(
        &self,
        dialer: &Dialer,
        user: UserId,
        key: Option<ApiKeyId>,
        day: Timestamp,
        count: u64,
    ) -> Result<(), Failure> {
        let mut connection = self.connection().ok_or(Failure::NotConnected)?;
        in_time(dialer.timeout, dialer.script.seed_day(&mut connection, user, key, day, count)).await
    }

    /// The connection, for a call of one's own.
    pub(crate) fn connected(&self) -> Result<MultiplexedConnection, Failure> {
        self.connection().ok_or(Failure::NotConnected)
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits for `answer` for `limit`, of the time in which this worker could have seen it: one that does other work for 80 ms
/// at a stretch has neither sent its question nor read the answer meanwhile, and Redis is not to blame. So the time passes
/// in parts, of which a stretch uses up one however long it lasts.
pub(crate) async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Failure> {
    let mut answer = pin!(answer);
    for _ in 0..PARTS {
        if let Ok(answer) = timeout(limit / PARTS, &mut answer).await {
            return answer.map_err(Failure::Redis);
        }
    }
    // The last part may have been such a stretch: what waits in the socket is read first.
    for _ in 0..LAST_TURNS {
        yield_now().await;
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            return answer.map_err(Failure::Redis);
        }
    }
    Err(Failure::Timeout(limit))
}
