//! The cost of a Responses request beside its tokens.
//!
//! For a caller with a budget, a field or a tool that is not known to be free is refused: it may have a fee, today or after
//! a change of the API.

use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation, Part, StateField, Tool};
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::error::RequestError;

/// Top-level fields that the neutral form does not hold and that cost nothing of their own: they label, check or shorten the
/// request, or say what the answer shows.
const FREE: [&str; 8] = [
    "client_metadata",
    "max_tool_calls",
    "metadata",
    "moderation",
    "reasoning.context",
    "stream_options",
    "text.verbosity",
    "truncation",
];

/// The field by which a client asks OpenAI to keep a cached prompt for longer.
const CACHED: &str = "prompt_cache_options";

/// The types of OpenAI's tools that have no fee: the client runs them, or they only choose among the tools of the request.
const FREE_TOOLS: [&str; 4] = ["apply_patch", "local_shell", "shell", "tool_search"];

/// The longest name of a field in an error, in characters.
const LONGEST_NAME: usize = 64;

/// The facts that bound the cost of a decoded request.
///
/// # Errors
/// `Unsupported` for a field that may have a fee of its own. Tools are told, since agents offer them always: a target of
/// another dialect does not get them.
pub(super) fn fees(call: &Conversation) -> Result<CostFacts, RequestError> {
    let hosted_tools = call.tools.iter().any(|tool| match tool {
        Tool::Hosted(hosted) => !FREE_TOOLS.contains(&hosted.kind.as_str()) || hosted.raw.get("environment").is_some(),
        Tool::Function(_) | Tool::Custom(_) => false,
    });
    let mut cache_write = call.longest_cache();
    if call.cache.retention.is_some() {
        cache_write = Some(CacheTtl::TwelveHours);
    }
    let extra = call.extra.fields_of(Dialect::OpenAiResponses).into_iter().flatten();
    for (name, _) in extra.filter(|(_, value)| !value.is_null()) {
        if name == CACHED {
            cache_write = Some(CacheTtl::TwelveHours);
        } else if !FREE.contains(&name.as_str()) {
            return Err(RequestError::unknown_fee(Field::Written(name.chars().take(LONGEST_NAME).collect())));
        }
    }
    let mut by_reference = call.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Opaque(opaque) => opaque.pending,
        _ => false,
    });
    for (field, _) in &call.state.fields {
        match field {
            StateField::PreviousResponse | StateField::Conversation | StateField::StoredItem => by_reference = true,
            StateField::Include => {}
            // A template may hold tools; an answer in the background is fetched past this program.
            _ => return Err(RequestError::unknown_fee(Field::State(*field))),
        }
    }
    Ok(CostFacts { by_reference, fixed_thinking: false, cache_write, hosted_tools })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::decode::decode_request;
    use super::*;

    fn of(name: &str, value: Value) -> Result<CostFacts, Field> {
        let mut body = json!({"model": "m", "input": "hi"});
        body[name] = value;
        let (call, _) = decode_request(body.to_string().as_bytes()).unwrap();
        fees(&call).map_err(|error| match error {
            RequestError::Unsupported { field, .. } => field,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn tools_and_fields_that_may_have_a_fee_are_named() {
        let function = json!({"type": "function", "name": "f"});
        let dear = |tools: Value| of("tools", tools).map(|facts| facts.hosted_tools);
        let hosted = |kind: &str| json!([function, {"type": kind}]);
        assert_eq!((dear(hosted("tool_search")), dear(hosted("local_shell"))), (Ok(false), Ok(false)));
        for kind in ["web_search", "file_search", "code_interpreter", "image_generation", "mcp"] {
            assert_eq!(dear(hosted(kind)), Ok(true));
        }
        assert_eq!(dear(json!([{"type": "shell", "environment": {"type": "container_auto"}}])), Ok(true));
        assert_eq!(of("background", json!(true)), Err(Field::State(StateField::Background)));
        assert_eq!(of("prompt", json!({"id": "pmpt"})), Err(Field::State(StateField::Prompt)));
        assert_eq!(of("nobody_knows_this", json!(1)), Err(Field::written("nobody_knows_this")));
        for (name, value) in [
            ("background", json!(false)),
            ("metadata", json!({"a": "b"})),
            ("text", json!({"verbosity": "low"})),
            ("reasoning", json!({"effort": "high", "context": "all_turns"})),
            ("include", json!(["web_search_call.action.sources"])),
        ] {
            assert_eq!(of(name, value), Ok(CostFacts::default()), "{name}");
        }
    }

    #[test]
    fn what_openai_keeps_is_of_unknown_length_and_longer_caches_are_told() {
        let by_reference = |name, value| of(name, value).map(|facts| facts.by_reference);
        assert_eq!(by_reference("previous_response_id", json!("resp_1")), Ok(true));
        assert_eq!(by_reference("conversation", json!({"id": "conv_1"})), Ok(true));
        let reference = json!([{"type": "item_reference", "id": "rs_1"}, {"role": "user", "content": "hi"}]);
        assert_eq!(by_reference("input", reference), Ok(true));
        let compacted = json!([{"type": "compaction", "encrypted_content": "x"}]);
        assert_eq!(by_reference("input", compacted), Ok(true));
        assert_eq!(by_reference("input", json!([{"role": "user", "content": "hi"}])), Ok(false));
        let kept = of("prompt_cache_retention", json!("24h")).map(|facts| facts.cache_write);
        assert_eq!(kept, Ok(Some(CacheTtl::TwelveHours)));
        let part = json!({"type": "input_text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}});
        let marked = of("input", json!([{"role": "user", "content": [part]}])).map(|facts| facts.cache_write);
        assert_eq!(marked, Ok(Some(CacheTtl::ThirtyMinutes)));
    }
}
