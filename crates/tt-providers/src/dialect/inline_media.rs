//! Media of OpenAI's dialects: addresses, which may hold the data themselves, and base64.

use tt_core::call::media::Media;

use super::object::Path;
use crate::error::RequestError;

/// Reads an address: `https:`, `http:`, or `data:` with base64.
pub(super) fn address(mut url: String, path: &Path<'_>) -> Result<Media, RequestError> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(Media::url(url));
    }
    let Some((mime, from)) = strip_data_prefix(&url) else {
        return Err(path.malformed("must be an http(s) address, or data:<type>;base64,<data>"));
    };
    let data = url.split_off(from);
    Ok(Media::Inline { mime, data: plain_base64(data) })
}

/// The media type of a base64 `data:` address without its parameters, and where the data begins.
pub(super) fn strip_data_prefix(url: &str) -> Option<(String, usize)> {
    let (head, _) = url.strip_prefix("data:")?.split_once(',')?;
    let (mime, parameters) = head.split_once(';').unwrap_or((head, ""));
    let base64 = parameters.split(';').any(|parameter| parameter.trim().eq_ignore_ascii_case("base64"));
    (base64 && !mime.is_empty()).then(|| (mime.trim().to_ascii_lowercase(), "data:".len() + head.len() + 1))
}

/// Removes white space; all else stays as sent.
pub(super) fn plain_base64(mut data: String) -> String {
    if data.bytes().any(|b| b.is_ascii_whitespace()) {
        data.retain(|c| !c.is_ascii_whitespace());
    }
    data
}

/// The media type for a file without one, by the extension of its name.
pub(super) fn mime_of(filename: Option<&str>) -> &'static str {
    match filename
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .as_deref()
    {
        Some("txt" | "md" | "csv" | "json" | "html" | "xml" | "yaml" | "yml") => "text/plain",
        _ => "application/pdf",
    }
}
