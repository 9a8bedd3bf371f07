//! Encodes a request for a provider, as a batch.

use serde::Serialize;
use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingContent};
use tt_core::call::field::{EmbeddingField, Field};
use tt_core::call::part::{Part as Said, Text};

use crate::dialect::gemini::path::named;
use crate::error::RequestError;
use crate::notes::Notes;

/// The most requests that Gemini takes in a batch.
const MOST_REQUESTS: usize = 100;

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

/// Encodes `call` for `model`.
///
/// # Errors
/// `Unsupported` for inputs that are no text, and for more inputs than a batch has.
pub(super) fn encode_request(call: &EmbeddingCall, model: &str) -> Result<(Vec<u8>, Notes), RequestError> {
    if call.inputs.len() > MOST_REQUESTS {
        let reason = format!("Gemini takes at most {MOST_REQUESTS} inputs in a request");
        return Err(RequestError::unsupported(Field::Embeddings(EmbeddingField::Inputs), reason));
    }
    let model = named(model);
    let mut requests = Vec::with_capacity(call.inputs.len());
    for (input, one) in call.inputs.iter().enumerate() {
        let parts = match &one.content {
            EmbeddingContent::Text(text) => vec![Part { text }],
            EmbeddingContent::Parts(parts) => texts(parts, input)?,
            EmbeddingContent::Tokens(_) => {
                let reason = "Gemini takes texts, and no ids of tokens: send the text";
                return Err(RequestError::unsupported(Field::Embeddings(EmbeddingField::Input(input)), reason));
            }
        };
        requests.push(Request { model: &model, content: Content { parts }, output_dimensionality: one.dimensions });
    }
    let mut notes = Notes::default();
    if call.end_user.is_some() {
        notes.dropped(Field::EndUser, "");
    }
    for name in call.extra.foreign_to(Dialect::Gemini) {
        notes.dropped(Field::written(name), "it belongs to another API");
    }
    let body = serde_json::to_vec(&Batch { requests });
    Ok((body.map_err(|error| RequestError::InvalidJson { reason: error.to_string() })?, notes))
}

fn texts(parts: &[Said], input: usize) -> Result<Vec<Part<'_>>, RequestError> {
    let mut texts = Vec::with_capacity(parts.len());
    for (part, said) in parts.iter().enumerate() {
        let Said::Text(Text { text, .. }) = said else {
            let field = Field::Embeddings(EmbeddingField::Part { input, part });
            return Err(RequestError::unsupported(field, "only texts are translated"));
        };
        texts.push(Part { text });
    }
    Ok(texts)
}
