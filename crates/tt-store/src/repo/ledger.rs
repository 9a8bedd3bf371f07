//! The drain's transaction: it stores settled requests as rows and sums, exactly once, and the position reached in each
//! journal.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use tt_core::record::{JournalCursor, Settlement};

use super::Conn;
use crate::batch::NO_ENDING;
use crate::decode;
use crate::error::Result;
use crate::rollup::{self, ADD_HOURLY, Hourly, Row};
use crate::schema::journal_cursors;

/// The most times that a batch is tried. It is tried again when some of its rows are stored already, and when the
/// partition of a day is missing, which another process may drop again meanwhile.
const TRIES: usize = 4;

/// Tells whether rows of a batch may be in the table already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// All rows should be new; one that is not ends the transaction. This is cheaper, and nearly every batch is so.
    New,
    /// Some rows may be stored already and are left out.
    Mixed,
}

/// The statement that inserts the rows of [`rollup::logs`].
struct Logs;

/// Writes rows and sums of `settlements` and `cursors` in one transaction. A request whose row is stored
/// already is left out of everything. Returns the number of new requests.
pub(crate) async fn record(
    c: &mut Conn,
    settlements: Arc<[Settlement]>,
    cursors: Arc<[JournalCursor]>,
) -> Result<usize> {
    let mut rows: Vec<Row<'_>> = settlements.iter().map(Row::of).collect();
    // Every process writes in the same order, so that two with the same rows cannot wait for each other.
    let key = |row: &Row<'_>| (row.settlement.intent.created_at, row.settlement.intent.request_id);
    rows.sort_by_key(key);
    rows.dedup_by_key(|row| key(row));
    let (all, mut are) = (rows.len(), Rows::New);
    for _ in 1..TRIES {
        match write(c, &mut rows, &cursors, are).await {
            Err(error) if are == Rows::New && error.is_duplicate() => are = Rows::Mixed,
            // The first insert reports this error. If some of the rows have been left out already, the whole batch must
            // be sent again.
            Err(error) if rows.len() == all && super::native::lacks_partition(&error) => {
                super::native::make_days(c, rows.iter().map(|row| row.settlement.intent.created_at)).await?;
            }
            done => return done,
        }
    }
    write(c, &mut rows, &cursors, are).await
}

/// The transaction of [`record`]. Afterwards `rows` holds the rows that were new.
async fn write(c: &mut Conn, rows: &mut Vec<Row<'_>>, cursors: &[JournalCursor], are: Rows) -> Result<usize> {
    tx!(c, {
        match are {
            Rows::New => {
                super::native::insert_as::<Logs>(c, rollup::logs(rows)?, &NO_ENDING).await?;
            }
            Rows::Mixed => {
                let new = super::native::insert_new(c, rollup::logs(rows)?).await?;
                let new: HashSet<String> = new.into_iter().collect();
                rows.retain(|row| new.contains(&row.request_id()));
            }
        }
        let hourly = rollup::hourly(rollup::by_key(rows));
        super::native::insert_as::<Hourly>(c, hourly, &ADD_HOURLY).await?;
        super::tags::record(c, rows).await?;
        let spent = super::spending::record(c, rows).await?;
        super::alerts::of_rows(c, rows, &spent).await?;
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

/// The position up to which the journal `name` has been drained; `None`: nothing of it has been.
pub(crate) async fn cursor(c: &mut Conn, name: String) -> Result<Option<JournalCursor>> {
    let row: Option<(String, i64, i64)> = journal_cursors::table.find(name).first(c).await.optional()?;
    Ok(row.map(|(journal, segment, offset)| JournalCursor {
        journal,
        segment: decode::count(segment),
        offset: decode::count(offset),
    }))
}

/// Deletes the cursor of a journal whose files are deleted.
pub(crate) async fn forget_journal(c: &mut Conn, name: String) -> Result<()> {
    diesel::delete(journal_cursors::table.find(name)).execute(c).await?;
    Ok(())
}
