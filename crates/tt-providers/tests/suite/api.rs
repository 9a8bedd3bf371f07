//! The crate's interface, under the names that the tests use.

pub(crate) use tt_providers::{
    Disposition, Encoded, ProviderError, Refused, RefusedKind, StreamDecoder, Target, Undo, anthropic, decode_reply,
    encode_request, gemini, openai, refused, sse, stream,
};
