//! Rewrites JSON Schemas for Anthropic's constrained decoding, which takes closed objects, no recursion and few
//! keywords.
//!
//! Source: platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations", and the
//! official SDK's `lib/_parse/_transform.py`, which moves the same keywords into the description.

use std::collections::HashSet;

use serde_json::{Map, Value};

use tt_core::call::field::Field;

use crate::error::RequestError;

/// The keywords that stay as they are.
const KEPT: [&str; 10] =
    ["$ref", "type", "title", "description", "enum", "const", "default", "required", "minItems", "format"];

/// Keywords whose value is one schema.
const ONE: [&str; 1] = ["items"];

/// Keywords whose value is a list of schemas.
const LISTS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Keywords whose value is an object of schemas.
const OBJECTS: [&str; 3] = ["properties", "$defs", "definitions"];

/// The string formats that the decoder knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The deepest nesting that is followed, in levels, references included.
const MAX_DEPTH: usize = 256;

/// The reason in the note on a schema that was changed.
pub(super) const NARROWED: &str = "objects are closed, and keywords that are refused stand in descriptions";

/// Rewrites `schema` within the limits: adds `additionalProperties: false` where the field is absent, and moves
/// keywords that Anthropic refuses into the `description`. `at` is the place of the schema in the request.
///
/// # Errors
/// `Unsupported` for a schema that cannot be rewritten: recursion, references to other documents, open objects.
pub(super) fn narrowed(schema: &Map<String, Value>, at: &Field) -> Result<Value, RequestError> {
    Walk { root: schema, at, done: HashSet::new(), open: HashSet::new() }.check_references(schema, 0)?;
    object(schema, at).map(Value::Object)
}

fn value(schema: &Value, at: &Field) -> Result<Value, RequestError> {
    match schema {
        Value::Object(schema) => object(schema, at).map(Value::Object),
        // The values `true` and `false` are schemas too.
        other => Ok(other.clone()),
    }
}

fn object(schema: &Map<String, Value>, at: &Field) -> Result<Map<String, Value>, RequestError> {
    let mut out = Map::with_capacity(schema.len() + 1);
    let mut told = Vec::new();
    for (key, said) in schema {
        let key = key.as_str();
        match said {
            Value::Object(schemas) if OBJECTS.contains(&key) => {
                let mut narrowed = Map::with_capacity(schemas.len());
                for (name, schema) in schemas {
                    narrowed.insert(name.clone(), value(schema, at)?);
                }
                out.insert(key.to_owned(), narrowed.into());
            }
            Value::Array(schemas) if LISTS.contains(&key) => {
                let mut narrowed = Vec::with_capacity(schemas.len());
                for schema in schemas {
                    narrowed.push(value(schema, at)?);
                }
                // The decoder cannot check `oneOf` ("exactly one"); `anyOf` is the closest.
                let kept = if key == "oneOf" { "anyOf" } else { key };
                if out.contains_key(kept) {
                    told.push(format!("{key}: {said}"));
                } else {
                    out.insert(kept.to_owned(), narrowed.into());
                }
            }
            Value::Object(_) if ONE.contains(&key) => {
                out.insert(key.to_owned(), value(said, at)?);
            }
            Value::Bool(false) if key == "additionalProperties" => {
                out.insert(key.to_owned(), said.clone());
            }
            _ if key == "additionalProperties" => {
                return Err(RequestError::unsupported(
                    at.clone(),
                    "Anthropic's structured output needs additionalProperties: false",
                ));
            }
            Value::String(format) if key == "format" && !FORMATS.contains(&format.as_str()) => {
                told.push(format!("{key}: {said}"));
            }
            Value::Number(least) if key == "minItems" && least.as_u64().is_none_or(|least| least > 1) => {
                told.push(format!("{key}: {said}"));
            }
            _ if KEPT.contains(&key) => {
                out.insert(key.to_owned(), said.clone());
            }
            _ if matches!(key, "$schema" | "$id" | "$comment" | "$anchor") => {}
            _ => told.push(format!("{key}: {said}")),
        }
    }
    if is_object(&out) && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".to_owned(), false.into());
    }
    if !told.is_empty() {
        let told = format!("({})", told.join(", "));
        let words = match out.get("description").and_then(Value::as_str) {
            Some(words) => format!("{words} {told}"),
            None => told,
        };
        out.insert("description".to_owned(), words.into());
    }
    Ok(out)
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
        _ => schema.contains_key("properties"),
    }
}

/// Follows every local reference once, to find recursion.
struct Walk<'a> {
    root: &'a Map<String, Value>,
    at: &'a Field,
    /// The references that are known to lead to no recursion.
    done: HashSet<&'a str>,
    /// The references that are being followed.
    open: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn check_references(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Result<(), RequestError> {
        if depth > MAX_DEPTH {
            return Err(RequestError::unsupported(self.at.clone(), "the schema is nested too deeply"));
        }
        let depth = depth + 1;
        if let Some(Value::String(reference)) = schema.get("$ref") {
            self.follow(reference, depth)?;
        }
        for (key, said) in schema {
            match said {
                // Definitions are followed only where a reference points to them.
                Value::Object(schemas) if key == "properties" => self.each(schemas.values(), depth)?,
                Value::Object(schema) if ONE.contains(&key.as_str()) => self.check_references(schema, depth)?,
                Value::Array(schemas) if LISTS.contains(&key.as_str()) => self.each(schemas.iter(), depth)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn each(&mut self, schemas: impl Iterator<Item = &'a Value>, depth: usize) -> Result<(), RequestError> {
        schemas.filter_map(Value::as_object).try_for_each(|schema| self.check_references(schema, depth))
    }

    fn follow(&mut self, reference: &'a str, depth: usize) -> Result<(), RequestError> {
        if self.done.contains(reference) {
            return Ok(());
        }
        if reference == "#" || self.open.contains(reference) {
            return Err(RequestError::unsupported(
                self.at.clone(),
                "Anthropic's structured output takes no recursive schema",
            ));
        }
        let name = reference
            .strip_prefix("#/$defs/")
            .map(|name| ("$defs", name))
            .or_else(|| reference.strip_prefix("#/definitions/").map(|name| ("definitions", name)));
        let found = name.and_then(|(holder, name)| self.root.get(holder)?.get(unescaped(name)));
        let Some(found) = found else {
            return Err(RequestError::unsupported(
                self.at.clone(),
                "Anthropic's structured output takes references to $defs only",
            ));
        };
        if let Value::Object(schema) = found {
            self.open.insert(reference);
            self.check_references(schema, depth)?;
            self.open.remove(reference);
        }
        self.done.insert(reference);
        Ok(())
    }
}

/// One step of a JSON pointer.
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn narrow(schema: Value) -> Result<Value, RequestError> {
        narrowed(schema.as_object().unwrap(), &Field::FormatSchema)
    }

    #[test]
    fn objects_are_closed_and_bounds_are_told_instead() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "age": {"type": "integer", "minimum": 0, "maximum": 150, "description": "in years"},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 2},
                "when": {"type": "string", "format": "date-time"},
                "iban": {"type": "string", "format": "iban"},
                "minimum": {"type": "object", "properties": {}},
            },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "age": {"type": "integer", "description": "in years (minimum: 0, maximum: 150)"},
                "tags": {
                    "type": "array",
                    "items": {"type": "string", "description": "(maxLength: 3)"},
                    "description": "(minItems: 2)",
                },
                "when": {"type": "string", "format": "date-time"},
                "iban": {"type": "string", "description": "(format: \"iban\")"},
                "minimum": {"type": "object", "properties": {}, "additionalProperties": false},
            },
            "additionalProperties": false,
        });
        assert_eq!(narrow(schema).unwrap(), expected);
    }

    #[test]
    fn definitions_are_narrowed_and_a_shared_one_is_no_recursion() {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/p"}, "b": {"anyOf": [{"$ref": "#/$defs/p"}, {"type": "null"}]}},
            "$defs": {"p": {"type": "object", "properties": {"x": {"type": "number", "multipleOf": 2}}}},
        });
        let narrowed = narrow(schema).unwrap();
        assert_eq!(narrowed["$defs"]["p"]["additionalProperties"], false);
        assert_eq!(narrowed["$defs"]["p"]["properties"]["x"]["description"], "(multipleOf: 2)");
    }

    #[test]
    fn what_cannot_be_expressed_is_refused_by_its_path() {
        for (schema, why) in [
            (json!({"type": "object", "properties": {"next": {"$ref": "#"}}}), "recursive"),
            (
                json!({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"items": {"$ref": "#/$defs/n"}}}}}}),
                "recursive",
            ),
            (json!({"$ref": "https://example.com/schema.json"}), "$defs only"),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), "additionalProperties"),
            (json!({"type": "object", "additionalProperties": true}), "additionalProperties"),
        ] {
            let error = narrow(schema.clone()).unwrap_err();
            let named = matches!(&error, RequestError::Unsupported { field: Field::FormatSchema, reason }
                if reason.contains(why));
            assert!(named, "{schema}: {error}");
        }
    }
}
