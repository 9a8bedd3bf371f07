//! Decodes and encodes a streamed Chat Completions answer.
//!
//! [The streaming object](https://platform.openai.com/docs/api-reference/chat-streaming/streaming). Neutral
//! events have no field for log probabilities, so translated streams lack them.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod tests;
