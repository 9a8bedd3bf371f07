//! Encodes the form of the answer.

use serde_json::{Map, Value, json};
use tt_core::call::conversation::{Conversation, Format, Part};
use tt_core::call::field::Field;

use super::fields::{put, written_here};
use crate::dialect::openai_chat::request::{root, strict};
use crate::error::RequestError;
use crate::notes::Notes;

/// Writes the form of the answer.
pub(super) fn format(
    body: &mut Map<String, Value>,
    conversation: &Conversation,
    notes: &mut Notes,
) -> Result<(), RequestError> {
    let own = written_here(conversation);
    let value = match &conversation.format {
        Format::Text => return Ok(()),
        Format::JsonObject => json!({"type": "json_object"}),
        Format::JsonSchema { name, description, schema, strict } => {
            let mut inner = Map::new();
            inner.insert("name".into(), name.as_str().into());
            put(&mut inner, "description", description.as_deref());
            let schema = match schema {
                Some(schema) if !own => Some(root::object_root(schema)?),
                schema => schema.clone(),
            };
            let strict = strict::held(*strict, schema.as_ref(), own, Field::FormatSchema, notes);
            put(&mut inner, "schema", schema);
            put(&mut inner, "strict", strict);
            json!({"type": "json_schema", "json_schema": inner})
        }
    };
    body.insert("response_format".into(), value);
    Ok(())
}

/// True if a text of the conversation holds the word "JSON".
pub(super) fn says_json(conversation: &Conversation) -> bool {
    let said = |text: &str| text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
    conversation.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Text(text) => said(&text.text),
        _ => false,
    })
}
