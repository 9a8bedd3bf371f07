//! Redis as request limits and budgets share it: connections of a process, and a circuit breaker over them.
//!
//! While the breaker is closed, every worker calls Redis on a connection of its own. The first failure (no answer
//! within 50 ms, a lost connection, an error) opens the breaker: from then on nobody waits for Redis, and the caller
//! decides without it. One task on the control plane then connects every connection anew, twice a second, runs a
//! [`Probe`] on each, and closes the breaker when all of them have answered.
//!
//! The counters in Redis belong to `limits` and `budgets`; this module does not know them.

mod breaker;
mod config;
mod connection;
mod connections;
mod keys;
mod probe;
mod since;

pub use config::{RedisConfig, RedisState, WithoutRedis};
pub(crate) use connection::{Connection, Failure, within};
pub(crate) use connections::{Connections, LogWords};
pub(crate) use keys::Keys;
pub(crate) use probe::Probe;
pub(crate) use since::{Since, SinceMark};
