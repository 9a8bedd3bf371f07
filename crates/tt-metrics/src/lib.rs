#![doc = include_str!("../README.md")]
//!
//! ## Invariants
//!
//! - What counts requests, attempts, tokens and money is fed by settlements alone ([`Metrics::settled`]), so that it
//!   equals the ledger.
//! - Money is added up in whole nano-dollars and written as an exact decimal.
//! - No label names a user, a key or a session, and the number of series is bounded whatever clients send.
//! - Nothing here reads a clock, waits, or knows HTTP.

mod exposition;
mod families;
mod format;
mod handles;
mod known;
mod labels;
mod metrics;
mod money;
mod names;
mod readings;
mod settled;

pub use crate::format::Format;
pub use crate::labels::Decided;
pub use crate::metrics::Metrics;
pub use crate::readings::{BudgetSum, Readings};
