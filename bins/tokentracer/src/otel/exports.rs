//! The work that sends spans and metrics.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tt_core::Provider;
use tt_core::record::Settlement;
use tt_ledger::SettlementObserver;
use tt_metrics::Metrics;
use tt_otel::{Config, Running, Telemetry, names};

/// The senders of spans and metrics; none where the settings ask for none.
pub(crate) struct Exports(Option<(Arc<Telemetry>, Running)>);

impl Exports {
    /// Starts to send what `config` asks for, for the run of a process named `run`. Models are labelled as in `metrics`.
    /// Errors are one line each.
    pub(crate) fn start(
        config: Option<Config>,
        run: &str,
        metrics: &Arc<Metrics>,
        control: &Handle,
    ) -> Result<Self, String> {
        let Some(mut config) = config else { return Ok(Self(None)) };
        const VERSION: &str = env!("CARGO_PKG_VERSION");
        for (name, value) in [(names::SERVICE_VERSION, VERSION), (names::SERVICE_INSTANCE_ID, run)] {
            if !config.resource.iter().any(|(given, _)| given == name) {
                config.resource.push((name.to_owned(), value.to_owned()));
            }
        }
        let metrics = Arc::clone(metrics);
        let label = move |provider: Provider, model: &str| metrics.model_label(provider, model);
        let started = tt_otel::start(config, VERSION, Arc::new(label), control);
        let (telemetry, running) = started.map_err(|error| format!("OpenTelemetry: {error}"))?;
        Ok(Self(Some((Arc::new(telemetry), running))))
    }

    /// The observer of settlements, for the ledger.
    pub(crate) fn observer(&self) -> Option<Arc<dyn SettlementObserver>> {
        let (telemetry, _) = self.0.as_ref()?;
        let telemetry = Arc::clone(telemetry);
        Some(Arc::new(move |settlement: &Settlement| telemetry.settled(settlement)))
    }

    /// Sends what has not been sent, within this time.
    pub(crate) async fn stop(self, within: Duration) {
        if let Some((_, running)) = self.0 {
            running.stop(within).await;
        }
    }
}
