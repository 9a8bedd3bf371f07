//! OpenAI Responses, for clients; providers that speak it are called in it for such clients only.
//!
//! [`scan`] and [`decode`] read requests, [`encode_reply`] and [`encode_stream`] write answers, and [`observe`] watches
//! answers that pass through.
//!
//! Sources: the official SDK's types (`openai` 3.54.0) and platform.openai.com/docs.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;

use crate::codec::{
    Codec, CostFacts, Egress, Facts, Head, Ingress, Observer, PublicError, ReplyContext, ReplyFacts, Scanned,
    ScannedChat, ScannedRequest, StreamEncoder,
};
use crate::dialect::signatures;
use crate::dialect::{openai_error, openai_models};
use crate::error::RequestError;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::upstream::error::{Refused, UpstreamError};

mod call;
mod carried;
mod decode;
mod encode_reply;
mod encode_stream;
mod events;
mod failure;
mod fees;
mod field;
mod message;
mod observe;
mod output;
mod output_text;
mod places;
mod reasoning;
mod response;
mod scan;
mod tool_names;
mod usage;

/// The codec of Responses. Calls of other clients go to OpenAI as Chat Completions.
pub(crate) const CODEC: Codec =
    Codec { ingress: Some(&OpenAiResponses), egress: &OpenAiResponses, translation: None, embeddings: None };

/// The implementation of both sides.
#[derive(Debug)]
struct OpenAiResponses;

impl Ingress for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiResponses
    }

    fn scan(&self, _: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError> {
        Ok(ScannedRequest::Chat(Box::new(scan::Scan::of(body)?)))
    }

    fn encode_error(&self, error: &PublicError<'_>) -> Bytes {
        openai_error::encode(error).into()
    }

    fn field(&self, field: &Field) -> String {
        field::name(field)
    }
}

impl Scanned for scan::Scan {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn field(&self, field: &Field) -> Option<String> {
        self.decoded.get()?.places.name(field)
    }

    fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices {
        self.splice(body, model, cap)
    }

    fn splice_notes(&self) -> Notes {
        signatures::left_out(Field::Signatures, !self.carried_at.is_empty())
    }

    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
        observe::observe_reply(body)
    }
}

impl ScannedChat for scan::Scan {
    fn decode(&self, body: &[u8]) -> Result<Conversation, RequestError> {
        let (call, decoded) = decode::decode_request(body)?;
        self.decoded.get_or_init(|| decoded);
        Ok(call)
    }

    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError> {
        fees::fees(call)
    }

    fn observer(&self) -> Box<dyn Observer> {
        Box::new(observe::StreamObserver::default())
    }

    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes {
        let names = &self.decoded.get_or_init(decode::Decoded::default).names;
        encode_reply::encode_reply(reply, context, &self.repeated, names).into()
    }

    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder> {
        let names = Arc::clone(&self.decoded.get_or_init(decode::Decoded::default).names);
        Box::new(encode_stream::Encoder::new(context, self.repeated.clone(), names))
    }
}

impl Egress for OpenAiResponses {
    fn path(&self, _: &str, _: bool) -> Result<Cow<'static, str>, RequestError> {
        Ok(Cow::Borrowed("/responses"))
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
        openai_error::refused(status, headers, body)
    }

    fn has_fee(&self, model: &str) -> bool {
        openai_models::searches(model)
    }

    fn addressed_fees(&self, _: &Value) -> Result<CostFacts, RequestError> {
        Err(RequestError::unknown_fee(Field::Addressed { to: Dialect::OpenAiResponses, name: String::new() }))
    }
}
