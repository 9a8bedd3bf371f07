//! The words that tell a model the shape of its answer.

use serde_json::{Map, Value};

/// The instruction to answer in JSON, for a provider that has no such setting or wants it said too.
pub(super) const IN_JSON: &str = "Answer with exactly one JSON object and nothing else.";

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
