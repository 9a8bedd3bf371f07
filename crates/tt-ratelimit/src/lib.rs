//! Request limits and budgets, in memory or shared through Redis.
//!
//! A [`Limiter`] is made once; every worker thread asks it for a [`Worker`] and decides its requests there; so it is with
//! [`Budgets`] and [`BudgetWorker`]. Both kinds of each answer alike, which one test suite shows.
//!
//! **Invariant:** a request is counted by all of its rules or by none, and the clock is an argument. There is no error
//! type: when the counters cannot be reached, request limits do what was configured ([`WithoutRedis`]), and budgets
//! admit nothing.

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
