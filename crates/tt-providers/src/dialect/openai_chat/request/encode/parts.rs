//! Encodes the parts of a message.

use serde_json::{Map, Value, json};
use tt_core::call::conversation::{Audio, CacheTtl, Document, Image, Media, Part, Text};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

use super::fields::put;
use crate::dialect::{foreign, text_document};
use crate::error::RequestError;
use crate::notes::Notes;

/// The target of this encoder.
pub(super) const HERE: (Dialect, Provider) = (Dialect::OpenAiChat, Provider::OpenAi);

/// The name of a file whose client gives none. It is always the same, so that the provider's cache knows the file again.
const UNNAMED: &str = "document.pdf";

/// Encodes the parts of all messages.
pub(super) struct Parts<'a> {
    /// True if Chat Completions is the dialect of the client.
    pub(super) own: bool,
    /// True if the model takes cache marks on parts.
    pub(super) breakpoints: bool,
    pub(super) notes: &'a mut Notes,
}

impl Parts<'_> {
    /// Encodes a content part with its cache mark; `None` for a part that `content` cannot hold.
    pub(super) fn part(&mut self, part: &Part, at: usize) -> Result<Option<Value>, RequestError> {
        let mut encoded = self.bare_part(part, at)?;
        if let (Some(encoded), Some(time), true) = (&mut encoded, part.cache(), self.breakpoints) {
            encoded["prompt_cache_breakpoint"] = json!({"mode": "explicit", "ttl": breakpoint(time)});
            if !matches!(time, CacheTtl::ThirtyMinutes | CacheTtl::TwelveHours) {
                self.notes.changed(Field::CacheMarks, "kept for the time that OpenAI has");
            }
        }
        Ok(encoded)
    }

    fn bare_part(&mut self, part: &Part, at: usize) -> Result<Option<Value>, RequestError> {
        let refuse = |reason: &str| Err(RequestError::unsupported(Field::Content(at), reason));
        Ok(Some(match part {
            Part::Text(Text { text, signature, .. }) => {
                if signature.is_some() {
                    self.notes.dropped(Field::Signatures, "only the provider that made it can read it");
                }
                json!({"type": "text", "text": text})
            }
            Part::Image(Image { media, detail, .. }) => {
                let url = match media {
                    Media::Url { url, .. } => url.clone(),
                    Media::Inline { mime, data } => {
                        // OpenAI does not know the other word for it.
                        let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
                        format!("data:{mime};base64,{data}")
                    }
                    Media::FileId { .. } | Media::Text(_) => {
                        return refuse("a picture cannot be given by file id: send it inline or by address");
                    }
                };
                let mut image = Map::new();
                image.insert("url".into(), url.into());
                let mut detail = detail.as_deref();
                if detail == Some("original") && !self.own {
                    self.notes.changed(Field::Detail, "sent as high, the most that Chat Completions has");
                    detail = Some("high");
                }
                put(&mut image, "detail", detail);
                json!({"type": "image_url", "image_url": image})
            }
            Part::Audio(Audio { media: Media::Inline { mime, data }, .. }) => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": audio_format(mime)}})
            }
            Part::Audio(_) => return refuse("sound can only be sent inline"),
            Part::Video(_) => return refuse("Chat Completions takes no films"),
            Part::Document(document) => self.document(document, at)?,
            Part::Thinking(_) | Part::Redacted { .. } => {
                self.notes.dropped(Field::Thinking, "");
                return Ok(None);
            }
            Part::Opaque(opaque) => {
                foreign::keeps(opaque, HERE, &Field::Content(at), self.notes)?;
                return Ok(None);
            }
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Refusal { .. } | Part::WebSearch { .. } => return Ok(None),
        }))
    }

    /// Encodes a document: a text as a text part, since OpenAI takes PDFs alone as files.
    fn document(&mut self, document: &Document, at: usize) -> Result<Value, RequestError> {
        let refuse = |reason: &str| Err(RequestError::unsupported(Field::Content(at), reason));
        if document.citations {
            self.notes.dropped(Field::written("citations"), "OpenAI cites no documents of the request");
        }
        if document.context.is_some() {
            self.notes.dropped(Field::written("context"), "OpenAI has no such field of a document");
        }
        let text =
            |text: &str| Ok(json!({"type": "text", "text": text_document::in_words(document.title.as_deref(), text)}));
        let title = document.title.as_deref().filter(|title| !title.is_empty());
        let file = match &document.media {
            Media::FileId { provider: Provider::OpenAi, id } => {
                let mut file = Map::new();
                put(&mut file, "filename", title);
                file.insert("file_id".into(), id.as_str().into());
                file
            }
            Media::FileId { .. } => {
                return refuse("a file id is known to the provider that gave it only: send the data");
            }
            Media::Inline { mime, data }
                if !self.own
                    && let Some(read) = text_document::text(mime, data) =>
            {
                return text(&read.map_err(|reason| RequestError::malformed(Field::Content(at), reason))?);
            }
            Media::Inline { mime, data } => {
                let mut file = Map::new();
                // OpenAI refuses data without a name ("Missing required parameter: '….file.file_id'").
                put(&mut file, "filename", title.or((!self.own).then_some(UNNAMED)));
                file.insert("file_data".into(), format!("data:{mime};base64,{data}").into());
                file
            }
            Media::Text(words) => return text(words),
            Media::Url { .. } => return refuse("a document cannot be given by address: send it inline"),
        };
        Ok(json!({"type": "file", "file": file}))
    }
}

/// True for a part on which OpenAI takes a cache mark.
pub(super) const fn takes_breakpoint(part: &Part) -> bool {
    matches!(part, Part::Text(_) | Part::Image(_) | Part::Document(_))
}

/// The time of a cache mark that OpenAI has.
const fn breakpoint(time: CacheTtl) -> &'static str {
    match time {
        CacheTtl::FiveMinutes | CacheTtl::ThirtyMinutes | CacheTtl::OneHour => "30m",
        CacheTtl::TwelveHours => "12h",
    }
}

/// The `format` for a media type of sound: `wav` for `audio/wav`.
fn audio_format(mime: &str) -> &str {
    match mime.strip_prefix("audio/").unwrap_or(mime) {
        "mpeg" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}
