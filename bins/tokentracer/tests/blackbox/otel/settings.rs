//! Settings of OpenTelemetry that stop the start.

use crate::setup::program;
use crate::start::{one_line, refused};

#[test]
fn a_bad_value_is_named_and_a_secret_is_not_shown() {
    let bad = [
        ("OTEL_SDK_DISABLED", "perhaps"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://user:hunter2@collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=hunter2,b"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=hunter2%0a"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "-1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "x"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "a minute"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
        ("OTEL_PROPAGATE_UPSTREAM", "maybe"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
    ];
    for (name, value) in bad {
        let lines = refused(program().env(name, value));
        let named = lines.iter().filter(|line| line.contains(&format!("{name}:"))).count();
        assert_eq!((named, lines.len() > 2), (1, false), "{name}: {lines:#?}");
        assert!(!lines.join("\n").contains("hunter2"), "{name}: {lines:#?}");
    }
}

#[test]
fn providers_can_be_told_of_spans_only_where_there_are_some() {
    one_line(
        program().env("OTEL_PROPAGATE_UPSTREAM", "true"),
        &["OTEL_PROPAGATE_UPSTREAM:", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    );
}
