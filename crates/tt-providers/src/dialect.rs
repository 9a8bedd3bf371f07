//! The dialects, each in a folder of its own, and [`codec`], the one function that tells them apart.

use tt_core::Dialect;

use crate::codec::Codec;

mod addressed;
pub(crate) mod anthropic_messages;
mod custom_tool;
mod foreign;
pub(crate) mod gemini;
mod held;
pub mod openai_chat;

/// The codec of a dialect.
pub const fn codec(dialect: Dialect) -> &'static Codec {
    match dialect {
        Dialect::OpenAiChat => &openai_chat::CODEC,
        Dialect::AnthropicMessages => &anthropic_messages::CODEC,
        Dialect::Gemini => &gemini::CODEC,
    }
}
