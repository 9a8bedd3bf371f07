//! Encodes one part of a message as a content block (`MAPPING.md`, Content parts).

use std::borrow::Cow;

use serde_json::value::RawValue;
use tt_core::call::conversation::{
    CacheTtl, Document, Image, Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult,
};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

use super::super::foreign;
use super::tools::Names;
use super::wire::{Block, CacheControl, Citations, Content, Input, Source};
use crate::dialect::hashed::hashed;
use crate::dialect::media_type::{by_extension, essence};
use crate::dialect::text_document;
use crate::error::RequestError;
use crate::notes::Notes;

/// A text block; `None` for a text of white space only, which Anthropic refuses ("text content blocks must be
/// non-empty", "… must contain non-whitespace text").
pub(super) fn text(text: &str, cache: Option<CacheTtl>) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| Block::Text { text: Cow::Borrowed(text), cache_control: cache.map(Into::into) })
}

/// Encodes a text part. Its signature is left out: Anthropic does not sign text, so another provider made it.
pub(super) fn said<'a>(part: &'a Text, notes: &mut Notes) -> Option<Block<'a>> {
    if part.signature.is_some() {
        notes.dropped(Field::Signatures, "only the provider that made it can read it");
    }
    if !part.citations.is_empty() {
        notes.dropped(Field::Citations, "");
    }
    text(&part.text, part.cache)
}

/// The id to send, unless it has been given to an earlier call: the id itself if it is `[A-Za-z0-9_-]+`, else an alias.
/// Answers do not repeat ids of calls in the history, so the alias need not be undone.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(format!("call_{}", hashed(id).simple()))
    }
}

/// Encodes a call in the history, which is sent with the id `id`. The numbers are the index of its message, and its index
/// among the calls there.
pub(super) fn tool_use<'a>(
    call: &'a ToolCall,
    id: Cow<'a, str>,
    (message, number): (usize, usize),
    names: &mut Names,
) -> Result<Block<'a>, RequestError> {
    let input = if call.custom {
        Input::Custom { input: &call.arguments }
    } else if matches!(call.arguments.trim(), "" | "null") {
        Input::Empty {}
    } else {
        let refuse = || {
            RequestError::malformed(Field::Arguments { message, call: number }, "must be the JSON text of an object")
        };
        let raw: &RawValue = serde_json::from_str(&call.arguments).map_err(|_| refuse())?;
        if !raw.get().trim_start().starts_with('{') {
            return Err(refuse());
        }
        Input::Raw(raw)
    };
    Ok(Block::ToolUse { id, name: names.upstream(&call.name), input, cache_control: call.cache.map(Into::into) })
}

/// Encodes thinking in the history, if Anthropic signed it and the model can read it. Other thinking is left out.
pub(super) fn thinking<'a>(part: &'a Part, model: &str, notes: &mut Notes) -> Option<Block<'a>> {
    let block = match part {
        Part::Thinking(Thinking { text, signature: Some(signature), .. }) => {
            let signature = signature.for_model(Provider::Anthropic, model);
            signature.map(|signature| Block::Thinking { thinking: text, signature })
        }
        Part::Redacted { data, of } if of.signs_for(Provider::Anthropic, model) => {
            Some(Block::RedactedThinking { data })
        }
        _ => None,
    };
    if block.is_none() {
        notes.dropped(Field::Thinking, "Anthropic takes only thinking that it has signed for this model");
    }
    block
}

/// Encodes a block of Anthropic's own tools as it came; `None` for a block of another provider.
pub(super) fn as_it_came<'a>(
    part: &'a Opaque,
    at: &Field,
    notes: &mut Notes,
) -> Result<Option<Block<'a>>, RequestError> {
    if !foreign::keeps(part, (Dialect::AnthropicMessages, Provider::Anthropic), at, notes)? {
        return Ok(None);
    }
    let raw =
        serde_json::from_str(&part.raw).map_err(|_| RequestError::malformed(at.clone(), "the block is not JSON"))?;
    Ok(Some(Block::Opaque(raw)))
}

/// Encodes the result of a tool, in the message of that index, for the call that was sent with the id `id`. A cache mark on
/// a part inside the result moves to the result, which caches the same prefix.
pub(super) fn tool_result<'a>(
    result: &'a ToolResult,
    id: Cow<'a, str>,
    message: usize,
    notes: &mut Notes,
) -> Result<Block<'a>, RequestError> {
    let mut blocks = Vec::with_capacity(result.content.len());
    let mut cache_control = result.cache.map(CacheControl::from);
    for (index, part) in result.content.iter().enumerate() {
        if let Some(mut block) = user_part(part, &Field::Part { message, part: index }, notes)? {
            if let Some(hint) = block.cache_control().and_then(Option::take) {
                cache_control = cache_control.or(Some(hint));
            }
            blocks.push(block);
        }
    }
    let content = (!blocks.is_empty()).then_some(Content(blocks));
    Ok(Block::ToolResult { tool_use_id: id, content, is_error: result.is_error, cache_control })
}

/// Encodes a part of a user message or of a tool result; `None` if nothing of it is sent. `at` is the place of the
/// part.
pub(super) fn user_part<'a>(part: &'a Part, at: &Field, notes: &mut Notes) -> Result<Option<Block<'a>>, RequestError> {
    Ok(match part {
        Part::Text(part) => said(part, notes),
        Part::Refusal { text: words } => text(words, None),
        Part::Image(Image { media, detail, cache, .. }) => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                notes.dropped(Field::Detail, "");
            }
            Some(Block::Image { source: image(media, at)?, cache_control: cache.map(Into::into) })
        }
        Part::Document(Document { media, title, context, citations, cache }) => Some(Block::Document {
            source: document(media, at)?,
            title: title.as_deref().filter(|name| !name.is_empty()),
            context: context.as_deref(),
            citations: citations.then_some(Citations { enabled: true }),
            cache_control: cache.map(Into::into),
        }),
        Part::Audio(_) => return Err(RequestError::unsupported(at.clone(), "Anthropic takes no audio input")),
        Part::Video(_) => return Err(RequestError::unsupported(at.clone(), "Anthropic takes no films")),
        Part::Thinking(_) | Part::Redacted { .. } => {
            notes.dropped(Field::Thinking, "thinking is the assistant's alone");
            None
        }
        Part::Opaque(part) => as_it_came(part, at, notes)?,
        Part::WebSearch { .. } => None,
        Part::ToolCall(_) | Part::ToolResult(_) => {
            return Err(RequestError::malformed(at.clone(), "a tool call or result does not belong here"));
        }
    })
}

fn image<'a>(media: &'a Media, at: &Field) -> Result<Source<'a>, RequestError> {
    match media {
        Media::Inline { mime, data } => {
            let media_type = match essence(mime).as_str() {
                "image/jpeg" | "image/jpg" => "image/jpeg",
                "image/png" => "image/png",
                "image/gif" => "image/gif",
                "image/webp" => "image/webp",
                _ => {
                    return Err(RequestError::unsupported(
                        at.clone(),
                        "Anthropic takes JPEG, PNG, GIF and WebP images only",
                    ));
                }
            };
            Ok(Source::Base64 { media_type, data })
        }
        Media::Url { url, .. } => Ok(Source::Url { url }),
        Media::FileId { .. } => Err(foreign_file(at)),
        Media::Text(_) => Err(RequestError::unsupported(at.clone(), "a text is no picture")),
    }
}

fn document<'a>(media: &'a Media, at: &Field) -> Result<Source<'a>, RequestError> {
    match media {
        Media::Inline { mime, data } => {
            let mime = essence(mime);
            // `JVBERi0` is "%PDF-" in base64: clients often leave the media type out.
            if mime == "application/pdf" || (untyped(&mime) && data.starts_with("JVBERi0")) {
                return Ok(Source::Base64 { media_type: "application/pdf", data });
            }
            let Some(read) = text_document::text(&mime, data) else {
                return Err(RequestError::unsupported(at.clone(), "Anthropic takes PDF and text files only"));
            };
            let data = read.map_err(|reason| RequestError::malformed(at.clone(), reason))?;
            Ok(Source::Text { media_type: "text/plain", data: Cow::Owned(data) })
        }
        Media::Url { url, mime } => match mime.as_deref().or_else(|| by_extension(url)) {
            None | Some("application/pdf") => Ok(Source::Url { url }),
            Some(_) => Err(RequestError::unsupported(at.clone(), "Anthropic takes only PDF files by address")),
        },
        Media::FileId { .. } => Err(foreign_file(at)),
        Media::Text(text) => Ok(Source::Text { media_type: "text/plain", data: Cow::Borrowed(text) }),
    }
}

fn foreign_file(at: &Field) -> RequestError {
    RequestError::unsupported(at.clone(), "a file id is known to the provider that gave it only: send the data")
}

fn untyped(essence: &str) -> bool {
    essence.is_empty() || essence == "application/octet-stream"
}
