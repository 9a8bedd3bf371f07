//! The log's partitions, one a UTC day: made before they are needed or when a row needs one, and dropped whole.
//!
//! Processes do this at once without agreeing on anything: a lock lets one after the other look and act. A partition is
//! made beside its table and then attached, which lets drains and readers go on. Dropping one keeps everybody out of
//! the log for a moment; it gives up soon where it has to wait, since whoever comes after it waits too.

use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use tt_core::Timestamp;
use tt_core::time::DAY_MS;

use super::Conn;
use crate::error::{Result, StoreError};

/// The partitioned table.
const TABLE: &str = "request_logs";

/// For changes of the partitions: one process at a time.
const LOCK: &str = "SELECT pg_advisory_xact_lock(128043400652660)";

/// True if `error` is the error of an insert that finds no partition for a row. No table of the log has a CHECK of its
/// own, whose error would look the same.
pub(crate) fn is_missing(error: &StoreError) -> bool {
    let StoreError::Query(source) = error else { return false };
    matches!(
        source.downcast_ref::<DieselError>(),
        Some(DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, _))
    )
}

/// Makes the partitions of the days that `times` lie in, where they are missing. Returns the number of days that were
/// made.
pub(crate) async fn make(c: &mut Conn, times: impl IntoIterator<Item = Timestamp>) -> Result<usize> {
    let mut wanted: BTreeSet<i64> = times.into_iter().map(day_number).collect();
    let there = days(c).await?;
    wanted.retain(|day| !there.contains(day));
    if wanted.is_empty() {
        return Ok(0);
    }
    tx!(c, {
        c.batch_execute(&format!("SET LOCAL lock_timeout = '5s'; {LOCK}")).await?;
        let there = days(c).await?;
        wanted.retain(|day| !there.contains(day));
        for day in &wanted {
            let (name, from) = (partition(*day), day.saturating_mul(DAY_MS));
            let to = from.saturating_add(DAY_MS);
            c.batch_execute(&format!(
                "CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL); \
                 ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
            ))
            .await?;
        }
        Ok(wanted.len())
    })
}

/// Drops the oldest day if it lies before the day of `before`; returns `None` where there is no such day. If it would
/// have to wait for longer than a moment, it fails; a later call may succeed.
pub(crate) async fn drop_oldest(c: &mut Conn, before: Timestamp) -> Result<Option<Timestamp>> {
    let end = day_number(before);
    let oldest = |days: BTreeSet<i64>| days.into_iter().next().filter(|day| *day < end);
    if oldest(days(c).await?).is_none() {
        return Ok(None);
    }
    tx!(c, {
        c.batch_execute(&format!("SET LOCAL lock_timeout = '1s'; {LOCK}")).await?;
        let Some(day) = oldest(days(c).await?) else { return Ok(None) };
        let name = partition(day);
        c.batch_execute(&format!("LOCK TABLE ONLY {TABLE} IN ACCESS EXCLUSIVE MODE; DROP TABLE IF EXISTS {name}"))
            .await?;
        Ok(Some(Timestamp::from_millis(day.saturating_mul(DAY_MS))))
    })
}

/// Days since the Unix epoch.
fn day_number(at: Timestamp) -> i64 {
    at.day().millis() / DAY_MS
}

/// The partition's name. It is constant text and a number, so it needs no quotes, except before the epoch, which no
/// request id reaches.
fn partition(day: i64) -> String {
    format!("{TABLE}_d{day}")
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The days that have partitions.
async fn days(c: &mut Conn) -> Result<BTreeSet<i64>> {
    let names: Vec<Name> = diesel::sql_query(
        "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'request_logs'::regclass",
    )
    .load(c)
    .await?;
    Ok(names.iter().filter_map(|row| row.name.strip_prefix("request_logs_d")?.parse().ok()).collect())
}
