//! The search of the web that a client of another dialect asks for, where the model searches for every answer.

use serde_json::{Map, Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;

use crate::codec::Target;
use crate::dialect::openai_models;
use crate::dialect::web_search::{SearchOption, Translated, WebSearch};
use crate::notes::Notes;

const OPTIONS: [SearchOption; 2] = [SearchOption::Location, SearchOption::ContextSize];

/// The search that `target` gets.
pub(in crate::dialect::openai_chat) fn translated<'a>(call: &'a Conversation, target: Target<'_>) -> Translated<'a> {
    Translated::of(call, Dialect::OpenAiChat, || {
        let searches = openai_models::searches(target.model);
        if searches { Ok(()) } else { Err("the model does not search the web in Chat Completions") }
    })
}

/// The search as `web_search_options`.
pub(super) fn encode(search: &WebSearch<'_>, notes: &mut Notes) -> Value {
    search.note_lost(&OPTIONS, notes);
    let mut options = Map::new();
    if let Some(size) = search.context_size() {
        options.insert("search_context_size".to_owned(), size.into());
    }
    if let Some(place) = search.location() {
        options.insert("user_location".to_owned(), json!({"type": "approximate", "approximate": place}));
    }
    Value::Object(options)
}

#[cfg(test)]
mod tests {
    use tt_core::call::conversation::{HostedTool, Tool, ToolChoice};
    use tt_core::call::field::Field;
    use tt_core::record::Change;

    use super::super::encode_request;
    use super::*;
    use crate::error::RequestError;

    fn asking(of: Dialect, kind: &str, raw: Value) -> Conversation {
        let tool = Tool::Hosted(HostedTool { of, kind: kind.to_owned(), raw });
        Conversation { tools: vec![tool], ..Conversation::default() }
    }

    #[test]
    fn a_model_that_searches_is_told_how() {
        let raw = json!({"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.org"]},
            "user_location": {"type": "approximate", "city": "Oslo", "region": null}});
        let mut call = asking(Dialect::OpenAiResponses, "web_search", raw);
        call.tool_choice =
            Some(ToolChoice::Hosted { of: Dialect::OpenAiResponses, raw: json!({"type": "web_search"}) });
        let target = |model| Target { model, facts: None };
        let encoded = encode_request(&call, target("gpt-5-search-api")).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(
            body["web_search_options"],
            json!({"search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}})
        );
        assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None), "it searches for every answer");
        let notes: Vec<_> = encoded.notes.iter().map(|note| (note.field.clone(), note.what)).collect();
        let domains = Field::HostedOption { tool: 0, path: "filters.allowed_domains" };
        assert_eq!(notes, [(domains, Change::Dropped)]);
        let refused = encode_request(&call, target("gpt-5.4"));
        assert!(matches!(refused, Err(RequestError::Unsupported { field: Field::ToolChoice, .. })), "{refused:?}");
        call.tool_choice = None;
        let refused = encode_request(&call, target("gpt-5.4"));
        assert!(matches!(refused, Err(RequestError::Unsupported { field: Field::HostedTool(0), .. })), "{refused:?}");
    }

    #[test]
    fn searches_of_messages_and_gemini_are_asked_for_too() {
        for (of, kind, raw) in [
            (Dialect::AnthropicMessages, "web_search_20250305", json!({"type": "web_search_20250305"})),
            (Dialect::Gemini, "googleSearch", json!({"googleSearch": {}})),
        ] {
            let encoded = encode_request(&asking(of, kind, raw), Target { model: "gpt-5-search-api", facts: None });
            let body: Value = serde_json::from_slice(&encoded.unwrap().body).unwrap();
            assert_eq!(body["web_search_options"], json!({}), "{kind}");
        }
    }
}
