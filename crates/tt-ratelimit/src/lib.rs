#![doc = include_str!("../README.md")]
//!
//! ## Invariants
//!
//! - A request is counted by all of its rules or by none.
//! - The clock is an argument. (In Redis, request limits go by the clock of Redis, so that processes agree on it.)
//! - There is no error type: while Redis is down, request limits do what was configured ([`WithoutRedis`]), and budgets
//!   admit nothing.

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
