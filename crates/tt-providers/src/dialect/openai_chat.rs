//! OpenAI Chat Completions, for clients and for providers (OpenAI and the hosts that speak its dialect).

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation};
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;

use crate::codec::{
    Codec, CostFacts, Egress, Encoded, Facts, Head, Ingress, Observer, PublicError, ReplyContext, ReplyFacts, Scanned,
    ScannedChat, ScannedRequest, StreamDecoder, StreamEncoder, Target, Translation, Undo,
};
use crate::dialect::{openai_error as error, openai_models};
use crate::error::RequestError;
use crate::slices::Slices;
use crate::upstream::error::{Refused, UpstreamError};

mod citation;
mod fees;
mod field;
mod names;
pub mod observe;
pub mod reply;
mod reply_text;
pub mod request;
pub mod scan;
pub mod stream;
mod text_signatures;
pub mod usage;
mod wire;

/// The codec of Chat Completions, with both sides.
pub(crate) const CODEC: Codec =
    Codec { ingress: Some(&OpenAiChat), egress: &OpenAiChat, translation: Some(&OpenAiChat), embeddings: None };

/// The implementation of both sides.
#[derive(Debug)]
struct OpenAiChat;

impl Ingress for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn scan(&self, _: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError> {
        Ok(ScannedRequest::Chat(Box::new(scan::Scan::of(body)?)))
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

    fn field(&self, field: &Field) -> Option<String> {
        match field {
            Field::MaxOutput if self.legacy_limit => Some("max_tokens".to_owned()),
            Field::CacheMarks if self.breakpoints.get() == Some(&true) => Some("prompt_cache_breakpoint".to_owned()),
            _ => None,
        }
    }

    fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices {
        self.splice(body, model, cap)
    }

    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
        observe::observe_reply(body)
    }
}

impl ScannedChat for scan::Scan {
    fn decode(&self, body: &[u8]) -> Result<Conversation, RequestError> {
        let call = request::decode_request(body)?;
        // OpenAI's own marks have times of their own.
        let own = |time| matches!(time, CacheTtl::ThirtyMinutes | CacheTtl::TwelveHours);
        self.breakpoints.get_or_init(|| call.cache_marks().all(own));
        Ok(call)
    }

    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError> {
        fees::fees(call)
    }

    fn observer(&self) -> Box<dyn Observer> {
        Box::new(observe::StreamObserver::new(self.include_usage == Some(true)))
    }

    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes {
        reply::encode_reply(reply, &self.reply_options(context)).into()
    }

    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(self.reply_options(&context)))
    }
}

impl scan::Scan {
    fn reply_options(&self, context: &ReplyContext) -> reply::EncodeOptions {
        reply::EncodeOptions {
            created: context.created,
            fallback_id: context.id.simple().to_string(),
            fallback_model: context.model.clone(),
            include_usage: self.include_usage == Some(true),
            legacy_functions: self.legacy_functions,
            service_tier: self.facts.service_tier.is_some(),
        }
    }
}

impl Egress for OpenAiChat {
    fn path(&self, _: &str, _: bool) -> Result<Cow<'static, str>, RequestError> {
        Ok(Cow::Borrowed("/chat/completions"))
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
        error::refused(status, headers, body)
    }

    fn has_fee(&self, model: &str) -> bool {
        openai_models::searches(model)
    }

    fn addressed_fees(&self, _: &Value) -> Result<CostFacts, RequestError> {
        Err(RequestError::unknown_fee(Field::Addressed { to: Dialect::OpenAiChat, name: String::new() }))
    }
}

impl Translation for OpenAiChat {
    fn encode(&self, call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
        request::encode_request(call, target)
    }

    fn searches(&self, call: &Conversation, target: Target<'_>) -> bool {
        request::search::translated(call, target).sent.is_some()
    }

    fn decode_reply(&self, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
        reply::decode_reply(body, undo)
    }

    fn stream_decoder(&self, undo: Undo) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(undo))
    }
}
