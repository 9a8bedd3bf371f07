//! The calls of `/manage` about recorded requests.

use http::StatusCode;
use serde_json::json;

use crate::manage::usage::Sums;
use crate::manage::{gaps, logs, whatif};
use crate::openapi::operation::{JSON, Operation, text};
use crate::openapi::parameters::{page, query, range, required};
use crate::openapi::schemas::Schemas;

pub(crate) fn usage(schemas: &mut Schemas) -> Operation {
    let row = schemas.written::<Sums>();
    Operation::new("usage", "Sums over requests, by the dimensions that the caller names")
        .says("Each row has a field for each dimension beside the sums.")
        .query(range())
        .query([
            query(
                "group_by",
                "Dimensions, separated by commas: `provider`, `alias`, `model`, `api_key`, `day`, `hour`, `status`, \
                 `route`, `dialect`, `client`, `session`, and one of `tag:NAME`.",
                json!({ "type": "string", "default": "provider,alias" }),
            ),
            query(
                "tz",
                "The time zone of `day`, as in `Europe/Berlin`.",
                json!({ "type": "string", "default": "UTC" }),
            ),
            query("format", "The form of the answer.", json!({ "enum": ["json", "csv"], "default": "json" })),
        ])
        .gives_any(
            StatusCode::OK,
            "A row for each group.",
            vec![(JSON, json!({ "type": "array", "items": row })), ("text/csv", text())],
        )
}

pub(crate) fn logs(schemas: &mut Schemas) -> Operation {
    Operation::new("listRequests", "The caller's requests, the newest first")
        .query(page())
        .query([
            query("alias", "The alias that was asked for.", text()),
            query("provider", "The provider that served.", json!({ "$ref": "#/components/schemas/Provider" })),
            query(
                "status",
                "The status that the client got.",
                json!({ "type": "integer", "minimum": 0, "maximum": 65535 }),
            ),
        ])
        .query(range())
        .gives(StatusCode::OK, "A page of requests.", schemas.written::<logs::Page>())
}

pub(crate) fn log(schemas: &mut Schemas) -> Operation {
    Operation::new("showRequest", "A request with its plan, its attempts and the lines of its cost").gives(
        StatusCode::OK,
        "The request.",
        schemas.written::<logs::Detail>(),
    )
}

pub(crate) fn gaps(schemas: &mut Schemas) -> Operation {
    Operation::new("gaps", "The requests that the sums leave out").query(range()).gives(
        StatusCode::OK,
        "The newest requests of each kind of gap.",
        schemas.written::<gaps::View>(),
    )
}

pub(crate) fn whatif(schemas: &mut Schemas) -> Operation {
    Operation::new("whatIf", "What recorded requests would have cost on another model")
        .query(range())
        .query([
            query("alias", "The alias whose requests are looked at; all without it.", text()),
            required("model", "The other model, as `provider/model`.", text()),
        ])
        .gives(StatusCode::OK, "The cost, and the cost there.", schemas.written::<whatif::WhatIf>())
        .fails([StatusCode::NOT_FOUND])
}
