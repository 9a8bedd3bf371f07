//! The settings, as the binary reads them from the `OTEL_*` variables.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::SecretString;
use tt_core::trace::Sampler;

/// The telemetry to be sent, its receivers, and the service that it is of.
#[derive(Debug)]
pub struct Config {
    /// Attributes of the resource, each with its value; `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// The spans; `None` if none are sent.
    pub traces: Option<TracesConfig>,
    /// The metrics; `None` if none are sent.
    pub metrics: Option<MetricsConfig>,
}

/// A receiver of OTLP over HTTP: a collector.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// The whole address that is posted to, `http://` or `https://`.
    pub endpoint: String,
    /// Headers of each request, each with its value.
    pub headers: Vec<(String, SecretString)>,
    /// The time for one export, its retries included.
    pub timeout: Duration,
    /// The authorities that its certificate must lead to.
    pub authorities: Arc<RootCertStore>,
}

/// The settings of spans.
#[derive(Debug)]
pub struct TracesConfig {
    /// The receiver of spans.
    pub receiver: Receiver,
    /// The requests that have spans.
    pub sampler: Sampler,
    /// The scheme of the server's own address: `http` or `https`.
    pub scheme: &'static str,
    /// The most requests that wait for their spans to be sent.
    pub queue: usize,
    /// The most spans that are sent at a time.
    pub batch: usize,
    /// The longest time that spans wait for others to be sent with.
    pub delay: Duration,
}

/// The settings of metrics.
#[derive(Debug)]
pub struct MetricsConfig {
    /// The receiver of metrics.
    pub receiver: Receiver,
    /// The time between two exports.
    pub interval: Duration,
    /// The start of the numbers.
    pub temporality: Temporality,
}

/// The time from which counters and histograms count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    /// From the start of the process.
    Cumulative,
    /// From the export before. What an export that fails has counted is lost.
    Delta,
}
