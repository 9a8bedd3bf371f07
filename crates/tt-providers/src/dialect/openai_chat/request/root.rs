//! The root of an answer's schema. OpenAI takes only an object there ("schema must be a JSON Schema of 'type: \"object\"'").

use serde_json::{Map, Value};
use tt_core::call::field::Field;

use crate::error::RequestError;

/// Definitions that refer to each other at the root, at most.
const MOST_STEPS: usize = 16;

/// The schema of a client of another dialect with an object as its root: a reference there is replaced by its definition, and a
/// root without a type gets one.
///
/// # Errors
/// `Unsupported` for a root that is a list, a text or one of several schemas.
pub(super) fn object_root(schema: &Value) -> Result<Value, RequestError> {
    let refused =
        || RequestError::unsupported(Field::FormatSchema, "OpenAI takes only a schema whose root is an object");
    let mut root = schema.as_object().ok_or_else(refused)?.clone();
    for _ in 0..MOST_STEPS {
        let Some(definition) = definition(&root, schema) else { break };
        root = merged(root, definition);
    }
    let is_one_of_several = ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|word| root.contains_key(*word));
    match root.get("type") {
        Some(Value::String(kind)) if kind == "object" && !root.contains_key("$ref") => {}
        None if !is_one_of_several => {
            root.insert("type".to_owned(), "object".into());
        }
        _ => return Err(refused()),
    }
    Ok(Value::Object(root))
}

/// The definition in `schema` that `root` refers to.
fn definition<'a>(root: &Map<String, Value>, schema: &'a Value) -> Option<&'a Map<String, Value>> {
    let pointer = root.get("$ref")?.as_str()?.strip_prefix('#')?;
    schema.pointer(pointer)?.as_object()
}

/// `root` without its reference, completed with the fields of the definition.
fn merged(mut root: Map<String, Value>, definition: &Map<String, Value>) -> Map<String, Value> {
    root.shift_remove("$ref");
    for (name, value) in definition {
        if !root.contains_key(name) {
            root.insert(name.clone(), value.clone());
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_at_the_root_is_replaced_by_its_definition() {
        let leaf = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/Leaf"}}});
        let schema = json!({"$ref": "#/$defs/Root", "$defs": {"Root": {"$ref": "#/$defs/Leaf"}, "Leaf": leaf}});
        let expected = json!({"$defs": schema["$defs"], "type": "object", "properties": leaf["properties"]});
        assert_eq!(object_root(&schema), Ok(expected));
        assert_eq!(object_root(&json!({"properties": {}})), Ok(json!({"properties": {}, "type": "object"})));
        assert_eq!(object_root(&leaf), Ok(leaf));
    }

    #[test]
    fn a_root_that_is_no_object_is_refused() {
        for schema in [
            json!({"type": "array", "items": {}}),
            json!({"type": "string"}),
            json!({"anyOf": [{"type": "object"}]}),
            json!({"$ref": "#/$defs/Lost"}),
            json!({"$ref": "#"}),
            json!(true),
        ] {
            assert!(object_root(&schema).is_err(), "{schema}");
        }
    }
}
