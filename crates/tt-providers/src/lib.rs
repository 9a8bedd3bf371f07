//! Translates between the APIs of LLM providers (dialects), and calls the providers.
//!
//! [`codec()`] gives the two sides of a dialect: an [`Ingress`](codec::Ingress) for clients and an
//! [`Egress`](codec::Egress) for providers. A [`ClientRequest`] holds a request that the ingress has scanned. An
//! [`Exchange`] pairs it with the egress of a provider. Between two dialects, requests and answers go through the
//! neutral form of [`tt_core::call`]; where both sides speak the same dialect, the bytes pass through.
//!
//! `MAPPING.md` beside this crate's `Cargo.toml` has the rules of translation and their reasons.
//!
//! **Invariant:** a dialect converts to and from the neutral form, never to another dialect, and does no I/O. Only
//! [`upstream`] touches the network.
#![doc = include_str!("../README.md")]

pub mod codec;
mod dialect;
pub mod error;
pub mod exchange;
mod gather;
mod json;
mod kept_thinking;
pub mod notes;
pub mod provider;
pub mod slices;
pub mod sse;
mod surrogates;
pub mod tally;
pub mod upstream;

pub use codec::{
    Codec, CostFacts, Egress, Encoded, Facts, Framing, Head, Ingress, PublicError, ReplyContext, Target, TokenCount,
    Translation, Undo,
};
pub use dialect::codec;
pub use dialect::openai_chat;
pub use error::RequestError;
pub use exchange::{Answer, AnswerStream, ClientRequest, Exchange};
pub use gather::Gathered;
pub use json::decoded_bytes;
pub use kept_thinking::{OwnThinking, Owner, ThinkingMemory};
pub use slices::Slices;
pub use upstream::client::{Client, ClientSettings};
pub use upstream::error::{Disposition, Original, Refused, RefusedKind, UpstreamError};
pub use upstream::trust::Trust;
