//! The whole document.

use http::HeaderName;
use serde_json::{Map, Value, json};
use tt_core::Dialect;

use crate::edge::credentials::Need;
use crate::openapi::errors;
use crate::openapi::operation::{Answer, Describe, JSON, Operation};
use crate::openapi::parameters;
use crate::openapi::schemas::Schemas;
use crate::route::{About, Handler, Route};

/// The document of the rows of a table, as JSON text.
pub(crate) fn text(rows: &[Route]) -> String {
    describe(rows).to_string()
}

/// Makes the document of the rows.
fn describe(rows: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let mut errors = Map::new();
    for row in rows {
        let About::Call(about) = row.about else { continue };
        let (path, operation) = call(row, about, &mut schemas, &mut errors);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(row.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let mut named = schemas.named();
    named.extend(errors::shapes());
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "TokenTracer",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An LLM proxy whose numbers match the bill. `HEAD` is answered wherever `GET` is.",
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "schemas": named,
            "responses": errors,
            "headers": headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

const TAGS: [(&str, &str); 4] = [
    ("proxy", "Requests to models, in the dialects of OpenAI, Anthropic and Gemini."),
    ("auth", "Accounts, sessions and API keys."),
    ("manage", "Provider keys, aliases, budgets, usage and the log."),
    ("service", "For load balancers and tools."),
];

fn tag(row: &Route) -> &'static str {
    match row.pattern {
        pattern if pattern.starts_with("/auth/") => "auth",
        pattern if pattern.starts_with("/manage/") => "manage",
        pattern if pattern.starts_with("/v1") => "proxy",
        _ => "service",
    }
}

/// A call, and its path.
fn call(row: &Route, about: Describe, schemas: &mut Schemas, errors: &mut Map<String, Value>) -> (String, Value) {
    let operation = about(schemas);
    // Calls of Gemini name the method behind the model.
    let pattern = if row.is_call_of_gemini() { format!("{}:{{method}}", row.pattern) } else { row.pattern.to_owned() };
    let (path, mut parameters) = parameters::of_path(&pattern);
    parameters.extend(operation.query.iter().cloned());
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.as_str().to_owned(), response(answer, operation.proxied));
    }
    responses.extend(errors::of(row, &operation, errors));
    let mut call = json!({
        "operationId": operation.id,
        "tags": [tag(row)],
        "summary": operation.summary,
        "description": description(row, &operation),
        "parameters": parameters,
        "responses": responses,
        "security": security(row, &operation),
    });
    if let Some(call) = call.as_object_mut() {
        if let Some(body) = operation.body {
            let content = json!({ JSON: { "schema": body.schema } });
            call.insert("requestBody".to_owned(), json!({ "required": body.required, "content": content }));
        }
        if let Some(url) = operation.reference {
            call.insert(
                "externalDocs".to_owned(),
                json!({ "url": url, "description": "The provider's own reference" }),
            );
        }
    }
    (path, call)
}

fn description(row: &Route, operation: &Operation) -> String {
    let credential = match row.handler {
        Handler::Public(_) => operation.own_credential.map_or("It takes no credential.", |(_, words)| words),
        Handler::Authed(Need::Any, _) => "It takes a session or any API key.",
        Handler::Authed(Need::Proxy, _) => "It takes a session, or an API key with the scope `proxy`.",
        Handler::Authed(Need::Manage, _) => "It takes a session, or an API key with the scope `manage`.",
        Handler::Authed(Need::Session, _) => "It takes a session.",
    };
    match operation.description {
        Some(text) => format!("{text}\n\n{credential}"),
        None => credential.to_owned(),
    }
}

fn response(answer: &Answer, proxied: bool) -> Value {
    let mut headers = json!({ "x-request-id": errors::header("RequestId") });
    if let (true, Some(headers)) = (proxied, headers.as_object_mut()) {
        for (name, component) in PROXIED {
            headers.insert((*name).to_owned(), errors::header(component));
        }
    }
    let content: Map<String, Value> =
        answer.content.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
    let mut response = json!({ "description": answer.description, "headers": headers });
    if let (false, Some(response)) = (content.is_empty(), response.as_object_mut()) {
        response.insert("content".to_owned(), Value::Object(content));
    }
    response
}

/// The headers of every answer of a provider.
const PROXIED: &[(&str, &str)] = &[
    ("x-tokentracer-alias", "Alias"),
    ("x-tokentracer-provider", "Provider"),
    ("x-tokentracer-model", "Model"),
    ("x-tokentracer-attempts", "Attempts"),
    ("x-tokentracer-route", "Route"),
    ("x-tokentracer-cost-usd", "CostUsd"),
];

fn headers() -> Value {
    let header = |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
    json!({
        "RequestId": {
            "description": "The id of the request in the log, the trace and the ledger.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        },
        "RetryAfter": header("The seconds to wait.", "integer"),
        "WwwAuthenticate": header("The scheme of the credential.", "string"),
        "Alias": header("The alias that served.", "string"),
        "Provider": header("The provider that served.", "string"),
        "Model": header("The model that served, by the provider's name.", "string"),
        "Attempts": header("The number of attempts.", "integer"),
        "Route": header("`primary`, `light` or `fallback`.", "string"),
        "CostUsd": header("The cost; absent for streams, and where the price is not known.", "number"),
    })
}

fn security_schemes() -> Value {
    let key =
        |place: &str, name: &str| json!({ "type": "apiKey", "in": place, "name": name, "description": "An API key." });
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A session token of `POST /auth/login`, or an API key of `POST /auth/key`.",
        },
        "metrics": { "type": "http", "scheme": "bearer", "description": "The setting `METRICS_TOKEN`." },
        "anthropic": key("header", "x-api-key"),
        "google": key("header", "x-goog-api-key"),
        "googleQuery": key("query", "key"),
    })
}

/// The credentials that a row takes, each of which is enough.
fn security(row: &Route, operation: &Operation) -> Vec<Value> {
    if let Some((scheme, _)) = operation.own_credential {
        return vec![json!({ scheme: [] }), json!({})];
    }
    if matches!(row.handler, Handler::Public(_)) {
        return Vec::new();
    }
    let mut names = vec!["bearer"];
    let dialects = [None, Some(Dialect::AnthropicMessages), Some(Dialect::Gemini)];
    let headers: Vec<HeaderName> = dialects.iter().filter_map(|asked| row.key_header(row.dialect_of(*asked))).collect();
    if headers.iter().any(|name| name == "x-api-key") {
        names.push("anthropic");
    }
    if headers.iter().any(|name| name == "x-goog-api-key") {
        names.push("google");
    }
    if row.dialect == Some(Dialect::Gemini) {
        names.push("googleQuery");
    }
    names.into_iter().map(|name| json!({ name: [] })).collect()
}
