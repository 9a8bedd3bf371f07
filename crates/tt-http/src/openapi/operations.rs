//! The calls of the route table, one function for each.

pub(crate) mod administration;
pub(crate) mod auth;
pub(crate) mod models;
pub(crate) mod objects;
pub(crate) mod proxy;
pub(crate) mod records;
pub(crate) mod service;
pub(crate) mod webhooks;
