//! The cost of a Chat Completions request beside its tokens.
//!
//! A field that is not known to be free is refused where a budget holds: it may be a tool or a service with a fee, of
//! this year or the next.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_core::call::field::Field;

use crate::codec::CostFacts;
use crate::error::RequestError;

/// Top-level fields, beside those of the neutral form, that cost nothing of their own.
const FREE: [&str; 14] = [
    "chat_template_kwargs",
    "metadata",
    "min_p",
    "modalities",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "repetition_penalty",
    "store",
    "stream_options",
    "thinking",
    "verbosity",
];

/// Parts of the names of models that search for every answer, at a fee for each.
const SEARCHING: [&str; 2] = ["-search-preview", "-search-api"];

/// The longest name of a field in an error, in characters.
const LONGEST_NAME: usize = 64;

/// Reads the fields that the neutral form has no place for.
pub(super) fn fees(call: &Conversation) -> Result<CostFacts, RequestError> {
    let fields = call.extra.fields_of(Dialect::OpenAiChat);
    for (name, value) in fields.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "modalities" if names_more_than_text(value) => return Err(RequestError::unknown_fee(Field::Modalities)),
            "extra_body" => return Err(unknown(&addressee(value))),
            known if FREE.contains(&known) => {}
            other => return Err(unknown(other)),
        }
    }
    // An earlier answer in sound, spoken of by its id.
    let by_id = call.messages.iter().any(|message| message.extra.contains_key("audio"));
    Ok(CostFacts { beyond_text: call.media().next().is_some() || by_id, fixed_thinking: false })
}

/// Does `model` search for every answer?
pub(super) fn searches(model: &str) -> bool {
    SEARCHING.iter().any(|part| model.contains(part))
}

fn names_more_than_text(modalities: &Value) -> bool {
    modalities.as_array().is_none_or(|all| all.iter().any(|modality| modality != "text"))
}

/// The first provider in what is left of `extra_body`, which no dialect of ours understands.
fn addressee(rest: &Value) -> String {
    let first = rest.as_object().and_then(|rest| rest.keys().next());
    first.map_or_else(|| "extra_body".to_owned(), |name| format!("extra_body.{name}"))
}

fn unknown(name: &str) -> RequestError {
    RequestError::unknown_fee(Field::Written(name.chars().take(LONGEST_NAME).collect()))
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
            ("web_search_options", json!({}), "web_search_options"),
            ("plugins", json!([]), "plugins"),
            ("extra_body", json!({"deepseek": {}}), "extra_body.deepseek"),
            ("extra_body", json!(5), "extra_body"),
        ] {
            let Err(RequestError::Unsupported { field: Field::Written(name), .. }) = of(field, value) else {
                panic!("{field}")
            };
            assert_eq!(name, named);
        }
        let sound = of("modalities", json!(["text", "audio"]));
        assert!(matches!(sound, Err(RequestError::Unsupported { field: Field::Modalities, .. })));
        assert_eq!(of("modalities", json!(["text"])), Ok(CostFacts::default()));
        assert_eq!(of("web_search_options", json!(null)), Ok(CostFacts::default()));
        assert_eq!(of("extra_body", json!({"google": {"cached_content": "c"}})), Ok(CostFacts::default()));
    }

    #[test]
    fn sound_and_pictures_are_more_than_text() {
        let picture = json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}]}]);
        let sound = json!([{"role": "assistant", "audio": {"id": "audio_1"}}]);
        for messages in [picture, sound] {
            assert!(of("messages", messages).is_ok_and(|fees| fees.beyond_text));
        }
    }

    #[test]
    fn models_that_search_are_known_by_name() {
        assert!(searches("gpt-4o-search-preview") && searches("gpt-5-search-api-2025-10-14"));
        assert!(!searches("gpt-5.4"));
    }
}
