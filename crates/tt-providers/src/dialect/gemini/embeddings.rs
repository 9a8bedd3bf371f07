//! Gemini [`embedContent` and `batchEmbedContents`](https://ai.google.dev/api/embeddings), for clients and for providers,
//! which are always asked for a batch.

use std::borrow::Cow;

use bytes::Bytes;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingReply};
use tt_core::call::field::{EmbeddingField, Field};

use super::path;
use crate::codec::{
    EmbeddingsTranslation, EncodedEmbeddings, Facts, ReplyContext, ReplyFacts, Scanned, ScannedEmbeddings,
};
use crate::error::RequestError;
use crate::slices::Slices;
use crate::upstream::error::UpstreamError;

mod decode;
mod encode;
mod reply;
mod scan;

use self::decode::DIMENSIONS;
pub(super) use self::scan::Scan;

/// The translation of requests from clients of other dialects.
#[derive(Debug)]
pub(super) struct Embeddings;

impl Scanned for Scan {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn field(&self, field: &Field) -> Option<String> {
        let at =
            |input: usize, rest: &str| if self.batch() { format!("requests[{input}].{rest}") } else { rest.to_owned() };
        match field {
            Field::Embeddings(EmbeddingField::Inputs) | Field::Messages if self.batch() => Some("requests".to_owned()),
            Field::Embeddings(EmbeddingField::Inputs) | Field::Messages => Some("content".to_owned()),
            Field::Embeddings(EmbeddingField::Input(input)) => Some(at(*input, "content")),
            Field::Embeddings(EmbeddingField::Part { input, part }) => {
                Some(at(*input, &format!("content.parts[{part}]")))
            }
            Field::Embeddings(EmbeddingField::Dimensions(input)) => Some(at(*input, DIMENSIONS)),
            _ => None,
        }
    }

    fn path(&self, model: &str) -> Result<Option<Cow<'static, str>>, RequestError> {
        path::path(model, self.method).map(Some)
    }

    fn splice(&self, body: &Bytes, model: &str, _: Option<u64>) -> Slices {
        self.splice(body, model)
    }

    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
        reply::observe(body)
    }
}

impl ScannedEmbeddings for Scan {
    fn decode(&self, body: &[u8]) -> Result<EmbeddingCall, RequestError> {
        decode::decode_request(body, &self.facts, self.batch())
    }

    fn needs_usage(&self) -> bool {
        false
    }

    fn encode_reply(&self, reply: &EmbeddingReply, _: &ReplyContext) -> Bytes {
        reply::encode(reply, self.batch()).into()
    }
}

impl EmbeddingsTranslation for Embeddings {
    fn encode(&self, call: &EmbeddingCall, model: &str) -> Result<EncodedEmbeddings, RequestError> {
        let path = path::path(model, path::Method::BatchEmbed)?;
        let (body, notes) = encode::encode_request(call, model)?;
        Ok(EncodedEmbeddings { path, body, notes })
    }

    fn decode_reply(&self, body: &[u8], inputs: usize) -> Result<EmbeddingReply, UpstreamError> {
        reply::decode(body, inputs)
    }
}
