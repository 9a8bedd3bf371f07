//! The notes that tell other processes which users, or prices, they must forget.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::{Timestamp, UserId};

use super::Conn;
use crate::error::Result;
use crate::schema::changes;
use crate::view::Change;

/// Records that the rights, keys or aliases of `user` change. Call it in the transaction that changes them.
pub(crate) async fn note(c: &mut Conn, user: UserId, now: Timestamp) -> Result<()> {
    diesel::insert_into(changes::table)
        .values((changes::user_id.eq(user.0), changes::created_at.eq(now.millis())))
        .execute(c)
        .await?;
    Ok(())
}

/// The notes with an id above `after`, by id; at most `limit`.
pub(crate) async fn since(c: &mut Conn, after: i64, limit: u32) -> Result<Vec<Change>> {
    let rows: Vec<(i64, i64, i64)> =
        changes::table.filter(changes::id.gt(after)).order(changes::id).limit(i64::from(limit)).load(c).await?;
    Ok(rows
        .into_iter()
        .map(|(id, user, at)| Change { id, user_id: UserId(user), created_at: Timestamp::from_millis(at) })
        .collect())
}

/// The highest id, 0 when there is no note.
pub(crate) async fn latest(c: &mut Conn) -> Result<i64> {
    let id: Option<i64> = changes::table.select(diesel::dsl::max(changes::id)).first(c).await?;
    Ok(id.unwrap_or(0))
}

/// Deletes notes older than `before`; returns their number.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(changes::table.filter(changes::created_at.lt(before.millis()))).execute(c).await?)
}
