//! The settings of Redis: its address, its timeout, and what request limits do while it is down.

use std::time::Duration;

use deadpool_redis::redis::Client;
use tt_core::Invalid;

use super::keys::Keys;
use super::state::WithoutRedis;

/// The longest a request waits for Redis.
const TIMEOUT: Duration = Duration::from_millis(50);

/// The address of Redis and what to do without it. `Debug` leaves the address out, since it may hold a password.
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) client: Client,
    /// The names of its keys.
    pub(crate) keys: Keys,
    pub(crate) without: WithoutRedis,
    /// The longest a request waits for an answer.
    pub(crate) timeout: Duration,
    /// True if the `now` of the caller replaces the clock of Redis, for tests.
    pub(crate) given_clock: bool,
}

impl RedisConfig {
    /// Parses a `redis://` or `rediss://` address. For `rediss` the process must have installed its rustls crypto
    /// provider before the first connection.
    ///
    /// # Errors
    /// [`Invalid`] naming `field` when `url` is no such address. The message does not quote the address.
    pub fn parse(field: &'static str, url: &str, without: WithoutRedis) -> Result<Self, Invalid> {
        // The client's own error is dropped, since it may quote the address.
        let client = Client::open(url)
            .map_err(|_| Invalid::new(field, "must be redis://[user:password@]host[:port][/database] or rediss://…"))?;
        Ok(Self { client, keys: Keys::default(), without, timeout: TIMEOUT, given_clock: false })
    }

    /// Makes all keys begin with `name`, so that installations which share a Redis do not count together. All processes
    /// of one installation must give the same name, of letters and digits.
    #[must_use]
    pub fn of_installation(self, name: &str) -> Self {
        Self { keys: Keys::of_installation(name), ..self }
    }

    /// Replaces the timeout, for tests that are not about it, on a machine that may be busy.
    #[cfg(test)]
    pub(crate) fn waiting(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Makes the caller's `now` replace the clock of Redis, for tests.
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
