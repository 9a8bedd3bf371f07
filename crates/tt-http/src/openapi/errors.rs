//! The shapes of errors: that of this server, which is OpenAI's, and those of Anthropic and Google on the paths for their
//! clients.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tt_core::Dialect;

use crate::edge::credentials::Need;
use crate::openapi::operation::{JSON, Operation};
use crate::route::{Handler, Route};

/// The named schemas of the shapes.
pub(super) fn shapes() -> Map<String, Value> {
    let nullable = json!({ "type": ["string", "null"] });
    let text = json!({ "type": "string" });
    let shapes = json!({
        "Error": {
            "description": "An error, in the shape of OpenAI's.",
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["message", "type", "code", "param"],
                "properties": {
                    "message": { "type": "string", "description": "The fault, and what can be done." },
                    "type": text,
                    "code": { "type": ["string", "null"], "description": "A word for programs, as in `invalid_field`." },
                    "param": { "type": ["string", "null"], "description": "The field that is wrong, as the client wrote it." },
                },
            } },
        },
        "AnthropicError": {
            "description": "An error, in the shape of Anthropic's.",
            "type": "object",
            "required": ["type", "error"],
            "properties": {
                "type": { "const": "error" },
                "error": {
                    "type": "object",
                    "required": ["type", "message"],
                    "properties": { "type": text, "message": text },
                },
                "request_id": nullable,
            },
        },
        "AnyError": {
            "description": "An error, in the shape of the API that the client asked for.",
            "anyOf": [
                { "$ref": "#/components/schemas/Error" },
                { "$ref": "#/components/schemas/AnthropicError" },
                { "$ref": "#/components/schemas/GoogleError" },
            ],
        },
        "GoogleError": {
            "description": "An error, in the shape of Google's.",
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["code", "message", "status"],
                "properties": { "code": { "type": "integer" }, "message": text, "status": text },
            } },
        },
    });
    match shapes {
        Value::Object(shapes) => shapes,
        _ => Map::new(),
    }
}

/// The name of the schema of a row's errors.
fn shape(row: &Route) -> &'static str {
    if row.is_list_of_models() {
        return "AnyError";
    }
    match row.dialect {
        Some(Dialect::AnthropicMessages) => "AnthropicError",
        Some(Dialect::Gemini) => "GoogleError",
        _ => "Error",
    }
}

/// The errors that a call may answer, by status. Those that are not yet among the named `responses` are added there.
pub(super) fn of(row: &Route, operation: &Operation, responses: &mut Map<String, Value>) -> Map<String, Value> {
    let mut statuses = operation.errors.clone();
    statuses.extend(shared(row, operation));
    statuses.sort_unstable();
    statuses.dedup();
    let answered = |status: &StatusCode| operation.answers.iter().any(|answer| answer.status == *status);
    statuses.retain(|status| !answered(status));
    let shape = shape(row);
    let mut all = Map::new();
    let mut add = |status: &str, answer: Value| {
        let name = format!("{shape}{status}");
        all.insert(status.to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }));
        responses.entry(name).or_insert(answer);
    };
    for status in statuses {
        add(status.as_str(), answer(shape, status, describe(status)));
    }
    if operation.proxied {
        let description = "The provider refused the request with another status.";
        add("4XX", answer(shape, StatusCode::BAD_REQUEST, description));
        if row.dialect == Some(Dialect::AnthropicMessages) {
            add("529", answer(shape, StatusCode::BAD_GATEWAY, "Anthropic is overloaded, by its own status."));
        }
    }
    all
}

/// The statuses of errors that all calls of a kind share.
fn shared(row: &Route, operation: &Operation) -> Vec<StatusCode> {
    let mut statuses = vec![StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];
    if let Handler::Authed(need, _) = row.handler {
        statuses.push(StatusCode::UNAUTHORIZED);
        if need != Need::Any {
            statuses.push(StatusCode::FORBIDDEN);
        }
    }
    if row.is_for_accounts() {
        statuses.push(StatusCode::TOO_MANY_REQUESTS);
    }
    if row.pattern.contains('{') {
        statuses.push(StatusCode::NOT_FOUND);
    }
    if !operation.query.is_empty() || operation.body.is_some() {
        statuses.push(StatusCode::BAD_REQUEST);
    }
    if operation.body.is_some() {
        statuses.extend([
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }
    if operation.proxied {
        statuses.extend([
            StatusCode::NOT_FOUND,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::GATEWAY_TIMEOUT,
        ]);
    }
    statuses
}

fn answer(shape: &str, status: StatusCode, description: &str) -> Value {
    let mut headers = json!({ "x-request-id": header("RequestId") });
    let more = match status {
        StatusCode::UNAUTHORIZED => Some(("www-authenticate", "WwwAuthenticate")),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(("retry-after", "RetryAfter")),
        _ => None,
    };
    if let (Some((name, component)), Some(headers)) = (more, headers.as_object_mut()) {
        headers.insert(name.to_owned(), header(component));
    }
    let schema = json!({ "$ref": format!("#/components/schemas/{shape}") });
    json!({ "description": description, "headers": headers, "content": { JSON: { "schema": schema } } })
}

/// A header by its name among the components.
pub(super) fn header(component: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{component}") })
}

fn describe(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request is wrong; the message names the field.",
        StatusCode::UNAUTHORIZED => "There is no credential, or it is wrong, expired or revoked.",
        StatusCode::FORBIDDEN => "The credential does not allow this.",
        StatusCode::NOT_FOUND => "There is no such object, or it is someone else's.",
        StatusCode::METHOD_NOT_ALLOWED => "The path takes another method.",
        StatusCode::REQUEST_TIMEOUT => "The body did not arrive in time.",
        StatusCode::CONFLICT => "The request conflicts with what there is.",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The content type is not JSON.",
        StatusCode::UPGRADE_REQUIRED => "There is no WebSocket here.",
        StatusCode::TOO_MANY_REQUESTS => "A limit or a budget is reached.",
        StatusCode::BAD_GATEWAY => "Every attempt at a provider failed.",
        StatusCode::SERVICE_UNAVAILABLE => "The server cannot take the request now.",
        StatusCode::GATEWAY_TIMEOUT => "The provider did not answer in time.",
        _ => "Something went wrong here; the request id leads to the log.",
    }
}
