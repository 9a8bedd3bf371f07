//! The store's public type: it opens a database, and runs every call on the runtime that it was opened with.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use secrecy::ExposeSecret;

use crate::config::StoreConfig;
use crate::error::{Result, StoreError};
use crate::location::Location;
#[cfg(feature = "postgres")]
use crate::pg;
use crate::{migrate, sqlite};

/// Calls a repository function of the database in use, on the store's runtime.
macro_rules! call {
    ($store:expr, $kind:ident, $module:ident::$function:ident($($argument:expr),* $(,)?)) => {{
        let inner = std::sync::Arc::clone(&$store.inner);
        $store
            .run(async move {
                match &inner.database {
                    $crate::store::Database::Sqlite(db) => {
                        let mut conn = db.$kind().await?;
                        $crate::sqlite::on_own_thread(async move {
                            $crate::sqlite::$module::$function(&mut *conn, $($argument),*).await
                        })
                        .await
                    }
                    #[cfg(feature = "postgres")]
                    $crate::store::Database::Postgres(db) => {
                        $crate::pg::$module::$function(&mut *db.$kind().await?, $($argument),*).await
                    }
                }
            })
    }};
}

mod audit;
mod keys;
mod ledger;
mod prices;
mod routing;
mod spending;
mod users;
mod webhooks;

/// An open database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    handle: tokio::runtime::Handle,
}

struct Inner {
    database: Database,
    queries: AtomicU64,
}

/// A call of the store. It begins when it is first polled.
///
/// It is a type of its own, and not that of an `async fn`, so that the queries are compiled once, in this crate: an
/// `async fn` is compiled, with everything below it, in every crate that awaits it.
#[must_use = "a call does nothing until it is awaited"]
pub struct StoreCall<T>(Pin<Box<dyn Future<Output = Result<T>> + Send>>);

impl<T> Future for StoreCall<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> std::fmt::Debug for StoreCall<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreCall")
    }
}

enum Database {
    Sqlite(sqlite::Database),
    #[cfg(feature = "postgres")]
    Postgres(pg::Database),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.inner.database {
            Database::Sqlite(_) => "Store(SQLite)",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "Store(PostgreSQL)",
        })
    }
}

impl Store {
    /// Reads the URL and prepares the pools. Nothing is connected yet, and the tables may be missing until
    /// [`Store::migrate`].
    pub fn open(config: StoreConfig) -> Result<Self> {
        let database = match Location::parse(config.url.expose_secret())? {
            Location::Sqlite(path) => Database::Sqlite(sqlite::Database::new(path, &config)?),
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => Database::Postgres(pg::Database::new(address, &config)?),
        };
        Ok(Self { inner: Arc::new(Inner { database, queries: AtomicU64::new(0) }), handle: config.handle })
    }

    /// The same open database, whose calls run on another runtime. For PostgreSQL that must live as long as the database is
    /// open, because a connection belongs to the runtime that made it.
    #[must_use]
    pub fn on(&self, handle: tokio::runtime::Handle) -> Self {
        Self { inner: Arc::clone(&self.inner), handle }
    }

    /// Brings the tables up to date; returns the number of migrations that ran. Any number of processes may do so at
    /// once.
    pub fn migrate(&self) -> StoreCall<usize> {
        let inner = Arc::clone(&self.inner);
        self.run(async move {
            match &inner.database {
                Database::Sqlite(db) => migrate::sqlite(db).await,
                #[cfg(feature = "postgres")]
                Database::Postgres(db) => migrate::postgres(db).await,
            }
        })
    }

    /// Checks that the database answers.
    pub fn ping(&self) -> StoreCall<()> {
        call!(self, read, ops::ping())
    }

    /// The name of this installation: 32 random hexadecimal digits, made with the tables. All processes on one database
    /// have the same; a copy of a database has that of its original.
    pub fn installation(&self) -> StoreCall<String> {
        call!(self, read, ops::installation())
    }

    /// Writes a copy of the database, as it is at one moment, into the file `to`, which must be absent or empty. The
    /// database may be in use meanwhile, also by another process, and its tables are not brought up to date before.
    ///
    /// # Errors
    /// When the file cannot be written, and on PostgreSQL, which has tools of its own for this.
    pub fn copy_to(&self, to: String) -> StoreCall<()> {
        let inner = Arc::clone(&self.inner);
        self.run(async move {
            match &inner.database {
                Database::Sqlite(db) => {
                    let path = db.path.clone();
                    let copying = tokio::task::spawn_blocking(move || sqlite::backup::copy(&path, &to));
                    copying.await.map_err(|error| StoreError::Query(Box::new(error)))?
                }
                #[cfg(feature = "postgres")]
                Database::Postgres(_) => Err(StoreError::bad_url("names PostgreSQL, which pg_dump copies")),
            }
        })
    }

    /// Closes the connections; those on loan are closed when they are given back. Later calls are
    /// [`StoreError::Unavailable`].
    pub fn close(&self) {
        match &self.inner.database {
            Database::Sqlite(db) => db.close(),
            #[cfg(feature = "postgres")]
            Database::Postgres(db) => db.close(),
        }
    }

    /// True for an SQLite file, which serves one process; false for a server that many share.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.inner.database, Database::Sqlite(_))
    }

    /// The number of calls to the store since it was opened. Tests check with it that a path makes none.
    pub fn queries(&self) -> u64 {
        self.inner.queries.load(Ordering::Relaxed)
    }

    /// Runs `work` on the store's runtime. Dropping the result does not stop the work: a dropped SQLite future would
    /// block its thread, and half a transaction is of no use.
    fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> StoreCall<T> {
        let (inner, handle) = (Arc::clone(&self.inner), self.handle.clone());
        StoreCall(Box::pin(async move {
            inner.queries.fetch_add(1, Ordering::Relaxed);
            handle.spawn(work).await?
        }))
    }
}
