//! Encodes a request for a provider.

use serde::Serialize;
use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingContent};
use tt_core::call::field::{EmbeddingField, Field};
use tt_core::call::part::{Part, Text};

use crate::error::RequestError;
use crate::notes::Notes;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<Input<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Text(&'a str),
    Joined(String),
    Tokens(&'a [u32]),
}

/// Encodes `call` for `model`. Vectors are asked for in base64, which is a third of their numbers' length; an answer that
/// has numbers all the same is read too.
///
/// # Errors
/// `Unsupported` for inputs that are no text, and for inputs that ask for different numbers of dimensions.
pub(super) fn encode_request(call: &EmbeddingCall, model: &str) -> Result<(Vec<u8>, Notes), RequestError> {
    let mut notes = Notes::default();
    let dimensions = call.inputs.first().and_then(|input| input.dimensions);
    if let Some(other) = call.inputs.iter().position(|input| input.dimensions != dimensions) {
        let reason = "all inputs of one request get as many dimensions";
        return Err(RequestError::unsupported(Field::Embeddings(EmbeddingField::Dimensions(other)), reason));
    }
    let mut input = Vec::with_capacity(call.inputs.len());
    for (at, one) in call.inputs.iter().enumerate() {
        input.push(match &one.content {
            EmbeddingContent::Text(text) => Input::Text(text),
            EmbeddingContent::Tokens(ids) => Input::Tokens(ids),
            EmbeddingContent::Parts(parts) => Input::Joined(joined(parts, at, &mut notes)?),
        });
    }
    for name in call.extra.foreign_to(Dialect::OpenAiEmbeddings) {
        notes.dropped(Field::written(name), "it belongs to another API");
    }
    let user = call.end_user.as_deref();
    let request = Request { model, input, dimensions, encoding_format: "base64", user };
    let body = serde_json::to_vec(&request).map_err(|error| RequestError::InvalidJson { reason: error.to_string() })?;
    Ok((body, notes))
}

/// The texts of one input as one text.
fn joined(parts: &[Part], input: usize, notes: &mut Notes) -> Result<String, RequestError> {
    let mut texts = Vec::with_capacity(parts.len());
    for (part, said) in parts.iter().enumerate() {
        let Part::Text(Text { text, .. }) = said else {
            let field = Field::Embeddings(EmbeddingField::Part { input, part });
            return Err(RequestError::unsupported(field, "it embeds text only"));
        };
        texts.push(text.as_str());
    }
    if texts.len() > 1 {
        let why = "its texts are sent as one, with line breaks between them";
        notes.changed(Field::Embeddings(EmbeddingField::Input(input)), why);
    }
    Ok(texts.join("\n"))
}
