//! The Gemini dialect against recorded traffic, golden requests, errors and arbitrary input.
//!
//! One binary, so that the crate is linked once. What no recording covers is built by hand, and says so.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failed step is a failed test")]

#[path = "gemini/errors.rs"]
mod errors;
#[path = "gemini/history.rs"]
mod history;
#[path = "gemini/properties.rs"]
mod properties;
#[path = "gemini/recordings.rs"]
mod recordings;
#[path = "gemini/requests.rs"]
mod requests;
#[path = "gemini/stream.rs"]
mod stream;
#[path = "gemini/support.rs"]
mod support;
