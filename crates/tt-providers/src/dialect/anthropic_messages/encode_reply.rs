//! Encodes a whole answer for a client of Messages.

use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::part::{Opaque, Part};
use tt_core::call::reply::Reply;
use tt_core::usage::Usage;

use super::answer::{Options, citation, input, signature, stop, usage};

/// Writes an answer. Of several choices, the first is given.
pub(super) fn encode_reply(reply: &Reply, options: &Options) -> Vec<u8> {
    let choice = reply.choices.first();
    let parts = choice.map_or(&[][..], |choice| choice.parts.as_slice());
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refusal =
        parts.iter().find_map(|part| if let Part::Refusal { text } = part { Some(text.as_str()) } else { None });
    let mut message = Map::new();
    message.insert("id".to_owned(), options.id(&reply.id).into());
    message.insert("type".to_owned(), "message".into());
    message.insert("role".to_owned(), "assistant".into());
    message.insert("model".to_owned(), options.model(&reply.model).into());
    message.insert("content".to_owned(), parts.iter().filter_map(block).collect());
    message.extend(stop(choice.and_then(|choice| choice.finish.as_ref()), called, refusal));
    let reported = reply.usage.as_ref();
    let counted = reported.map_or_else(Usage::default, |reported| reported.usage);
    let tier = reported.and_then(|reported| reported.service_tier.as_deref());
    message.insert("usage".to_owned(), usage(&counted, tier));
    Value::Object(message).to_string().into_bytes()
}

/// Writes a part as a content block; `None` for a part that no client of Messages can read.
fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) if text.text.is_empty() => None,
        Part::Text(text) => {
            let citations: Vec<Value> = text.citations.iter().filter_map(citation).collect();
            let mut block = json!({"type": "text", "text": text.text});
            // The field is left out rather than null: the reader of the ai package refuses null.
            if !citations.is_empty() {
                block["citations"] = citations.into();
            }
            Some(block)
        }
        Part::Refusal { text } => Some(json!({"type": "text", "text": text})),
        Part::Thinking(thinking) => {
            let text: Vec<&str> = thinking.texts().collect();
            let signature = signature(thinking.signature.as_ref());
            Some(json!({"type": "thinking", "thinking": text.join("\n\n"), "signature": signature}))
        }
        Part::Redacted { data, of } if of.provider == Provider::Anthropic => {
            Some(json!({"type": "redacted_thinking", "data": data}))
        }
        Part::ToolCall(call) => {
            Some(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input(call)}))
        }
        Part::Opaque(Opaque { of, raw, .. }) if of.provider == Provider::Anthropic => {
            crate::json::value(raw.as_bytes()).ok()
        }
        Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
            tracing::warn!("answers of Messages hold no pictures and no sound: they are left out");
            None
        }
        Part::Redacted { .. } | Part::Opaque(_) | Part::ToolResult(_) | Part::WebSearch { .. } => None,
    }
}
