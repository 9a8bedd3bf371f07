//! The document of the route table.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use crate::manage::usage::rows::{BY_CLASS, CLASSES, SUMS};
use crate::routes::openapi_document;

fn document() -> Value {
    serde_json::from_str(openapi_document()).unwrap()
}

/// Every call of the document, with its path and method.
fn calls(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, call)| (path.as_str(), method.as_str(), call))
        })
        .collect()
}

/// Every object of the document.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match value {
        Value::Object(object) => {
            found.push(object);
            object.values().for_each(|value| objects(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_component() {
    let document = document();
    let mut all = Vec::new();
    objects(&document, &mut all);
    let references: Vec<_> = all.iter().filter_map(|object| object.get("$ref")?.as_str()).collect();
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_schema_has_a_name_of_its_own() {
    let document = document();
    let names = document["components"]["schemas"].as_object().unwrap();
    // A second type of the same name would get a number.
    for name in names.keys() {
        assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{name}");
    }
    for name in ["Error", "AnthropicError", "GoogleError", "ApiKey", "LogRow", "Budgets", "Price"] {
        assert!(names.contains_key(name), "{name}");
    }
}

#[test]
fn every_call_has_a_name_of_its_own_and_says_what_it_answers() {
    let document = document();
    let mut names = HashSet::new();
    for (path, method, call) in calls(&document) {
        assert!(names.insert(call["operationId"].as_str().unwrap()), "{method} {path}");
        assert!(!call["summary"].as_str().unwrap().is_empty(), "{method} {path}");
        let responses = call["responses"].as_object().unwrap();
        let succeeds = responses.keys().any(|status| status.starts_with('2'));
        assert!(succeeds || call["operationId"] == "noResponsesWebSocket", "{method} {path}");
    }
}

#[test]
fn every_placeholder_of_a_path_is_a_parameter() {
    let document = document();
    for (path, method, call) in calls(&document) {
        let placeholders: Vec<_> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let parameters = call["parameters"].as_array().unwrap();
        let named: Vec<_> =
            parameters.iter().filter(|of| of["in"] == "path").map(|of| of["name"].as_str().unwrap()).collect();
        assert_eq!(named, placeholders, "{method} {path}");
    }
}

#[test]
fn errors_have_the_shape_of_their_dialect() {
    let document = document();
    for (path, method, call) in calls(&document) {
        let expected = match path {
            path if method == "get" && path.starts_with("/v1/models") => None,
            path if path.starts_with("/v1/messages") => Some("AnthropicError"),
            path if path.starts_with("/v1beta/") || path == "/v1/models/{model}:{method}" => Some("GoogleError"),
            _ => Some("Error"),
        };
        for (status, response) in call["responses"].as_object().unwrap() {
            let failed = status.starts_with(['4', '5']) && path != "/health/ready";
            if let (true, Some(expected)) = (failed, expected) {
                let reference = response["$ref"].as_str().unwrap();
                let shape =
                    &document.pointer(reference.strip_prefix('#').unwrap()).unwrap()["content"]["application/json"];
                let schema = format!("#/components/schemas/{expected}");
                assert_eq!(shape["schema"]["$ref"], schema, "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn a_call_names_the_credentials_that_it_takes() {
    let document = document();
    let takes = |path: &str, method: &str| -> Vec<String> {
        let security = document["paths"][path][method]["security"].as_array().unwrap();
        security.iter().flat_map(|one| one.as_object().unwrap().keys().cloned()).collect()
    };
    assert!(takes("/auth/login", "post").is_empty());
    assert_eq!(takes("/metrics", "get"), ["metrics"], "or none");
    assert_eq!(takes("/auth/keys", "get"), ["bearer"]);
    assert_eq!(takes("/v1/chat/completions", "post"), ["bearer"]);
    assert_eq!(takes("/v1/messages", "post"), ["bearer", "anthropic"]);
    assert_eq!(takes("/v1/models", "get"), ["bearer", "anthropic", "google"]);
    assert_eq!(takes("/v1beta/models/{model}:{method}", "post"), ["bearer", "google", "googleQuery"]);
    for (path, method, call) in calls(&document) {
        let public = call["security"].as_array().unwrap().is_empty();
        let refuses = call["responses"].get("401").is_some();
        assert!(public != refuses || path == "/auth/login", "{method} {path}");
    }
}

#[test]
fn only_pages_are_left_out() {
    let document = document();
    let listed: HashSet<_> = calls(&document).into_iter().map(|(path, ..)| path).collect();
    for path in ["/health", "/auth/login", "/manage/usage", "/v1/key", "/openapi.json"] {
        assert!(listed.contains(path), "{path}");
    }
    for path in &listed {
        let api = ["/health", "/metrics", "/openapi.json", "/auth/", "/manage/", "/v1"];
        assert!(api.iter().any(|begin| path.starts_with(begin)), "{path}");
    }
}

#[test]
fn sums_are_described_as_they_are_printed() {
    let document = document();
    let sums = document["components"]["schemas"]["UsageSums"]["properties"].as_object().unwrap();
    let printed = SUMS.into_iter().chain([BY_CLASS]);
    assert_eq!(sums.keys().map(String::as_str).collect::<BTreeSet<_>>(), printed.collect());
    let classes = document["components"]["schemas"]["CostByClass"]["properties"].as_object().unwrap();
    assert_eq!(classes.keys().map(String::as_str).collect::<BTreeSet<_>>(), CLASSES.into_iter().collect());
}

#[test]
fn bodies_are_closed_and_answers_are_complete() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Credentials"]["additionalProperties"], false);
    assert_eq!(schemas["AliasWish"]["required"], serde_json::json!(["alias", "target_model", "provider_key_id"]));
    let properties = schemas["ApiKey"]["properties"].as_object().unwrap();
    assert_eq!(schemas["ApiKey"]["required"].as_array().unwrap().len(), properties.len());
    assert_eq!(properties["created_at"], serde_json::json!({ "type": "string", "format": "date-time" }));
}

#[test]
fn the_dashboard_is_built_from_this_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tt-dashboard/web/openapi.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let answered = tt_dashboard::respond("/openapi.json", None, None).unwrap().into_body();
    assert!(
        committed == document() && answered == openapi_document(),
        "cargo xtask openapi > crates/tt-dashboard/web/openapi.json, then cargo xtask web"
    );
}
