//! The cost of a Messages request beside its tokens, and of the fields that a client may address to Anthropic
//! (`extra_body.anthropic`).
//!
//! For a caller with a budget, a field or a tool that is not known to be free is refused: it may have a fee, today or after
//! a change of the API.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation, StateField, Tool};
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::dialect::addressed::free_fields;
use crate::error::RequestError;

/// The fields without a fee of their own. Any other may be a tool or a service with a fee.
const FREE: [&str; 2] = ["cache_control", "thinking"];

/// Top-level fields that the neutral form does not hold and that cost nothing of their own: they label the request, or say
/// how tools stream their input or how much the model thinks, which counts against the output limit.
const FREE_EXTRA: [&str; 4] = ["metadata", "output_config", "eager_input_streaming", "user_profile_id"];

/// The beginnings of the types of Anthropic's tools that have no fee: the client runs them, or their tokens are all that
/// is billed.
const FREE_TOOLS: [&str; 5] = ["bash_", "computer_", "memory_", "text_editor_", "tool_search_tool_"];

/// The longest name of a field in an error, in characters.
const LONGEST_NAME: usize = 64;

/// The facts that bound the cost of a decoded request.
///
/// # Errors
/// `Unsupported` for a field or a tool that may have a fee of its own.
pub(super) fn fees(call: &Conversation) -> Result<CostFacts, RequestError> {
    for (index, tool) in call.tools.iter().enumerate() {
        if let Tool::Hosted(hosted) = tool
            && !FREE_TOOLS.iter().any(|beginning| hosted.kind.starts_with(beginning))
        {
            return Err(RequestError::unknown_fee(Field::HostedTool(index)));
        }
    }
    let mut extra = call.extra.fields_of(Dialect::AnthropicMessages).into_iter().flatten();
    if let Some((name, _)) = extra.find(|(name, value)| !(value.is_null() || FREE_EXTRA.contains(&name.as_str()))) {
        return Err(RequestError::unknown_fee(Field::Written(name.chars().take(LONGEST_NAME).collect())));
    }
    let mut by_reference = false;
    for (field, value) in &call.state.fields {
        match field {
            StateField::Betas => {}
            // A cut makes the conversation cheaper. Any other edit may be a summary, which the model writes for a fee.
            StateField::ContextManagement if only_clears(value) => {}
            StateField::Thread => by_reference = true,
            _ => return Err(RequestError::unknown_fee(Field::State(*field))),
        }
    }
    let fixed_thinking = call.thinking.budget.is_some_and(|tokens| tokens > 0);
    let cache_write = call.longest_cache();
    Ok(CostFacts { by_reference, fixed_thinking, cache_write, ..CostFacts::default() })
}

/// True if every edit of the conversation only cuts something from it.
fn only_clears(management: &Value) -> bool {
    let edits = management.get("edits").and_then(Value::as_array);
    edits.is_none_or(|edits| {
        edits.iter().all(|edit| edit.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("clear_")))
    })
}

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

    use super::super::decode::decode_request;
    use super::*;

    fn of(name: &str, value: Value) -> Result<CostFacts, Field> {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body[name] = value;
        fees(&decode_request(body.to_string().as_bytes()).unwrap()).map_err(|error| match error {
            RequestError::Unsupported { field, .. } => field,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn tools_and_fields_that_may_have_a_fee_are_named() {
        let function = json!({"name": "f", "input_schema": {"type": "object"}});
        let hosted = |kind: &str| json!([function, {"type": kind, "name": "x"}]);
        assert_eq!(of("tools", hosted("bash_20250124")), Ok(CostFacts::default()));
        assert_eq!(of("tools", hosted("web_search_20250305")), Err(Field::HostedTool(1)));
        let edits = |kind: &str| json!({"edits": [{"type": kind, "keep": "all"}]});
        assert_eq!(of("context_management", edits("clear_thinking_20251015")), Ok(CostFacts::default()));
        let compact = Err(Field::State(StateField::ContextManagement));
        assert_eq!(of("context_management", edits("compact_20260112")), compact);
        assert_eq!(of("mcp_servers", json!([{}])), Err(Field::State(StateField::McpServers)));
        assert_eq!(of("speed", json!("fast")), Err(Field::written("speed")));
        assert_eq!(of("thread", json!({"type": "create"})).map(|facts| facts.by_reference), Ok(true));
    }

    #[test]
    fn a_budget_of_thinking_and_a_cache_mark_are_found() {
        let thinking = |value| of("thinking", value).map(|facts| facts.fixed_thinking);
        assert_eq!(thinking(json!({"type": "enabled", "budget_tokens": 2048})), Ok(true));
        assert_eq!(thinking(json!({"type": "adaptive"})), Ok(false));
        let system = json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
        assert_eq!(of("system", system).map(|facts| facts.cache_write), Ok(Some(CacheTtl::OneHour)));
    }

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
