//! Not written yet.

use http::HeaderMap;
use tt_core::conversation::Conversation;
use tt_core::reply::Reply;

use crate::{Encoded, ProviderError, Refused, Target, Undo};

/// Nothing can be asked.
pub fn encode_request(_: &Conversation, _: Target<'_>) -> Result<Encoded, ProviderError> {
    Err(ProviderError::Unsupported { param: "model".into(), reason: "this provider is not spoken yet".into() })
}

/// Nothing can be read.
pub fn decode_reply(_: &[u8], _: &Undo) -> Result<Reply, ProviderError> {
    Err(ProviderError::Protocol("this provider is not spoken yet".into()))
}

/// Reads an error by its status alone.
pub fn refused(status: u16, headers: &HeaderMap, _: &[u8]) -> Refused {
    crate::openai::refused(status, headers, b"")
}

/// Streams.
pub mod stream {
    use tt_core::event::Event;

    use crate::{ProviderError, Undo};

    /// Reads nothing.
    #[derive(Debug)]
    pub struct Decoder;

    impl Decoder {
        /// At the start of a stream.
        pub fn new(_: Undo) -> Self {
            Self
        }

        /// Nothing can be read.
        pub fn data(&mut self, _: &[u8], _: &mut Vec<Event>) -> Result<(), ProviderError> {
            Err(ProviderError::Protocol("this provider is not spoken yet".into()))
        }

        /// Nothing was read.
        pub fn end(&mut self, _: &mut Vec<Event>) -> Result<(), ProviderError> {
            Err(ProviderError::Protocol("this provider is not spoken yet".into()))
        }
    }
}
