//! The providers' dialects as codecs that do no I/O, and the one small client that calls them.
//!
//! [`codec()`] gives the two sides of a dialect. A [`ClientRequest`] is read by the client's side; an [`Exchange`] pairs
//! it with a provider's side, by way of the neutral form of [`tt_core::call`] or, where both sides speak the same
//! dialect, without it.
//!
//! **Invariant:** a dialect converts to and from the neutral form, never to another dialect, and does no I/O. Only
//! [`upstream`] touches the network.
#![doc = include_str!("../README.md")]

pub mod codec;
mod dialect;
pub mod error;
pub mod exchange;
pub mod notes;
pub mod provider;
pub mod slices;
pub mod sse;
pub mod tally;
pub mod upstream;

pub use codec::{Codec, CostFacts, Egress, Encoded, Facts, Head, Ingress, PublicError, ReplyContext, Target, Undo};
pub use dialect::codec;
pub use dialect::openai_chat;
pub use error::RequestError;
pub use exchange::{Answer, AnswerStream, ClientRequest, Exchange};
pub use slices::Slices;
pub use upstream::client::{Client, ClientSettings, Trust};
pub use upstream::error::{Disposition, Refused, RefusedKind, UpstreamError};
