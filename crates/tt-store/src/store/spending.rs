//! What budgets count: spending by user and key.

use std::collections::BTreeSet;

use tt_core::budget::{Account, Spent};
use tt_core::{ApiKeyId, RequestId, Timestamp, UserId};

use super::{Call, Store};

impl Store {
    /// What each account has spent in its period at `at`, in the order asked: all rows that are recorded, as of one
    /// moment.
    pub fn spent(&self, accounts: Vec<Account>, at: Timestamp) -> Call<Vec<Spent>> {
        call!(self, read, spending::spent(accounts, at))
    }

    /// The same for the accounts that budgets of `subjects` count: users, and keys of theirs. Those without a budget
    /// are not in the answer.
    pub fn budgeted_spent(&self, subjects: BTreeSet<(UserId, Option<ApiKeyId>)>, at: Timestamp) -> Call<Vec<Spent>> {
        call!(self, read, spending::budgeted(subjects, at))
    }

    /// Those of `requests` that are recorded, with whose they are, oldest first.
    pub fn recorded(&self, requests: Vec<RequestId>) -> Call<Vec<(UserId, Option<ApiKeyId>, RequestId)>> {
        call!(self, read, spending::recorded(requests))
    }

    /// Forgets what was spent on days that began before `before`, which no budget asks for any more; how many sums.
    pub fn prune_spending(&self, before: Timestamp) -> Call<usize> {
        call!(self, write, spending::prune(before))
    }
}
