//! Decodes and encodes a streamed Chat Completions answer.
//!
//! [The streaming object](https://platform.openai.com/docs/api-reference/chat-streaming/streaming).

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod tests;
