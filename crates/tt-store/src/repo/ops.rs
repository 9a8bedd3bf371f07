//! A check that the database answers.

use diesel_async::RunQueryDsl;

use super::Conn;
use crate::error::Result;

/// Runs a query that reads no table.
pub(crate) async fn ping(c: &mut Conn) -> Result<()> {
    let _: i64 =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("CAST(1 AS BIGINT)")).get_result(c).await?;
    Ok(())
}
