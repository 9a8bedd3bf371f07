//! The parameters of paths and queries.

use serde_json::{Value, json};

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
