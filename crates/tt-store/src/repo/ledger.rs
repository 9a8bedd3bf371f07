//! The drain: settled requests into rows and sums, exactly once, and how far each journal has come.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use tt_core::record::{JournalCursor, Settlement};

use super::Conn;
use crate::decode;
use crate::error::Result;
use crate::rollup::{self, Row};
use crate::schema::journal_cursors;

/// The most times a batch is tried. It is tried again when rows of it are there already, and when the partition of a day
/// is missing: another process may drop that again meanwhile.
const TRIES: usize = 4;

/// Whether rows of a batch may be in the table already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// They should be new: a row that is not ends the transaction. Cheaper, and what a batch nearly always is.
    New,
    /// Some may be there already and are to be left out.
    Mixed,
}

/// Writes rows, details and sums of `settlements` and `cursors` in one transaction. A request whose row is there
/// already is left out of everything. How many were new.
pub(crate) async fn record(
    c: &mut Conn,
    settlements: Arc<[Settlement]>,
    cursors: Arc<[JournalCursor]>,
) -> Result<usize> {
    let mut rows: Vec<Row<'_>> = settlements.iter().map(Row::of).collect::<Result<_>>()?;
    // In the same order in every process: two of them with the same rows cannot wait for each other.
    let key = |row: &Row<'_>| (row.settlement.intent.created_at, row.settlement.intent.request_id);
    rows.sort_by_key(key);
    rows.dedup_by_key(|row| key(row));
    let (all, mut are) = (rows.len(), Rows::New);
    for _ in 1..TRIES {
        match write(c, &mut rows, &cursors, are).await {
            Err(error) if are == Rows::New && error.is_duplicate() => are = Rows::Mixed,
            // It is the first insert that says so. Where some of the rows are left out already, the whole batch is to
            // be sent again.
            Err(error) if rows.len() == all && super::native::lacks_partition(&error) => {
                super::native::make_days(c, rows.iter().map(|row| row.settlement.intent.created_at)).await?;
            }
            done => return done,
        }
    }
    write(c, &mut rows, &cursors, are).await
}

/// The transaction of [`record`]; what is left of `rows` was new.
async fn write(c: &mut Conn, rows: &mut Vec<Row<'_>>, cursors: &[JournalCursor], are: Rows) -> Result<usize> {
    tx!(c, {
        match are {
            Rows::New => super::native::insert(c, rollup::logs(rows), String::new()).await?,
            Rows::Mixed => {
                let new = super::native::insert_new(c, rollup::logs(rows)).await?;
                let new: HashSet<String> = new.into_iter().collect();
                rows.retain(|row| new.contains(&row.request_id));
            }
        }
        let beside = if are == Rows::New { "" } else { "ON CONFLICT DO NOTHING" };
        super::native::insert(c, rollup::details(rows)?, beside.to_owned()).await?;
        let hourly = rollup::upsert("usage_hourly", rollup::HOURLY_KEY);
        super::native::insert(c, rollup::hourly(rollup::by_key(rows)), hourly).await?;
        super::tags::record(c, rows).await?;
        super::spending::record(c, rows).await?;
        for cursor in cursors {
            advance(c, cursor.clone()).await?;
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

/// The place up to which the journal `name` has been drained; `None`: nothing has been.
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
