//! Requests for embeddings, and their answers, between two dialects.

use std::sync::Arc;

use bytes::Bytes;
use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingReply};

use super::{Answer, ClientRequest, Exchange, Way, only_for_its_own_clients};
use crate::codec::{ReplyContext, ScannedRequest};
use crate::dialect::codec;
use crate::error::RequestError;
use crate::json::decoded_bytes;
use crate::slices::Slices;

/// The memory that a character of a vector in base64 may take beside what [`decoded_bytes`] counts for it, which is two
/// bytes: 3/16 of a number, which takes 4 bytes and at most 16 as text, and three times that while the answer grows.
const FOR_EACH_CHARACTER: usize = 8;

impl Exchange {
    /// Writes `call` for a target that speaks `dialect`.
    pub(super) fn of_embeddings(
        request: &Arc<ClientRequest>,
        call: &EmbeddingCall,
        dialect: Dialect,
        context: ReplyContext,
    ) -> Result<Self, RequestError> {
        let translation = codec(dialect).embeddings.ok_or_else(only_for_its_own_clients)?;
        let encoded = translation.encode(call, &context.model)?;
        let notes = request.named(&encoded.notes, &context.model);
        let way = Way::Embeddings { translation, inputs: call.inputs.len(), context };
        Ok(Self { request: Arc::clone(request), path: encoded.path, body: Slices::from(encoded.body), notes, way })
    }

    /// Writes embeddings for the client, unless its dialect needs usage that `reply` lacks.
    pub fn embeddings(&self, reply: EmbeddingReply) -> Answer {
        let mut answer = Answer {
            served_model: Some(reply.model.clone()).filter(|model| !model.is_empty()),
            usage: reply.usage.clone(),
            ..Answer::default()
        };
        let (ScannedRequest::Embeddings(scanned), Way::Embeddings { context, .. }) = (&self.request.scanned, &self.way)
        else {
            return answer;
        };
        if reply.usage.is_none() && scanned.needs_usage() {
            answer.uncounted = Some(reply);
        } else {
            answer.body = scanned.encode_reply(&reply, context);
        }
        answer
    }

    /// The memory in bytes that the answer `body` takes at most while it is read and written for the client.
    pub fn answer_bytes(&self, body: &Bytes) -> usize {
        let written = match self.way {
            Way::PassThrough | Way::Translated { .. } => body.len(),
            Way::Embeddings { .. } => body.len().saturating_mul(FOR_EACH_CHARACTER),
        };
        decoded_bytes(body).saturating_add(written)
    }
}
