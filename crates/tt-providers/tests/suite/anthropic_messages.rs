//! The tests of Anthropic Messages.

mod by_hand;
mod properties;
mod recordings;
mod requests;
