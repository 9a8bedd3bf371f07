//! The repositories compiled for SQLite, and its connections: one that writes, some that read, and how transactions
//! begin.

use std::path::{Path, PathBuf};

use diesel::connection::AnsiTransactionManager;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt;

use crate::config::StoreConfig;
use crate::error::{Result, StoreError};
use crate::pool::{Guard, Pool};

/// The connection type that the repositories below are compiled for, and the thread on which to use it.
pub(crate) use conn::{Conn, on_own_thread};

#[path = "repo/alerts.rs"]
pub(crate) mod alerts;
#[path = "repo/aliases.rs"]
pub(crate) mod aliases;
#[path = "repo/api_keys.rs"]
pub(crate) mod api_keys;
#[path = "repo/audit.rs"]
pub(crate) mod audit;
#[path = "repo/changes.rs"]
pub(crate) mod changes;
#[path = "repo/deliveries.rs"]
pub(crate) mod deliveries;
#[path = "repo/filters.rs"]
pub(crate) mod filters;
#[path = "repo/gaps.rs"]
pub(crate) mod gaps;
#[path = "repo/known_addresses.rs"]
pub(crate) mod known_addresses;
#[path = "repo/ledger.rs"]
pub(crate) mod ledger;
#[path = "repo/logs.rs"]
pub(crate) mod logs;
#[path = "repo/ops.rs"]
pub(crate) mod ops;
#[path = "repo/prices.rs"]
pub(crate) mod prices;
#[path = "repo/provider_keys.rs"]
pub(crate) mod provider_keys;
#[path = "repo/provider_models.rs"]
pub(crate) mod provider_models;
#[path = "repo/rerate.rs"]
pub(crate) mod rerate;
#[path = "repo/sessions.rs"]
pub(crate) mod sessions;
#[path = "repo/spending.rs"]
pub(crate) mod spending;
#[path = "repo/tags.rs"]
pub(crate) mod tags;
#[path = "repo/usage.rs"]
pub(crate) mod usage;
#[path = "repo/users.rs"]
pub(crate) mod users;
#[path = "repo/webhooks.rs"]
pub(crate) mod webhooks;
#[path = "repo/whatif.rs"]
pub(crate) mod whatif;

pub(crate) mod backup;
mod conn;
pub(crate) mod native;
mod oldest;

/// Begins a write transaction, with IMMEDIATE: a transaction that reads first and writes later would fail at once with
/// "database is locked" when another writer came in between, however long the busy timeout is.
async fn begin(c: &mut Conn) -> Result<()> {
    begin_with(c, "BEGIN IMMEDIATE")
}

/// Begins a transaction whose reads all see the same moment.
async fn begin_snapshot(c: &mut Conn) -> Result<()> {
    begin_with(c, "BEGIN DEFERRED")
}

fn begin_with(c: &mut Conn, statement: &'static str) -> Result<()> {
    Ok(AnsiTransactionManager::begin_transaction_sql(c.inner(), statement)?)
}

/// One writer and several readers of one file.
pub(crate) struct Database {
    /// The path of the database file.
    pub(crate) path: PathBuf,
    write: Pool<Conn>,
    read: Pool<Conn>,
}

impl Database {
    /// Prepares the pools; the file is opened with the first connection.
    pub(crate) fn new(path: PathBuf, config: &StoreConfig) -> Result<Self> {
        Ok(Self {
            // The ledger's rows must survive a power failure once their journal is gone: FULL. The drain writes in
            // batches, so the fsync of a commit is shared by many rows. Caches are counted in KiB, and small: what is not
            // in them is in the system's, which all connections share, and is read by way of a mapping.
            write: pool(&path, "synchronous=FULL; PRAGMA cache_size=-4000", 1, config)?,
            read: pool(
                &path,
                "synchronous=NORMAL; PRAGMA cache_size=-1000; PRAGMA query_only=ON",
                config.readers,
                config,
            )?,
            path,
        })
    }

    /// The one connection that may write.
    pub(crate) async fn write(&self) -> Result<Guard<Conn>> {
        self.write.get().await.map_err(|e| StoreError::Unavailable(Box::new(e)))
    }

    /// A connection that can only read.
    pub(crate) async fn read(&self) -> Result<Guard<Conn>> {
        self.read.get().await.map_err(|e| StoreError::Unavailable(Box::new(e)))
    }

    /// Closes both pools.
    pub(crate) fn close(&self) {
        self.write.close();
        self.read.close();
    }
}

fn pool(path: &Path, last: &'static str, size: usize, config: &StoreConfig) -> Result<Pool<Conn>> {
    let mut manager = ManagerConfig::default();
    manager.recycling_method = RecyclingMethod::Fast;
    // In this order: the timeout must hold for the switch to WAL.
    let setup = format!(
        "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; \
         PRAGMA mmap_size=268435456; PRAGMA {last}"
    );
    manager.custom_setup = Box::new(move |path| {
        let (path, setup) = (path.to_owned(), setup.clone());
        async move {
            let opening = tokio::task::spawn_blocking(move || Conn::open(&path, &setup));
            opening.await.map_err(|error| diesel::ConnectionError::BadConnection(error.to_string()))?
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::new_with_config(path.to_string_lossy(), manager);
    crate::pool::build(manager, size, config)
}
