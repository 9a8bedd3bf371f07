//! The `OTEL_*` settings, as OpenTelemetry specifies them. Two differ from its defaults: nothing is sent unless a receiver or
//! an exporter is named, and no `traceparent` goes to providers unless that is asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::SecretString;
use tt_core::trace::Sampler;
use tt_otel::{Config, MetricsConfig, Receiver, Temporality, TracesConfig, names};
use url::Url;

use super::lists;
use crate::config::reader::Reader;

/// The receiver of a signal that is to be sent and whose receiver has no address.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

/// A kind of telemetry.
#[derive(Clone, Copy)]
struct Signal {
    /// The word in the names of settings.
    word: &'static str,
    /// The path below the address of a receiver of every signal.
    path: &'static str,
}

const TRACES: Signal = Signal { word: "TRACES", path: "/v1/traces" };
const METRICS: Signal = Signal { word: "METRICS", path: "/v1/metrics" };

impl Signal {
    /// The name of its own setting, and of that for every signal, in the order in which they count.
    fn names(self, what: &str) -> [String; 2] {
        [format!("OTEL_EXPORTER_OTLP_{}_{what}", self.word), format!("OTEL_EXPORTER_OTLP_{what}")]
    }

    /// The setting that counts.
    fn given(self, r: &Reader<'_>, what: &str) -> Option<(String, String)> {
        self.names(what).into_iter().find_map(|name| r.given(&name).map(|value| (name, value)))
    }
}

/// Reads the settings: what is sent, and the sampler of the traces that providers are told of. `tls` is true if the server
/// speaks HTTPS; certificates of receivers must lead to one of `authorities`. Every value that is given is checked, also where
/// nothing is sent.
pub(crate) fn read(
    r: &mut Reader<'_>,
    tls: bool,
    authorities: &Arc<RootCertStore>,
) -> (Option<Config>, Option<Sampler>) {
    let disabled = r.yes_or_no("OTEL_SDK_DISABLED");
    let (is_traced, traces) = (is_sent(r, TRACES), traces(r, if tls { "https" } else { "http" }, authorities));
    let (is_measured, metrics) = (is_sent(r, METRICS), metrics(r, authorities));
    let resource = resource(r);
    let traces = traces.filter(|_| is_traced && !disabled);
    let metrics = metrics.filter(|_| is_measured && !disabled);
    let sampler = traces.as_ref().map(|traces| traces.sampler);
    let propagate = r.yes_or_no("OTEL_PROPAGATE_UPSTREAM");
    if propagate && !is_traced {
        r.fault("OTEL_PROPAGATE_UPSTREAM: needs OTEL_EXPORTER_OTLP_ENDPOINT, since providers are told of spans");
    }
    let is_any = traces.is_some() || metrics.is_some();
    (is_any.then_some(Config { resource, traces, metrics }), sampler.filter(|_| propagate))
}

/// True if a signal is to be sent: if that is said, or its receiver has an address.
fn is_sent(r: &mut Reader<'_>, signal: Signal) -> bool {
    let name = format!("OTEL_{}_EXPORTER", signal.word);
    if r.given(&name).is_none() {
        return signal.given(r, "ENDPOINT").is_some();
    }
    r.one_of(&name, "otlp or none", &[("otlp", true), ("none", false)], false)
}

fn traces(r: &mut Reader<'_>, scheme: &'static str, authorities: &Arc<RootCertStore>) -> Option<TracesConfig> {
    let limit = millis(r, "OTEL_BSP_EXPORT_TIMEOUT");
    let receiver = receiver(r, TRACES, limit, authorities);
    let (queue, batch) = (r.positive("OTEL_BSP_MAX_QUEUE_SIZE"), r.positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"));
    if batch > queue {
        r.fault("OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be at most OTEL_BSP_MAX_QUEUE_SIZE");
    }
    if queue > MOST_QUEUED {
        r.fault(format!("OTEL_BSP_MAX_QUEUE_SIZE: must be at most {MOST_QUEUED}"));
    }
    let (sampler, delay) = (sampler(r), millis(r, "OTEL_BSP_SCHEDULE_DELAY"));
    Some(TracesConfig { receiver: receiver?, sampler, scheme, queue, batch, delay })
}

/// The most requests that may wait for their spans to be sent: some hundred megabytes.
const MOST_QUEUED: usize = 100_000;

fn sampler(r: &mut Reader<'_>) -> Sampler {
    let share = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    let ratio = match r.given("OTEL_TRACES_SAMPLER_ARG") {
        Some(_) => r.read("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", share, 1.0),
        None => 1.0,
    };
    r.read("OTEL_TRACES_SAMPLER", Sampler::NAMES, |name| Sampler::named(name, ratio), Sampler::default())
}

fn metrics(r: &mut Reader<'_>, authorities: &Arc<RootCertStore>) -> Option<MetricsConfig> {
    let limit = millis(r, "OTEL_METRIC_EXPORT_TIMEOUT");
    let receiver = receiver(r, METRICS, limit, authorities);
    let words = [("cumulative", Temporality::Cumulative), ("delta", Temporality::Delta)];
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let temporality = r.one_of(name, "cumulative or delta", &words, Temporality::Cumulative);
    let interval = millis(r, "OTEL_METRIC_EXPORT_INTERVAL");
    Some(MetricsConfig { receiver: receiver?, interval, temporality })
}

/// The receiver of a signal; `None` where its address is bad, which has left a fault. `limit` is the most time for one export.
fn receiver(r: &mut Reader<'_>, signal: Signal, limit: Duration, authorities: &Arc<RootCertStore>) -> Option<Receiver> {
    for (what, word, why) in [
        ("PROTOCOL", "http/protobuf", "must be http/protobuf, the only protocol that is spoken"),
        ("COMPRESSION", "none", "must be none: no compression is built in"),
    ] {
        if let Some((name, value)) = signal.given(r, what)
            && value.trim() != word
        {
            once(r, format!("{name}: {why}"));
        }
    }
    let timeout = signal.given(r, "TIMEOUT").map_or(limit, |(name, _)| millis(r, &name));
    let headers = signal.given(r, "HEADERS").map(|(name, value)| (name, lists::headers(&value)));
    let headers = match headers {
        Some((name, None)) => {
            // The value is a secret.
            once(r, format!("{name}: must be headers such as name=value, by commas, values percent-encoded"));
            Vec::new()
        }
        Some((_, Some(headers))) => headers,
        None => Vec::new(),
    };
    let headers = headers.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect();
    let authorities = Arc::clone(authorities);
    Some(Receiver { endpoint: endpoint(r, signal)?, headers, timeout: timeout.min(limit), authorities })
}

/// The address of a signal's receiver.
fn endpoint(r: &mut Reader<'_>, signal: Signal) -> Option<String> {
    let [own, shared] = signal.names("ENDPOINT");
    let (name, text, is_own) = match (r.given(&own), r.given(&shared)) {
        (Some(text), _) => (own, text, true),
        (None, Some(text)) => (shared, text, false),
        (None, None) => (shared, DEFAULT_ENDPOINT.to_owned(), false),
    };
    let parsed = Url::parse(text.trim()).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain && (is_own || url.query().is_none())
    });
    let Some(mut url) = parsed else {
        // The fault does not quote the value, since it may hold a password.
        let why = "must be http://HOST:PORT or https://HOST:PORT, without a password: that goes into the headers";
        once(r, format!("{name}: {why}"));
        return None;
    };
    if !is_own {
        let below = format!("{}{}", url.path().trim_end_matches('/'), signal.path);
        url.set_path(&below);
    }
    Some(url.into())
}

/// A number of milliseconds.
fn millis(r: &mut Reader<'_>, name: &str) -> Duration {
    let parse = |text: &str| text.parse().ok().filter(|millis| (1..=MOST_MILLIS).contains(millis));
    // A setting of every signal is read for each of them, and its fault is told once.
    let before = r.faults.len();
    let millis = r.read(name, "a whole number of milliseconds, from 1 to 86400000", parse, 1);
    if r.faults.len() > before
        && let Some(fault) = r.faults.pop()
    {
        once(r, fault);
    }
    Duration::from_millis(millis)
}

/// A day.
const MOST_MILLIS: u64 = 86_400_000;

/// Adds a fault that has not been told.
fn once(r: &mut Reader<'_>, fault: String) {
    if !r.faults.contains(&fault) {
        r.fault(fault);
    }
}

/// The attributes of the service, its name among them.
fn resource(r: &mut Reader<'_>) -> Vec<(String, String)> {
    let must = "attributes such as name=value, by commas, values percent-encoded";
    let mut attributes = match r.given("OTEL_RESOURCE_ATTRIBUTES") {
        Some(_) => r.read("OTEL_RESOURCE_ATTRIBUTES", must, lists::pairs, Vec::new()),
        None => Vec::new(),
    };
    let is_name = |(attribute, _): &(String, String)| attribute == names::SERVICE_NAME;
    match r.given("OTEL_SERVICE_NAME") {
        Some(name) => {
            attributes.retain(|pair| !is_name(pair));
            attributes.push((names::SERVICE_NAME.to_owned(), name));
        }
        None if !attributes.iter().any(is_name) => {
            attributes.push((names::SERVICE_NAME.to_owned(), "tokentracer".to_owned()));
        }
        None => {}
    }
    attributes
}
