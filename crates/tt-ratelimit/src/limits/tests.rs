//! One suite for limits in memory and in Redis, and tests of what only one of them does.

mod concurrency;
mod faults;
pub(crate) mod harness;
mod memory;
mod model;
mod redis;
mod suite;
