//! Starts and stops what sends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{self as sdk, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::SpanExporter as _;
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tt_core::record::Settlement;

use crate::client::Client;
use crate::config::{Config, MetricsConfig, Receiver, Temporality, TracesConfig};
use crate::metrics::{Metrics, ModelLabel};
use crate::names;
use crate::queue::{Queue, Sender};
use crate::reachable::Reachable;
use crate::spans::Spans;

/// The side that is told of settlements.
pub struct Telemetry {
    traces: Option<Queue>,
    metrics: Option<Metrics>,
}

impl Telemetry {
    /// Notes a settlement. A ledger's observer calls it once for each. It does not wait.
    pub fn settled(&self, settlement: &Settlement) {
        if let Some(metrics) = &self.metrics {
            metrics.settled(settlement);
        }
        if let Some(traces) = &self.traces {
            traces.settled(settlement);
        }
    }
}

/// The work that sends. It ends with [`Running::stop`].
#[must_use = "what has not been sent is lost without a stop"]
pub struct Running {
    stop: CancellationToken,
    traces: Option<Sending>,
    metrics: Option<SdkMeterProvider>,
}

/// The task that sends spans, and the state of their receiver.
struct Sending {
    task: JoinHandle<()>,
    reachable: Arc<Reachable>,
}

/// The reason why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address or a header that the exporter does not take.
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Starts to send. `label` names models in metrics; the work runs on `runtime`.
///
/// # Errors
/// When an exporter cannot be made. A receiver that is away is none.
pub fn start(
    config: Config,
    version: &'static str,
    label: ModelLabel,
    runtime: &Handle,
) -> Result<(Telemetry, Running), StartError> {
    let scope =
        InstrumentationScope::builder(names::SCOPE).with_version(version).with_schema_url(names::SCHEMA_URL).build();
    let attributes = config.resource.into_iter().map(|(name, value)| KeyValue::new(name, value));
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes)
        .build();
    let stop = CancellationToken::new();
    let (mut telemetry, mut running) =
        (Telemetry { traces: None, metrics: None }, Running { stop: stop.clone(), traces: None, metrics: None });
    if let Some(traces) = config.traces {
        let (queue, sending) = start_traces(traces, scope.clone(), &resource, runtime, stop)?;
        (telemetry.traces, running.traces) = (Some(queue), Some(sending));
    }
    if let Some(metrics) = config.metrics {
        let provider = start_metrics(metrics, resource, runtime)?;
        telemetry.metrics = Some(Metrics::new(&provider.meter_with_scope(scope), label));
        running.metrics = Some(provider);
    }
    Ok((telemetry, running))
}

fn start_traces(
    config: TracesConfig,
    scope: InstrumentationScope,
    resource: &Resource,
    runtime: &Handle,
    stop: CancellationToken,
) -> Result<(Queue, Sending), StartError> {
    let reachable = Arc::new(Reachable::new("traces", host(&config.receiver)));
    let builder = with_receiver(SpanExporter::builder().with_http(), &config.receiver);
    let mut exporter = builder.with_http_client(client(&config.receiver, &reachable, runtime)?).build()?;
    exporter.set_resource(resource);
    let (queue, queued) = Queue::new(config.queue, config.sampler, Arc::clone(&reachable));
    let sender = Sender {
        queued,
        spans: Spans::new(scope, config.scheme),
        exporter,
        batch: config.batch.max(1),
        delay: config.delay,
        timeout: config.receiver.timeout,
        reachable: Arc::clone(&reachable),
    };
    Ok((queue, Sending { task: runtime.spawn(sender.run(stop)), reachable }))
}

fn start_metrics(config: MetricsConfig, resource: Resource, runtime: &Handle) -> Result<SdkMeterProvider, StartError> {
    let reachable = Arc::new(Reachable::new("metrics", host(&config.receiver)));
    let temporality = match config.temporality {
        Temporality::Cumulative => sdk::Temporality::Cumulative,
        Temporality::Delta => sdk::Temporality::Delta,
    };
    let builder = with_receiver(MetricExporter::builder().with_http(), &config.receiver).with_temporality(temporality);
    let exporter = builder.with_http_client(client(&config.receiver, &reachable, runtime)?).build()?;
    let reader = PeriodicReader::builder(exporter).with_interval(config.interval).build();
    Ok(SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build())
}

fn with_receiver<B: WithExportConfig + WithHttpConfig>(builder: B, receiver: &Receiver) -> B {
    let headers = receiver.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
    builder
        .with_endpoint(receiver.endpoint.clone())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(receiver.timeout)
        .with_headers(headers.collect::<HashMap<_, _>>())
        .with_retry_policy(RetryPolicy::recommended())
}

fn client(receiver: &Receiver, reachable: &Arc<Reachable>, runtime: &Handle) -> Result<Client, rustls::Error> {
    Client::new(runtime.clone(), receiver.timeout, Arc::clone(reachable), Arc::clone(&receiver.authorities))
}

/// The host and port of a receiver, for the log: the rest of an address may hold a secret.
fn host(receiver: &Receiver) -> String {
    let uri = receiver.endpoint.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.map_or_else(String::new, |authority| match authority.port() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    })
}

impl Running {
    /// Sends what has not been sent, within this time. Call it when every request has settled.
    pub async fn stop(self, within: Duration) {
        let Self { stop, traces, metrics } = self;
        stop.cancel();
        let traces = async {
            let Some(Sending { mut task, reachable }) = traces else { return };
            let in_time = tokio::time::timeout(within, &mut task).await.is_ok();
            task.abort();
            let requests = reachable.take_lost();
            if !in_time {
                tracing::warn!("OTLP: the last spans could not be sent within {within:?}");
            } else if requests > 0 {
                tracing::warn!(requests, "OTLP: these have no spans");
            }
        };
        let metrics = async {
            let Some(provider) = metrics else { return };
            // It waits for a thread of the exporter's own. An error has been logged where it happened.
            let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(within).ok());
            if tokio::time::timeout(within, ended).await.is_err() {
                tracing::warn!("OTLP: the last metrics could not be sent within {within:?}");
            }
        };
        tokio::join!(traces, metrics);
    }
}
