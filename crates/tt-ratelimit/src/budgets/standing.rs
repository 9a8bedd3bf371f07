//! The standing of budgets, and the types that are exchanged with the store about them.

use tt_core::budget::Account;
use tt_core::{NanoUsd, RequestId, Timestamp};

/// The reading of the store that is loaded, the first or the second, in [`Budgets::load`](crate::Budgets::load).
///
/// Two are needed because requests are posted while the store is read: what is stored after the first reading and
/// posted before its account exists would be missing from both. The second reading, begun when the account exists,
/// includes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Makes the account, which is not used yet.
    First,
    /// Was begun after the first had been loaded. From now on the account is used.
    Second,
}

/// The amount used of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The amount spent in the period, posted or not.
    pub spent: NanoUsd,
    /// The amount held for attempts under way.
    pub held: NanoUsd,
}

/// The amounts used of several budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetStanding {
    /// One entry for each rule, in the order of the rules.
    Known(Vec<Used>),
    /// As [`Reservation::NeedSpent`](crate::Reservation::NeedSpent).
    NeedSpent(Vec<Account>),
    /// As [`Reservation::Unavailable`](crate::Reservation::Unavailable).
    Unavailable,
}

/// A charge made by a process whose heartbeat has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleCharge {
    /// The request it belongs to.
    pub request: RequestId,
    /// The time at which that request was made.
    pub created_at: Timestamp,
    /// The cost of its ended attempts.
    pub settled: NanoUsd,
    /// The amount held for it.
    pub held: NanoUsd,
}
