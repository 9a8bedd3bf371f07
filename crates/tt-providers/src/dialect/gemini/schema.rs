//! JSON Schemas as Gemini takes them: of tools and of structured answers (`MAPPING.md`, Structured output).
//!
//! Errors are the reason in words; the caller knows the field.

use serde_json::{Map, Value, json};

/// The deepest nesting followed, references included.
const MAX_DEPTH: usize = 128;
/// The most text that references may add, in bytes: they can double with each line.
const MAX_INLINED: usize = 1 << 20;

const RECURSIVE: &str = "the schema refers to itself, which Gemini does not take";

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

/// What `responseJsonSchema` knows
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

/// Notes to people and machines that bind nobody.
const ANNOTATIONS: &[&str] =
    &["$comment", "$schema", "$vocabulary", "default", "deprecated", "examples", "readOnly", "writeOnly"];

/// The schema of a tool's arguments: whole JSON Schema, references resolved, without `$schema`, of type object where no
/// type is given.
pub(super) fn for_tool(schema: &Value) -> Result<Value, String> {
    let Value::Object(mut root) = inline(schema)? else { return Err("must be a JSON Schema object".to_owned()) };
    root.shift_remove("$schema");
    if !root.contains_key("type") {
        root.shift_insert(0, "type".to_owned(), json!("object"));
    }
    Ok(Value::Object(root))
}

/// The schema of an answer, in the keywords Gemini knows. Others go into the description, where the model reads them.
/// A schema that refers to itself keeps its references. Also says whether keywords were moved so.
pub(super) fn for_answer(schema: &Value, description: Option<&str>) -> Result<(Value, bool), String> {
    let inlined = match inline(schema) {
        Ok(inlined) => inlined,
        Err(reason) if reason == RECURSIVE => schema.clone(),
        Err(reason) => return Err(reason),
    };
    let known = known_only(&inlined);
    let moved = known != inlined;
    let Value::Object(mut root) = known else { return Err("must be a JSON Schema object".to_owned()) };
    if let Some(description) = description.filter(|_| !root.contains_key("description") && !root.contains_key("$ref")) {
        root.insert("description".to_owned(), json!(description));
    }
    Ok((Value::Object(root), moved))
}

fn inline(schema: &Value) -> Result<Value, String> {
    Inliner { root: schema, open: Vec::new(), budget: MAX_INLINED }.schema(schema, 0)
}

/// Puts what local references point at in their place.
struct Inliner<'a> {
    root: &'a Value,
    /// The references being followed.
    open: Vec<&'a str>,
    budget: usize,
}

impl<'a> Inliner<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("the schema is nested too deeply".to_owned());
        }
        let Value::Object(map) = schema else { return self.copy(schema) };
        self.spend(EACH + map.keys().map(String::len).sum::<usize>())?;
        let mut out = match map.get("$ref") {
            Some(Value::String(reference)) => match self.target(reference, depth)? {
                Value::Object(target) => target,
                // `true` and `false` say all there is to say.
                whole => return Ok(whole),
            },
            _ => Map::new(),
        };
        for (keyword, value) in map {
            match keyword.as_str() {
                "$ref" | "$defs" | "definitions" => {}
                // What stands beside a reference comes before what it points at.
                other => {
                    let value = self.value(other, value, depth)?;
                    out.insert(keyword.clone(), value);
                }
            }
        }
        Ok(Value::Object(out))
    }

    fn target(&mut self, reference: &'a str, depth: usize) -> Result<Value, String> {
        if self.open.contains(&reference) {
            return Err(RECURSIVE.to_owned());
        }
        let root = self.root;
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let target = target.ok_or_else(|| format!("nothing in the schema is at {reference}"))?;
        self.open.push(reference);
        let inlined = self.schema(target, depth + 1)?;
        self.open.pop();
        Ok(inlined)
    }

    fn value(&mut self, keyword: &str, value: &'a Value, depth: usize) -> Result<Value, String> {
        match value {
            Value::Array(list) if SCHEMAS.contains(&keyword) => {
                list.iter().map(|schema| self.schema(schema, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(map) if SCHEMA_MAPS.contains(&keyword) => {
                self.spend(map.keys().map(String::len).sum())?;
                let inlined = map.iter().map(|(name, schema)| Ok((name.clone(), self.schema(schema, depth + 1)?)));
                inlined.collect::<Result<_, _>>().map(Value::Object)
            }
            schema if SCHEMAS.contains(&keyword) => self.schema(schema, depth + 1),
            other => self.copy(other),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, String> {
        self.spend(size(value))?;
        Ok(value.clone())
    }

    /// Counts what references add; the schema itself was read already.
    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        if !self.open.is_empty() {
            let left = self.budget.checked_sub(bytes);
            self.budget = left.ok_or("the schema grows too large when its references are resolved")?;
        }
        Ok(())
    }
}

/// What any value takes, about.
const EACH: usize = 16;

/// About as many bytes as the value takes.
fn size(value: &Value) -> usize {
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Keeps the keywords of [`ANSWER_KEYWORDS`], and says the others in the description.
fn known_only(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = Map::new();
    let mut notes = Vec::new();
    // Beside a reference only `$` keywords may stand.
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
            // The older way to write a tuple.
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
        let tree = json!({"properties": {"next": {"$ref": "#"}}});
        assert_eq!(for_tool(&tree), Err(RECURSIVE.to_owned()));
        assert!(for_tool(&json!({"$ref": "https://example.com/x.json"})).is_err());
        assert!(for_tool(&json!({"$ref": "#/$defs/none"})).is_err());
        assert!(for_tool(&json!("object")).is_err());
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
