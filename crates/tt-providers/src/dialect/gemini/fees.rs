//! The cost of the fields that a client may address to Gemini in Google's own words.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::error::RequestError;

/// Fields that cost nothing of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 3] = [CACHED_CONTENT, "safety_settings", "thinking_config"];

/// Contents named by reference, whose tokens the request's length does not bound.
const CACHED_CONTENT: &str = "cached_content";

/// Reads the fields that a client addressed to Gemini.
pub(super) fn addressed(fields: &Value) -> Result<CostFacts, RequestError> {
    let unknown =
        |name: &str| RequestError::unknown_fee(Field::Addressed { to: Dialect::Gemini, name: name.to_owned() });
    let fields = fields.as_object().ok_or_else(|| unknown(""))?;
    match fields.keys().find(|name| !FREE.contains(&name.as_str())) {
        Some(name) => Err(unknown(name)),
        None => Ok(CostFacts { beyond_text: fields.contains_key(CACHED_CONTENT), fixed_thinking: false }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_known_fields_are_free() {
        assert_eq!(addressed(&json!({"thinking_config": {}})), Ok(CostFacts::default()));
        assert!(addressed(&json!({"cached_content": "c"})).is_ok_and(|fees| fees.beyond_text));
        for (fields, named) in [(json!({"tools": []}), "tools"), (json!(null), "")] {
            let field = Field::Addressed { to: Dialect::Gemini, name: named.to_owned() };
            assert_eq!(addressed(&fields), Err(RequestError::unknown_fee(field)));
        }
    }
}
