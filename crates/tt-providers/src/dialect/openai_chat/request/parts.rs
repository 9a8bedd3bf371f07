//! Decodes messages and their parts, for the history of requests and for answers.

use serde_json::Value;
use tt_core::Provider;
use tt_core::call::conversation::{
    Audio, CacheTtl, Document, Image, Media, Part, Signature, Text, ToolCall, ToolResult,
};

use super::super::citation;
use super::super::text_signatures::{self, GEMINI};
use crate::dialect::anthropic_fields::{cache_mark, thinking_block};
use crate::dialect::inline_media::{address, mime_of, plain_base64, strip_data_prefix};
use crate::dialect::object::{Object, Path, each};
use crate::dialect::order::{self, Place};
use crate::error::RequestError;

/// Reads `content`: a string, or a list of parts. `null` gives no parts.
pub(crate) fn content(value: Option<Value>, path: &Path<'_>) -> Result<Vec<Part>, RequestError> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => each(items, path, |item, _| part(item)),
        Some(_) => Err(path.malformed("must be a string or a list of parts")),
    }
}

fn part(mut part: Object<'_>) -> Result<Part, RequestError> {
    let kind = part.need_string("type")?;
    let cache = cache_hint(&mut part)?;
    Ok(match kind.as_str() {
        "text" => Part::Text(Text { text: part.need_string("text")?, cache, ..Text::default() }),
        "refusal" => Part::Refusal { text: part.need_string("refusal")? },
        // Mistral writes the thinking among the texts.
        "thinking" => {
            let pieces = content(part.take("thinking"), &part.at("thinking"))?;
            let texts = pieces.iter().filter_map(|piece| match piece {
                Part::Text(piece) => Some(piece.text.as_str()),
                _ => None,
            });
            Part::thinking(texts.collect::<String>())
        }
        "image_url" => {
            let mut image = Object::of(part.need("image_url")?, part.at("image_url"))?;
            let url = image.need_string("url")?;
            let detail = image.string("detail")?;
            Part::Image(Image { media: address(url, &image.at("url"))?, detail, cache, signature: None })
        }
        "input_audio" => {
            let mut audio = Object::of(part.need("input_audio")?, part.at("input_audio"))?;
            let data = audio.need_string("data")?;
            let data = match strip_data_prefix(&data) {
                Some((_, from)) => data.get(from..).unwrap_or_default().to_owned(),
                None => data,
            };
            let mime = format!("audio/{}", audio.need_string("format")?);
            Part::Audio(Audio::new(Media::Inline { mime, data: plain_base64(data) }))
        }
        "file" => {
            let mut file = Object::of(part.need("file")?, part.at("file"))?;
            let filename = file.string("filename")?;
            let media = match (file.string("file_id")?, file.string("file_data")?) {
                (Some(id), _) => Media::FileId { provider: Provider::OpenAi, id },
                (None, Some(data)) if data.starts_with("data:") => address(data, &file.at("file_data"))?,
                (None, Some(data)) => {
                    Media::Inline { mime: mime_of(filename.as_deref()).into(), data: plain_base64(data) }
                }
                (None, None) => return Err(file.at("file_data").missing()),
            };
            Part::Document(Document { title: filename, cache, ..Document::new(media) })
        }
        _ => {
            return Err(part.at("type").malformed("must be text, image_url, input_audio, file, thinking or refusal"));
        }
    })
}

/// Reads a cache mark: `cache_control` (Anthropic's field, accepted on parts, tools and messages) or
/// `prompt_cache_breakpoint`, whose time is 30 minutes where it names none.
pub(crate) fn cache_hint(owner: &mut Object<'_>) -> Result<Option<CacheTtl>, RequestError> {
    let mark = cache_mark(owner)?;
    let Some(breakpoint) = owner.take("prompt_cache_breakpoint") else { return Ok(mark) };
    let mut breakpoint = Object::of(breakpoint, owner.at("prompt_cache_breakpoint"))?;
    let own = match breakpoint.string("ttl")?.as_deref() {
        None | Some("30m") => CacheTtl::ThirtyMinutes,
        Some("12h") => CacheTtl::TwelveHours,
        Some(_) => return Err(breakpoint.at("ttl").malformed("must be 30m or 12h")),
    };
    Ok(mark.or(Some(own)))
}

/// Puts the cache mark of a message on its last part that can hold one and has none.
pub(crate) fn hint_last(parts: &mut [Part], hint: Option<CacheTtl>) {
    let slot = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text(Text { cache, .. })
        | Part::Image(Image { cache, .. })
        | Part::Document(Document { cache, .. })
        | Part::ToolCall(ToolCall { cache, .. })
        | Part::ToolResult(ToolResult { cache, .. }) => Some(cache),
        _ => None,
    });
    if let Some(slot) = slot
        && slot.is_none()
    {
        *slot = hint;
    }
}

/// Reads a message of the assistant: content, refusal and calls, with thinking where it stood. `legacy_id` is the id for a
/// `function_call`, which has none.
pub(crate) fn assistant(message: &mut Object<'_>, legacy_id: &str) -> Result<Vec<Part>, RequestError> {
    let blocks = thinking(message)?;
    let content_value = message.take("content");
    let mut said = content(content_value, &message.at("content"))?;
    let extra_content = message.take("extra_content").unwrap_or_default();
    if !text_signatures::sign(&mut said, &extra_content)
        && let Some(signature) = signature_in(&extra_content)
    {
        match said
            .iter_mut()
            .rev()
            .find_map(|part| if let Part::Text(text) = part { Some(&mut text.signature) } else { None })
        {
            Some(slot) => *slot = Some(signature),
            None => said.push(Part::Text(Text { signature: Some(signature), ..Text::default() })),
        }
    }
    citation::take(&mut message.fields, &mut said);
    let images = pictures(message);
    said.reserve_exact(images.len());
    said.extend(images);
    if let Some(text) = message.string("refusal")? {
        said.reserve_exact(1);
        said.push(Part::Refusal { text });
    }
    let list = message.list("tool_calls")?.unwrap_or_default();
    let path = message.at("tool_calls");
    // Histories are long: their parts take no more room than they need.
    let mut calls = Vec::with_capacity(list.len());
    for (i, call) in list.into_iter().enumerate() {
        calls.push(Part::ToolCall(tool_call(Object::of(call, path.index(i))?)?));
    }
    if let Some(call) = message.take("function_call") {
        let mut call = Object::of(call, message.at("function_call"))?;
        calls.reserve_exact(1);
        calls.push(Part::ToolCall(ToolCall {
            id: legacy_id.to_owned(),
            name: call.need_string("name")?,
            arguments: call.string("arguments")?.unwrap_or_default(),
            ..ToolCall::default()
        }));
    }
    Ok(order::restored(blocks, said, calls))
}

/// Takes the pictures of an earlier answer (`images`), with their signatures. A list in another form stays among the fields
/// left over: OpenAI has no such field, and hosts write it as they like.
fn pictures(message: &mut Object<'_>) -> Vec<Part> {
    let Some(Value::Array(list)) = message.fields.get("images") else { return Vec::new() };
    let read = |picture: &Value| {
        let url = picture.pointer("/image_url/url")?.as_str()?.to_owned();
        let media = address(url, &message.at("images")).ok()?;
        let signature = picture.get("extra_content").and_then(signature_in);
        Some(Part::Image(Image { media, detail: None, cache: None, signature }))
    };
    let Some(pictures) = list.iter().map(read).collect() else { return Vec::new() };
    message.fields.shift_remove("images");
    pictures
}

fn tool_call(mut call: Object<'_>) -> Result<ToolCall, RequestError> {
    let kind = call.string("type")?;
    let signature = google_signature(&mut call);
    let id = call.need_string("id")?;
    let (custom, field, text) = match kind.as_deref() {
        None | Some("function") => (false, "function", "arguments"),
        Some("custom") => (true, "custom", "input"),
        Some(_) => return Err(call.at("type").malformed("must be function or custom")),
    };
    let mut inner = Object::of(call.need(field)?, call.at(field))?;
    let name = inner.need_string("name")?;
    let arguments = inner.string(text)?.unwrap_or_default();
    Ok(ToolCall { id, name, arguments, custom, signature, ..ToolCall::default() })
}

/// Reads `thinking_blocks` (blocks of Anthropic, as they came), else `reasoning_content`, else `reasoning` (`MAPPING.md`,
/// Thinking and signatures).
fn thinking(message: &mut Object<'_>) -> Result<Vec<(Option<Place>, Part)>, RequestError> {
    let named = message.string("reasoning_content")?.filter(|text| !text.is_empty());
    // Some hosts call it `reasoning`, and some clients send it back under that name.
    let other = message.fields.get("reasoning").is_some_and(Value::is_string).then(|| message.string("reasoning"));
    let text = named.or(other.transpose()?.flatten());
    let blocks = message.list("thinking_blocks")?.unwrap_or_default();
    if blocks.is_empty() {
        return Ok(text.filter(|text| !text.is_empty()).map(|text| (None, Part::thinking(text))).into_iter().collect());
    }
    each(blocks, &message.at("thinking_blocks"), |block, _| Ok((Place::read(&block.fields), thinking_block(block)?)))
}

/// Takes `extra_content.google.thought_signature`, as Google's OpenAI endpoint writes it. Other fields of
/// `extra_content` are ignored.
fn google_signature(owner: &mut Object<'_>) -> Option<Signature> {
    signature_in(&owner.take("extra_content")?)
}

/// The signature in the value of an `extra_content`.
pub(crate) fn signature_in(extra_content: &Value) -> Option<Signature> {
    let value = extra_content.pointer("/google/thought_signature")?.as_str().filter(|value| !value.is_empty())?;
    Some(Signature { of: GEMINI, value: value.to_owned() })
}
