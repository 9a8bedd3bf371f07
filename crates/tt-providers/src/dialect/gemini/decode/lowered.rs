//! Schemas in Gemini's own words (`Schema`, a subset of OpenAPI) as JSON Schemas: types in lower case, `nullable` as the
//! type `null`, and without the order of properties.
//!
//! Clients write the upper-case types in JSON Schemas too, which Gemini takes and no one else does.

use serde_json::{Map, Value, json};

/// The keywords whose value is an object of schemas.
const OBJECTS: [&str; 3] = ["properties", "$defs", "definitions"];
/// The keywords whose value is a list of schemas.
const LISTS: [&str; 6] = ["anyOf", "any_of", "oneOf", "allOf", "prefixItems", "prefix_items"];
/// The keywords whose value is one schema.
const ONE: [&str; 5] = ["items", "additionalProperties", "additional_properties", "not", "contains"];
/// The limits that Gemini takes as text too, as 64-bit numbers are written.
const LIMITS: [&str; 12] = [
    "minItems",
    "min_items",
    "maxItems",
    "max_items",
    "minLength",
    "min_length",
    "maxLength",
    "max_length",
    "minProperties",
    "min_properties",
    "maxProperties",
    "max_properties",
];
/// The keywords that JSON Schema spells in camelCase alone.
const SPELLINGS: [(&str, &str); 9] = [
    ("any_of", "anyOf"),
    ("prefix_items", "prefixItems"),
    ("additional_properties", "additionalProperties"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("min_properties", "minProperties"),
    ("max_properties", "maxProperties"),
];

/// Rewrites `schema` in place.
pub(super) fn lowered(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    for (key, value) in fields.iter_mut() {
        let key = key.as_str();
        match value {
            Value::Object(schemas) if OBJECTS.contains(&key) => schemas.values_mut().for_each(lowered),
            Value::Array(schemas) if LISTS.contains(&key) => schemas.iter_mut().for_each(lowered),
            one if ONE.contains(&key) => lowered(one),
            Value::String(word) if key == "type" => word.make_ascii_lowercase(),
            Value::Array(words) if key == "type" => {
                words.iter_mut().for_each(|word| {
                    if let Value::String(word) = word {
                        word.make_ascii_lowercase();
                    }
                });
            }
            Value::String(digits) if LIMITS.contains(&key) => {
                if let Ok(number) = digits.parse::<u64>() {
                    *value = number.into();
                }
            }
            _ => {}
        }
    }
    for (spelling, keyword) in SPELLINGS {
        if let Some(value) = fields.shift_remove(spelling) {
            fields.insert(keyword.to_owned(), value);
        }
    }
    fields.shift_remove("propertyOrdering");
    fields.shift_remove("property_ordering");
    if fields.shift_remove("nullable") == Some(Value::Bool(true)) {
        or_null(fields);
    }
}

/// Lets the value be null.
fn or_null(fields: &mut Map<String, Value>) {
    match fields.get_mut("type") {
        Some(kind @ Value::String(_)) => *kind = Value::Array(vec![kind.take(), "null".into()]),
        Some(Value::Array(kinds)) if !kinds.iter().any(|kind| kind == "null") => kinds.push("null".into()),
        Some(_) => {}
        None => or_null_schema(fields),
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

/// Lets a value be null that other schemas describe: one of a list, or one elsewhere.
fn or_null_schema(fields: &mut Map<String, Value>) {
    let nothing = json!({"type": "null"});
    if let Some(Value::Array(schemas)) = fields.get_mut("anyOf") {
        schemas.push(nothing);
    } else if let Some(reference) = fields.shift_remove("$ref") {
        fields.insert("anyOf".to_owned(), json!([{"$ref": reference}, nothing]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_words_become_those_of_json_schema_and_names_stay() {
        let mut schema = json!({
            "type": "OBJECT", "property_ordering": ["TYPE"], "min_properties": "1",
            "properties": {
                "TYPE": {"type": "STRING", "enum": ["STRING"], "nullable": true},
                "list": {"type": "ARRAY", "items": {"any_of": [{"type": "INTEGER"}, {"type": ["NULL", "number"]}]}},
            },
        });
        lowered(&mut schema);
        assert_eq!(
            schema,
            json!({
                "type": "object", "minProperties": 1,
                "properties": {
                    "TYPE": {"type": ["string", "null"], "enum": ["STRING", null]},
                    "list": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": ["null", "number"]}]}},
                },
            })
        );
    }

    #[test]
    fn whatever_may_be_null_may_be_it_in_json_schema_too() {
        for (mut own, expected) in [
            (
                json!({"anyOf": [{"type": "STRING"}], "nullable": true}),
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
            (
                json!({"$ref": "#/$defs/a", "nullable": true}),
                json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}),
            ),
            (json!({"type": ["STRING", "NUMBER"], "nullable": true}), json!({"type": ["string", "number", "null"]})),
            (json!({"nullable": true}), json!({})),
            (json!({"$ref": "#/$defs/a", "nullable": false}), json!({"$ref": "#/$defs/a"})),
        ] {
            lowered(&mut own);
            assert_eq!(own, expected);
        }
    }
}
