//! The drain, and what is read of what it wrote.

use std::sync::Arc;

use tt_core::query::{ExportQuery, ExportRow, GapQuery, Gaps, LogDetail, LogQuery, LogRow, UsageGroup, UsageQuery};
use tt_core::record::{JournalCursor, Settlement};
use tt_core::time::DAY_MS;
use tt_core::{RequestId, Timestamp, UserId};

use super::{Call, Store};
use crate::view::{Pruned, RequestCount};

impl Store {
    /// Writes the rows, details and sums of `settlements`, and `cursors`, in one transaction; how many were new. A
    /// request that is recorded already changes nothing, so a batch may be sent again after an error. Best in batches
    /// of a hundred to a thousand.
    pub fn record(&self, settlements: Vec<Settlement>, cursors: Vec<JournalCursor>) -> Call<usize> {
        self.record_batch(settlements.into(), cursors.into())
    }

    /// As [`Store::record`], of a batch that is kept elsewhere until it is stored.
    pub fn record_batch(&self, settlements: Arc<[Settlement]>, cursors: Arc<[JournalCursor]>) -> Call<usize> {
        call!(self, write, ledger::record(settlements, cursors))
    }

    /// The place up to which a journal has been drained; `None`: nothing has been.
    pub fn journal_cursor(&self, journal: String) -> Call<Option<JournalCursor>> {
        call!(self, read, ledger::cursor(journal))
    }

    /// Forgets the cursor of a journal whose files are gone.
    pub fn forget_journal(&self, journal: String) -> Call<()> {
        call!(self, write, ledger::forget_journal(journal))
    }

    /// The user's sums, in the order of the query's dimensions: texts by code point, numbers and times by value. With
    /// no dimension one group, of zeros where there was nothing. An hour is shown as RFC 3339, a day as its date. By
    /// tag, requests without the tag are the last group (`None`), so that the groups add up to the whole.
    pub fn usage(&self, user: UserId, query: UsageQuery) -> Call<Vec<UsageGroup>> {
        call!(self, read, usage::usage(user, query))
    }

    /// The user's requests, newest first.
    pub fn logs(&self, user: UserId, query: LogQuery) -> Call<Vec<LogRow>> {
        call!(self, read, logs::list(user, query))
    }

    /// One of the user's requests in full.
    pub fn log_detail(&self, user: UserId, request: RequestId) -> Call<Option<LogDetail>> {
        call!(self, read, logs::detail(user, request))
    }

    /// The user's requests whose numbers leave something out.
    pub fn gaps(&self, user: UserId, query: GapQuery) -> Call<Gaps> {
        call!(self, read, gaps::gaps(user, query))
    }

    /// Requests with their users, oldest first: what an export reads page by page. Rows that come meanwhile move none.
    pub fn export(&self, query: ExportQuery) -> Call<Vec<ExportRow>> {
        call!(self, read, logs::export(query))
    }

    /// Requests of all users by credential since the hour of `since`: what the limits of the day start from.
    pub fn requests_since(&self, since: Timestamp) -> Call<Vec<RequestCount>> {
        call!(self, read, usage::requests_since(since))
    }

    /// Makes room for the rows of `days` from the UTC day of `from` on, so that no row has to wait for it; how many days
    /// were new. [`Store::record`] does it too, for any day that a row comes of. On SQLite there is nothing to do.
    pub fn make_log_days(&self, from: Timestamp, days: u16) -> Call<usize> {
        let times = (0..i64::from(days)).map(|day| from.plus_millis(day * DAY_MS)).collect();
        call!(self, write, logs::make_days(times))
    }

    /// Drops a piece of what lies before the UTC day of `before`: on PostgreSQL the oldest day as a whole, on SQLite
    /// about `chunk` of the oldest rows. To be called until it says [`Pruned::Nothing`]. The sums stay. Any number of
    /// processes may do so at once; on PostgreSQL an error may just mean that it would have had to wait.
    pub fn prune_logs(&self, before: Timestamp, chunk: u32) -> Call<Pruned> {
        call!(self, write, logs::prune(before, chunk))
    }
}
