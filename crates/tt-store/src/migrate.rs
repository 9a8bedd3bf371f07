//! Migrations. They are built into the program and run under a lock. A database that is newer than the program is
//! refused.

use std::path::Path;

use diesel::migration::{Migration, MigrationSource};
use diesel::{Connection, SqliteConnection};
#[cfg(feature = "postgres")]
use diesel_async::{SimpleAsyncConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::{Result, StoreError};
#[cfg(feature = "postgres")]
use crate::pg;

#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Brings the PostgreSQL database up to date; returns the number of migrations that ran. Other processes that try wait,
/// and then find nothing to do.
#[cfg(feature = "postgres")]
pub(crate) async fn postgres(database: &pg::Database) -> Result<usize> {
    let mut conn = database.write().await?;
    conn.batch_execute("SELECT pg_advisory_lock(128043400652658)").await?;
    // The connection is taken out of the pool, so that it is closed at the end, which releases the lock.
    let mut conn = AsyncConnectionWrapper::<_>::from(deadpool::managed::Object::take(conn));
    blocking(move || run(&mut conn, POSTGRES)).await
}

/// Brings the SQLite file up to date; returns the number of migrations that ran. A missing file is made, readable by
/// its owner only.
pub(crate) async fn sqlite(database: &crate::sqlite::Database) -> Result<usize> {
    let path = database.path.clone();
    blocking(move || {
        create_private(&path).map_err(|e| StoreError::Unavailable(Box::new(e)))?;
        let mut conn =
            SqliteConnection::establish(&path.to_string_lossy()).map_err(|e| StoreError::Unavailable(Box::new(e)))?;
        // The size of pages holds for a new file only, and must come before its first page is written. Each page costs four
        // calls of the system on its way into the file, so rows of the ledger cost less in large ones.
        // foreign_keys is off here: with it on, rebuilding a table deletes the rows that refer to it.
        diesel::connection::SimpleConnection::batch_execute(
            &mut conn,
            "PRAGMA busy_timeout=30000; PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA foreign_keys=OFF",
        )?;
        conn.immediate_transaction(|conn| {
            let done = run(conn, SQLITE)?;
            let broken: i64 = diesel::RunQueryDsl::get_result(
                diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
                    "(SELECT COUNT(*) FROM pragma_foreign_key_check)",
                )),
                conn,
            )?;
            if broken == 0 { Ok(done) } else { Err(StoreError::corrupt("a migration left broken references")) }
        })
    })
    .await
}

/// Password hashes and sealed keys lie in the file; SQLite gives its companions the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

fn run<C, B>(conn: &mut C, source: EmbeddedMigrations) -> Result<usize>
where
    C: MigrationHarness<B>,
    B: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<B>,
{
    let known: Vec<String> = MigrationSource::<B>::migrations(&source)
        .map_err(StoreError::Query)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied = conn.applied_migrations().map_err(StoreError::Query)?;
    // The list has the newest migration first.
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(StoreError::SchemaNewer(newer));
    }
    Ok(conn.run_pending_migrations(source).map_err(StoreError::Query)?.len())
}
