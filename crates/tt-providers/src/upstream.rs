//! The network: how providers are reached, and what their failures say.

pub mod address;
pub mod client;
pub mod endpoint;
pub(crate) mod words;
