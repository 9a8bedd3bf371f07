//! Gemini [`generateContent` and `streamGenerateContent`](https://ai.google.dev/api/generate-content), for providers
//! only: encodes requests from the neutral form, and decodes answers, streams and errors to it.
//!
//! The path of a call, and not the body, holds the model and the choice between a whole answer and a stream.

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::Value;
use tt_core::call::conversation::Conversation;
use tt_core::call::reply::Reply;

use crate::codec::{Codec, CostFacts, Egress, Encoded, StreamDecoder, Target, Undo};
use crate::error::RequestError;
use crate::upstream::error::{Refused, UpstreamError};

mod addressed;
mod call_ids;
mod contents;
mod error;
mod family;
mod fees;
mod finish;
mod logprobs;
mod media;
mod parts;
mod path;
mod reply;
mod request;
mod schema;
mod stream;
mod tools;
mod usage;
mod wire;

/// The codec of Gemini. Clients of the dialect are not served yet.
pub(crate) const CODEC: Codec = Codec { ingress: None, egress: &Gemini };

/// The implementation of the side of the provider.
#[derive(Debug)]
struct Gemini;

impl Egress for Gemini {
    fn path(&self, model: &str, stream: bool) -> Result<Cow<'static, str>, RequestError> {
        path::path(model, stream)
    }

    fn encode(&self, call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
        request::encode_request(call, target)
    }

    fn decode_reply(&self, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
        reply::decode_reply(body, undo)
    }

    fn stream_decoder(&self, undo: Undo) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(undo))
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
