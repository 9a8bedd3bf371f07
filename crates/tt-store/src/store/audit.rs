//! The store's functions for the audit trail. Entries about changes are written by the functions that make them.

use tt_core::Timestamp;

use super::{Store, StoreCall};
use crate::audit::{Action, AuditEntry, AuditQuery, Author, Failures};

impl Store {
    /// Entries of the audit trail, newest first.
    pub fn audit(&self, query: AuditQuery) -> StoreCall<Vec<AuditEntry>> {
        call!(self, read, audit::list(query))
    }

    /// Writes an entry about work that consists of many transactions.
    pub fn note_action(&self, by: Author, action: Action, object: String, detail: String) -> StoreCall<()> {
        call!(self, write, audit::note(&by, action, object, detail))
    }

    /// Writes failed logins and the like, an entry for each of `failures`.
    pub fn note_failures(&self, failures: Vec<Failures>, at: Timestamp) -> StoreCall<()> {
        call!(self, write, audit::note_failures(failures, at))
    }

    /// Deletes entries beyond the newest `most` of each user and action, and returns their number. Entries that belong to
    /// no user count together.
    pub fn prune_audit(&self, most: u32) -> StoreCall<usize> {
        call!(self, write, audit::prune(most))
    }
}
