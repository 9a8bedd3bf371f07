//! A program without OpenTelemetry.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::runtime::Handle;
use tt_core::trace::Sampler;
use tt_ledger::SettlementObserver;
use tt_metrics::Metrics;

use crate::config::reader::Reader;

/// No settings: there is nothing to be set.
pub(crate) type Config = Infallible;

/// Settings that ask for spans or metrics.
const ASKING: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

/// Refuses settings that ask for spans or metrics.
pub(crate) fn read(r: &mut Reader<'_>, _: bool, _: &Arc<RootCertStore>) -> (Option<Config>, Option<Sampler>) {
    let asks = |name: &str, words: &[&str]| words.iter().any(|word| r.given(name).is_some_and(|given| given == *word));
    let exporters = ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"].into_iter().filter(|name| asks(name, &["otlp"]));
    let endpoints = ASKING.into_iter().filter(|name| r.given(name).is_some());
    let upstream = ["OTEL_PROPAGATE_UPSTREAM"].into_iter().filter(|name| asks(name, &["true", "1", "yes"]));
    for name in endpoints.chain(exporters).chain(upstream).collect::<Vec<_>>() {
        r.fault(format!("{name}: this program is built without OpenTelemetry, which the cargo feature otel has"));
    }
    (None, None)
}

/// Nothing that sends.
pub(crate) struct Exports;

impl Exports {
    pub(crate) fn start(_: Option<Config>, _: &str, _: &Arc<Metrics>, _: &Handle) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn observer(&self) -> Option<Arc<dyn SettlementObserver>> {
        None
    }

    pub(crate) async fn stop(self, _: Duration) {}
}
