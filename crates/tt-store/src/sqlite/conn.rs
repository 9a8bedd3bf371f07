//! A connection to SQLite for the repositories, which are written once for both databases and so await every statement.
//! SQLite runs within the thread that calls it: a statement is done before its future is made, and none of the futures
//! here ever waits. [`on_own_thread`] keeps the time that it takes away from the runtime's threads.
//!
//! The connection of diesel-async hands each statement to a thread of its own instead, which costs two switches between
//! threads and a copy of every value.

use std::future::{Ready, ready};

use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, Instrumentation, LoadConnection, SimpleConnection,
    TransactionManager, TransactionManagerStatus,
};
use diesel::query_builder::{AsQuery, AstPass, Query, QueryFragment, QueryId};
use diesel::row::IntoOwnedRow;
use diesel::sql_types::Untyped;
use diesel::sqlite::Sqlite;
use diesel::{ConnectionResult, QueryResult, SqliteConnection};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection};
use futures_util::stream;

use crate::error::Result;

/// Runs `work`, whose only waits are for SQLite, on a thread that may block.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || handle.block_on(work)).await?
}

/// A connection whose statements run on the thread that asks for them.
pub(crate) struct Conn(SqliteConnection);

impl Conn {
    /// A connection to the file at `path`, after the statements in `setup`.
    pub(crate) fn open(path: &str, setup: &str) -> ConnectionResult<Self> {
        let mut conn = SqliteConnection::establish(path)?;
        conn.batch_execute(setup).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        Ok(Self(conn))
    }

    /// The connection itself.
    pub(crate) fn inner(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

/// A row that is read, and no longer in the statement.
type OwnedRow =
    <<SqliteConnection as LoadConnection>::Row<'static, 'static> as IntoOwnedRow<'static, Sqlite>>::OwnedRow;

impl SimpleAsyncConnection for Conn {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.batch_execute(query)
    }
}

impl AsyncConnectionCore for Conn {
    type ExecuteFuture<'conn, 'query> = Ready<QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = Ready<QueryResult<Self::Stream<'conn, 'query>>>;
    type Stream<'conn, 'query> = stream::Iter<std::vec::IntoIter<QueryResult<OwnedRow>>>;
    type Row<'conn, 'query> = OwnedRow;
    type Backend = Sqlite;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Sqlite> + QueryId + 'query,
    {
        let mut names = Default::default();
        let rows = self.0.load(Rows(source.as_query())).map(|rows| {
            let rows: Vec<_> = rows.map(|row| row.map(|row| row.into_owned(&mut names))).collect();
            stream::iter(rows)
        });
        ready(rows)
    }

    fn execute_returning_count<'conn, 'query, T>(&'conn mut self, source: T) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Sqlite> + QueryId + 'query,
    {
        ready(self.0.execute_returning_count(&source))
    }
}

impl AsyncConnection for Conn {
    type TransactionManager = Transactions;

    async fn establish(path: &str) -> ConnectionResult<Self> {
        Self::open(path, "")
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.0.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.0.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.0.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.0.set_prepared_statement_cache_size(size);
    }
}

impl PoolableConnection for Conn {
    fn is_broken(&mut self) -> bool {
        AnsiTransactionManager::is_broken_transaction_manager(&mut self.0)
    }
}

/// The transactions of a [`Conn`].
pub(crate) struct Transactions;

impl diesel_async::TransactionManager<Conn> for Transactions {
    type TransactionStateData = AnsiTransactionManager;

    async fn begin_transaction(conn: &mut Conn) -> QueryResult<()> {
        AnsiTransactionManager::begin_transaction(&mut conn.0)
    }

    async fn rollback_transaction(conn: &mut Conn) -> QueryResult<()> {
        AnsiTransactionManager::rollback_transaction(&mut conn.0)
    }

    async fn commit_transaction(conn: &mut Conn) -> QueryResult<()> {
        AnsiTransactionManager::commit_transaction(&mut conn.0)
    }

    fn transaction_manager_status_mut(conn: &mut Conn) -> &mut TransactionManagerStatus {
        AnsiTransactionManager::transaction_manager_status_mut(&mut conn.0)
    }
}

/// A query whose rows are given their types later, as diesel-async does.
struct Rows<Q>(Q);

impl<Q> Query for Rows<Q> {
    type SqlType = Untyped;
}

impl<Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Rows<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<Q: QueryId> QueryId for Rows<Q> {
    type QueryId = Q::QueryId;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}
