//! Spans and metrics that are sent to an OpenTelemetry receiver.

use serde_json::{Value, json};
use tt_testkit::otlp::Span;
use tt_testkit::{OtlpReceiver, World};

use crate::setup::world_with;

mod away;
mod metrics;
mod propagation;
mod settings;
mod traces;

/// The kinds of spans in the protocol.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// A program that sends to a receiver soon after each request.
async fn traced(more: &[(&str, &str)]) -> (OtlpReceiver, World) {
    let receiver = OtlpReceiver::start();
    let url = receiver.url();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
    ];
    let world = world_with(&[&settings, more].concat()).await;
    (receiver, world)
}

/// The spans of the request with this id once all have come: that of the request, and those of its attempts in order.
async fn spans_of(receiver: &OtlpReceiver, request_id: &str, attempts: usize) -> (Span, Vec<Span>) {
    let mine = |spans: &[Span]| -> Vec<Span> {
        let mine = spans.iter().filter(|span| span.get("tokentracer.request.id") == request_id);
        mine.cloned().collect()
    };
    let spans = receiver.wait_for_spans(|spans| mine(spans).len() > attempts).await;
    let (mut own, mut clients): (Vec<Span>, Vec<Span>) = mine(&spans).into_iter().partition(|span| span.kind == SERVER);
    assert!(clients.iter().all(|span| span.kind == CLIENT));
    clients.sort_by_key(|span| span.get("tokentracer.attempt.number").as_i64());
    assert_eq!((own.len(), clients.len()), (1, attempts), "{spans:#?}");
    (own.remove(0), clients)
}

/// The span has these attributes; null: it lacks it.
#[track_caller]
fn has(span: &Span, wanted: &Value) {
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(span.get(name), value, "{name} of {span:#?}");
    }
}

/// The trace id of a request that names no trace.
fn own_trace(request_id: &str) -> String {
    request_id.replace('-', "")
}

/// The number of tokens in a row.
fn tokens(row: &Value, name: &str) -> Value {
    json!(row[name].as_u64().unwrap())
}
