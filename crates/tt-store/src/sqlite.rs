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
#[path = "repo/whatif.rs"]
pub(crate) mod whatif;

mod oldest;

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
    use std::ops::Range;

    use diesel::QueryResult;
    use diesel::prelude::*;
    use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use diesel::sqlite::{Sqlite, SqliteConnection};
    use tt_core::Timestamp;

    use super::Conn;
    use crate::batch::{Batch, Column, head};
    use crate::error::{Result, StoreError};
    use crate::view::Pruned;

    /// Rows of a statement, the largest that is not too large first: few texts, so that each is parsed once a
    /// connection.
    const CHUNKS: [usize; 3] = [64, 8, 1];

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

    /// Keeps other re-pricings out: there is one writer anyway.
    #[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
    pub(crate) async fn lock_rerates(_: &mut Conn) -> Result<()> {
        Ok(())
    }

    /// Changes the rows of the table that `batch` names by its first `keys` columns to what the other columns say.
    pub(crate) async fn update(c: &mut Conn, batch: &Batch, keys: usize) -> Result<()> {
        let (set, same) = batch.assignments(keys);
        let (table, names) = (batch.table(), batch.names().join(", "));
        for rows in chunks(batch.rows()) {
            let values = values(batch, &rows);
            let text =
                format!("WITH new ({names}) AS (VALUES {values}) UPDATE {table} SET {set} FROM new WHERE {same}");
            diesel_async::RunQueryDsl::execute(with_values(batch, rows, text), c).await?;
        }
        Ok(())
    }

    /// Inserts `batch`; `ending` follows the values.
    pub(crate) async fn insert(c: &mut Conn, batch: Batch, ending: String) -> Result<()> {
        // In one piece on the connection's thread, which takes the values as they lie here.
        let insert = move |c: &mut SqliteConnection| {
            for rows in chunks(batch.rows()) {
                Insert { batch: &batch, rows, ending: &ending }.execute(c)?;
            }
            Ok(())
        };
        Ok(c.spawn_blocking(insert).await?)
    }

    /// As [`insert`], giving the `request_id` of each row that was not there yet.
    pub(crate) async fn insert_new(c: &mut Conn, batch: Batch) -> Result<Vec<String>> {
        let insert = move |c: &mut SqliteConnection| {
            let mut new = Vec::with_capacity(batch.rows());
            for rows in chunks(batch.rows()) {
                let ending = "ON CONFLICT DO NOTHING RETURNING request_id";
                new.extend(Insert { batch: &batch, rows, ending }.get_results::<String>(c)?);
            }
            Ok(new)
        };
        Ok(c.spawn_blocking(insert).await?)
    }

    /// A table takes rows of any day.
    pub(crate) fn lacks_partition(_: &StoreError) -> bool {
        false
    }

    /// A table takes rows of any day.
    #[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
    pub(crate) async fn make_days(_: &mut Conn, _: impl IntoIterator<Item = Timestamp>) -> Result<usize> {
        Ok(0)
    }

    /// Deletes about `chunk` of the oldest rows that lie before the day of `before`.
    pub(crate) async fn prune_logs(c: &mut Conn, before: Timestamp, chunk: u32) -> Result<Pruned> {
        let rows = super::oldest::delete(c, before, chunk).await?;
        Ok(if rows == 0 { Pruned::Nothing } else { Pruned::Rows(rows) })
    }

    /// All of `rows` in pieces of the sizes there are.
    fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let size = CHUNKS.into_iter().find(|size| start + size <= rows)?;
            start += size;
            Some(start - size..start)
        })
    }

    fn values(batch: &Batch, rows: &Range<usize>) -> String {
        let row = format!("({})", vec!["?"; batch.columns().len()].join(", "));
        vec![row; rows.len()].join(", ")
    }

    fn with_values(
        batch: &Batch,
        rows: Range<usize>,
        text: String,
    ) -> diesel::query_builder::BoxedSqlQuery<'static, Sqlite, diesel::query_builder::SqlQuery> {
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

    /// A statement whose text depends on the table and the number of rows only.
    struct Insert<'a> {
        batch: &'a Batch,
        rows: Range<usize>,
        ending: &'a str,
    }

    impl QueryFragment<Sqlite> for Insert<'_> {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
            head(self.batch, &mut out);
            out.push_sql("VALUES ");
            for row in self.rows.clone() {
                out.push_sql(if row == self.rows.start { "(" } else { "), (" });
                for (n, column) in self.batch.columns().iter().enumerate() {
                    out.push_sql(if n == 0 { "" } else { ", " });
                    match column {
                        Column::Big(values) => push::<BigInt, _>(&mut out, values, row),
                        Column::MaybeBig(values) => push::<Nullable<BigInt>, _>(&mut out, values, row),
                        Column::Bool(values) => push::<Bool, _>(&mut out, values, row),
                        Column::Text(values) => push::<Text, _>(&mut out, values, row),
                        Column::MaybeText(values) => push::<Nullable<Text>, _>(&mut out, values, row),
                    }?;
                }
            }
            out.push_sql(") ");
            out.push_sql(self.ending);
            Ok(())
        }
    }

    fn push<'b, T, V>(out: &mut AstPass<'_, 'b, Sqlite>, values: &'b [V], row: usize) -> QueryResult<()>
    where
        Sqlite: diesel::sql_types::HasSqlType<T>,
        V: diesel::serialize::ToSql<T, Sqlite>,
    {
        // Every column has a value a row.
        let value = values.get(row).ok_or(diesel::result::Error::NotFound)?;
        out.push_bind_param::<T, V>(value)
    }

    impl QueryId for Insert<'_> {
        type QueryId = ();
        /// By its text.
        const HAS_STATIC_QUERY_ID: bool = false;
    }

    /// What it returns, where it returns something.
    impl Query for Insert<'_> {
        type SqlType = Text;
    }

    impl RunQueryDsl<SqliteConnection> for Insert<'_> {}

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_row_is_in_one_chunk() {
            for rows in [0, 1, 7, 8, 63, 64, 65, 1000, 4099] {
                let all: Vec<usize> = chunks(rows).flatten().collect();
                assert_eq!(all, (0..rows).collect::<Vec<_>>());
            }
        }
    }
}
