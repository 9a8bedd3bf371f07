//! The parameters of paths and queries.

use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::plan::Route;
use tt_core::record::Outcome;

use crate::edge::filters::FILTERS;

/// A parameter of a query.
pub(crate) fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

/// A parameter of a query that must be given.
pub(crate) fn required(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "required": true, "description": description, "schema": schema })
}

/// The number of rows of a page, and the place where the page begins.
pub(crate) fn page() -> [Value; 2] {
    [
        query(
            "limit",
            "The number of rows of a page.",
            json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }),
        ),
        query("cursor", "`next_cursor` of the page before.", json!({ "type": "string" })),
    ]
}

/// A range of time: rows from `from` on and before `to`.
pub(crate) fn range() -> [Value; 2] {
    let moment = || json!({ "type": "string", "format": "date-time" });
    [
        query("from", "The first moment of the range: an RFC 3339 time, or a date.", moment()),
        query("to", "The first moment after the range.", moment()),
    ]
}

/// The filters, by these names, which stand in the order of [`FILTERS`]. An empty value means requests that have none.
pub(crate) fn filters(names: [&'static str; FILTERS.len()]) -> Vec<Value> {
    let words = |words: Vec<&str>| json!({ "enum": words });
    let or_empty = |schema: Value| json!({ "anyOf": [schema, { "const": "" }] });
    let text = || json!({ "type": "string" });
    let filter = |(name, known): (&'static str, &'static str)| {
        let (description, schema) = match known {
            "alias" => ("The alias that was asked for.", text()),
            "provider" => {
                ("The provider of the last attempt.", or_empty(json!({ "$ref": "#/components/schemas/Provider" })))
            }
            "model" => ("The upstream model of the last attempt.", text()),
            "api_key" => {
                ("The id of the API key; empty: a session.", or_empty(json!({ "type": "integer", "format": "int64" })))
            }
            "client" => ("The program that asked.", text()),
            "session" => ("The session of the client.", text()),
            "tag" => (
                "A tag, as `NAME=VALUE`; `NAME=`: requests without it.",
                json!({ "type": "string", "pattern": "^[^=]{1,64}=" }),
            ),
            "status" => (
                "The status that the client got; empty: the request was interrupted.",
                or_empty(json!({ "type": "integer", "minimum": 0, "maximum": 65535 })),
            ),
            "route" => ("The route of the last attempt.", or_empty(words(Route::ALL.map(Route::as_str).to_vec()))),
            "dialect" => ("The dialect of the client.", words(Dialect::ALL.map(Dialect::as_str).to_vec())),
            _ => ("The end that the client saw.", words(Outcome::ALL.map(Outcome::as_str).to_vec())),
        };
        query(name, description, schema)
    };
    names.into_iter().zip(FILTERS).map(filter).collect()
}

/// The parameters of a path of the table, in the form of the document: its names, and the path with `{name}` for each.
pub(super) fn of_path(pattern: &str) -> (String, Vec<Value>) {
    let path = pattern.replace("{*", "{");
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameters = names.map(|name| {
        let (description, schema) = of_name(name);
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    });
    let parameters = parameters.collect();
    (path, parameters)
}

fn of_name(name: &str) -> (&'static str, Value) {
    match name {
        "id" => ("The id of the object.", json!({ "type": "integer", "format": "int64" })),
        "delivery_id" => ("The id of the delivery.", json!({ "type": "integer", "format": "int64" })),
        "request_id" => ("The `x-request-id` of the request.", json!({ "type": "string", "format": "uuid" })),
        "provider" => ("The provider.", json!({ "$ref": "#/components/schemas/Provider" })),
        "alias" => ("The name of the alias.", json!({ "type": "string", "minLength": 1 })),
        "method" => (
            "The method of Gemini's API.",
            json!({ "enum": ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"] }),
        ),
        _ => ("The name of the model; it may hold slashes.", json!({ "type": "string", "minLength": 1 })),
    }
}
