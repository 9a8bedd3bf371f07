//! Decodes a client's request (`MAPPING.md`, Clients of Gemini).
//!
//! The body is read piece by piece as text. Only values that the neutral form keeps as values, such as schemas, are
//! held as such.

mod config;
mod contents;
mod left_over;
mod lowered;
mod tools;

use tt_core::Dialect;
use tt_core::call::conversation::{CachePlan, Conversation, Image, Part, State, StateField};
use tt_core::call::extra::Extra;

pub(super) use self::contents::{inline, stored};
use self::left_over::keep;
use super::node::Node;
use super::path::{COUNTED, Method};
use super::places::Places;
use crate::codec::Facts;
use crate::dialect::body::JsonText;
use crate::dialect::object::Path;
use crate::dialect::unread::Unread;
use crate::error::RequestError;

/// The fields that are read.
const KNOWN: [&str; 10] = [
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "serviceTier",
    "store",
];

/// The fields that codecs of other dialects know by name. They leave them out with a note, or refuse those without which
/// an answer means something else.
pub(super) const HARMLESS: [&str; 8] = [
    "labels",
    "toolConfig.includeServerSideToolInvocations",
    "toolConfig.retrievalConfig",
    "generationConfig.enableEnhancedCivicAnswers",
    "generationConfig.imageConfig",
    "generationConfig.responseModalities",
    "generationConfig.responseMimeType",
    "generationConfig.speechConfig",
];

/// Decodes the request that the scan has read: `facts` has what stands in the path.
///
/// # Errors
/// `InvalidJson`, `Missing` and `Malformed`, which name the field (`contents[0].parts[1].inlineData.mimeType`).
pub(super) fn decode_request(
    body: &[u8],
    facts: &Facts,
    method: Method,
) -> Result<(Conversation, Places), RequestError> {
    let body: JsonText<'_> =
        serde_json::from_slice(body).map_err(|error| RequestError::InvalidJson { reason: error.to_string() })?;
    let body = Node::of(body, Path::Root)?;
    match if method == Method::CountTokens { body.object(COUNTED)? } else { None } {
        Some(counted) => conversation(&counted, facts),
        None => conversation(&body, facts),
    }
}

fn conversation(body: &Node<'_, '_>, facts: &Facts) -> Result<(Conversation, Places), RequestError> {
    let mut places = Places::default();
    let mut extra = Extra { of: Some(Dialect::Gemini), harmless: &HARMLESS, ..Extra::default() };
    for (name, value) in body.others(&KNOWN) {
        keep(&mut extra, name.to_owned(), value);
    }
    let mut unread = Unread::default();
    let tools = tools::tools(body, &mut places.tools, &mut unread)?;
    extra.in_tools = unread.paths();
    let tool_choice = tools::choice(body, &mut extra)?;
    let mut messages = contents::messages(body, &mut places.messages)?;
    let config = config::config(body, &mut extra)?;
    places.answer_schema = config.schema_field;
    if let Some(detail) = config.detail {
        let parts = messages.iter_mut().flat_map(|message| &mut message.parts);
        for part in parts {
            if let Part::Image(Image { detail: own @ None, .. }) = part {
                *own = Some(detail.to_owned());
            }
        }
    }
    let call = Conversation {
        model: facts.model.clone(),
        messages,
        tools,
        tool_choice,
        parallel_tool_calls: None,
        format: config.format,
        sampling: config.sampling,
        thinking: config.thinking,
        cache: CachePlan::default(),
        state: state(body)?,
        end_user: None,
        service_tier: tier(body)?,
        stream: facts.stream,
        audio_output: config.audio_output,
        extra,
    };
    Ok((call, places))
}

fn state(body: &Node<'_, '_>) -> Result<State, RequestError> {
    let mut fields = Vec::new();
    for (field, name) in [(StateField::CachedContent, "cachedContent"), (StateField::SafetySettings, "safetySettings")]
    {
        let value = body.value(name)?.filter(|value| value.as_array().is_none_or(|list| !list.is_empty()));
        fields.extend(value.map(|value| (field, value)));
    }
    let of = (!fields.is_empty()).then_some(Dialect::Gemini);
    Ok(State { of, store: body.flag("store")?, fields })
}

/// The processing tier in OpenAI's words.
fn tier(body: &Node<'_, '_>) -> Result<Option<String>, RequestError> {
    Ok(body.string("serviceTier")?.and_then(|written| tier_word(&written)).map(|tier| match tier.as_str() {
        "standard" => "default".to_owned(),
        _ => tier,
    }))
}

/// Gemini's word for a processing tier, which clients may also write as the constant of its protocol
/// (`SERVICE_TIER_FLEX`); `None` for the one that leaves the choice open.
pub(super) fn tier_word(written: &str) -> Option<String> {
    let word = written.to_ascii_lowercase();
    let word = word.strip_prefix("service_tier_").unwrap_or(&word);
    (word != "unspecified").then(|| word.to_owned())
}
