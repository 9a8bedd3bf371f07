//! The cost of the fields that a client may address to Anthropic (`extra_body.anthropic`).

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::CacheTtl;

use crate::codec::CostFacts;
use crate::dialect::addressed::free_fields;
use crate::error::RequestError;

/// The fields without a fee of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 2] = ["cache_control", "thinking"];

/// The facts that bound the cost of the fields that a client addressed to Anthropic.
///
/// # Errors
/// `Unsupported` for a field that may have a fee of its own.
pub(super) fn addressed(fields: &Value) -> Result<CostFacts, RequestError> {
    let fields = free_fields(fields, &FREE, Dialect::AnthropicMessages)?;
    let fixed_thinking = fields.get("thinking").is_some_and(|thinking| !thinking.is_null());
    let cache_write = fields.get("cache_control").filter(|control| !control.is_null()).map(|control| {
        // Five minutes unless another time is named.
        let short = control.get("ttl").is_none_or(|ttl| ttl == "5m");
        if short { CacheTtl::FiveMinutes } else { CacheTtl::OneHour }
    });
    Ok(CostFacts { fixed_thinking, cache_write, ..CostFacts::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tt_core::call::field::Field;

    use super::*;

    #[test]
    fn only_known_fields_are_free() {
        let cached = |control| addressed(&json!({"cache_control": control})).map(|facts| facts.cache_write);
        assert_eq!(cached(json!({"type": "ephemeral"})), Ok(Some(CacheTtl::FiveMinutes)));
        assert_eq!(cached(json!({"type": "ephemeral", "ttl": "1h"})), Ok(Some(CacheTtl::OneHour)));
        assert_eq!(cached(json!(null)), Ok(None));
        assert!(addressed(&json!({"thinking": {"budget_tokens": 2048}})).is_ok_and(|fees| fees.fixed_thinking));
        assert!(addressed(&json!({"thinking": null})).is_ok_and(|fees| !fees.fixed_thinking));
        for (fields, named) in [(json!({"mcp_servers": []}), "mcp_servers"), (json!(5), "")] {
            let name = named.to_owned();
            let field = Field::Addressed { to: Dialect::AnthropicMessages, name };
            assert_eq!(addressed(&fields), Err(RequestError::unknown_fee(field)));
        }
    }
}
