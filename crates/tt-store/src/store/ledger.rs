//! The store's functions for the drain, and for reading the log and its sums.

use std::sync::Arc;

use tt_core::query::{
    ExportQuery, ExportRow, GapQuery, Gaps, LogDetail, LogQuery, LogRow, TagSeen, UsageGroup, UsageQuery,
};
use tt_core::record::{JournalCursor, Settlement};
use tt_core::time::DAY_MS;
use tt_core::{RequestId, Timestamp, UserId};

use super::{Store, StoreCall};
use crate::view::{Pruned, RequestCount};

impl Store {
    /// Writes the rows, details and sums of `settlements`, and `cursors`, in one transaction; returns the number of new
    /// requests. A request that is recorded already changes nothing, so a batch may be sent again after an error.
    /// Batches of a hundred to a thousand are best.
    pub fn record(&self, settlements: Vec<Settlement>, cursors: Vec<JournalCursor>) -> StoreCall<usize> {
        self.record_batch(settlements.into(), cursors.into())
    }

    /// As [`Store::record`], for a batch that the caller keeps until it is stored.
    pub fn record_batch(&self, settlements: Arc<[Settlement]>, cursors: Arc<[JournalCursor]>) -> StoreCall<usize> {
        call!(self, write, ledger::record(settlements, cursors))
    }

    /// The position up to which a journal has been drained; `None`: nothing of it has been.
    pub fn journal_cursor(&self, journal: String) -> StoreCall<Option<JournalCursor>> {
        call!(self, read, ledger::cursor(journal))
    }

    /// Deletes the cursor of a journal whose files are deleted.
    pub fn forget_journal(&self, journal: String) -> StoreCall<()> {
        call!(self, write, ledger::forget_journal(journal))
    }

    /// The user's sums, in the order of the query's dimensions: texts by code point, numbers and times by value. With
    /// no dimension one group, of zeros where there was nothing. An hour is shown as RFC 3339, a day as its date. By
    /// tag, requests without the tag are the last group (`None`), so that the groups add up to the whole.
    pub fn usage(&self, user: UserId, query: UsageQuery) -> StoreCall<Vec<UsageGroup>> {
        call!(self, read, usage::usage(user, query))
    }

    /// The tags of the user's requests on the UTC days of a range, each with its values: at most a hundred tags with at
    /// most two hundred values. Days whose rows are deleted are left out.
    pub fn tags_seen(&self, user: UserId, from: Timestamp, to: Timestamp) -> StoreCall<Vec<TagSeen>> {
        call!(self, read, tags::seen(user, from, to))
    }

    /// The user's requests, newest first.
    pub fn logs(&self, user: UserId, query: LogQuery) -> StoreCall<Vec<LogRow>> {
        call!(self, read, logs::list(user, query))
    }

    /// One of the user's requests in full.
    pub fn log_detail(&self, user: UserId, request: RequestId) -> StoreCall<Option<LogDetail>> {
        call!(self, read, logs::detail(user, request))
    }

    /// The user's requests whose numbers leave something out, by the kind of gap.
    pub fn gaps(&self, user: UserId, query: GapQuery) -> StoreCall<Gaps> {
        call!(self, read, gaps::gaps(user, query))
    }

    /// Requests with their users, oldest first. An export reads them page by page; rows that come meanwhile do not move
    /// the others.
    pub fn export(&self, query: ExportQuery) -> StoreCall<Vec<ExportRow>> {
        call!(self, read, logs::export(query))
    }

    /// The number of requests of all users by credential since the hour of `since`. Daily limits start from it after a
    /// restart.
    pub fn requests_since(&self, since: Timestamp) -> StoreCall<Vec<RequestCount>> {
        call!(self, read, usage::requests_since(since))
    }

    /// Makes partitions for `days` UTC days from that of `from` on, so that no row has to wait for one; returns the
    /// number of days that were made. [`Store::record`] makes the day of a row too, if it is missing. On SQLite there
    /// is nothing to do.
    pub fn make_log_days(&self, from: Timestamp, days: u16) -> StoreCall<usize> {
        let times = (0..i64::from(days)).map(|day| from.plus_millis(day * DAY_MS)).collect();
        call!(self, write, logs::make_days(times))
    }

    /// Drops a part of the rows before the UTC day of `before`: on PostgreSQL the oldest day as a whole, on SQLite
    /// about `chunk` of the oldest rows. StoreCall it until it returns [`Pruned::Nothing`]. The sums stay. Any number of
    /// processes may call it at once; on PostgreSQL an error may only mean that it would have had to wait.
    pub fn prune_logs(&self, before: Timestamp, chunk: u32) -> StoreCall<Pruned> {
        call!(self, write, logs::prune(before, chunk))
    }
}
