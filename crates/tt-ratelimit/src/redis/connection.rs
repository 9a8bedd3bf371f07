//! One connection to Redis, driven by the runtime of the worker that uses it.
//!
//! The crate's `ConnectionManager` is not used: it reconnects after an error but never after a timeout, and would keep
//! using a connection whose other end is gone without having closed it.

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

use super::probe::Probe;

/// The time limit for connecting. It is longer than a request waits, because no request waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Into how many parts [`within`] divides its time limit.
const PARTS: u32 = 5;

/// [`within`] gives a call so many more turns of the worker's runtime when its time is over: to write the call, to
/// read the answer and to hand it on, each behind other work. An idle worker makes these turns within microseconds.
const LAST_TURNS: usize = 8;

/// The most calls of one worker that may wait to be written.
const PIPELINE: usize = 1024;

/// The reason why Redis cannot be used.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection yet, or no longer.
    NotConnected,
    /// It did not answer within this time.
    Timeout(Duration),
    /// Redis, or the connection to it, returned an error.
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

/// Makes connections: the address, the probe and the timeout that all connections of a process share.
#[derive(Debug)]
pub(super) struct Connector {
    client: Client,
    probe: Probe,
    timeout: Duration,
}

impl Connector {
    pub(super) const fn new(client: Client, probe: Probe, timeout: Duration) -> Self {
        Self { client, probe, timeout }
    }

    /// The longest a request waits for an answer.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Opens a connection and runs the probe on it, which must answer in time.
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(CONNECT_TIMEOUT, connect).await?;
        within(self.timeout, self.probe.run(&mut connection)).await?;
        Ok(connection)
    }
}

/// One connection, which may be lost and made anew.
#[derive(Debug)]
pub(crate) struct Connection {
    runtime: Handle,
    current: Mutex<Option<MultiplexedConnection>>,
}

impl Connection {
    /// Not connected yet; `runtime` will drive it.
    pub(super) const fn new(runtime: Handle) -> Self {
        Self { runtime, current: Mutex::new(None) }
    }

    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn is_connected(&self) -> bool {
        self.current().is_some()
    }

    /// Connects anew, on this connection's own runtime. If that runtime has ended, nothing is done and that is no
    /// failure: its worker is gone.
    pub(super) async fn reconnect(&self, connector: &Arc<Connector>) -> Result<(), Failure> {
        let connector = Arc::clone(connector);
        let connection = match self.runtime.spawn(async move { connector.connect().await }).await {
            Ok(connected) => connected?,
            Err(ended) if ended.is_cancelled() => return Ok(()),
            Err(_panicked) => return Err(Failure::NotConnected),
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(())
    }

    /// The connection to make calls on; [`Failure::NotConnected`] where there is none.
    pub(crate) fn connected(&self) -> Result<MultiplexedConnection, Failure> {
        self.current().ok_or(Failure::NotConnected)
    }

    fn current(&self) -> Option<MultiplexedConnection> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits for `answer` at most `limit` of the time in which this worker could have seen it.
///
/// A worker that does other work for 80 ms without a break has neither sent its call nor read the answer meanwhile,
/// and Redis is not to blame for that. So the limit passes in parts, and one such stretch uses up one part, however
/// long it lasts.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Failure> {
    let mut answer = pin!(answer);
    for _ in 0..PARTS {
        if let Ok(answer) = timeout(limit / PARTS, &mut answer).await {
            return answer.map_err(Failure::Redis);
        }
    }
    // The last part may have been such a stretch, so the socket is read once more before giving up.
    for _ in 0..LAST_TURNS {
        yield_now().await;
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            return answer.map_err(Failure::Redis);
        }
    }
    Err(Failure::Timeout(limit))
}
