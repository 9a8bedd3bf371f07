//! Request limits and budgets, in memory or shared through Redis.
//!
//! A [`Limiter`] decides how many requests a user or an API key may send, [`Budgets`] how much money they may spend.
//! Each is made once; every worker thread asks it for a handle and decides its requests there.
//!
//! **Invariant:** a request is counted by all of its rules or by none, and the clock is an argument. There is no error
//! type: while Redis is down, request limits do what was configured ([`WithoutRedis`]), and budgets admit nothing.

mod budgets;
mod limits;
mod output_quantiles;
mod redis;

pub use budgets::{
    BudgetStanding, BudgetWorker, BudgetedRequest, Budgets, CostEstimate, Reading, Reservation, StaleCharge, Used,
};
pub use limits::{LimitWorker, Limiter};
pub use output_quantiles::{CallKind, OutputQuantiles};
pub use redis::{RedisConfig, RedisState, WithoutRedis};
