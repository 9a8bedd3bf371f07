//! The network: how providers are reached, and what their failures say.

pub mod address;
pub mod call;
pub mod client;
pub mod endpoint;
pub mod error;
pub(crate) mod retry_after;
