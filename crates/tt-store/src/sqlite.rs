//! The repositories compiled for SQLite, and what only SQLite does: its pools, and the dialect.

use std::path::{Path, PathBuf};

use diesel::connection::AnsiTransactionManager;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use crate::config::StoreConfig;
use crate::error::{Result, StoreError};
use crate::pool::{Guard, Pool};

/// The connection the repositories below are compiled for.
pub(crate) type Conn = SyncConnectionWrapper<diesel::SqliteConnection>;

#[path = "repo/aliases.rs"]
pub(crate) mod aliases;
#[path = "repo/api_keys.rs"]
pub(crate) mod api_keys;
#[path = "repo/changes.rs"]
pub(crate) mod changes;
#[path = "repo/known_addresses.rs"]
pub(crate) mod known_addresses;
#[path = "repo/ledger.rs"]
pub(crate) mod ledger;
#[path = "repo/logs.rs"]
pub(crate) mod logs;
#[path = "repo/ops.rs"]
pub(crate) mod ops;
#[path = "repo/provider_keys.rs"]
pub(crate) mod provider_keys;
#[path = "repo/provider_models.rs"]
pub(crate) mod provider_models;
#[path = "repo/sessions.rs"]
pub(crate) mod sessions;
#[path = "repo/tags.rs"]
pub(crate) mod tags;
#[path = "repo/usage.rs"]
pub(crate) mod usage;
#[path = "repo/users.rs"]
pub(crate) mod users;

/// Begins a write transaction. IMMEDIATE: one that reads first and then writes would fail at once with "database is
/// locked" when another writer came in between, however long the busy timeout.
async fn begin(c: &mut Conn) -> Result<()> {
    begin_with(c, "BEGIN IMMEDIATE").await
}

/// Begins a transaction whose reads see one moment.
async fn begin_snapshot(c: &mut Conn) -> Result<()> {
    begin_with(c, "BEGIN DEFERRED").await
}

async fn begin_with(c: &mut Conn, statement: &'static str) -> Result<()> {
    Ok(c.spawn_blocking(move |c| AnsiTransactionManager::begin_transaction_sql(c, statement)).await?)
}

/// One writer and several readers of one file.
pub(crate) struct Database {
    /// The file.
    pub(crate) path: PathBuf,
    write: Pool<Conn>,
    read: Pool<Conn>,
}

impl Database {
    /// Opens nothing yet.
    pub(crate) fn new(path: PathBuf, config: &StoreConfig) -> Result<Self> {
        Ok(Self {
            // The ledger's rows must survive a power failure once their journal is gone: FULL. The drain writes in
            // batches, so the fsync of a commit is shared by many rows.
            write: pool(&path, "synchronous=FULL", 1, config)?,
            read: pool(&path, "synchronous=NORMAL; PRAGMA query_only=ON", config.readers, config)?,
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
    manager.custom_setup = Box::new(move |path| {
        async move {
            let mut conn = Conn::establish(path).await?;
            // In this order: the timeout must hold for the switch to WAL.
            conn.batch_execute(&format!(
                "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; \
                 PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000; PRAGMA mmap_size=268435456; PRAGMA {last}"
            ))
            .await
            .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::new_with_config(path.to_string_lossy(), manager);
    crate::pool::build(manager, size, config)
}

/// What only SQLite's SQL does.
pub(crate) mod dialect {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use diesel::sqlite::Sqlite;
    use diesel_async::RunQueryDsl;

    use super::Conn;
    use crate::batch::{Batch, Column, Key};
    use crate::error::Result;

    /// SQLite takes 32,766 values in a statement.
    const MAX_BINDS: usize = 32_000;

    /// Keeps other writers of this user's rows out until the transaction ends: there is one writer anyway.
    #[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
    pub(crate) async fn lock_user(_: &mut Conn, _: i64) -> Result<()> {
        Ok(())
    }

    /// Keeps other drains from deciding on tag values: there is one writer anyway.
    #[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
    pub(crate) async fn lock_tag_values(_: &mut Conn) -> Result<()> {
        Ok(())
    }

    /// Inserts `batch` in as few statements as the bound on values allows; `ending` follows the values.
    pub(crate) async fn insert(c: &mut Conn, batch: &Batch, ending: &str) -> Result<()> {
        for rows in batch.chunks(MAX_BINDS) {
            bound(batch, rows, ending).execute(c).await?;
        }
        Ok(())
    }

    /// As [`insert`], giving the `request_id` of each row that was not there yet.
    pub(crate) async fn insert_new(c: &mut Conn, batch: &Batch) -> Result<Vec<String>> {
        let mut new = Vec::new();
        for rows in batch.chunks(MAX_BINDS) {
            let keys: Vec<Key> =
                bound(batch, rows, "ON CONFLICT DO NOTHING RETURNING request_id").get_results(c).await?;
            new.extend(keys.into_iter().map(|key| key.request_id));
        }
        Ok(new)
    }

    fn bound(
        batch: &Batch,
        rows: std::ops::Range<usize>,
        ending: &str,
    ) -> diesel::query_builder::BoxedSqlQuery<'static, Sqlite, diesel::query_builder::SqlQuery> {
        let row = format!("({})", vec!["?"; batch.width()].join(", "));
        let values = vec![row; rows.len()].join(", ");
        let text = format!("INSERT INTO {} ({}) VALUES {values} {ending}", batch.table(), batch.names());
        let mut query = diesel::sql_query(text).into_boxed::<Sqlite>();
        for row in rows {
            for column in batch.columns() {
                query = match column {
                    Column::Big(values) => query.bind::<BigInt, _>(values.get(row).copied().unwrap_or_default()),
                    Column::MaybeBig(values) => query.bind::<Nullable<BigInt>, _>(values.get(row).copied().flatten()),
                    Column::Bool(values) => query.bind::<Bool, _>(values.get(row).copied().unwrap_or_default()),
                    Column::Text(values) => query.bind::<Text, _>(values.get(row).cloned().unwrap_or_default()),
                    Column::MaybeText(values) => query.bind::<Nullable<Text>, _>(values.get(row).cloned().flatten()),
                };
            }
        }
        query
    }
}
