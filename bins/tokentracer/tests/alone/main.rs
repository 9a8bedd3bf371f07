//! Measurements of time, which need the machine for themselves: these tests run one after the other. `cargo test` runs
//! one test program at a time, so no other test runs beside them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what was measured is worth reading where a test fails")]

mod exactly;
mod hostile;
mod logins;
mod overload;
#[path = "../replicas/setup.rs"]
#[expect(dead_code, reason = "shared with the tests of replicas, which need more of it")]
mod setup;
#[path = "../replicas/storm.rs"]
mod storm;

/// Held by the test that runs.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
