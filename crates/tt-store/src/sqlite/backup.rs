//! Copies the database into another file while it is used.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};

use crate::error::{Result, StoreError};

/// Writes the state of the database at `from` at one moment into the file `to`, which must be absent or empty. Others go on
/// reading and writing meanwhile. It works with a connection of its own, for minutes if the database is large.
pub(crate) fn copy(from: &Path, to: &str) -> Result<()> {
    let mut conn = SqliteConnection::establish(&from.to_string_lossy())
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    conn.batch_execute("PRAGMA busy_timeout=30000")?;
    sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(&mut conn)?;
    Ok(())
}
