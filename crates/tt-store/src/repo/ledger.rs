//! The drain: settled requests into rows and sums, exactly once, and how far each journal has come.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use tt_core::record::{JournalCursor, Settlement};

use super::Conn;
use crate::decode;
use crate::error::Result;
use crate::rollup::{self, Row};
use crate::schema::journal_cursors;

/// Writes rows, details and sums of `settlements` and `cursors` in one transaction. A request whose row is there
/// already is left out of everything. How many were new.
pub(crate) async fn record(c: &mut Conn, settlements: Vec<Settlement>, cursors: Vec<JournalCursor>) -> Result<usize> {
    let mut rows: Vec<Row> = settlements.into_iter().map(Row::of).collect();
    // In the same order in every process: two of them with the same rows cannot wait for each other.
    let key = |row: &Row| (row.settlement.intent.created_at, row.settlement.intent.request_id);
    rows.sort_by_key(key);
    rows.dedup_by_key(|row| key(row));
    tx!(c, {
        let new: HashSet<String> = super::dialect::insert_new(c, &rollup::logs(&rows)).await?.into_iter().collect();
        rows.retain(|row| new.contains(&row.request_id));
        super::dialect::insert(c, &rollup::details(&rows)?, "ON CONFLICT DO NOTHING").await?;
        let hourly = rollup::upsert("usage_hourly", rollup::HOURLY_KEY);
        super::dialect::insert(c, &rollup::hourly(rollup::by_key(&rows)), &hourly).await?;
        super::tags::record(c, &rows).await?;
        super::spending::record(c, &rows).await?;
        for cursor in cursors {
            advance(c, cursor).await?;
        }
        Ok(rows.len())
    })
}

async fn advance(c: &mut Conn, cursor: JournalCursor) -> Result<()> {
    use journal_cursors::{journal, offset, segment};
    diesel::insert_into(journal_cursors::table)
        .values((
            journal.eq(cursor.journal),
            segment.eq(decode::column(cursor.segment)),
            offset.eq(decode::column(cursor.offset)),
        ))
        .on_conflict(journal)
        .do_update()
        .set((segment.eq(excluded(segment)), offset.eq(excluded(offset))))
        .execute(c)
        .await?;
    Ok(())
}

/// How far `name` has been drained; `None`: not at all.
pub(crate) async fn cursor(c: &mut Conn, name: String) -> Result<Option<JournalCursor>> {
    let row: Option<(String, i64, i64)> = journal_cursors::table.find(name).first(c).await.optional()?;
    Ok(row.map(|(journal, segment, offset)| JournalCursor {
        journal,
        segment: decode::count(segment),
        offset: decode::count(offset),
    }))
}

/// Forgets a journal whose files are gone.
pub(crate) async fn forget_journal(c: &mut Conn, name: String) -> Result<()> {
    diesel::delete(journal_cursors::table.find(name)).execute(c).await?;
    Ok(())
}
