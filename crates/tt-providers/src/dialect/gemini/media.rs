//! Pictures, sound and documents as `inlineData` and `fileData` (`MAPPING.md`, Content parts).

use std::borrow::Cow;

use serde::Serialize;
use tt_core::call::conversation::{Media, Part};

/// Bytes in the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    mime_type: Cow<'a, str>,
    data: &'a str,
}

/// Bytes elsewhere. Gemini fetches public addresses itself, and wants to be told what is there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    mime_type: &'static str,
    file_uri: &'a str,
}

/// Media in a request or at an address, in Gemini's words.
#[derive(Debug)]
pub(super) enum MediaPart<'a> {
    Inline(Blob<'a>),
    File(FileData<'a>),
}

impl<'a> Blob<'a> {
    pub(super) fn new(mime: &'a str, data: &'a str) -> Self {
        Self { mime_type: mime.into(), data }
    }
}

/// `None` for a file id, which belongs to one provider, and for what is no media.
pub(super) fn media(part: &Part) -> Option<MediaPart<'_>> {
    let (media, otherwise) = match part {
        Part::Audio { data, format } => {
            return Some(MediaPart::Inline(Blob { mime_type: format!("audio/{format}").into(), data }));
        }
        Part::Image { media, .. } => (media, "image/jpeg"),
        Part::File { media, .. } => (media, "application/pdf"),
        _ => return None,
    };
    match media {
        Media::Inline { mime, data } => Some(MediaPart::Inline(Blob::new(mime, data))),
        Media::Url { url } => {
            Some(MediaPart::File(FileData { mime_type: by_extension(url).unwrap_or(otherwise), file_uri: url }))
        }
        Media::FileId { .. } => None,
    }
}

/// The MIME type a public address suggests. It is not fetched to find out.
fn by_extension(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "bmp" => "image/bmp",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "xml" => "text/xml",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "webm" => "video/webm",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_of_the_path_tells_the_type() {
        assert_eq!(by_extension("https://example.com/a.b/Cat.PNG?size=1.gif#x.pdf"), Some("image/png"));
        assert_eq!(by_extension("https://example.com/cat"), None);
        assert_eq!(by_extension("https://example.com"), None);
        assert_eq!(by_extension(""), None);
    }
}
