//! Decodes a client's request.

use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingContent, EmbeddingInput};
use tt_core::call::extra::Extra;

use crate::codec::Facts;
use crate::dialect::body::{Fields, JsonText, malformed, missing, optional};
use crate::dialect::elements::each;
use crate::dialect::vector::MOST_INPUTS;
use crate::error::RequestError;
use crate::json;

/// The fields that are read.
const KNOWN: [&str; 5] = ["model", "input", "encoding_format", "dimensions", "user"];

/// Decodes the request that the scan has read.
///
/// # Errors
/// `InvalidJson`, `Missing` and `Malformed`, which name the field (`input[1]`).
pub(super) fn decode_request(body: &[u8], facts: &Facts) -> Result<EmbeddingCall, RequestError> {
    let text = std::str::from_utf8(body).map_err(|error| RequestError::InvalidJson { reason: error.to_string() })?;
    let fields = Fields::of(text, "", &[])?;
    let format: Option<String> =
        optional(fields.value("encoding_format"), "encoding_format", "must be float or base64")?;
    if !matches!(format.as_deref(), None | Some("float" | "base64")) {
        return Err(malformed("encoding_format", "must be float or base64"));
    }
    let dimensions: Option<u64> = optional(fields.value("dimensions"), "dimensions", "must be a whole number above 0")?;
    if dimensions == Some(0) {
        return Err(malformed("dimensions", "must be a whole number above 0"));
    }
    let input = fields.value("input").ok_or_else(|| missing("input"))?;
    let input_of = |content| EmbeddingInput { content, dimensions };
    let mut extra = Extra { of: Some(Dialect::OpenAiEmbeddings), ..Extra::default() };
    for (name, value) in fields.entries().filter(|(name, _)| !KNOWN.contains(name)) {
        extra.fields.insert(name.to_owned(), json::value(value.get().as_bytes()).unwrap_or_default());
    }
    Ok(EmbeddingCall {
        model: facts.model.clone(),
        inputs: contents(input)?.into_iter().map(input_of).collect(),
        end_user: optional(fields.value("user"), "user", "must be a string")?,
        extra,
    })
}

/// The contents of `input`: a text, texts, a text in tokens, or several of those.
fn contents(input: JsonText<'_>) -> Result<Vec<EmbeddingContent>, RequestError> {
    let wrong =
        || malformed("input", "must be a string, a list of strings, a list of token ids, or a list of such lists");
    if input.get().starts_with('"') {
        return Ok(vec![EmbeddingContent::Text(text(input, "input")?)]);
    }
    let (mut count, mut tokens) = (0, false);
    let counted = each(input.get(), |element: JsonText<'_>| {
        if count == 0 {
            tokens = element.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
        }
        count += 1;
        Ok(())
    });
    counted.map_err(|_| wrong())?;
    if count == 0 {
        return Err(malformed("input", "must not be empty"));
    }
    if tokens {
        return Ok(vec![EmbeddingContent::Tokens(ids(input, "input")?)]);
    }
    if count > MOST_INPUTS {
        return Err(malformed("input", &format!("must have at most {MOST_INPUTS} elements")));
    }
    let (mut contents, mut fault) = (Vec::with_capacity(count), None);
    let read = each(input.get(), |element: JsonText<'_>| {
        if fault.is_none() {
            match content(element, contents.len()) {
                Ok(content) => contents.push(content),
                Err(error) => fault = Some(error),
            }
        }
        Ok(())
    });
    read.map_err(|_| wrong())?;
    fault.map_or(Ok(contents), Err)
}

fn content(element: JsonText<'_>, at: usize) -> Result<EmbeddingContent, RequestError> {
    let path = format!("input[{at}]");
    if element.get().starts_with('"') {
        return text(element, &path).map(EmbeddingContent::Text);
    }
    if element.get().starts_with('[') {
        return ids(element, &path).map(EmbeddingContent::Tokens);
    }
    Err(malformed(&path, "must be a string or a list of token ids"))
}

fn text(raw: JsonText<'_>, path: &str) -> Result<String, RequestError> {
    raw.read::<String>().map_err(|_| malformed(path, "must be a string"))
}

fn ids(list: JsonText<'_>, path: &str) -> Result<Vec<u32>, RequestError> {
    let ids: Vec<u32> = serde_json::from_str(list.get()).map_err(|_| malformed(path, "must hold token ids only"))?;
    if ids.is_empty() { Err(malformed(path, "must not be empty")) } else { Ok(ids) }
}
