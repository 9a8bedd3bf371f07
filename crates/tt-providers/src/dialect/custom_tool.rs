//! Custom (free-form) tools for dialects that have only functions: a function with one string `input` stands for the tool
//! (`MAPPING.md`, Tools).

use serde::Deserialize;
use serde_json::{Value, json};

/// The JSON Schema of the arguments of that function.
pub(super) fn parameters() -> Value {
    json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]})
}

/// The input of the custom tool in the `arguments` of a call of that function. Arguments of another shape are returned as
/// they are, so that nothing that the model wrote is lost.
pub(super) fn input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Wrapped {
        input: String,
    }
    serde_json::from_str(arguments).map_or_else(|_| arguments.to_owned(), |Wrapped { input }| input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_another_shape_stay_as_they_are() {
        assert_eq!(input(r#"{"input": "a \"b\""}"#), r#"a "b""#);
        for other in [r#"{"input": 1}"#, r#"{"text": "a"}"#, "a", ""] {
            assert_eq!(input(other), other);
        }
    }
}
