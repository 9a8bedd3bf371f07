//! The calls of `/manage` about recorded requests.

use http::StatusCode;
use serde_json::json;

use crate::edge::filters::FILTERS;
use crate::manage::usage::rows::Sums;
use crate::manage::{gaps, logs, tags, whatif};
use crate::openapi::operation::{JSON, Operation, text};
use crate::openapi::parameters::{filters, page, query, range, required};
use crate::openapi::schemas::Schemas;

pub(crate) fn usage(schemas: &mut Schemas) -> Operation {
    let row = schemas.written::<Sums>();
    Operation::new("usage", "Sums over requests, by the dimensions that the caller names")
        .says(
            "Each row has a field for each dimension beside the sums. Sums by session or by several tags, and those of a session, \
             an outcome, or a tag's value beyond the 200 of a day that are summed by themselves, are read from rows, which \
             are kept for `LOG_RETENTION_DAYS`.",
        )
        .query(range())
        .query([
            query(
                "group_by",
                "Dimensions, separated by commas: `provider`, `alias`, `model`, `api_key`, `day`, `hour`, `status`, \
                 `route`, `dialect`, `client`, `session`, and at most three `tag:NAME`.",
                json!({ "type": "string", "default": "provider,alias" }),
            ),
            query(
                "tz",
                "The time zone of `day`, as in `Europe/Berlin`.",
                json!({ "type": "string", "default": "UTC" }),
            ),
            query("format", "The form of the answer.", json!({ "enum": ["json", "csv"], "default": "json" })),
        ])
        .query(filters(FILTERS))
        .gives_any(
            StatusCode::OK,
            "A row for each group.",
            vec![(JSON, json!({ "type": "array", "items": row })), ("text/csv", text())],
        )
}

pub(crate) fn logs(schemas: &mut Schemas) -> Operation {
    Operation::new("listRequests", "The caller's requests, the newest first")
        .query(page())
        .query(filters(FILTERS))
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
    Operation::new("gaps", "The requests that the sums leave out").query(range()).query(filters(FILTERS)).gives(
        StatusCode::OK,
        "The newest requests of each kind of gap.",
        schemas.written::<gaps::View>(),
    )
}

pub(crate) fn tags(schemas: &mut Schemas) -> Operation {
    Operation::new("tags", "The tags that requests had, with their values")
        .says("Tags and values of the UTC days of the range, as far back as rows are kept.")
        .query(range())
        .gives(StatusCode::OK, "The tags, by name.", schemas.written::<Vec<tags::View>>())
}

pub(crate) fn whatif(schemas: &mut Schemas) -> Operation {
    Operation::new("whatIf", "What recorded requests would have cost on another model")
        .query(range())
        .query([required("model", "The other model, as `provider/model`.", text())])
        .query(filters(whatif::filter_names()))
        .gives(StatusCode::OK, "The cost, and the cost there.", schemas.written::<whatif::WhatIf>())
        .fails([StatusCode::NOT_FOUND])
}
