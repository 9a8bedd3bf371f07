//! Statements that PostgreSQL has in its own form: locks, writing many rows at once, dropping old days of the log. The
//! other database has the same functions.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use tt_core::Timestamp;

use super::{Conn, partitions};
use crate::batch::{Batch, Column, Ending, head};
use crate::error::{Result, StoreError};
use crate::schema::webhook_deliveries as deliveries;
use crate::view::Pruned;

/// Keeps other writers of this user's rows out until the transaction ends.
pub(crate) async fn lock_user(c: &mut Conn, user: i64) -> Result<()> {
    diesel::sql_query("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE")
        .bind::<BigInt, _>(user)
        .execute(c)
        .await?;
    Ok(())
}

/// Keeps other drains from deciding on tag values until the transaction ends, so that a day's bound holds.
pub(crate) async fn lock_tag_values(c: &mut Conn) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(128043400652659)").execute(c).await?;
    Ok(())
}

/// Keeps other re-pricings out until the transaction ends: nothing else changes a row of the log.
pub(crate) async fn lock_rerates(c: &mut Conn) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(128043400652660)").execute(c).await?;
    Ok(())
}

/// The ids of a user's deliveries that are due at `now`, at most `limit`, without those that another process is taking.
pub(crate) async fn due_deliveries(c: &mut Conn, user: i64, now: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(deliveries::table
        .filter(deliveries::user_id.eq(user))
        .filter(deliveries::next_attempt_at.le(now))
        .order((deliveries::next_attempt_at, deliveries::id))
        .limit(limit)
        .select(deliveries::id)
        .for_update()
        .skip_locked()
        .load(c)
        .await?)
}

/// Changes the rows of the table that `batch` names: the first `keys` columns select a row, the other columns give its
/// new values.
pub(crate) async fn update(c: &mut Conn, batch: &Batch, keys: usize) -> Result<()> {
    let arrays = (1..=batch.columns().len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let (set, same) = batch.assignments(keys);
    let (table, names) = (batch.table(), batch.names().join(", "));
    let text = format!("UPDATE {table} SET {set} FROM unnest({arrays}) AS new ({names}) WHERE {same}");
    if batch.rows() > 0 {
        with_values(batch, text).execute(c).await?;
    }
    Ok(())
}

/// Inserts `batch` in one statement; `ending` follows the values.
pub(crate) async fn insert(c: &mut Conn, batch: Batch, ending: String) -> Result<()> {
    if batch.rows() > 0 {
        Insert { batch: &batch, ending: &ending }.execute(c).await?;
    }
    Ok(())
}

/// Inserts `batch`; `ending` follows the values. Every batch inserted as `S` has the same table, columns and ending.
#[expect(clippy::extra_unused_type_parameters, reason = "the same signature as on SQLite")]
pub(crate) async fn insert_as<S>(c: &mut Conn, batch: Batch, ending: &'static Ending) -> Result<()> {
    insert(c, batch, ending.all.clone()).await
}

/// As [`insert`]; returns the `request_id` of each row that was new.
pub(crate) async fn insert_new(c: &mut Conn, batch: Batch) -> Result<Vec<String>> {
    if batch.rows() == 0 {
        return Ok(Vec::new());
    }
    let insert = Insert { batch: &batch, ending: "ON CONFLICT DO NOTHING RETURNING request_id" };
    Ok(insert.get_results(c).await?)
}

/// True if rows belong to a day that has no partition.
pub(crate) fn lacks_partition(error: &StoreError) -> bool {
    partitions::is_missing(error)
}

/// Makes the partitions that rows of these times need. Returns the number of days that were made.
pub(crate) async fn make_days(c: &mut Conn, times: impl IntoIterator<Item = Timestamp>) -> Result<usize> {
    partitions::make(c, times).await
}

/// Drops the oldest day, if it lies before the day of `before`.
pub(crate) async fn prune_logs(c: &mut Conn, before: Timestamp, _chunk: u32) -> Result<Pruned> {
    Ok(partitions::drop_oldest(c, before).await?.map_or(Pruned::Nothing, Pruned::Day))
}

/// The expression of a number in a JSON object that a column holds; 0 where there is none. `column` and `field` are constants
/// of this crate.
pub(crate) fn json_number(column: &str, field: &str) -> String {
    format!("COALESCE(CAST(CAST({column} AS JSON) ->> '{field}' AS BIGINT), 0)")
}

/// The expression of the value that a JSON object of texts has for the name in a parameter; NULL where it has none.
pub(crate) fn json_text(column: &str, name: &str) -> String {
    format!("(CAST({column} AS JSON) ->> CAST({name} AS TEXT))")
}

/// The value of a tag of a row, whose name stands between the two.
pub(crate) const JSON_TEXT_OF_TAGS: (&str, &str) = ("(CAST(request_logs.tags AS JSON) ->> CAST(", " AS TEXT))");

fn with_values(
    batch: &Batch,
    text: String,
) -> diesel::query_builder::BoxedSqlQuery<'_, Pg, diesel::query_builder::SqlQuery> {
    let mut query = diesel::sql_query(text).into_boxed::<Pg>();
    for column in batch.columns() {
        query = match column {
            Column::Big(values) => query.bind::<Array<BigInt>, _>(values),
            Column::MaybeBig(values) => query.bind::<Array<Nullable<BigInt>>, _>(values),
            Column::Bool(values) => query.bind::<Array<Bool>, _>(values),
            Column::Text(values) => query.bind::<Array<Text>, _>(values),
            Column::MaybeText(values) => query.bind::<Array<Nullable<Text>>, _>(values),
            Column::Word(values) => query.bind::<Array<Nullable<Text>>, _>(values),
        };
    }
    query
}

/// A statement whose text depends on the table only, so that the server plans it once for each connection. Each column
/// is an array.
struct Insert<'a> {
    batch: &'a Batch,
    ending: &'a str,
}

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        head("INSERT", self.batch, &mut out);
        out.push_sql("SELECT * FROM unnest(");
        for (n, column) in self.batch.columns().iter().enumerate() {
            out.push_sql(if n == 0 { "" } else { ", " });
            match column {
                Column::Big(values) => out.push_bind_param::<Array<BigInt>, _>(values),
                Column::MaybeBig(values) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(values),
                Column::Bool(values) => out.push_bind_param::<Array<Bool>, _>(values),
                Column::Text(values) => out.push_bind_param::<Array<Text>, _>(values),
                Column::MaybeText(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values),
                Column::Word(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values),
            }?;
        }
        out.push_sql(") ");
        out.push_sql(self.ending);
        Ok(())
    }
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
