//! The network: requests to providers, their answers, and the meaning of their failures.

pub mod account;
pub mod address;
pub mod call;
pub mod client;
pub mod error;
pub mod models;
pub mod resolver;
pub(crate) mod retry_after;
pub mod trust;
