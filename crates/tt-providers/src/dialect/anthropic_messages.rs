//! Anthropic Messages, for clients and for providers.
//!
//! Towards clients, [`scan`] and [`decode`] read requests, and [`encode_reply`] and [`encode_stream`] write answers;
//! towards providers, [`request`] writes requests, and [`reply`] and [`stream`] read answers. [`observe`] watches answers
//! that pass through.
//!
//! Sources: the official SDK's types (`anthropic` 2.12.0) and platform.claude.com/docs.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;

use crate::codec::{
    Codec, CostFacts, Egress, Encoded, Facts, Head, Ingress, Observer, PublicError, ReplyContext, ReplyFacts, Scanned,
    ScannedChat, ScannedRequest, StreamDecoder, StreamEncoder, Target, TokenCount, Translation, Undo,
};
use crate::dialect::signatures;
use crate::error::RequestError;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::upstream::error::{Refused, UpstreamError};

mod answer;
mod blocks;
mod citation;
mod decode;
mod encode_reply;
mod encode_stream;
mod error;
mod fees;
mod field;
mod messages;
mod observe;
mod reply;
mod request;
mod scan;
mod schema;
mod search;
mod stream;
mod thinking;
mod tools;
mod unsigned;
mod usage;
mod wire;

/// The codec of Anthropic Messages, with both sides.
pub(crate) const CODEC: Codec = Codec {
    ingress: Some(&AnthropicMessages),
    egress: &AnthropicMessages,
    translation: Some(&AnthropicMessages),
    embeddings: None,
};

/// The implementation of both sides.
#[derive(Debug)]
struct AnthropicMessages;

impl Ingress for AnthropicMessages {
    fn dialect(&self) -> Dialect {
        Dialect::AnthropicMessages
    }

    fn scan(&self, head: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError> {
        Ok(ScannedRequest::Chat(Box::new(scan::Scan::of(head, body)?)))
    }

    fn encode_error(&self, error: &PublicError<'_>) -> Bytes {
        error::encode(error).into()
    }

    fn field(&self, field: &Field) -> String {
        field::name(field)
    }
}

impl Scanned for scan::Scan {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices {
        self.splice(body, model, cap)
    }

    fn splice_notes(&self) -> Notes {
        let mut notes = signatures::left_out(Field::Thinking, !self.unsigned.cuts.is_empty());
        if self.thinking_off_at.is_some() {
            notes.changed(Field::Effort, "off: the loop of tools lacks its thinking");
        }
        notes
    }

    fn path(&self, _: &str) -> Result<Option<Cow<'static, str>>, RequestError> {
        Ok(Some(Cow::Borrowed(self.address())))
    }

    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
        observe::observe_reply(body)
    }
}

impl ScannedChat for scan::Scan {
    fn decode(&self, body: &[u8]) -> Result<Conversation, RequestError> {
        decode::decode_request(body)
    }

    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError> {
        fees::fees(call)
    }

    fn count(&self) -> Option<&dyn TokenCount> {
        if self.counts { Some(&scan::Count) } else { None }
    }

    fn observer(&self) -> Box<dyn Observer> {
        Box::new(observe::StreamObserver::default())
    }

    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes {
        encode_reply::encode_reply(reply, &context.into()).into()
    }

    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder> {
        Box::new(encode_stream::Encoder::new((&context).into()))
    }
}

impl From<&ReplyContext> for answer::Options {
    fn from(context: &ReplyContext) -> Self {
        Self { fallback_id: context.id.simple().to_string(), fallback_model: context.model.clone() }
    }
}

impl Egress for AnthropicMessages {
    fn path(&self, _: &str, _: bool) -> Result<Cow<'static, str>, RequestError> {
        Ok(Cow::Borrowed(scan::MESSAGES))
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
        error::refused(status, headers, body)
    }

    fn has_fee(&self, _: &str) -> bool {
        false
    }

    fn addressed_fees(&self, fields: &Value) -> Result<CostFacts, RequestError> {
        fees::addressed(fields)
    }
}

impl Translation for AnthropicMessages {
    fn encode(&self, call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
        request::encode_request(call, target)
    }

    fn searches(&self, call: &Conversation, target: Target<'_>) -> bool {
        search::translated(call, target).sent.is_some()
    }

    fn decode_reply(&self, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
        reply::decode_reply(body, undo)
    }

    fn stream_decoder(&self, undo: Undo) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(undo))
    }
}
