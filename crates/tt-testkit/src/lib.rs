//! Test tools: a mock upstream of every dialect, a test HTTP client, a handle on a running program, throw-away
//! databases, and for benchmarks a load generator and the bare proxy that they are measured against.
//!
//! **Invariant:** only tests, benches and `cargo xtask dev` use this crate; nothing that ships depends on it. It panics
//! with one plain line where a test could not go on anyway.

pub mod bare_proxy;
pub mod client;
pub mod database;
pub mod load;
pub mod mock;
pub mod process;
pub mod redis;
mod workers;

pub use client::Client;
pub use mock::{Behaviour, MockUpstream};
pub use process::Program;
