//! The cost of the fields that a client may address to Gemini (`extra_body.google`).

use serde_json::Value;
use tt_core::Dialect;

use crate::codec::CostFacts;
use crate::dialect::addressed::free_fields;
use crate::error::RequestError;

/// The fields without a fee of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 3] = [CACHED_CONTENT, "safety_settings", "thinking_config"];

/// The field that names cached contents. Their tokens may be more than the bytes of the request.
const CACHED_CONTENT: &str = "cached_content";

/// The facts that bound the cost of the fields that a client addressed to Gemini.
///
/// # Errors
/// `Unsupported` for a field that may have a fee of its own.
pub(super) fn addressed(fields: &Value) -> Result<CostFacts, RequestError> {
    let fields = free_fields(fields, &FREE, Dialect::Gemini)?;
    Ok(CostFacts { by_reference: fields.contains_key(CACHED_CONTENT), ..CostFacts::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tt_core::call::field::Field;

    use super::*;

    #[test]
    fn only_known_fields_are_free() {
        assert_eq!(addressed(&json!({"thinking_config": {}})), Ok(CostFacts::default()));
        assert!(addressed(&json!({"cached_content": "c"})).is_ok_and(|fees| fees.by_reference));
        for (fields, named) in [(json!({"tools": []}), "tools"), (json!(null), "")] {
            let field = Field::Addressed { to: Dialect::Gemini, name: named.to_owned() };
            assert_eq!(addressed(&fields), Err(RequestError::unknown_fee(field)));
        }
    }
}
