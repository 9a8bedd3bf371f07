//! The words about a schema that stand in it.

use serde_json::{Map, Value};

/// Puts the client's words about a schema before those that the schema has.
pub(super) fn describe(root: &mut Map<String, Value>, words: &str) {
    let own = root.get("description").and_then(Value::as_str).filter(|own| *own != words);
    let both = own.map_or_else(|| words.to_owned(), |own| format!("{words}\n{own}"));
    root.insert("description".to_owned(), both.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_descriptions_are_kept() {
        for (schema, described) in [
            (json!({}), json!({"description": "a"})),
            (json!({"description": "a"}), json!({"description": "a"})),
            (json!({"description": "b"}), json!({"description": "a\nb"})),
        ] {
            let Value::Object(mut root) = schema else { unreachable!() };
            describe(&mut root, "a");
            assert_eq!(Value::Object(root), described);
        }
    }
}
