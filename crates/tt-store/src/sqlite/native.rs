//! Statements that SQLite has in its own form: locks, writing many rows at once, dropping old days of the log. The
//! other database has the same functions.

use std::marker::PhantomData;
use std::ops::Range;

use diesel::QueryResult;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use tt_core::Timestamp;

use super::Conn;
use crate::batch::{Batch, Column, Ending, head};
use crate::error::{Result, StoreError};
use crate::schema::webhook_deliveries as deliveries;
use crate::view::Pruned;

/// The numbers of rows that a statement may insert; the largest that fits is taken. They are few, so that each text is
/// parsed once for each connection.
const CHUNKS: [usize; 3] = [CHUNK_LARGE, CHUNK_SMALL, 1];
const CHUNK_LARGE: usize = 64;
const CHUNK_SMALL: usize = 8;

/// Keeps other writers of this user's rows out until the transaction ends. Nothing is needed: SQLite has one writer.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn lock_user(_: &mut Conn, _: i64) -> Result<()> {
    Ok(())
}

/// Keeps other drains from deciding on tag values. Nothing is needed: SQLite has one writer.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn lock_tag_values(_: &mut Conn) -> Result<()> {
    Ok(())
}

/// Keeps other re-pricings out. Nothing is needed: SQLite has one writer.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn lock_rerates(_: &mut Conn) -> Result<()> {
    Ok(())
}

/// The ids of a user's deliveries that are due at `now`, at most `limit`. SQLite has one writer, so no other process takes
/// the same.
pub(crate) async fn due_deliveries(c: &mut Conn, user: i64, now: i64, limit: i64) -> Result<Vec<i64>> {
    let due = deliveries::table
        .filter(deliveries::user_id.eq(user))
        .filter(deliveries::next_attempt_at.le(now))
        .order((deliveries::next_attempt_at, deliveries::id))
        .limit(limit)
        .select(deliveries::id);
    Ok(diesel_async::RunQueryDsl::load(due, c).await?)
}

/// Changes the rows of the table that `batch` names: the first `keys` columns select a row, the other columns give its
/// new values.
pub(crate) async fn update(c: &mut Conn, batch: &Batch, keys: usize) -> Result<()> {
    let (set, same) = batch.assignments(keys);
    let (table, names) = (batch.table(), batch.names().join(", "));
    for rows in chunks(batch.rows()) {
        let values = values(batch, &rows);
        let text = format!("WITH new ({names}) AS (VALUES {values}) UPDATE {table} SET {set} FROM new WHERE {same}");
        diesel_async::RunQueryDsl::execute(with_values(batch, rows, text), c).await?;
    }
    Ok(())
}

/// Inserts `batch`; `ending` follows the values. Every batch inserted as `S` has the same table, columns and ending.
///
/// A statement is then known by its type. Of any other, the text is made anew each time, to look for it in the
/// connection's cache; for the log's wide rows that costs about as much as the insertion itself.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn insert_as<S: 'static>(c: &mut Conn, batch: Batch, ending: &'static Ending) -> Result<()> {
    for rows in chunks(batch.rows()) {
        if batch.is_plain(&rows) {
            insert_known::<S, true>(c, Insert { batch: &batch, rows, plain: true, ending: &ending.plain })?;
        } else {
            insert_known::<S, false>(c, Insert { batch: &batch, rows, plain: false, ending: &ending.all })?;
        }
    }
    Ok(())
}

fn insert_known<S: 'static, const PLAIN: bool>(c: &mut Conn, insert: Insert<'_>) -> Result<usize> {
    let c = c.inner();
    Ok(match insert.rows.len() {
        CHUNK_LARGE => Known::<S, CHUNK_LARGE, PLAIN>(insert, PhantomData).execute(c)?,
        CHUNK_SMALL => Known::<S, CHUNK_SMALL, PLAIN>(insert, PhantomData).execute(c)?,
        _ => Known::<S, 1, PLAIN>(insert, PhantomData).execute(c)?,
    })
}

/// Inserts `batch`; `ending` follows the values.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn insert(c: &mut Conn, batch: Batch, ending: String) -> Result<()> {
    for rows in chunks(batch.rows()) {
        Insert { batch: &batch, rows, plain: false, ending: &ending }.execute(c.inner())?;
    }
    Ok(())
}

/// As [`insert`]; returns the `request_id` of each row that was new.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn insert_new(c: &mut Conn, batch: Batch) -> Result<Vec<String>> {
    let mut new = Vec::with_capacity(batch.rows());
    for rows in chunks(batch.rows()) {
        let ending = "ON CONFLICT DO NOTHING RETURNING request_id";
        new.extend(Insert { batch: &batch, rows, plain: false, ending }.get_results::<String>(c.inner())?);
    }
    Ok(new)
}

/// Always false: a table of SQLite takes rows of any day.
pub(crate) fn lacks_partition(_: &StoreError) -> bool {
    false
}

/// Makes nothing: a table of SQLite takes rows of any day.
#[expect(clippy::unused_async, reason = "the same signature as on PostgreSQL")]
pub(crate) async fn make_days(_: &mut Conn, _: impl IntoIterator<Item = Timestamp>) -> Result<usize> {
    Ok(0)
}

/// Deletes about `chunk` of the oldest rows that lie before the day of `before`.
pub(crate) async fn prune_logs(c: &mut Conn, before: Timestamp, chunk: u32) -> Result<Pruned> {
    let rows = super::oldest::delete(c, before, chunk).await?;
    Ok(if rows == 0 { Pruned::Nothing } else { Pruned::Rows(rows) })
}

/// The expression of a number in a JSON object that a column holds; 0 where there is none. `column` and `field` are constants
/// of this crate.
pub(crate) fn json_number(column: &str, field: &str) -> String {
    format!("COALESCE(json_extract({column}, '$.{field}'), 0)")
}

/// The expression of the value that a JSON object of texts has for the name in a parameter; NULL where it has none.
pub(crate) fn json_text(column: &str, name: &str) -> String {
    format!("(SELECT value FROM json_each({column}) WHERE key = CAST({name} AS TEXT))")
}

/// The value of a tag of a row, whose name stands between the two.
pub(crate) const JSON_TEXT_OF_TAGS: (&str, &str) =
    ("(SELECT value FROM json_each(request_logs.tags) WHERE key = ", ")");

/// Splits `rows` into pieces of the sizes in [`CHUNKS`].
fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| start + size <= rows)?;
        start += size;
        Some(start - size..start)
    })
}

fn values(batch: &Batch, rows: &Range<usize>) -> String {
    let row = format!("({})", vec!["?"; batch.columns().len()].join(", "));
    vec![row; rows.len()].join(", ")
}

fn with_values(
    batch: &Batch,
    rows: Range<usize>,
    text: String,
) -> diesel::query_builder::BoxedSqlQuery<'static, Sqlite, diesel::query_builder::SqlQuery> {
    let mut query = diesel::sql_query(text).into_boxed::<Sqlite>();
    for row in rows {
        for column in batch.columns() {
            query = match column {
                Column::Big(values) => query.bind::<BigInt, _>(values.get(row).copied().unwrap_or_default()),
                Column::MaybeBig(values) => query.bind::<Nullable<BigInt>, _>(values.get(row).copied().flatten()),
                Column::Bool(values) => query.bind::<Bool, _>(values.get(row).copied().unwrap_or_default()),
                Column::Text(values) => query.bind::<Text, _>(values.get(row).cloned().unwrap_or_default()),
                Column::MaybeText(values) => query.bind::<Nullable<Text>, _>(values.get(row).cloned().flatten()),
                Column::Word(values) => query.bind::<Nullable<Text>, _>(values.get(row).copied().flatten()),
            };
        }
    }
    query
}

/// A statement whose text depends on the table, the number of rows and `plain` only.
///
/// It stands in a transaction that ends with any error. So a row that fails need not undo those before it (OR FAIL), for
/// which SQLite would keep a copy of each page that the statement changes.
struct Insert<'a> {
    batch: &'a Batch,
    rows: Range<usize>,
    /// True if the rows are plain ([`Batch::is_plain`]). What they hold in the rare columns is then written in the text,
    /// which costs a fraction of binding it.
    plain: bool,
    ending: &'a str,
}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        head("INSERT OR FAIL", self.batch, &mut out);
        out.push_sql("VALUES ");
        for row in self.rows.clone() {
            out.push_sql(if row == self.rows.start { "(" } else { "), (" });
            for (n, (column, is_rare)) in self.batch.marked().enumerate() {
                out.push_sql(if n == 0 { "" } else { ", " });
                if self.plain && is_rare {
                    out.push_sql(column.empty());
                    continue;
                }
                match column {
                    Column::Big(values) => push::<BigInt, _>(&mut out, values, row),
                    Column::MaybeBig(values) => push::<Nullable<BigInt>, _>(&mut out, values, row),
                    Column::Bool(values) => push::<Bool, _>(&mut out, values, row),
                    Column::Text(values) => push::<Text, _>(&mut out, values, row),
                    Column::MaybeText(values) => push::<Nullable<Text>, _>(&mut out, values, row),
                    Column::Word(values) => push::<Nullable<Text>, _>(&mut out, values, row),
                }?;
            }
        }
        out.push_sql(") ");
        out.push_sql(self.ending);
        Ok(())
    }
}

fn push<'b, T, V>(out: &mut AstPass<'_, 'b, Sqlite>, values: &'b [V], row: usize) -> QueryResult<()>
where
    Sqlite: diesel::sql_types::HasSqlType<T>,
    V: diesel::serialize::ToSql<T, Sqlite>,
{
    // Every column has a value a row.
    let value = values.get(row).ok_or(diesel::result::Error::NotFound)?;
    out.push_bind_param::<T, V>(value)
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    /// The statement's text identifies it in the cache.
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// The type of the returned rows, for statements that return rows.
impl Query for Insert<'_> {
    type SqlType = Text;
}

impl RunQueryDsl<SqliteConnection> for Insert<'_> {}

/// An [`Insert`] of `ROWS` rows, whose text depends on `S`, `ROWS` and `PLAIN` only.
struct Known<'a, S, const ROWS: usize, const PLAIN: bool>(Insert<'a>, PhantomData<S>);

impl<S, const ROWS: usize, const PLAIN: bool> QueryFragment<Sqlite> for Known<'_, S, ROWS, PLAIN> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<S: 'static, const ROWS: usize, const PLAIN: bool> QueryId for Known<'_, S, ROWS, PLAIN> {
    type QueryId = Known<'static, S, ROWS, PLAIN>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S, const ROWS: usize, const PLAIN: bool> RunQueryDsl<SqliteConnection> for Known<'_, S, ROWS, PLAIN> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_chunk() {
        for rows in [0, 1, 7, 8, 63, 64, 65, 1000, 4099] {
            let all: Vec<usize> = chunks(rows).flatten().collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
        }
    }
}
