//! What the store needs to be told.

use std::time::Duration;

use secrecy::SecretString;

/// Settings of a [`crate::Store`].
#[derive(Debug)]
pub struct StoreConfig {
    /// `sqlite://PATH` or `postgres://…`; it may hold a password.
    pub url: SecretString,
    /// Where the store's work runs: a runtime that outlives every use of the store.
    pub handle: tokio::runtime::Handle,
    /// The most connections to PostgreSQL.
    pub pool_size: usize,
    /// The most connections that read SQLite, beside the one that writes.
    pub readers: usize,
    /// How long a call waits for a connection before the store counts as unavailable.
    pub wait: Duration,
}

impl StoreConfig {
    /// The defaults: 16 connections to PostgreSQL, 4 readers on SQLite, 5 s.
    pub fn new(url: SecretString, handle: tokio::runtime::Handle) -> Self {
        Self { url, handle, pool_size: 16, readers: 4, wait: Duration::from_secs(5) }
    }
}
