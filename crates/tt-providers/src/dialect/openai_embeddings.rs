//! OpenAI Embeddings, for clients and for providers (OpenAI and the hosts that speak its dialect).
//!
//! Source: [platform.openai.com](https://platform.openai.com/docs/api-reference/embeddings).

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingReply};
use tt_core::call::field::{EmbeddingField, Field};

use super::openai_error;
use crate::codec::{
    Codec, CostFacts, Egress, EmbeddingsTranslation, EncodedEmbeddings, Facts, Head, Ingress, PublicError,
    ReplyContext, ReplyFacts, Scanned, ScannedEmbeddings, ScannedRequest,
};
use crate::error::RequestError;
use crate::slices::Slices;
use crate::upstream::error::{Refused, UpstreamError};

mod decode;
mod encode;
mod reply;
mod scan;

/// The codec of Embeddings, with both sides.
pub(crate) const CODEC: Codec = Codec {
    ingress: Some(&OpenAiEmbeddings),
    egress: &OpenAiEmbeddings,
    translation: None,
    embeddings: Some(&OpenAiEmbeddings),
};

/// The path of the call.
const PATH: Cow<'static, str> = Cow::Borrowed("/embeddings");

/// The implementation of both sides.
#[derive(Debug)]
struct OpenAiEmbeddings;

impl Ingress for OpenAiEmbeddings {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiEmbeddings
    }

    fn scan(&self, _: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError> {
        Ok(ScannedRequest::Embeddings(Box::new(scan::Scan::of(body)?)))
    }

    fn encode_error(&self, error: &PublicError<'_>) -> Bytes {
        openai_error::encode(error).into()
    }

    fn field(&self, field: &Field) -> String {
        match field {
            Field::Written(name) => name.clone(),
            Field::Model => "model".into(),
            Field::EndUser => "user".into(),
            Field::Embeddings(EmbeddingField::Input(input) | EmbeddingField::Part { input, .. }) => {
                format!("input[{input}]")
            }
            Field::Embeddings(EmbeddingField::Dimensions(_)) => "dimensions".into(),
            // The request has nothing else to read.
            _ => "input".into(),
        }
    }
}

impl Scanned for scan::Scan {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn field(&self, field: &Field) -> Option<String> {
        let alone = matches!(field, Field::Embeddings(EmbeddingField::Input(_) | EmbeddingField::Part { .. }));
        (alone && self.one_input).then(|| "input".to_owned())
    }

    fn splice(&self, body: &Bytes, model: &str, _: Option<u64>) -> Slices {
        self.splice(body, model)
    }

    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
        reply::observe(body)
    }
}

impl ScannedEmbeddings for scan::Scan {
    fn decode(&self, body: &[u8]) -> Result<EmbeddingCall, RequestError> {
        decode::decode_request(body, &self.facts)
    }

    fn needs_usage(&self) -> bool {
        true
    }

    fn encode_reply(&self, reply: &EmbeddingReply, context: &ReplyContext) -> Bytes {
        reply::encode(reply, self.base64, context).into()
    }
}

impl Egress for OpenAiEmbeddings {
    fn path(&self, _: &str, _: bool) -> Result<Cow<'static, str>, RequestError> {
        Ok(PATH)
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
        openai_error::refused(status, headers, body)
    }

    fn has_fee(&self, _: &str) -> bool {
        false
    }

    fn addressed_fees(&self, _: &Value) -> Result<CostFacts, RequestError> {
        Err(RequestError::unknown_fee(Field::Addressed { to: Dialect::OpenAiEmbeddings, name: String::new() }))
    }
}

impl EmbeddingsTranslation for OpenAiEmbeddings {
    fn encode(&self, call: &EmbeddingCall, model: &str) -> Result<EncodedEmbeddings, RequestError> {
        let (body, notes) = encode::encode_request(call, model)?;
        Ok(EncodedEmbeddings { path: PATH, body, notes })
    }

    fn decode_reply(&self, body: &[u8], inputs: usize) -> Result<EmbeddingReply, UpstreamError> {
        reply::decode(body, inputs)
    }
}
