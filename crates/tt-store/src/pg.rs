//! The repositories compiled for PostgreSQL, and its connections: a pool over rustls, and how transactions begin.

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection};
use futures_util::FutureExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::StoreConfig;
use crate::error::{Result, StoreError};
use crate::pool::{Guard, Pool};

/// The connection type that the repositories below are compiled for.
pub(crate) type Conn = AsyncPgConnection;

#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/alerts.rs"]
pub(crate) mod alerts;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/aliases.rs"]
pub(crate) mod aliases;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/api_keys.rs"]
pub(crate) mod api_keys;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/audit.rs"]
pub(crate) mod audit;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/changes.rs"]
pub(crate) mod changes;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/deliveries.rs"]
pub(crate) mod deliveries;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/filters.rs"]
pub(crate) mod filters;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/gaps.rs"]
pub(crate) mod gaps;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/known_addresses.rs"]
pub(crate) mod known_addresses;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/ledger.rs"]
pub(crate) mod ledger;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/logs.rs"]
pub(crate) mod logs;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/ops.rs"]
pub(crate) mod ops;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/prices.rs"]
pub(crate) mod prices;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/provider_keys.rs"]
pub(crate) mod provider_keys;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/provider_models.rs"]
pub(crate) mod provider_models;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/rerate.rs"]
pub(crate) mod rerate;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/sessions.rs"]
pub(crate) mod sessions;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/spending.rs"]
pub(crate) mod spending;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/tags.rs"]
pub(crate) mod tags;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/usage.rs"]
pub(crate) mod usage;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/users.rs"]
pub(crate) mod users;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/webhooks.rs"]
pub(crate) mod webhooks;
#[expect(clippy::duplicate_mod, reason = "one source, two databases")]
#[path = "repo/whatif.rs"]
pub(crate) mod whatif;

mod address;
pub(crate) mod native;
mod partitions;

pub(crate) use address::Address;

/// Begins a write transaction.
async fn begin(c: &mut Conn) -> Result<()> {
    Ok(AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?)
}

/// Begins a transaction whose reads all see the same moment.
async fn begin_snapshot(c: &mut Conn) -> Result<()> {
    Ok(AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
}

/// A pool of connections to one server.
pub(crate) struct Database {
    pool: Pool<Conn>,
}

impl Database {
    /// Prepares the pool; connections are opened when they are needed.
    pub(crate) fn new(address: Address, config: &StoreConfig) -> Result<Self> {
        let Address { config: location, check } = address;
        let tls = MakeRustlsConnect::new(crate::tls::client(&check)?);
        let mut manager = ManagerConfig::default();
        // Before a loan, the pool checks only that the socket is open, and sends no query.
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(move |_| {
            let (location, tls) = (location.clone(), tls.clone());
            async move {
                let (client, connection) = location.connect(tls).await.map_err(|e| {
                    // tokio-postgres displays "error connecting to server" alone; the reason is in its sources.
                    diesel::ConnectionError::BadConnection(tt_core::Causes(&e).to_string())
                })?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            .boxed()
        });
        // The manager's own URL is not used, since `location` has the settings of the connection.
        let manager = AsyncDieselConnectionManager::new_with_config("", manager);
        Ok(Self { pool: crate::pool::build(manager, config.pool_size, config)? })
    }

    /// A connection that may write.
    pub(crate) async fn write(&self) -> Result<Guard<Conn>> {
        self.pool.get().await.map_err(|e| StoreError::Unavailable(Box::new(e)))
    }

    /// A connection to read with.
    pub(crate) async fn read(&self) -> Result<Guard<Conn>> {
        self.write().await
    }

    /// Closes the pool.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}
