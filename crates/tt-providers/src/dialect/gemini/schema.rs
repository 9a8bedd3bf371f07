//! Rewrites JSON Schemas of tools and of structured answers for Gemini (`MAPPING.md`, Structured output).
//!
//! An error is the reason in a sentence; the caller adds the field.

use serde_json::{Map, Value, json};

use crate::dialect::format_words;
use crate::json;

/// The deepest nesting that is followed, in levels, references included.
const MAX_DEPTH: usize = 128;
/// The least and the most memory that the references of one request may add, in bytes.
const INLINED: (usize, usize) = (256 << 10, 4 << 20);
/// The number of times by which references may enlarge the schemas of a request, within [`INLINED`].
const GROWTH: usize = 8;

const RECURSIVE: &str = "the schema refers to itself, which Gemini does not take";
const TOO_LARGE: &str = "the schemas of the request grow too large when their references are resolved";

/// Keywords whose value is a schema, or a list of schemas.
const SCHEMAS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords whose value maps names to schemas.
const SCHEMA_MAPS: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// The keywords that `responseJsonSchema` takes
/// ([list](https://ai.google.dev/api/generate-content#FIELDS.response_json_schema)).
const ANSWER_KEYWORDS: &[&str] = &[
    "$anchor",
    "$defs",
    "$id",
    "$ref",
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "oneOf",
    "prefixItems",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];

/// Keywords that only annotate a schema and constrain no value. They are left out.
const ANNOTATIONS: &[&str] =
    &["$comment", "$schema", "$vocabulary", "default", "deprecated", "examples", "readOnly", "writeOnly"];

/// The memory that the references of one request may still add. Without a bound, a schema that refers to another one
/// twice, which does the same, doubles at each level.
#[derive(Debug)]
pub(super) struct Inlining {
    left: usize,
}

impl Inlining {
    /// The memory for a request with these schemas.
    pub(super) fn of<'a>(schemas: impl Iterator<Item = &'a Value>) -> Self {
        let sent = schemas.map(json::memory).fold(0, usize::saturating_add);
        Self { left: sent.saturating_mul(GROWTH).clamp(INLINED.0, INLINED.1) }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }
}

/// Rewrites the schema of the arguments of a tool, which may use all of JSON Schema: resolves references, removes
/// `$schema`, and makes a root without a type an object. A schema that refers to itself keeps its references; the second
/// value is true then.
pub(super) fn for_tool(schema: &Value, inlining: &mut Inlining) -> Result<(Value, bool), String> {
    let (inlined, keeps) = match inline(schema, inlining) {
        Ok(inlined) => (inlined, false),
        Err(reason) if reason == RECURSIVE => (schema.clone(), true),
        Err(reason) => return Err(reason),
    };
    let Value::Object(mut root) = inlined else { return Err("must be a JSON Schema object".to_owned()) };
    root.shift_remove("$schema");
    if !root.contains_key("type") && !root.contains_key("$ref") {
        root.shift_insert(0, "type".to_owned(), json!("object"));
    }
    Ok((Value::Object(root), keeps))
}

/// Rewrites the schema of an answer with the keywords that Gemini takes. Other keywords go into the description, where
/// the model reads them; the second value is true if some did. A schema that refers to itself, or that would grow too
/// large, keeps its references.
pub(super) fn for_answer(
    schema: &Value,
    description: Option<&str>,
    inlining: &mut Inlining,
) -> Result<(Value, bool), String> {
    let inlined = match inline(schema, inlining) {
        Ok(inlined) => inlined,
        Err(reason) if reason == RECURSIVE || reason == TOO_LARGE => schema.clone(),
        Err(reason) => return Err(reason),
    };
    let known = known_only(&inlined);
    let moved = known != inlined;
    let Value::Object(mut root) = known else { return Err("must be a JSON Schema object".to_owned()) };
    if let Some(description) = description.filter(|_| !root.contains_key("$ref")) {
        format_words::describe(&mut root, description);
    }
    Ok((Value::Object(root), moved))
}

fn inline(schema: &Value, inlining: &mut Inlining) -> Result<Value, String> {
    Inliner { root: schema, open: Vec::new(), inlining }.schema(schema, 0)
}

/// Replaces local references by the schemas that they point to.
struct Inliner<'a, 'i> {
    root: &'a Value,
    /// The schemas whose references are being followed, to notice one that refers to itself. No more than
    /// [`MAX_DEPTH`].
    open: Vec<&'a Value>,
    inlining: &'i mut Inlining,
}

impl<'a> Inliner<'a, '_> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("the schema is nested too deeply".to_owned());
        }
        let Value::Object(map) = schema else { return self.copy(schema) };
        self.spend(json::memory_of_names(map))?;
        let mut out = match map.get("$ref") {
            Some(Value::String(reference)) => match self.target(reference, depth)? {
                Value::Object(target) => target,
                // The schemas `true` and `false` hold no references.
                whole => return Ok(whole),
            },
            _ => Map::with_capacity(map.len()),
        };
        for (keyword, value) in map {
            match keyword.as_str() {
                "$ref" | "$defs" | "definitions" => {}
                // A keyword beside a reference takes precedence over the same keyword of its target.
                other => {
                    let value = self.value(other, value, depth)?;
                    out.insert(keyword.clone(), value);
                }
            }
        }
        Ok(Value::Object(out))
    }

    fn target(&mut self, reference: &'a str, depth: usize) -> Result<Value, String> {
        // The work of finding the target.
        self.spend(reference.len())?;
        let root = self.root;
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let target = target.ok_or_else(|| format!("nothing in the schema is at {}", shortened(reference)))?;
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) {
            return Err(RECURSIVE.to_owned());
        }
        self.open.push(target);
        let inlined = self.schema(target, depth + 1)?;
        self.open.pop();
        Ok(inlined)
    }

    fn value(&mut self, keyword: &str, value: &'a Value, depth: usize) -> Result<Value, String> {
        match value {
            Value::Array(list) if SCHEMAS.contains(&keyword) => {
                self.spend(json::memory(&Value::Null))?;
                let mut inlined = Vec::with_capacity(list.len());
                for schema in list {
                    inlined.push(self.schema(schema, depth + 1)?);
                }
                Ok(Value::Array(inlined))
            }
            Value::Object(map) if SCHEMA_MAPS.contains(&keyword) => {
                self.spend(json::memory_of_names(map))?;
                let mut inlined = Map::with_capacity(map.len());
                for (name, schema) in map {
                    inlined.insert(name.clone(), self.schema(schema, depth + 1)?);
                }
                Ok(Value::Object(inlined))
            }
            schema if SCHEMAS.contains(&keyword) => self.schema(schema, depth + 1),
            other => self.copy(other),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, String> {
        self.spend(json::memory(value))?;
        Ok(value.clone())
    }

    /// Counts the memory that references add. The memory of the schema itself does not count.
    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        if self.open.is_empty() { Ok(()) } else { self.inlining.spend(bytes) }
    }
}

/// The beginning of a text, for an error that the client reads.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Keeps the keywords of [`ANSWER_KEYWORDS`], and moves the others into the description.
fn known_only(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = Map::with_capacity(map.len());
    let mut notes = Vec::new();
    // Gemini takes only keywords with `$` beside a reference.
    let reference = map.contains_key("$ref");
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            ("$ref", Value::String(target)) => {
                let target = target.replacen("#/definitions/", "#/$defs/", 1);
                out.insert(keyword.clone(), json!(target));
            }
            ("definitions" | "$defs", value) => {
                out.insert("$defs".to_owned(), known_values("$defs", value));
            }
            (other, _) if reference && !other.starts_with('$') => {}
            // A list of `items` is the older form of `prefixItems`.
            ("items", Value::Array(_)) => {
                out.insert("prefixItems".to_owned(), known_values("prefixItems", value));
            }
            ("const", value) if !map.contains_key("enum") => {
                out.insert("enum".to_owned(), json!([value]));
            }
            ("allOf", Value::Array(one)) if one.len() == 1 => {
                if let Some(Value::Object(one)) = one.first().map(known_only) {
                    one.into_iter().for_each(|(keyword, value)| {
                        if !map.contains_key(&keyword) {
                            out.insert(keyword, value);
                        }
                    });
                }
            }
            (known, value) if ANSWER_KEYWORDS.contains(&known) => {
                out.insert(keyword.clone(), known_values(known, value));
            }
            (note, _) if ANNOTATIONS.contains(&note) => {}
            (other, value) => notes.push(format!("{other}: {value}")),
        }
    }
    if !notes.is_empty() {
        let notes = notes.join("; ");
        let description = match out.get("description").and_then(Value::as_str) {
            Some(description) if !description.is_empty() => format!("{description} ({notes})"),
            _ => notes,
        };
        out.insert("description".to_owned(), json!(description));
    }
    Value::Object(out)
}

fn known_values(keyword: &str, value: &Value) -> Value {
    match value {
        Value::Array(list) if SCHEMAS.contains(&keyword) => list.iter().map(known_only).collect(),
        Value::Object(map) if SCHEMA_MAPS.contains(&keyword) => {
            Value::Object(map.iter().map(|(name, schema)| (name.clone(), known_only(schema))).collect())
        }
        schema if SCHEMAS.contains(&keyword) => known_only(schema),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_tool(schema: &Value) -> Result<Value, String> {
        super::for_tool(schema, &mut Inlining::of([schema].into_iter())).map(|(schema, _)| schema)
    }

    fn for_answer(schema: &Value, description: Option<&str>) -> Result<(Value, bool), String> {
        super::for_answer(schema, description, &mut Inlining::of([schema].into_iter()))
    }

    #[test]
    fn a_tools_references_are_resolved_and_its_root_is_an_object() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {
                "$ref": {"type": "string"},
                "at": {"$ref": "#/$defs/Place", "description": "where"},
                "kind": {"enum": [{"$ref": "#/nowhere"}]},
            },
            "$defs": {"Place": {"type": "object", "description": "a place", "properties": {"x": {"$ref": "#/$defs/N"}}},
                      "N": {"type": "number"}},
        });
        let want = json!({
            "type": "object",
            "properties": {
                "$ref": {"type": "string"},
                "at": {"type": "object", "description": "where", "properties": {"x": {"type": "number"}}},
                "kind": {"enum": [{"$ref": "#/nowhere"}]},
            },
        });
        assert_eq!(for_tool(&schema).unwrap().to_string(), want.to_string());
    }

    #[test]
    fn a_schema_that_cannot_be_resolved_says_why() {
        assert!(for_tool(&json!({"$ref": "https://example.com/x.json"})).is_err());
        assert!(for_tool(&json!({"$ref": "#/$defs/none"})).is_err());
        assert!(for_tool(&json!("object")).is_err());
    }

    #[test]
    fn a_tools_schema_that_refers_to_itself_keeps_its_references() {
        let tree = json!({"$schema": "x", "properties": {"next": {"$ref": "#"}, "a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}});
        let (kept, keeps) = super::for_tool(&tree, &mut Inlining::of([&tree].into_iter())).unwrap();
        assert!(keeps);
        let want = json!({"type": "object", "properties": tree["properties"], "$defs": tree["$defs"]});
        assert_eq!(kept, want);
    }

    #[test]
    fn references_that_double_and_chains_that_go_deep_are_refused() {
        for innermost in [json!({}), json!({"type": "string", "description": "x".repeat(100)})] {
            let mut defs = Map::new();
            defs.insert("d0".to_owned(), innermost);
            for i in 1..40 {
                let below = json!({"$ref": format!("#/$defs/d{}", i - 1)});
                defs.insert(format!("d{i}"), json!({"anyOf": [below, below]}));
            }
            let bomb = json!({"$ref": "#/$defs/d39", "$defs": defs});
            assert!(for_tool(&bomb).unwrap_err().contains("too large"));
        }
        let chain: Map<_, _> =
            (0..2000).map(|i| (format!("d{i}"), json!({"$ref": format!("#/$defs/d{}", i + 1)}))).collect();
        assert!(for_tool(&json!({"$ref": "#/$defs/d0", "$defs": chain})).unwrap_err().contains("deeply"));
    }

    #[test]
    fn an_answers_unknown_keywords_are_said_in_words() {
        let schema = json!({
            "$schema": "x",
            "type": "object",
            "properties": {
                "zip": {"type": "string", "description": "code", "pattern": "^\\d+$", "minLength": 3, "default": "1"},
                "kind": {"const": "a"},
                "one": {"allOf": [{"type": "integer", "minimum": 1}]},
            },
            "required": ["zip"],
            "additionalProperties": false,
        });
        let want = json!({
            "type": "object",
            "properties": {
                "zip": {"type": "string", "description": "code (pattern: \"^\\\\d+$\"; minLength: 3)"},
                "kind": {"enum": ["a"]},
                "one": {"type": "integer", "minimum": 1},
            },
            "required": ["zip"],
            "additionalProperties": false,
            "description": "a form",
        });
        assert_eq!(for_answer(&schema, Some("a form")).unwrap().0.to_string(), want.to_string());
    }

    #[test]
    fn an_answer_that_refers_to_itself_keeps_its_references() {
        let schema = json!({
            "type": "object",
            "properties": {"next": {"$ref": "#/definitions/Node", "description": "the next"}},
            "definitions": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}},
        });
        let want = json!({
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/Node"}},
            "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        });
        assert_eq!(for_answer(&schema, None).unwrap().0, want);
    }
}
