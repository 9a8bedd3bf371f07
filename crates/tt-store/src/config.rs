//! The settings of a store.

use std::time::Duration;

use secrecy::SecretString;

/// The settings of a [`crate::Store`].
#[derive(Debug)]
pub struct StoreConfig {
    /// The database: `sqlite://PATH` or `postgres://…`. It may hold a password.
    pub url: SecretString,
    /// The runtime that the store's work runs on. It must outlive every use of the store.
    pub handle: tokio::runtime::Handle,
    /// The largest number of connections to PostgreSQL.
    pub pool_size: usize,
    /// The largest number of connections that read SQLite, beside the one that writes.
    pub readers: usize,
    /// The time that a call waits for a connection before the store counts as unavailable.
    pub wait: Duration,
}

impl StoreConfig {
    /// The defaults: 16 connections to PostgreSQL, 4 readers on SQLite, 5 s.
    pub fn new(url: SecretString, handle: tokio::runtime::Handle) -> Self {
        Self { url, handle, pool_size: 16, readers: 4, wait: Duration::from_secs(5) }
    }
}
