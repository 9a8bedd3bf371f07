//! A reservation: what is asked for, and what became of it.

use tt_core::budget::{Account, BudgetKind, BudgetRule};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

/// A request that has a budget.
#[derive(Debug, Clone, Copy)]
pub struct BudgetedRequest<'a> {
    /// The request's id.
    pub id: RequestId,
    /// The user it is charged to.
    pub user: UserId,
    /// The API key it came with, whether that key has a budget or not; `None`: it came without a key.
    pub key: Option<ApiKeyId>,
    /// The time at which the request arrived: the `created_at` of its row.
    pub created_at: Timestamp,
    /// The budgets that hold for it, as [`tt_core::caller::Caller::budget_rules`] gives them.
    pub rules: &'a [BudgetRule],
}

/// The cost that is expected of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostEstimate {
    /// The most it can cost.
    pub worst: NanoUsd,
    /// The most that 99 of 100 calls of its kind cost, where that is known. More than `worst` counts as `worst`.
    pub p99: Option<NanoUsd>,
}

impl CostEstimate {
    /// The same in amounts that both backends count exactly.
    pub(super) fn bounded(self) -> Self {
        let worst = countable(self.worst);
        Self { worst, p99: self.p99.map(|p99| countable(p99).min(worst)) }
    }

    /// The worst case is held while this much or more is left of every budget.
    pub(super) fn ample(self) -> NanoUsd {
        NanoUsd(self.worst.0.saturating_mul(8))
    }
}

/// `amount` held between 0 and 2^53 nano-dollars. Up to there Lua's doubles are exact; no budget is as large.
pub(super) fn countable(amount: NanoUsd) -> NanoUsd {
    NanoUsd(amount.0.clamp(0, 1 << 53))
}

/// The answer to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The attempt may be sent.
    Held {
        /// The money that is held for it.
        amount: NanoUsd,
        /// `amount` is less than the worst case, so the call's output must be capped to what `amount` pays for.
        capped: bool,
    },
    /// A budget has too little left. Nothing has changed.
    Refused {
        /// The budget with the least left.
        kind: BudgetKind,
        /// Its limit.
        limit: NanoUsd,
        /// The amount spent of it, including the ended attempts of this request.
        spent: NanoUsd,
        /// The amount held of it by other requests.
        held: NanoUsd,
        /// The amount that would have been held for this attempt.
        asked: NanoUsd,
    },
    /// The sums of these accounts are not known here. Read them from the store and [`load`](crate::Budgets::load) them,
    /// **read them again** and load that as [`Reading::Second`](crate::Reading::Second), then reserve again. Each
    /// reading is of the period that lasts when it begins, also for a request of an earlier period. A later period
    /// begins in the account with a sum of 0, and would lack what was posted in it before the account was there.
    NeedSpent(Vec<Account>),
    /// The request cannot be decided: the accounts are in Redis, and Redis is down or lost its data a moment ago.
    Unavailable,
}
