//! Encodes pictures, sound and documents as `inlineData` and `fileData` (`MAPPING.md`, Content parts).

use serde::Serialize;
use tt_core::Provider;
use tt_core::call::media::Media;
use tt_core::call::part::{Audio, Document, Image, Part, Video};

use crate::dialect::media_type::by_extension;

/// `inlineData`: the bytes stand in the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

/// `fileData`: Gemini fetches the bytes from a public address itself. It requires their media type.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    mime_type: &'a str,
    file_uri: &'a str,
}

/// The encoded form of media.
#[derive(Debug)]
pub(super) enum MediaPart<'a> {
    Inline(Blob<'a>),
    File(FileData<'a>),
    /// Plain text, sent as a text part.
    Text(&'a str),
}

impl<'a> Blob<'a> {
    pub(super) fn new(mime: &'a str, data: &'a str) -> Self {
        Self { mime_type: registered(mime), data }
    }
}

/// The registered name of a media type, for one that clients write in another way.
fn registered(mime: &str) -> &str {
    if mime.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { mime }
}

/// True for the media that may stand inside the result of a tool. All others stand beside it.
pub(super) fn fits_result(mime: &str) -> bool {
    let fitting = ["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"];
    fitting.iter().any(|known| registered(mime).eq_ignore_ascii_case(known))
}

/// Encodes media. `None` for the file id of another provider, and for a part that is no media.
pub(super) fn media(part: &Part) -> Option<MediaPart<'_>> {
    let (media, otherwise) = match part {
        Part::Audio(Audio { media, .. }) => (media, "audio/mp3"),
        Part::Image(Image { media, .. }) => (media, "image/jpeg"),
        Part::Document(Document { media, .. }) => (media, "application/pdf"),
        Part::Video(Video { media, .. }) => (media, "video/mp4"),
        _ => return None,
    };
    match media {
        Media::Inline { mime, data } => Some(MediaPart::Inline(Blob::new(mime, data))),
        Media::Url { url, mime } => {
            let mime_type = mime.as_deref().or_else(|| by_extension(url)).unwrap_or(otherwise);
            Some(MediaPart::File(FileData { mime_type, file_uri: url }))
        }
        Media::FileId { provider: Provider::Gemini, id } => {
            Some(MediaPart::File(FileData { mime_type: otherwise, file_uri: id }))
        }
        Media::FileId { .. } => None,
        Media::Text(text) => Some(MediaPart::Text(text)),
    }
}
