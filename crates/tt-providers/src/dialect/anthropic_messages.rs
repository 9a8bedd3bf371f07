//! Anthropic Messages, towards providers: a conversation becomes a request; answers, streams and errors become neutral.
//!
//! Sources: the official SDK's types (`anthropic` 2.12.0) and platform.claude.com/docs.

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::Value;
use tt_core::call::conversation::Conversation;
use tt_core::call::reply::Reply;

use crate::codec::{Codec, CostFacts, Egress, Encoded, StreamDecoder, Target, Undo};
use crate::error::RequestError;
use crate::upstream::error::{Refused, UpstreamError};

mod blocks;
mod error;
mod fees;
mod messages;
mod opaque;
mod reply;
mod request;
mod schema;
mod stream;
mod thinking;
mod tools;
mod usage;
mod wire;

/// The side of the provider.
pub(crate) const CODEC: Codec = Codec { ingress: None, egress: &AnthropicMessages };

/// The dialect.
#[derive(Debug)]
struct AnthropicMessages;

impl Egress for AnthropicMessages {
    fn path(&self, _: &str, _: bool) -> Result<Cow<'static, str>, RequestError> {
        Ok(Cow::Borrowed("/v1/messages"))
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
