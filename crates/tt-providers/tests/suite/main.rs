//! The codecs against recorded traffic and cases made by hand.
//!
//! All tests of the crate are one program, so that the crate is linked once.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failed step is a failed test")]

mod anthropic_messages;
mod api;
mod bounds;
mod client;
mod embeddings;
mod fixtures;
mod gemini;
mod golden;
mod logprobs;
mod openai_chat;
mod openai_responses;
mod support;
mod told;
mod wrong_types;
