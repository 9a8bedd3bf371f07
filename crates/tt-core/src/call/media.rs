//! Where the bytes of pictures, sound, films and documents are.

use crate::Provider;

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// In the message: base64 without line breaks or `data:` prefix.
    Inline {
        /// For example `image/png`.
        mime: String,
        /// The base64 text.
        data: String,
    },
    /// At an address that the provider reads.
    Url {
        /// `https://…`; for Gemini also `gs://…` and the address of a video page.
        url: String,
        /// The media type, where the client gave one (Gemini `fileData.mimeType`).
        mime: Option<String>,
    },
    /// In a provider's file store; such ids mean nothing elsewhere.
    FileId {
        /// Whose store.
        provider: Provider,
        /// The id.
        id: String,
    },
    /// Plain text in the message, for a document (Anthropic's `text` source).
    Text(String),
}

impl Media {
    /// At an address of which nothing else is known.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url { url: url.into(), mime: None }
    }
}
