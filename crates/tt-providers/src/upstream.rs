//! The network: requests to providers, their answers, and the meaning of their failures.

pub mod address;
pub mod call;
pub mod client;
pub mod endpoint;
pub mod error;
pub mod resolver;
pub(crate) mod retry_after;
pub mod trust;
