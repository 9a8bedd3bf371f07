//! Request limits: how many requests a user or an API key may send in a minute and in a day.
//!
//! [`Limiter`] is the front. Behind it, counters live in this process ([`memory`]) or in Redis ([`redis`]); both give
//! the same answers, which one test suite shows.

mod day;
mod decision;
mod limiter;
mod memory;
mod minute;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod script;
#[cfg(test)]
#[cfg(feature = "redis")]
pub(crate) mod tests;

pub use limiter::{LimitWorker, Limiter};
#[cfg(feature = "redis")]
pub(crate) use script::probe;
