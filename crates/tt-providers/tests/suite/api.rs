//! The crate's interface, under the names that the tests use.

use http::HeaderMap;
use serde_json::{Value, json};
use tt_core::call::conversation::Conversation;
use tt_core::call::event::Event;
use tt_core::call::field::Field;
use tt_core::call::finish::FinishReason;
use tt_core::call::origin::Origin;
use tt_core::call::reply::{Choice, Reply};
use tt_core::record::Change;
use tt_core::{Dialect, Provider};
use tt_providers::codec;

pub(crate) use tt_providers::codec::StreamEncoder;
pub(crate) use tt_providers::{
    Disposition, Encoded, Refused, RefusedKind, RequestError, Target, Undo, UpstreamError, sse, tally,
};

/// The side of Chat Completions.
pub(crate) mod openai {
    pub(crate) use tt_providers::openai_chat::observe::{Observer, observe_reply};
    pub(crate) use tt_providers::openai_chat::reply::{EncodeOptions, decode_reply, encode_reply};
    pub(crate) use tt_providers::openai_chat::request::{decode_request, encode_request};
    pub(crate) use tt_providers::openai_chat::scan::Scan;
    pub(crate) use tt_providers::openai_chat::stream;

    pub(crate) fn refused(status: u16, headers: &http::HeaderMap, body: &[u8]) -> super::Refused {
        super::refused(super::Provider::OpenAi, status, headers, body)
    }
}

/// The side of a dialect for providers, as functions.
macro_rules! egress {
    ($name:ident, $dialect:ident) => {
        pub(crate) mod $name {
            use super::*;

            pub(crate) fn encode_request(call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
                super::encode_request(Dialect::$dialect, call, target)
            }

            pub(crate) fn decode_reply(body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
                super::decode_reply(Dialect::$dialect, body, undo)
            }

            pub(crate) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
                codec(Dialect::$dialect).egress.refused(status, headers, body)
            }

            pub(crate) fn decoder(undo: Undo) -> StreamDecoder {
                StreamDecoder::new(Dialect::$dialect, undo)
            }
        }
    };
}

egress!(anthropic, AnthropicMessages);
egress!(gemini, Gemini);

/// The translation of calls to a dialect that has one.
pub(crate) fn translation(dialect: Dialect) -> &'static dyn tt_providers::Translation {
    codec(dialect).translation.unwrap()
}

pub(crate) fn encode_request(
    dialect: Dialect,
    call: &Conversation,
    target: Target<'_>,
) -> Result<Encoded, RequestError> {
    translation(dialect).encode(call, target)
}

pub(crate) fn decode_reply(dialect: Dialect, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
    translation(dialect).decode_reply(body, undo)
}

pub(crate) fn refused(provider: Provider, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    codec(provider.dialect_for(Dialect::OpenAiChat)).egress.refused(status, headers, body)
}

/// A stream's decoder, which a comment's empty data may be given to.
#[derive(Debug)]
pub(crate) struct StreamDecoder(Box<dyn tt_providers::codec::StreamDecoder>);

impl StreamDecoder {
    pub(crate) fn new(dialect: Dialect, undo: Undo) -> Self {
        Self(translation(dialect).stream_decoder(undo))
    }

    pub(crate) fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if data.trim_ascii().is_empty() { Ok(()) } else { self.0.data(data, out) }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        self.0.end(out)
    }
}

/// A field as a Chat Completions client writes it.
pub(crate) fn name(field: &Field) -> String {
    codec(Dialect::OpenAiChat).ingress.unwrap().field(field)
}

/// The field that a request is refused for, which has a reason: `Unsupported` or `Malformed`.
pub(crate) fn refused_field<T: std::fmt::Debug>(found: Result<T, RequestError>) -> String {
    match found {
        Err(RequestError::Unsupported { field, reason } | RequestError::Malformed { field, reason }) => {
            assert!(!reason.is_empty());
            name(&field)
        }
        other => panic!("{other:?} is no refusal"),
    }
}

/// Adds a top-level field to a conversation, as decoding a Chat Completions request does.
pub(crate) fn add_field(call: &mut Conversation, name: &str, value: Value) {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    body[name] = value;
    let decoded = openai::decode_request(body.to_string().as_bytes()).unwrap();
    call.audio_output |= decoded.audio_output;
    call.state.store = decoded.state.store.or(call.state.store);
    (call.extra.of, call.extra.harmless) = (decoded.extra.of, decoded.extra.harmless);
    call.extra.fields.extend(decoded.extra.fields);
    for (to, value) in decoded.extra.addressed {
        call.extra.addressed.retain(|(before, _)| *before != to);
        call.extra.addressed.push((to, value));
    }
}

/// The names of the parameters that were left out.
pub(crate) fn dropped(encoded: &Encoded) -> Vec<String> {
    noted(encoded, Change::Dropped)
}

/// The names of the parameters that were changed.
pub(crate) fn changed(encoded: &Encoded) -> Vec<String> {
    noted(encoded, Change::Changed)
}

fn noted(encoded: &Encoded, what: Change) -> Vec<String> {
    encoded.notes.iter().filter(|note| note.what == what).map(|note| name(&note.field)).collect()
}

/// The origin of signatures that stand in the history of a client.
pub(crate) fn origin(provider: Provider) -> Origin {
    Origin::of(provider.dialect_for(Dialect::OpenAiChat), provider)
}

/// The finish reason of an answer.
pub(crate) fn reason(choice: &Choice) -> Option<FinishReason> {
    choice.finish.as_ref().map(|finish| finish.reason)
}

/// The `finish_reason` of an answer in Chat Completions.
pub(crate) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::PauseTurn | FinishReason::Compaction | FinishReason::Incomplete => "stop",
        FinishReason::Length | FinishReason::ContextWindow | FinishReason::Continuation => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
    }
}
