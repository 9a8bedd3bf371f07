//! Text documents that stand in a request as data.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::media_type::essence;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text of inline data, or the reason why it cannot be read; `None` for data that are no text.
pub(crate) fn text(mime: &str, data: &str) -> Option<Result<String, &'static str>> {
    let mime = essence(mime);
    let is_text = mime.starts_with("text/") || matches!(mime.as_str(), "application/json" | "application/xml");
    is_text.then(|| {
        let bytes = BASE64.decode(data).map_err(|_| "the file's data is not base64")?;
        String::from_utf8(bytes).map_err(|_| "the text file is not UTF-8")
    })
}

/// The words of a text document under its title, for a provider that takes no such documents.
pub(crate) fn in_words(title: Option<&str>, text: &str) -> String {
    match title.filter(|title| !title.is_empty()) {
        Some(title) => format!("{title}:\n{text}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_from_other_data() {
        assert_eq!(text("Text/CSV; charset=utf-8", "YSxi"), Some(Ok("a,b".to_owned())));
        assert_eq!(text("application/json", "e30"), Some(Ok("{}".to_owned())));
        assert_eq!(text("application/pdf", "YSxi"), None);
        assert!(matches!(text("text/plain", "/w=="), Some(Err(reason)) if reason.ends_with("not UTF-8")));
        assert!(matches!(text("text/plain", "no base64"), Some(Err(reason)) if reason.ends_with("not base64")));
    }

    #[test]
    fn a_title_stands_before_its_text() {
        assert_eq!(in_words(Some("facts.txt"), "One."), "facts.txt:\nOne.");
        assert_eq!((in_words(None, "One."), in_words(Some(""), "One.")), ("One.".to_owned(), "One.".to_owned()));
    }
}
