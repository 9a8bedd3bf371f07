//! The pieces that the encoders of a request's parts share.

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;

/// Writes a field that has a value.
pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.into(), value.into());
    }
}

/// True for a request of a client of OpenAI's dialects, who knows which schemas OpenAI takes.
pub(super) fn written_here(conversation: &Conversation) -> bool {
    conversation.extra.of.is_none_or(|of| matches!(of, Dialect::OpenAiChat | Dialect::OpenAiResponses))
}
