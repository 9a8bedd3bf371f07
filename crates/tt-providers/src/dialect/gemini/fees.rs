//! The cost of a client's request beside its tokens, and of the fields that a client of another dialect may address to
//! Gemini (`extra_body.google`).

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, StateField, Tool};
use tt_core::call::field::Field;

use super::decode::HARMLESS;
use crate::codec::CostFacts;
use crate::dialect::addressed::free_fields;
use crate::error::RequestError;

/// The fields without a fee of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 3] = [CACHED_CONTENT, "safety_settings", "thinking_config"];

/// The settings of pictures that the model makes, which cost more the larger they are.
const PICTURES: &str = "generationConfig.imageConfig";

/// The longest name of a field in an error, in characters.
const LONGEST_NAME: usize = 64;

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

/// The facts that bound the cost of a client's request.
///
/// # Errors
/// `Unsupported` for a tool that a provider runs, for output other than text, and for a field that may have a fee of its
/// own.
pub(super) fn fees(call: &Conversation) -> Result<CostFacts, RequestError> {
    if let Some(tool) = call.tools.iter().position(|tool| matches!(tool, Tool::Hosted(_))) {
        return Err(RequestError::unsupported(
            Field::HostedTool(tool),
            "only functions are taken under a budget: tools that a provider runs have fees that it does not cover",
        ));
    }
    for (name, _) in call.extra.fields.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "generationConfig.responseModalities" => {
                return Err(RequestError::unknown_fee(Field::Modalities));
            }
            PICTURES => return Err(RequestError::unknown_fee(Field::written(PICTURES))),
            known if HARMLESS.contains(&known) => {}
            other => return Err(RequestError::unknown_fee(Field::Written(other.chars().take(LONGEST_NAME).collect()))),
        }
    }
    Ok(CostFacts {
        by_reference: call.state.field(StateField::CachedContent).is_some(),
        fixed_thinking: call.thinking.budget.is_some_and(|budget| budget > 0),
        cache_write: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
