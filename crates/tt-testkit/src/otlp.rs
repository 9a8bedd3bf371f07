//! A receiver of OpenTelemetry by OTLP over HTTP, which decodes the protobuf and keeps what it gets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::receiver::read;
use crate::workers::{Serve, Workers};

/// The largest body that is read, in bytes.
const MOST: usize = 16 << 20;

/// Attributes by their names.
pub type Attributes = BTreeMap<String, Value>;

/// A request that the receiver has read.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A span as it was received. Ids are hexadecimal digits; the parent of a root is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The name.
    pub name: String,
    /// The kind: 2 is SERVER, 3 is CLIENT.
    pub kind: i32,
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// The span above it.
    pub parent_id: String,
    /// The start, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// The end, likewise.
    pub end: u64,
    /// True if its status is an error.
    pub failed: bool,
    /// The words of its status.
    pub message: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// The attributes of the service.
    pub resource: Attributes,
}

impl Span {
    /// An attribute; null if it is not there.
    pub fn get(&self, name: &str) -> &Value {
        self.attributes.get(name).unwrap_or(&Value::Null)
    }
}

/// A point of a metric as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// The number of a counter, or of the values in a histogram.
    pub count: u64,
    /// The sum of the values in a histogram; 0 for a counter.
    pub sum: f64,
    /// The attributes.
    pub attributes: Attributes,
    /// The attributes of the service.
    pub resource: Attributes,
}

/// A running receiver. Dropping it ends its connections and closes its port.
#[derive(Debug)]
pub struct OtlpReceiver {
    state: Arc<State>,
    workers: Workers,
}

#[derive(Debug)]
struct State {
    posted: Mutex<Vec<Posted>>,
    /// The status that it answers with; `None`: it never answers.
    status: Mutex<Option<u16>>,
}

impl OtlpReceiver {
    /// A receiver on a free port of 127.0.0.1 that takes everything.
    ///
    /// # Panics
    /// If no port can be bound.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// The same at this address.
    ///
    /// # Panics
    /// If it cannot be bound.
    pub fn start_at(address: SocketAddr) -> Self {
        let state = Arc::new(State { posted: Mutex::default(), status: Mutex::new(Some(200)) });
        let shared = Arc::clone(&state);
        let workers = Workers::start(address, 1, move || Server { state: Arc::clone(&shared) });
        let workers = workers.unwrap_or_else(|error| panic!("the receiver could not start: {error}"));
        Self { state, workers }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.workers.address()
    }

    /// Its address as a URL, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.workers.address())
    }

    /// From now on it answers with this status; with `None` it never answers. Only what is answered with 200 is kept.
    pub fn answer(&self, status: Option<u16>) {
        *lock(&self.state.status) = status;
    }

    /// Every request that was answered with 200, oldest first.
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.state.posted).clone()
    }

    /// Every span so far.
    ///
    /// # Panics
    /// If a body is no export of traces.
    pub fn spans(&self) -> Vec<Span> {
        self.posted()
            .iter()
            .filter(|posted| posted.path == "/v1/traces")
            .flat_map(|posted| spans(&posted.body))
            .collect()
    }

    /// Waits until `wanted` holds for all spans so far, and returns them.
    ///
    /// # Panics
    /// If it does not hold within a minute.
    pub async fn wait_for_spans(&self, wanted: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let spans = self.spans();
            if wanted(&spans) {
                return spans;
            }
            assert!(Instant::now() < until, "these spans never came; there are {spans:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every point of every export of metrics, oldest first.
    ///
    /// # Panics
    /// If a body is no export of metrics.
    pub fn points(&self) -> Vec<Point> {
        let posted = self.posted();
        posted.iter().filter(|posted| posted.path == "/v1/metrics").flat_map(|posted| points(&posted.body)).collect()
    }

    /// Waits until `wanted` holds for all points so far, and returns them.
    ///
    /// # Panics
    /// If it does not hold within a minute.
    pub async fn wait_for_points(&self, wanted: impl Fn(&[Point]) -> bool) -> Vec<Point> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let points = self.points();
            if wanted(&points) {
                return points;
            }
            assert!(
                Instant::now() < until,
                "these points never came; the last are {:#?}",
                points.iter().rev().take(20).collect::<Vec<_>>()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sum of the newest points of a metric, over all processes and attributes that have these.
    pub fn total(&self, metric: &str, attributes: &[(&str, &str)]) -> u64 {
        let fits = |point: &Point| {
            point.metric == metric
                && attributes.iter().all(|(name, value)| point.attributes.get(*name) == Some(&json!(value)))
        };
        let mut newest = BTreeMap::new();
        for point in self.points().into_iter().filter(fits) {
            newest.insert(format!("{:?}{:?}", point.resource, point.attributes), point.count);
        }
        newest.values().sum()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spans(body: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body.clone());
    let request = request.unwrap_or_else(|error| panic!("no export of traces: {error}"));
    let mut all = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            let status = span.status.unwrap_or_default();
            all.push(Span {
                name: span.name,
                kind: span.kind,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                failed: status.code == 2,
                message: status.message,
                attributes: attributes(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    all
}

fn points(body: &Bytes) -> Vec<Point> {
    let request = ExportMetricsServiceRequest::decode(body.clone());
    let request = request.unwrap_or_else(|error| panic!("no export of metrics: {error}"));
    let mut all = Vec::new();
    for of_resource in request.resource_metrics {
        let resource = of_resource.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        for metric in of_resource.scope_metrics.into_iter().flat_map(|of_scope| of_scope.metrics) {
            all.extend(points_of(metric, &resource));
        }
    }
    all
}

fn points_of(metric: Metric, resource: &Attributes) -> Vec<Point> {
    let point = |count, sum, of: Vec<KeyValue>| Point {
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        count,
        sum,
        attributes: attributes(of),
        resource: resource.clone(),
    };
    match metric.data {
        Some(metric::Data::Sum(sum)) => sum
            .data_points
            .into_iter()
            .map(|number| {
                let count = match number.value {
                    Some(number_data_point::Value::AsInt(count)) => u64::try_from(count).unwrap_or(0),
                    other => panic!("{}: {other:?} is no whole number", metric.name),
                };
                point(count, 0.0, number.attributes)
            })
            .collect(),
        Some(metric::Data::Histogram(histogram)) => histogram
            .data_points
            .into_iter()
            .map(|values| point(values.count, values.sum.unwrap_or(0.0), values.attributes))
            .collect(),
        other => panic!("{}: {other:?} is neither a counter nor a histogram", metric.name),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

fn value(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(is_true)) => json!(is_true),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Server {
    state: Arc<State>,
}

impl Serve for Server {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let state = Arc::clone(&self.state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        async move {
            // An error is the peer's leaving.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        }
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (parts, incoming) = request.into_parts();
    let body = read(incoming, MOST).await?;
    let status = *lock(&state.status);
    let Some(status) = status else {
        let never: Infallible = std::future::pending().await;
        match never {}
    };
    if status == 200 {
        let path = parts.uri.path().to_owned();
        lock(&state.posted).push(Posted { path, headers: parts.headers, body: body.into() });
    }
    let answer = Response::builder().status(status).header("content-type", "application/x-protobuf");
    answer.body(Full::default()).map_err(io::Error::other)
}
