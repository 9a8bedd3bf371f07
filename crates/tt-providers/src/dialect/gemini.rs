//! Gemini [`generateContent` and `streamGenerateContent`](https://ai.google.dev/api/generate-content), egress side:
//! a conversation becomes a request, an answer, stream or error becomes neutral.
//!
//! The model and whether the answer streams are in the URL, never in the body. Framing (server-sent events) is done
//! elsewhere: the stream decoder is given the payload of each event. How fields translate, and why, is
//! `wire-mapping.md`; `[I…]`, `U…`, `H…`, `S…`, `T…` in comments are its marks.

mod addressed;
mod call_ids;
mod contents;
mod error;
mod family;
mod finish;
mod logprobs;
mod media;
mod parts;
mod reply;
mod request;
mod schema;
pub mod stream;
mod tools;
mod usage;
mod wire;

pub use error::refused;
pub use reply::decode_reply;
pub use request::encode_request;
