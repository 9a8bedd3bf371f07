//! The dialects, each in a folder of its own, and [`codec`], the one function that tells them apart.

use tt_core::Dialect;

use crate::codec::Codec;

mod addressed;
mod aliases;
mod anthropic_fields;
pub(crate) mod anthropic_messages;
mod body;
mod breakpoints;
mod cache_writes;
mod carried;
mod characters;
mod count;
mod custom_tool;
mod elements;
mod few;
mod foreign;
mod format_words;
pub(crate) mod gemini;
mod hashed;
mod held;
mod inline_media;
mod last_usage;
mod media_type;
mod object;
pub mod openai_chat;
mod openai_embeddings;
mod openai_error;
mod openai_models;
mod openai_responses;
pub(crate) mod order;
mod service_tier;
mod short_name;
mod signatures;
mod template;
mod text;
mod text_document;
mod unread;
mod vector;
mod waiting_calls;
mod web_search;

/// The codec of a dialect.
pub const fn codec(dialect: Dialect) -> &'static Codec {
    match dialect {
        Dialect::OpenAiChat => &openai_chat::CODEC,
        Dialect::AnthropicMessages => &anthropic_messages::CODEC,
        Dialect::Gemini => &gemini::CODEC,
        Dialect::OpenAiResponses => &openai_responses::CODEC,
        Dialect::OpenAiEmbeddings => &openai_embeddings::CODEC,
    }
}
