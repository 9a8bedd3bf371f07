//! A streamed Chat Completions answer, to neutral events and back.
//!
//! [The streaming object](https://platform.openai.com/docs/api-reference/chat-streaming/streaming). Log probabilities
//! have no place in the neutral events and are lost in translation.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod tests;
