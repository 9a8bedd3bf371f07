//! Decodes a client's request.

use tt_core::Dialect;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingContent, EmbeddingInput};
use tt_core::call::extra::Extra;
use tt_core::call::part::{Part, Text};

use crate::codec::Facts;
use crate::dialect::body::JsonText;
use crate::dialect::gemini::decode::{inline, stored};
use crate::dialect::gemini::node::{Node, spells};
use crate::dialect::object::Path;
use crate::dialect::vector::MOST_INPUTS;
use crate::error::RequestError;
use crate::json;

/// The number of dimensions, which stands in the request or in its settings.
pub(super) const DIMENSIONS: &str = "outputDimensionality";

/// The settings of a request, in their newer place.
const CONFIG: &str = "embedContentConfig";

/// The fields that no other provider has, and without which a vector is still one of its input: each as it is noted, for
/// a request alone and in a batch.
const HARMLESS: [&str; 14] = [
    "taskType",
    "title",
    "embedContentConfig.taskType",
    "embedContentConfig.title",
    "embedContentConfig.autoTruncate",
    "embedContentConfig.documentOcr",
    "embedContentConfig.audioTrackExtraction",
    "requests[].taskType",
    "requests[].title",
    "requests[].embedContentConfig.taskType",
    "requests[].embedContentConfig.title",
    "requests[].embedContentConfig.autoTruncate",
    "requests[].embedContentConfig.documentOcr",
    "requests[].embedContentConfig.audioTrackExtraction",
];

/// Decodes the request that the scan has read.
///
/// # Errors
/// `InvalidJson`, `Missing` and `Malformed`, which name the field (`requests[1].content.parts[0].text`).
pub(super) fn decode_request(body: &[u8], facts: &Facts, batch: bool) -> Result<EmbeddingCall, RequestError> {
    let body: JsonText<'_> =
        serde_json::from_slice(body).map_err(|error| RequestError::InvalidJson { reason: error.to_string() })?;
    let body = Node::of(body, Path::Root)?;
    let mut extra = Extra { of: Some(Dialect::Gemini), harmless: &HARMLESS, ..Extra::default() };
    let mut inputs = Vec::new();
    if batch {
        let (requests, path) = (body.objects("requests")?, body.at("requests"));
        if requests.is_empty() {
            return Err(path.missing());
        }
        if requests.len() > MOST_INPUTS {
            return Err(path.malformed(format!("must have at most {MOST_INPUTS} elements")));
        }
        inputs.reserve_exact(requests.len());
        for (i, request) in requests.into_iter().enumerate() {
            inputs.push(input(&Node::of(request, path.index(i))?, "requests[].", &mut extra)?);
        }
        keep(&body, &["requests", "model"], "", &mut extra);
    } else {
        inputs.push(input(&body, "", &mut extra)?);
    }
    Ok(EmbeddingCall { model: facts.model.clone(), inputs, end_user: None, extra })
}

fn input(request: &Node<'_, '_>, place: &str, extra: &mut Extra) -> Result<EmbeddingInput, RequestError> {
    let content = request.object("content")?.ok_or_else(|| request.at("content").missing())?;
    content.string("role")?;
    let mut dimensions = request.count(DIMENSIONS)?;
    keep(request, &["model", "content", DIMENSIONS, CONFIG], place, extra);
    if let Some(config) = request.object(CONFIG)? {
        dimensions = config.count(DIMENSIONS)?.or(dimensions);
        keep(&config, &[DIMENSIONS], &format!("{place}{CONFIG}."), extra);
    }
    // Google reads 0 as no number.
    Ok(EmbeddingInput { content: contents(&content)?, dimensions: dimensions.filter(|number| *number > 0) })
}

fn contents(content: &Node<'_, '_>) -> Result<EmbeddingContent, RequestError> {
    let (items, path) = (content.objects("parts")?, content.at("parts"));
    let mut parts = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        parts.push(part(&Node::of(item, path.index(i))?)?);
    }
    match parts.pop() {
        None => Err(path.missing()),
        Some(Part::Text(Text { text, .. })) if parts.is_empty() => Ok(EmbeddingContent::Text(text)),
        Some(last) => {
            parts.push(last);
            Ok(EmbeddingContent::Parts(parts))
        }
    }
}

fn part(part: &Node<'_, '_>) -> Result<Part, RequestError> {
    if let Some(blob) = part.object("inlineData")? {
        return inline(&blob, part, None);
    }
    if let Some(file) = part.object("fileData")? {
        return stored(&file, part);
    }
    let text = part.string("text")?;
    text.map(Part::text).ok_or_else(|| part.path.malformed("must hold text, inlineData or fileData"))
}

/// Keeps the fields of `node` that are not among `known`, each under its name behind `place`.
fn keep(node: &Node<'_, '_>, known: &[&str], place: &str, extra: &mut Extra) {
    for (name, value) in node.others(known) {
        let spelled = |known: &&&str| known.strip_prefix(place).is_some_and(|known| spells(name, known));
        let name = HARMLESS.iter().find(spelled).map_or_else(|| format!("{place}{name}"), |known| (*known).to_owned());
        if !extra.fields.contains_key(&name) {
            extra.fields.insert(name, json::value(value.get().as_bytes()).unwrap_or_default());
        }
    }
}
