//! The sources of pictures, sound, films and documents.

use crate::Provider;

/// The source of the bytes of a picture, sound, film or document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// The bytes stand in the message as base64, without line breaks or `data:` prefix.
    Inline {
        /// The media type, for example `image/png`.
        mime: String,
        /// The base64 text.
        data: String,
    },
    /// The provider reads them from an address.
    Url {
        /// The address: `https://…`; for Gemini also `gs://…` and the address of a video page.
        url: String,
        /// The media type, where the client gave one (Gemini `fileData.mimeType`).
        mime: Option<String>,
    },
    /// They are a file in the store of one provider. Other providers do not know its id.
    FileId {
        /// The provider that keeps the file.
        provider: Provider,
        /// The id of the file in that store.
        id: String,
    },
    /// A document stands in the message as plain text (Anthropic's `text` source).
    Text(String),
}

impl Media {
    /// The address `url`, without a media type.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url { url: url.into(), mime: None }
    }
}
