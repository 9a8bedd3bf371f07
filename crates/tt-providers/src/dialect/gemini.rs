//! Gemini [`generateContent` and `streamGenerateContent`](https://ai.google.dev/api/generate-content), for clients and for
//! providers; [`embeddings`] has `embedContent` and `batchEmbedContents`.
//!
//! The path of a call, and not the body, holds the model and the choice between a whole answer and a stream.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;

use crate::codec::{
    Codec, CostFacts, Egress, Encoded, Facts, Framing, Head, Ingress, Observer, PublicError, ReplyContext, ReplyFacts,
    Scanned, ScannedChat, ScannedRequest, StreamDecoder, StreamEncoder, Target, TokenCount, Translation, Undo,
};
use crate::dialect::signatures;
use crate::error::RequestError;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::upstream::error::{Refused, UpstreamError};

mod addressed;
mod answer;
mod answer_stream;
mod call_ids;
mod carried;
mod contents;
mod decode;
mod elements;
mod embeddings;
mod error;
mod family;
mod fees;
mod field;
mod finish;
mod grounding;
mod logprobs;
mod media;
mod node;
mod observe;
mod parts;
mod path;
mod places;
mod reply;
mod request;
mod scan;
mod schema;
mod search;
mod sources;
mod stream;
mod tools;
mod usage;
mod wire;

use path::Method;

/// The codec of Gemini, with both sides.
pub(crate) const CODEC: Codec = Codec {
    ingress: Some(&Gemini),
    egress: &Gemini,
    translation: Some(&Gemini),
    embeddings: Some(&embeddings::Embeddings),
};

/// The implementation of both sides.
#[derive(Debug)]
struct Gemini;

impl Ingress for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn scan(&self, head: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError> {
        let called = scan::called(head)?;
        Ok(match called.method {
            Method::Generate | Method::Stream | Method::CountTokens => {
                ScannedRequest::Chat(Box::new(scan::Scan::of(called, body)?))
            }
            Method::Embed | Method::BatchEmbed => {
                ScannedRequest::Embeddings(Box::new(embeddings::Scan::of(called.model, called.method, body)?))
            }
        })
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
        self.places.get()?.name(field)
    }

    fn path(&self, model: &str) -> Result<Option<Cow<'static, str>>, RequestError> {
        path::path(model, self.method).map(Some)
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
        let (call, places) = decode::decode_request(body, &self.facts, self.method)?;
        self.places.get_or_init(|| places);
        Ok(call)
    }

    fn framing(&self) -> Framing {
        self.framing
    }

    fn count(&self) -> Option<&dyn TokenCount> {
        if self.method == Method::CountTokens { Some(&scan::Count) } else { None }
    }

    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError> {
        fees::fees(call)
    }

    fn observer(&self) -> Box<dyn Observer> {
        Box::new(observe::StreamObserver::new(self.framing))
    }

    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes {
        answer::encode_reply(reply, context).into()
    }

    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder> {
        Box::new(answer_stream::Encoder::new(context, self.framing))
    }
}

impl Egress for Gemini {
    fn path(&self, model: &str, stream: bool) -> Result<Cow<'static, str>, RequestError> {
        path::path(model, if stream { Method::Stream } else { Method::Generate })
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

impl Translation for Gemini {
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
