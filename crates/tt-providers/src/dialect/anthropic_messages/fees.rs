//! The cost of the fields that a client may address to Anthropic in its own words.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::error::RequestError;

/// Fields that cost nothing of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 2] = ["cache_control", "thinking"];

/// Reads the fields that a client addressed to Anthropic.
pub(super) fn addressed(fields: &Value) -> Result<CostFacts, RequestError> {
    let unknown = |name: &str| {
        let name = name.to_owned();
        RequestError::unknown_fee(Field::Addressed { to: Dialect::AnthropicMessages, name })
    };
    let fields = fields.as_object().ok_or_else(|| unknown(""))?;
    match fields.keys().find(|name| !FREE.contains(&name.as_str())) {
        Some(name) => Err(unknown(name)),
        None => {
            let fixed_thinking = fields.get("thinking").is_some_and(|thinking| !thinking.is_null());
            Ok(CostFacts { beyond_text: false, fixed_thinking })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_known_fields_are_free() {
        assert_eq!(addressed(&json!({"cache_control": {}})), Ok(CostFacts::default()));
        assert!(addressed(&json!({"thinking": {"budget_tokens": 2048}})).is_ok_and(|fees| fees.fixed_thinking));
        assert!(addressed(&json!({"thinking": null})).is_ok_and(|fees| !fees.fixed_thinking));
        for (fields, named) in [(json!({"mcp_servers": []}), "mcp_servers"), (json!(5), "")] {
            let name = named.to_owned();
            let field = Field::Addressed { to: Dialect::AnthropicMessages, name };
            assert_eq!(addressed(&fields), Err(RequestError::unknown_fee(field)));
        }
    }
}
