//! The store's functions for the spending that budgets count, by user and by key.

use std::collections::BTreeSet;

use tt_core::budget::{Account, Spent};
use tt_core::{ApiKeyId, RequestId, Timestamp, UserId};

use super::{Store, StoreCall};

impl Store {
    /// The amount that each account has spent in its period at `at`, in the given order: the sum over all recorded
    /// requests, read at one moment.
    pub fn spent(&self, accounts: Vec<Account>, at: Timestamp) -> StoreCall<Vec<Spent>> {
        call!(self, read, spending::spent(accounts, at))
    }

    /// As [`Store::spent`], for the accounts that the budgets of `subjects` count. Subjects are users, and keys of
    /// theirs; those without a budget are left out.
    pub fn budgeted_spent(
        &self,
        subjects: BTreeSet<(UserId, Option<ApiKeyId>)>,
        at: Timestamp,
    ) -> StoreCall<Vec<Spent>> {
        call!(self, read, spending::budgeted(subjects, at))
    }

    /// The requests among `requests` that are recorded, each with its user and API key, oldest first.
    pub fn recorded(&self, requests: Vec<RequestId>) -> StoreCall<Vec<(UserId, Option<ApiKeyId>, RequestId)>> {
        call!(self, read, spending::recorded(requests))
    }

    /// Deletes the sums of days that began before `before`, which no budget counts any more; returns their number.
    pub fn prune_spending(&self, before: Timestamp) -> StoreCall<usize> {
        call!(self, write, spending::prune(before))
    }
}
