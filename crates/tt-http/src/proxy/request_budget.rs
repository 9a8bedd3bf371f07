//! The money of one request under a budget: held before each attempt, settled by what the attempts cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tt_core::budget::{BudgetKind, BudgetRule, BudgetRules, Period};
use tt_core::plan::{Plan, Step};
use tt_core::price::CostBound;
use tt_core::record::{Attempt, Totals};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UsageSource, UserId};
use tt_ledger::Guard;
use tt_ratelimit::{BudgetWorker, BudgetedRequest, CallKind, CostEstimate, Reservation};

use super::ingress::Inbound;
use super::worst_case::{Bounds, Unbounded};
use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::app::App;
use crate::state::budget_accounts::BudgetAccountsError;
use crate::state::directory::KnownCaller;

/// What a request may spend. Dropped before a guard watches over it, it gives back what it holds.
pub(crate) struct RequestBudget {
    app: Arc<App>,
    worker: BudgetWorker,
    id: RequestId,
    user: UserId,
    key: Option<ApiKeyId>,
    created_at: Timestamp,
    rules: BudgetRules,
    bounds: Bounds,
    /// The cap of the attempt that is held for last; the type's end: none.
    cap: Arc<AtomicU64>,
    watched: bool,
}

/// Money is held for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The most tokens of each choice that it pays for, where that is less than was asked for.
    pub(crate) cap: Option<u64>,
}

/// Nothing is held, and the attempt must not be sent.
#[derive(Debug)]
pub(crate) enum NoHold {
    /// It may cost anything.
    Unbounded(Unbounded),
    /// It may cost more than a budget has left, or nobody knows how much that is.
    Refused(ApiError),
}

impl From<BudgetAccountsError> for NoHold {
    fn from(error: BudgetAccountsError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<NoHold> for ApiError {
    fn from(none: NoHold) -> Self {
        match none {
            NoHold::Unbounded(unbounded) => unbounded.into(),
            NoHold::Refused(error) => error,
        }
    }
}

impl NoHold {
    /// Why, for the list of what was tried.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unbounded(unbounded) => unbounded.to_string(),
            Self::Refused(error) => error.message.trim_end_matches('.').to_owned(),
        }
    }
}

impl RequestBudget {
    /// Opens a budget with what the first attempt may cost in it; `None` for a caller without a budget.
    pub(crate) async fn open(
        cx: &Context,
        caller: &KnownCaller,
        inbound: &Arc<Inbound>,
        plan: &Plan,
    ) -> Result<Option<(Self, Hold)>, ApiError> {
        let rules = caller.budget_rules();
        let Some(first) = plan.steps.first().filter(|_| !rules.is_empty()) else { return Ok(None) };
        // Also where it is passed on as it is: what cannot be read cannot be bounded.
        let fees = inbound.fees(&cx.app.control).await?;
        let budget = Self {
            app: Arc::clone(&cx.app),
            worker: cx.worker.budgets.clone(),
            id: cx.id,
            user: caller.user_id,
            key: caller.api_key_id(),
            created_at: cx.arrived_at,
            rules,
            bounds: Bounds::of(inbound.request(), fees),
            cap: Arc::new(AtomicU64::new(u64::MAX)),
            watched: false,
        };
        let hold = budget.reserve(first, NanoUsd::ZERO).await?;
        Ok(Some((budget, hold)))
    }

    /// Holds what an attempt at `step` may cost, in place of what the one before held; ended attempts have cost
    /// `settled`.
    pub(crate) async fn reserve(&self, step: &Step, settled: NanoUsd) -> Result<Hold, NoHold> {
        let (at, prices) = (now(), self.app.prices.load_full());
        let worst = self.bounds.worst_case(&prices, step, at).map_err(NoHold::Unbounded)?;
        let (provider, model) = (step.provider, step.model.as_str());
        let kind = CallKind { user: self.user, key: self.key, provider, model };
        let learned = self.app.learned.p99(&kind).filter(|_| self.bounds.may_be_capped()).and_then(|tokens| {
            let output_tokens = tokens.min(worst.bound.output_tokens);
            prices.worst_case(provider, model, &CostBound { output_tokens, ..worst.bound }, at)
        });
        let request = BudgetedRequest {
            id: self.id,
            user: self.user,
            key: self.key,
            created_at: self.created_at,
            rules: &self.rules,
        };
        let ask = CostEstimate { worst: worst.cost, p99: learned };
        match self.app.budget_accounts.reserve(&self.worker, &request, settled, ask).await? {
            Reservation::Held { capped: false, .. } => Ok(self.held(None)),
            Reservation::Held { amount, capped: true } => {
                let cap = prices.output_tokens_for(provider, model, &worst.bound, amount, at);
                // A hold that is learned pays for some output; a call without any would be an error upstream.
                Ok(self.held(Some(cap.unwrap_or(1).max(1))))
            }
            Reservation::Refused { kind, limit, spent, held, asked } => {
                let rule = self.rules.iter().find(|rule| rule.kind == kind);
                let resets_at = rule.and_then(|rule| rule.period.resets_at(self.created_at));
                let which = rule.map_or_else(String::new, describe);
                Err(NoHold::Refused(ApiError::budget_exceeded(&which, limit, spent, held, asked, resets_at)))
            }
            // `BudgetAccounts` answers these itself.
            Reservation::NeedSpent(_) | Reservation::Unavailable => Err(NoHold::Refused(ApiError::internal())),
        }
    }

    fn held(&self, cap: Option<u64>) -> Hold {
        self.cap.store(cap.unwrap_or(u64::MAX), Ordering::Relaxed);
        Hold { cap }
    }

    /// From here on `guard` tells what the attempts cost, on every way out.
    pub(crate) fn watch(&mut self, guard: &mut Guard) {
        self.watched = true;
        let (app, cap, choices) = (Arc::clone(&self.app), Arc::clone(&self.cap), self.bounds.choices());
        let (user, key, id) = (self.user, self.key, self.id);
        let mut learned_from = 0;
        guard.watch(Box::new(move |attempts: &[Attempt]| {
            app.budget_accounts.counters().settle(user, id, settled(attempts), NanoUsd::ZERO);
            if let Some(Attempt { started, ended: Some(ended) }) = attempts.last()
                && learned_from < attempts.len()
                && ended.source == UsageSource::Provider
            {
                learned_from = attempts.len();
                let kind = CallKind { user, key, provider: started.provider, model: &started.model };
                app.learned.sample(&kind, needed(ended.usage.usage.output, choices, cap.load(Ordering::Relaxed)));
            }
        }));
    }
}

/// The output that a choice of a call needed, of several the mean. One that used its cap up needed more, nobody knows how much.
fn needed(output: u64, choices: u64, cap: u64) -> u64 {
    let tokens = output.div_ceil(choices.max(1));
    if tokens >= cap { cap.saturating_mul(2) } else { tokens }
}

impl Drop for RequestBudget {
    fn drop(&mut self) {
        if !self.watched {
            self.app.budget_accounts.counters().void(self.user, self.id);
        }
    }
}

/// What ended attempts have cost, as far as it is known: what their row will say.
pub(crate) fn settled(attempts: &[Attempt]) -> NanoUsd {
    Totals::of(attempts).cost.unwrap_or_default()
}

/// A budget in words, for the 429.
fn describe(rule: &BudgetRule) -> String {
    let whose = match rule.kind {
        BudgetKind::UserOwn => "your account, set by yourself",
        BudgetKind::UserAdmin => "your account, set by an administrator",
        BudgetKind::Key => "this API key",
    };
    let per = match rule.period {
        Period::Day => "a day",
        Period::Month => "a month",
        Period::Total => "in total",
    };
    format!("{per} for {whose}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_cut_short_needed_more_than_its_cap() {
        assert_eq!(needed(40, 1, u64::MAX), 40);
        assert_eq!(needed(40, 1, 41), 40);
        assert_eq!(needed(41, 1, 41), 82);
        // Of several choices, their mean.
        assert_eq!(needed(100, 3, u64::MAX), 34);
        assert_eq!(needed(u64::MAX, 1, u64::MAX), u64::MAX);
    }
}
