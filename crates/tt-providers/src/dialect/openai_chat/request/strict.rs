//! The JSON Schemas that OpenAI takes with `strict: true`; it answers 400 to any other.
//!
//! Source: [Supported schemas](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).

use serde_json::{Map, Value};
use tt_core::call::field::Field;

use crate::notes::Notes;

/// Keywords that a strict schema may not have.
const REFUSED: [&str; 21] = [
    "allOf",
    "contains",
    "default",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "maxLength",
    "maxProperties",
    "minContains",
    "minLength",
    "minProperties",
    "not",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Keywords whose value is an object of schemas.
const OBJECTS: [&str; 3] = ["properties", "$defs", "definitions"];

/// The reason in the note where `strict` is left out.
const OPEN: &str = "kept as a hint: OpenAI enforces a schema only if its objects are closed and all fields required";

/// The value of `strict` for `schema`: left out where the client of another dialect asks for it, and OpenAI would refuse
/// the schema; `field` is noted then. `own` is true for a client of OpenAI's dialects.
pub(super) fn held(
    strict: Option<bool>,
    schema: Option<&Value>,
    own: bool,
    field: Field,
    notes: &mut Notes,
) -> Option<bool> {
    if own || strict != Some(true) || schema.is_some_and(fits) {
        return strict;
    }
    notes.changed(field, OPEN);
    None
}

/// True if OpenAI takes `schema` with `strict: true`: its root is an object, all objects are closed, and all their fields
/// are required.
fn fits(schema: &Value) -> bool {
    let root = schema.as_object().filter(|root| !root.contains_key("anyOf"));
    root.is_some_and(|root| names(root, "object") && inner(schema))
}

fn inner(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else { return false };
    let whole = !(names(fields, "object") || fields.contains_key("properties")) || is_closed(fields);
    whole
        && fields.iter().all(|(key, value)| match value {
            _ if REFUSED.contains(&key.as_str()) => false,
            Value::Object(schemas) if OBJECTS.contains(&key.as_str()) => schemas.values().all(inner),
            Value::Array(schemas) if key == "anyOf" => schemas.iter().all(inner),
            schema if key == "items" => inner(schema),
            _ => true,
        })
}

/// True if the type of the schema is `kind`, or may be.
fn names(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        Some(one) => one == kind,
        None => false,
    }
}

/// True if an object takes no other fields than its own, and requires each of them.
fn is_closed(schema: &Map<String, Value>) -> bool {
    let required: Vec<&Value> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_none_or(|all| all.keys().all(|name| required.iter().any(|field| *field == name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn closed_objects_with_all_fields_required_fit() {
        let point = json!({
            "type": "object", "properties": {"x": {"type": "number", "minimum": 0}}, "required": ["x"],
            "additionalProperties": false,
        });
        let nested = json!({
            "type": "object", "additionalProperties": false, "required": ["all", "one", "default"],
            "properties": {
                "all": {"type": "array", "items": {"$ref": "#/$defs/point"}},
                "one": {"anyOf": [point, {"type": "null"}]},
                "default": {"type": ["object", "null"], "additionalProperties": false},
            },
            "$defs": {"point": point},
        });
        assert!(fits(&point) && fits(&nested));
        let without = |pointer: &str, name: &str| {
            let mut schema = nested.clone();
            schema.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name);
            schema
        };
        let with = |pointer: &str, name: &str, value: Value| {
            let mut schema = nested.clone();
            schema.pointer_mut(pointer).unwrap()[name] = value;
            schema
        };
        for open in [
            without("", "additionalProperties"),
            without("", "required"),
            without("", "type"),
            without("/$defs/point", "required"),
            without("/properties/default", "additionalProperties"),
            with("/properties/one/anyOf/0", "additionalProperties", json!(true)),
            with("/$defs/point/properties/x", "default", json!(1)),
            with("/properties/all", "items", json!({"oneOf": []})),
            with("", "anyOf", json!([])),
            json!(true),
            json!({"type": "string"}),
        ] {
            assert!(!fits(&open), "{open}");
        }
    }
}
