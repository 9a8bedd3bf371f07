//! The dialects: for each a folder, and one call for all of them.

pub mod anthropic_messages;
pub mod gemini;
pub mod openai_chat;

use http::HeaderMap;
use tt_core::call::conversation::Conversation;
use tt_core::call::event::Event;
use tt_core::call::reply::Reply;
use tt_core::{Dialect, Provider};

use crate::{Encoded, ProviderError, Refused, Target, Undo};

/// Puts a conversation in the words of `dialect`, for `target`.
///
/// # Errors
/// `Unsupported` or `Malformed`, naming the client's parameter.
pub fn encode_request(
    dialect: Dialect,
    conversation: &Conversation,
    target: Target<'_>,
) -> Result<Encoded, ProviderError> {
    match dialect {
        Dialect::OpenAiChat => openai_chat::encode_request(conversation, target),
        Dialect::AnthropicMessages => anthropic_messages::encode_request(conversation, target),
        Dialect::Gemini => gemini::encode_request(conversation, target),
    }
}

/// Reads a whole answer with a success status; `undo` is what encoding its request left.
///
/// # Errors
/// `Refused` or `Protocol`.
pub fn decode_reply(dialect: Dialect, body: &[u8], undo: &Undo) -> Result<Reply, ProviderError> {
    match dialect {
        Dialect::OpenAiChat => openai_chat::decode_reply(body, undo),
        Dialect::AnthropicMessages => anthropic_messages::decode_reply(body, undo),
        Dialect::Gemini => gemini::decode_reply(body, undo),
    }
}

/// Reads an answer with an error status.
pub fn refused(provider: Provider, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    match provider {
        Provider::OpenAi => openai_chat::refused(status, headers, body),
        Provider::Anthropic => anthropic_messages::refused(status, headers, body),
        Provider::Gemini => gemini::refused(status, headers, body),
    }
}

/// Reads a streamed answer, event by event.
#[derive(Debug)]
pub enum StreamDecoder {
    /// Chat Completions chunks.
    OpenAiChat(openai_chat::stream::Decoder),
    /// Messages events.
    AnthropicMessages(anthropic_messages::stream::Decoder),
    /// `streamGenerateContent?alt=sse`.
    Gemini(gemini::stream::Decoder),
}

impl StreamDecoder {
    /// At the start of a stream; `undo` is what encoding its request left.
    pub fn new(dialect: Dialect, undo: Undo) -> Self {
        match dialect {
            Dialect::OpenAiChat => Self::OpenAiChat(openai_chat::stream::Decoder::new(undo)),
            Dialect::AnthropicMessages => Self::AnthropicMessages(anthropic_messages::stream::Decoder::new(undo)),
            Dialect::Gemini => Self::Gemini(gemini::stream::Decoder::new(undo)),
        }
    }

    /// Reads one event's data ([`crate::sse::Frame::data`]) and appends what it says to `out`; a comment, which has none,
    /// says nothing.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for what cannot be read.
    pub fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), ProviderError> {
        if data.trim_ascii().is_empty() {
            return Ok(());
        }
        match self {
            Self::OpenAiChat(decoder) => decoder.data(data, out),
            Self::AnthropicMessages(decoder) => decoder.data(data, out),
            Self::Gemini(decoder) => decoder.data(data, out),
        }
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// `Protocol` when the stream ended early.
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<(), ProviderError> {
        match self {
            Self::OpenAiChat(decoder) => decoder.end(out),
            Self::AnthropicMessages(decoder) => decoder.end(out),
            Self::Gemini(decoder) => decoder.end(out),
        }
    }
}
