//! One suite for both limiters, and what only one of them can do.

pub(crate) mod bench;
mod concurrency;
mod faults;
mod memory;
mod model;
mod redis;
mod suite;
