//! Request limits and budgets, in memory or shared through Redis.
//!
//! A [`Limiter`] is made once; every worker thread asks it for a [`Worker`] and decides its requests there. Both kinds
//! of limiter answer alike, which one test suite shows.
//!
//! **Invariant:** a request is counted by all of its rules or by none, and the clock is an argument. There is no error
//! type: when the counters cannot be reached, callers get the behaviour that was configured ([`WithoutRedis`]).

mod budget;
mod day;
mod learned;
mod limiter;
mod memory;
mod minute;
mod redis;
mod tally;
#[cfg(test)]
mod tests;

pub use budget::{
    Ask, BudgetStanding, BudgetWorker, BudgetedRequest, Budgets, Reading, Reservation, StaleCharge, Used,
};
pub use learned::{CallKind, Learned};
pub use limiter::{Limiter, Worker};
pub use redis::{RedisConfig, RedisState, WithoutRedis};

use tally::{Tally, Verdict, Window};
