//! The cost of a Chat Completions request beside its tokens.
//!
//! For a caller with a budget, a field that is not known to be free is refused: it may be a tool or a service with a
//! fee, today or after a change of the API.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation, Tool};
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::dialect::web_search;
use crate::error::RequestError;

/// Top-level fields that the neutral form does not hold and that cost nothing of their own, each list with the reason.
/// They are OpenAI's own, and those that hosts of this dialect add to it.
const FREE: [(&str, &[&str]); 7] = [
    (
        "they choose among the tokens that the model offers, or end the answer",
        &[
            "add_generation_prompt",
            "continue_final_message",
            "early_stopping",
            "grammar",
            "guided_choice",
            "guided_decoding_backend",
            "guided_grammar",
            "guided_json",
            "guided_regex",
            "guided_whitespace_pattern",
            "length_penalty",
            "min_p",
            "repetition_penalty",
            "stop_token_ids",
            "structured_outputs",
            "top_a",
            "top_k",
            "typical_p",
        ],
    ),
    (
        "they make an answer longer, at most up to its limit of output tokens, which is held",
        &["ignore_eos", "min_tokens", "verbosity"],
    ),
    (
        "they say how much the model thinks, which counts against the limit of output tokens",
        &["chat_template_kwargs", "enable_thinking", "reasoning", "thinking", "thinking_budget"],
    ),
    (
        "they say what the answer shows",
        &[
            "include_reasoning",
            "include_stop_str_in_output",
            "modalities",
            "reasoning_format",
            "reasoning_split",
            "separate_reasoning",
            "skip_special_tokens",
            "spaces_between_special_tokens",
            "stream_options",
            "usage",
        ],
    ),
    ("they shorten the prompt", &["prompt_truncate_len", "transforms", "truncate_prompt_tokens"]),
    (
        "they put some fifty tokens before the prompt at most, which the hold has room for",
        &["add_special_tokens", "safe_prompt"],
    ),
    (
        "they label, keep, check or cache the call; the dearer cache writes are held where they are asked for",
        &["metadata", "moderation", "prompt_cache_key", CACHE_OPTIONS, CACHE_RETENTION, "session_id", "store"],
    ),
];

/// Fields that may cost something of their own, with the reason. Any other that is not listed may too.
const DEAR: [(&str, &str); 12] = [
    ("audio", "sound has prices of its own"),
    ("best_of", "answers that are thrown away are billed"),
    ("mm_processor_kwargs", "it may make pictures larger"),
    ("models", "another of these models may answer, at its own price"),
    ("plugins", "plugins have fees"),
    ("prediction", "predicted tokens that do not come true are billed"),
    ("preset", "it may stand for fields that have a fee"),
    ("provider", "it chooses the host that answers, which may have other prices"),
    ("route", "another model may answer, at its own price"),
    ("search_parameters", "searches have a fee"),
    ("web_search", "searches have a fee"),
    (web_search::CHAT_FIELD, "searches have a fee"),
];

/// The fields by which a client asks OpenAI to keep a cached prompt for longer.
const CACHE_OPTIONS: &str = "prompt_cache_options";
const CACHE_RETENTION: &str = "prompt_cache_retention";

/// The longest name of a field in an error, in characters.
const LONGEST_NAME: usize = 64;

/// The facts that bound the cost of the fields that the neutral form does not hold.
///
/// # Errors
/// `Unsupported` for a field that may have a fee of its own.
pub(super) fn fees(call: &Conversation) -> Result<CostFacts, RequestError> {
    if call.tools.iter().any(|tool| matches!(tool, Tool::Hosted(_))) {
        return Err(unknown(web_search::CHAT_FIELD));
    }
    let fields = call.extra.fields_of(Dialect::OpenAiChat);
    let mut cache_write = call.longest_cache();
    for (name, value) in fields.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "modalities" if names_more_than_text(value) => return Err(RequestError::unknown_fee(Field::Modalities)),
            "extra_body" => return Err(unknown(&addressee(value))),
            CACHE_OPTIONS | CACHE_RETENTION => cache_write = Some(CacheTtl::TwelveHours),
            known if FREE.iter().any(|(_, names)| names.contains(&known)) => {}
            other => return Err(unknown(other)),
        }
    }
    if call.cache.retention.is_some() {
        cache_write = Some(CacheTtl::TwelveHours);
    }
    // A message may refer to the sound of an earlier answer by its id.
    let by_reference = call.messages.iter().any(|message| message.extra.contains_key("audio"));
    Ok(CostFacts { by_reference, cache_write, ..CostFacts::default() })
}

fn names_more_than_text(modalities: &Value) -> bool {
    modalities.as_array().is_none_or(|all| all.iter().any(|modality| modality != "text"))
}

/// The path of the first field that is left of `extra_body`. No dialect here reads it.
fn addressee(rest: &Value) -> String {
    let first = rest.as_object().and_then(|rest| rest.keys().next());
    first.map_or_else(|| "extra_body".to_owned(), |name| format!("extra_body.{name}"))
}

fn unknown(name: &str) -> RequestError {
    let field = Field::Written(name.chars().take(LONGEST_NAME).collect());
    match DEAR.iter().find(|(dear, _)| *dear == name) {
        Some((_, why)) => RequestError::unsupported(field, format!("it is not taken under a budget: {why}")),
        None => RequestError::unknown_fee(field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::decode_request;
    use super::*;

    fn of(field: &str, value: Value) -> Result<CostFacts, RequestError> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body[field] = value;
        fees(&decode_request(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn fields_that_may_have_a_fee_are_named() {
        for (field, value, named) in [
            ("extra_body", json!({"deepseek": {}}), "extra_body.deepseek"),
            ("extra_body", json!(5), "extra_body"),
            ("nobody_knows_this", json!(5), "nobody_knows_this"),
        ] {
            let Err(RequestError::Unsupported { field: Field::Written(name), reason }) = of(field, value) else {
                panic!("{field}")
            };
            assert_eq!(name, named);
            assert!(reason.contains("is not known"), "{reason}");
        }
        for (field, why) in DEAR {
            let Err(RequestError::Unsupported { field: Field::Written(name), reason }) = of(field, json!({})) else {
                panic!("{field}")
            };
            assert!(name == field && reason.ends_with(why), "{reason}");
            assert_eq!(of(field, json!(null)), Ok(CostFacts::default()), "{field}");
        }
        let sound = of("modalities", json!(["text", "audio"]));
        assert!(matches!(sound, Err(RequestError::Unsupported { field: Field::Modalities, .. })));
        assert_eq!(of("modalities", json!(["text"])), Ok(CostFacts::default()));
        assert_eq!(of("extra_body", json!({"google": {"cached_content": "c"}})), Ok(CostFacts::default()));
    }

    #[test]
    fn fields_that_cost_nothing_are_taken_and_each_is_listed_once() {
        let free: Vec<&str> = FREE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut once: Vec<&str> = free.iter().copied().chain(DEAR.map(|(name, _)| name)).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), free.len() + DEAR.len());
        for name in free.into_iter().filter(|name| !["modalities", "stream_options"].contains(name)) {
            for value in [json!(true), json!("x"), json!(["x"]), json!({"x": 1}), json!(7)] {
                // A value of the wrong kind may be refused as that, and never for what it may cost.
                let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
                body[name] = value;
                if let Ok(call) = decode_request(body.to_string().as_bytes()) {
                    assert!(fees(&call).is_ok(), "{body}");
                }
            }
        }
    }

    #[test]
    fn longer_caches_are_told() {
        let mut marked = json!({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
        let content = |part: &Value| json!([{"role": "user", "content": [part]}]);
        assert_eq!(of("messages", content(&marked)).unwrap().cache_write, Some(CacheTtl::OneHour));
        marked["cache_control"] = json!({"type": "ephemeral"});
        assert_eq!(of("messages", content(&marked)).unwrap().cache_write, Some(CacheTtl::FiveMinutes));
        for (field, value) in [(CACHE_OPTIONS, json!({"ttl": "12h"})), (CACHE_RETENTION, json!("24h"))] {
            assert_eq!(of(field, value).unwrap().cache_write, Some(CacheTtl::TwelveHours));
        }
    }

    #[test]
    fn sound_of_an_earlier_answer_is_named_by_reference() {
        let sound = json!([{"role": "assistant", "audio": {"id": "audio_1"}}]);
        assert!(of("messages", sound).is_ok_and(|fees| fees.by_reference));
        let picture = json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}]}]);
        assert_eq!(of("messages", picture), Ok(CostFacts::default()));
    }
}
