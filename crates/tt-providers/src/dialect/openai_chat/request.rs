//! Decodes and encodes a Chat Completions request.
//!
//! [The request object](https://platform.openai.com/docs/api-reference/chat/create). Decoding and encoding again keeps
//! the meaning, but for: thinking and its signatures and cache hints, for which Chat Completions has no field
//! (dropped); a content list of one text, which becomes a string; `user`, which becomes `safety_identifier`; unknown
//! fields of tools, calls and parts; bare base64 files, which become `data:` addresses; and unknown top-level fields.

mod decode;
mod effort;
mod encode;
pub(super) mod parts;
mod root;
pub(super) mod search;
mod strict;

pub use decode::decode_request;
pub use encode::encode_request;

#[cfg(test)]
mod tests;
