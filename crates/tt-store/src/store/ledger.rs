//! The drain, and what is read of what it wrote.

use std::sync::Arc;

use tt_core::query::{ExportQuery, ExportRow, GapQuery, Gaps, LogDetail, LogQuery, LogRow, UsageGroup, UsageQuery};
use tt_core::record::{JournalCursor, Settlement};
use tt_core::{RequestId, Timestamp, UserId};

use super::Store;
use crate::error::Result;
use crate::view::{Pruned, RequestCount};

const DAY_MS: i64 = 86_400_000;

impl Store {
    /// Writes the rows, details and sums of `settlements`, and `cursors`, in one transaction; how many were new. A
    /// request that is recorded already changes nothing, so a batch may be sent again after an error. Best in batches
    /// of a hundred to a thousand.
    pub async fn record(&self, settlements: Vec<Settlement>, cursors: Vec<JournalCursor>) -> Result<usize> {
        self.record_batch(settlements.into(), cursors.into()).await
    }

    /// As [`Store::record`], of a batch that is kept elsewhere until it is stored.
    pub async fn record_batch(&self, settlements: Arc<[Settlement]>, cursors: Arc<[JournalCursor]>) -> Result<usize> {
        call!(self, write, ledger::record(settlements, cursors))
    }

    /// The place up to which a journal has been drained; `None`: nothing has been.
    pub async fn journal_cursor(&self, journal: String) -> Result<Option<JournalCursor>> {
        call!(self, read, ledger::cursor(journal))
    }

    /// Forgets the cursor of a journal whose files are gone.
    pub async fn forget_journal(&self, journal: String) -> Result<()> {
        call!(self, write, ledger::forget_journal(journal))
    }

    /// The user's sums, in the order of the query's dimensions: texts by code point, numbers and times by value. With
    /// no dimension one group, of zeros where there was nothing. An hour is shown as RFC 3339, a day as its date. By
    /// tag, requests without the tag are the last group (`None`), so that the groups add up to the whole.
    pub async fn usage(&self, user: UserId, query: UsageQuery) -> Result<Vec<UsageGroup>> {
        call!(self, read, usage::usage(user, query))
    }

    /// The user's requests, newest first.
    pub async fn logs(&self, user: UserId, query: LogQuery) -> Result<Vec<LogRow>> {
        call!(self, read, logs::list(user, query))
    }

    /// One of the user's requests in full.
    pub async fn log_detail(&self, user: UserId, request: RequestId) -> Result<Option<LogDetail>> {
        call!(self, read, logs::detail(user, request))
    }

    /// The user's requests whose numbers leave something out.
    pub async fn gaps(&self, user: UserId, query: GapQuery) -> Result<Gaps> {
        call!(self, read, gaps::gaps(user, query))
    }

    /// Requests with their users, oldest first: what an export reads page by page. Rows that come meanwhile move none.
    pub async fn export(&self, query: ExportQuery) -> Result<Vec<ExportRow>> {
        call!(self, read, logs::export(query))
    }

    /// Requests of all users by credential since the hour of `since`: what the limits of the day start from.
    pub async fn requests_since(&self, since: Timestamp) -> Result<Vec<RequestCount>> {
        call!(self, read, usage::requests_since(since))
    }

    /// Makes room for the rows of `days` from the UTC day of `from` on, so that no row has to wait for it; how many days
    /// were new. [`Store::record`] does it too, for any day that a row comes of. On SQLite there is nothing to do.
    pub async fn make_log_days(&self, from: Timestamp, days: u16) -> Result<usize> {
        let times = (0..i64::from(days)).map(|day| from.plus_millis(day * DAY_MS)).collect();
        call!(self, write, logs::make_days(times))
    }

    /// Drops a piece of what lies before the UTC day of `before`: on PostgreSQL the oldest day as a whole, on SQLite
    /// about `chunk` of the oldest rows. To be called until it says [`Pruned::Nothing`]. The sums stay. Any number of
    /// processes may do so at once; on PostgreSQL an error may just mean that it would have had to wait.
    pub async fn prune_logs(&self, before: Timestamp, chunk: u32) -> Result<Pruned> {
        call!(self, write, logs::prune(before, chunk))
    }
}
