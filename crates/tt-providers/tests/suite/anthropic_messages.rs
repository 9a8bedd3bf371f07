//! The tests of Anthropic Messages.

mod by_hand;
pub(crate) mod client;
mod clients;
mod properties;
mod recordings;
mod requests;
