#![doc = include_str!("../README.md")]
//!
//! ## Invariants
//!
//! - Spans and metrics are made from settlements alone, so that they say what the ledger says.
//! - No content, no key, no user and no error text of a provider is in a span or a metric.
//! - A receiver that is away costs nothing but its telemetry: queues are bounded, and requests never wait for one.
//! - OpenTelemetry's own crates are known here and nowhere else.

mod client;
mod config;
#[cfg(test)]
mod fixtures;
mod metrics;
pub mod names;
mod queue;
mod reachable;
mod spans;
mod telemetry;
mod words;

pub use crate::config::{Config, MetricsConfig, Receiver, Temporality, TracesConfig};
pub use crate::metrics::ModelLabel;
pub use crate::telemetry::{Running, StartError, Telemetry, start};
