//! A check that the database answers, and the name of the installation.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Conn;
use crate::error::Result;
use crate::schema::installation;

/// Runs a query that reads no table.
pub(crate) async fn ping(c: &mut Conn) -> Result<()> {
    let _: i64 =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("CAST(1 AS BIGINT)")).get_result(c).await?;
    Ok(())
}

/// The name of this installation.
pub(crate) async fn installation(c: &mut Conn) -> Result<String> {
    Ok(installation::table.select(installation::name).first(c).await?)
}
