//! The state of the server, and this document.

use http::StatusCode;
use serde_json::json;

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

pub(crate) fn openapi(_: &mut Schemas) -> Operation {
    Operation::new("openapi", "This document")
        .gives(StatusCode::OK, "The OpenAPI document.", json!({ "type": "object" }))
        .gives_nothing(StatusCode::NOT_MODIFIED, "`if-none-match` names this document.")
}
