//! Drops old rows of the log, which is one table in SQLite. It works in small pieces, so that the one writer is free in
//! between.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::Timestamp;

use super::Conn;
use crate::error::Result;
use crate::schema::request_logs;

/// Deletes about `chunk` of the oldest rows that lie before the UTC day of `before`. Returns their number, 0 when none
/// is left.
pub(crate) async fn delete(c: &mut Conn, before: Timestamp, chunk: u32) -> Result<usize> {
    use request_logs::created_at;
    let day = before.day().millis();
    tx!(c, {
        let last: Option<i64> = request_logs::table
            .filter(created_at.lt(day))
            .order(created_at)
            .offset(i64::from(chunk.max(1)) - 1)
            .select(created_at)
            .first(c)
            .await
            .optional()?;
        // Ends at the last row of the chunk, with all rows of its millisecond, or else at the day.
        let end = last.map_or(day, |at| at + 1);
        Ok(diesel::delete(request_logs::table.filter(created_at.lt(end))).execute(c).await?)
    })
}
