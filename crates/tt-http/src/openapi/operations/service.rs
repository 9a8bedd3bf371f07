//! The state of the server, and this document.

use http::StatusCode;
use serde_json::json;
use tt_metrics::Format;

use crate::health::Readiness;
use crate::openapi::operation::{Operation, text};
use crate::openapi::schemas::Schemas;

pub(crate) fn health(_: &mut Schemas) -> Operation {
    Operation::new("health", "Whether the process answers").gives_any(
        StatusCode::OK,
        "It answers.",
        vec![("text/plain", text())],
    )
}

pub(crate) fn ready(schemas: &mut Schemas) -> Operation {
    let readiness = schemas.written::<Readiness>();
    Operation::new("ready", "Whether the server can serve proxied requests")
        .gives(StatusCode::OK, "It can.", readiness.clone())
        .gives(StatusCode::SERVICE_UNAVAILABLE, "It cannot; the answer names the part that does not work.", readiness)
}

pub(crate) fn metrics(_: &mut Schemas) -> Operation {
    Operation::new("metrics", "Metrics for Prometheus")
        .may_take_own(
            "metrics",
            "It takes the bearer token `METRICS_TOKEN`. Where none is set, it takes no credential, and answers clients on the \
             same machine whose request has neither `Forwarded` nor `X-Forwarded-*`.",
        )
        .gives_any(
            StatusCode::OK,
            "All metrics, in OpenMetrics if `accept` names it, else in Prometheus's text format.",
            vec![
                (Format::Text.content_type(), text()),
                (Format::OpenMetrics.content_type(), text()),
            ],
        )
        .fails([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE])
}

pub(crate) fn openapi(_: &mut Schemas) -> Operation {
    Operation::new("openapi", "This document")
        .gives(StatusCode::OK, "The OpenAPI document.", json!({ "type": "object" }))
        .gives_nothing(StatusCode::NOT_MODIFIED, "`if-none-match` names this document.")
}
