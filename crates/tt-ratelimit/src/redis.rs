//! Redis as request limits and budgets share it: connections of a process, and a circuit breaker over them.
//!
//! While the breaker is closed, every worker calls Redis on a connection of its own. The first failure (no answer
//! within 50 ms, a lost connection, an error) opens the breaker: from then on nobody waits for Redis, and the caller
//! decides without it. One task on the control plane then connects every connection anew, twice a second, runs a
//! [`Probe`] on each, and closes the breaker when all of them have answered.
//!
//! The counters in Redis belong to `limits` and `budgets`; this module does not know them.

#[cfg(not(feature = "redis"))]
mod absent;
#[cfg(feature = "redis")]
mod breaker;
#[cfg(feature = "redis")]
mod config;
#[cfg(feature = "redis")]
mod connection;
#[cfg(feature = "redis")]
mod connections;
#[cfg(feature = "redis")]
mod keys;
#[cfg(feature = "redis")]
mod probe;
#[cfg(feature = "redis")]
mod since;
mod state;

#[cfg(not(feature = "redis"))]
pub use absent::RedisConfig;
#[cfg(feature = "redis")]
pub use config::RedisConfig;
#[cfg(feature = "redis")]
pub(crate) use connection::{Connection, Failure, within};
#[cfg(feature = "redis")]
pub(crate) use connections::{Connections, LogWords};
#[cfg(feature = "redis")]
pub(crate) use keys::Keys;
#[cfg(feature = "redis")]
pub(crate) use probe::Probe;
#[cfg(feature = "redis")]
pub(crate) use since::{Since, SinceMark};
pub use state::{RedisState, WithoutRedis};
