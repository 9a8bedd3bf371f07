//! Test tools: a mock upstream of every dialect, a harness that runs the built program against it, a test HTTP client,
//! throw-away databases, and for benchmarks a load generator and the bare proxy that they are measured against.
//!
//! **Invariant:** only tests, benches and `cargo xtask dev` use this crate; nothing that ships depends on it. It knows
//! tt-core alone, so that a mistake in the crates under test is not made here too. Where a test could not go on, it
//! panics with one plain line.
//!
//! A test starts the mock on a free port, says how it is to behave, and asks it:
//!
//! ```
//! use serde_json::json;
//! use tt_core::Provider;
//! use tt_testkit::{Behaviour, Client, MockUpstream};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let mock = MockUpstream::start();
//! mock.once("gpt-4o", Behaviour::status(503));
//!
//! let client = Client::new(mock.url()).bearer(MockUpstream::key(Provider::OpenAi));
//! let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
//! client.post("/v1/chat/completions").json(&body).send().await.expect(503);
//!
//! let answer = client.post("/v1/chat/completions").json(&body).send().await.expect(200).json();
//! assert_eq!(answer["choices"][0]["message"]["content"], "mock reply to: hello");
//! assert_eq!(mock.requests().len(), 2);
//! # });
//! ```
//!
//! A test of the built program begins with a [`World`]: the program on databases of the test's choice, a mock behind
//! it, and users with keys.

#[cfg(feature = "harness")]
pub mod balancer;
pub mod bare_proxy;
#[cfg(feature = "harness")]
pub mod certificates;
#[cfg(feature = "harness")]
pub mod client;
#[cfg(feature = "harness")]
pub mod database;
pub mod exposition;
pub mod load;
pub mod mock;
#[cfg(feature = "harness")]
pub mod otlp;
#[cfg(feature = "harness")]
pub mod process;
#[cfg(feature = "harness")]
pub mod receiver;
#[cfg(feature = "harness")]
pub mod redis;
mod workers;
#[cfg(feature = "harness")]
pub mod world;
pub mod wrong_types;

#[cfg(feature = "harness")]
pub use client::Client;
pub use mock::{Behaviour, MockUpstream};
#[cfg(feature = "harness")]
pub use otlp::OtlpReceiver;
#[cfg(feature = "harness")]
pub use process::Program;
#[cfg(feature = "harness")]
pub use receiver::Receiver;
#[cfg(feature = "harness")]
pub use world::World;
