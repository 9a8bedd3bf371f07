//! Decodes the contents of messages and of results.

use serde_json::Value;
use tt_core::Provider;
use tt_core::call::conversation::{Audio, CacheTtl, Citation, Document, Image, Media, Part, Phase, Source, Text};

use crate::dialect::inline_media::{address, mime_of, plain_base64, strip_data_prefix};
use crate::dialect::object::{Object, Path, each};
use crate::error::RequestError;

/// Reads a content: a text, or a list of parts.
pub(super) fn content(value: Value, path: &Path<'_>) -> Result<Vec<Part>, RequestError> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(items) => each(items, path, |item, _| part(item)),
        _ => Err(path.malformed("must be a string or a list of parts")),
    }
}

/// Reads one part.
pub(super) fn part(mut part: Object<'_>) -> Result<Part, RequestError> {
    let cache = breakpoint(&mut part)?;
    Ok(match part.need_string("type")?.as_str() {
        "input_text" | "output_text" => Part::Text(Text {
            text: part.need_string("text")?,
            cache,
            citations: citations(part.take("annotations")),
            ..Text::default()
        }),
        "refusal" => Part::Refusal { text: part.need_string("refusal")? },
        "input_image" => {
            let detail = part.string("detail")?;
            let media = match (part.string("image_url")?, part.string("file_id")?) {
                (Some(url), _) => address(url, &part.at("image_url"))?,
                (None, Some(id)) => Media::FileId { provider: Provider::OpenAi, id },
                (None, None) => return Err(part.at("image_url").missing()),
            };
            Part::Image(Image { media, detail, cache, signature: None })
        }
        "input_file" => {
            let title = part.string("filename")?;
            let media = match (part.string("file_id")?, part.string("file_data")?, part.string("file_url")?) {
                (Some(id), _, _) => Media::FileId { provider: Provider::OpenAi, id },
                (None, Some(data), _) if data.starts_with("data:") => address(data, &part.at("file_data"))?,
                (None, Some(data), _) => {
                    Media::Inline { mime: mime_of(title.as_deref()).into(), data: plain_base64(data) }
                }
                (None, None, Some(url)) => address(url, &part.at("file_url"))?,
                (None, None, None) => return Err(part.at("file_data").missing()),
            };
            Part::Document(Document { title, cache, ..Document::new(media) })
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
        _ => {
            let known = "must be input_text, input_image, input_file, input_audio, output_text or refusal";
            return Err(part.at("type").malformed(known));
        }
    })
}

/// Takes the cache mark of a part.
fn breakpoint(part: &mut Object<'_>) -> Result<Option<CacheTtl>, RequestError> {
    let Some(value) = part.take("prompt_cache_breakpoint") else { return Ok(None) };
    let mut mark = Object::of(value, part.at("prompt_cache_breakpoint"))?;
    Ok(Some(if mark.string("ttl")?.as_deref() == Some("12h") {
        CacheTtl::TwelveHours
    } else {
        CacheTtl::ThirtyMinutes
    }))
}

/// The role of a text within the answer. A word that is not known says nothing.
pub(super) fn phase(item: &mut Object<'_>) -> Result<Option<Phase>, RequestError> {
    Ok(match item.string("phase")?.as_deref() {
        Some("commentary") => Some(Phase::Commentary),
        Some("final_answer") => Some(Phase::FinalAnswer),
        _ => None,
    })
}

/// The citations among annotations; those of a kind that the neutral form does not have are left out.
fn citations(annotations: Option<Value>) -> Vec<Citation> {
    let Some(Value::Array(list)) = annotations else { return Vec::new() };
    let mut citations: Vec<Citation> = list.iter().filter_map(citation).collect();
    citations.shrink_to_fit();
    citations
}

fn citation(annotation: &Value) -> Option<Citation> {
    let word = |name: &str| annotation.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| annotation.get(name).and_then(Value::as_u64);
    let source = match annotation.get("type")?.as_str()? {
        "url_citation" => Source::Url { url: word("url")?, title: word("title") },
        "file_citation" => Source::File { id: word("file_id")?, filename: word("filename") },
        _ => return None,
    };
    Some(Citation { start: number("start_index"), end: number("end_index"), cited: None, source })
}
