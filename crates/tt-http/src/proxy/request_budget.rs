//! The money of one request under a budget: reserved before each attempt, settled when an attempt has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tt_core::alert::{Alert, AlertData, AlertedBudget, Subject};
use tt_core::budget::{BudgetKind, BudgetRule, BudgetRules, Period};
use tt_core::call::field::Field;
use tt_core::plan::{Plan, Step};
use tt_core::price::CostBound;
use tt_core::record::{Attempt, Totals};
use tt_core::{ApiKeyId, ModelName, NanoUsd, ProviderKeyId, RequestId, Timestamp, UsageSource, UserId};
use tt_ledger::Guard;
use tt_metrics::Decided;
use tt_ratelimit::{BudgetWorker, BudgetedRequest, CallKind, CostEstimate};

use super::ingress::Inbound;
use super::route::Resting;
use super::worst_case::{Bounds, Unbounded};
use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::app::App;
use crate::state::budget_accounts::{BudgetAccountsError, Held, Shortfall};
use crate::state::directory::{KnownCaller, UserView};

/// The reservation of one request. If it is dropped before a guard watches over it, the reservation is voided.
pub(super) struct RequestBudget {
    app: Arc<App>,
    worker: BudgetWorker,
    id: RequestId,
    user: UserId,
    key: Option<ApiKeyId>,
    created_at: Timestamp,
    rules: BudgetRules,
    inbound: Arc<Inbound>,
    view: Arc<UserView>,
    bounds: Bounds,
    /// The reservation that was made at admission, until the first attempt takes it.
    admitted: Option<Reserved>,
    /// The amount of the last reservation; `None` before the first.
    held: Option<NanoUsd>,
    /// The cap of the last reservation, for the watcher. It is `u64::MAX` if there is none.
    cap: Arc<AtomicU64>,
    watched: bool,
}

/// A reservation that no attempt has taken yet.
#[derive(Debug)]
struct Reserved {
    /// The target whose price it is made by.
    key: ProviderKeyId,
    model: ModelName,
    /// The most output tokens of each choice that the reservation pays for, if the client asked for more.
    cap: Option<u64>,
}

/// Money that is held for an attempt.
struct Hold {
    amount: NanoUsd,
    /// As in [`Reserved`].
    cap: Option<u64>,
}

/// A budget that does not cover an attempt.
struct Refusal {
    /// The amount that is left of it.
    left: NanoUsd,
    kind: BudgetKind,
    /// The error for the client.
    error: ApiError,
    /// The alert for the budget's user.
    alert: AlertData,
}

/// The reason why nothing is reserved. The attempt must not be sent.
#[derive(Debug)]
pub(super) enum NotReserved {
    /// The cost of the attempt has no bound because of the field `param`, named as the client wrote it.
    Unbounded { why: Unbounded, param: String },
    /// A budget does not cover the attempt, or the money spent so far is not known.
    Refused(ApiError),
}

impl From<BudgetAccountsError> for NotReserved {
    fn from(error: BudgetAccountsError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<NotReserved> for ApiError {
    fn from(none: NotReserved) -> Self {
        match none {
            NotReserved::Unbounded { why, param } => match why {
                Unbounded::Unpriced => Self::model_unpriced(),
                Unbounded::Output => Self::missing_field(&param),
                Unbounded::Input => Self::unsupported_parameter(&param, &format!("under a budget, {why}")),
                Unbounded::Searches | Unbounded::HostedTools => Self::unsupported_parameter(&param, &why.to_string()),
            },
            NotReserved::Refused(error) => error,
        }
    }
}

impl NotReserved {
    /// The reason in words, for the list of the targets that were tried.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unbounded { why, .. } => why.to_string(),
            Self::Refused(error) => error.message.trim_end_matches('.').to_owned(),
        }
    }
}

impl RequestBudget {
    /// Reserves what the first attempt may cost; `None` for a caller without a budget.
    ///
    /// # Errors
    /// When a budget does not cover the attempt, or its cost has no bound.
    pub(super) async fn open(
        cx: &Context,
        caller: &KnownCaller,
        view: &Arc<UserView>,
        inbound: &Arc<Inbound>,
        (plan, resting): (&Plan, &Resting),
    ) -> Result<Option<Box<Self>>, ApiError> {
        let rules = caller.budget_rules();
        let Some(first) = resting.first(plan).filter(|_| !rules.is_empty()) else { return Ok(None) };
        // A box, because every caller's future has room for this one.
        Box::pin(Self::open_under(rules, (first, plan), cx, caller, view, inbound))
            .await
            .map(|budget| Some(Box::new(budget)))
    }

    /// As [`RequestBudget::open`], for a caller under `rules` whose first attempt is at the step `first` of `plan`.
    async fn open_under(
        rules: BudgetRules,
        (first, plan): (&Step, &Plan),
        cx: &Context,
        caller: &KnownCaller,
        view: &Arc<UserView>,
        inbound: &Arc<Inbound>,
    ) -> Result<Self, ApiError> {
        // A request that passes through is read too, because the cost of one that cannot be read has no bound.
        let targets: Vec<_> = plan.steps.iter().map(|step| (step.provider, step.model.clone())).collect();
        let prices = cx.app.prices.load_full();
        let bounds = inbound.read_in_full(move |request| Bounds::of(request, &prices, targets)).await?;
        let mut budget = Self {
            app: Arc::clone(&cx.app),
            worker: cx.worker.budgets.clone(),
            id: cx.id,
            user: caller.user_id,
            key: caller.api_key_id(),
            created_at: cx.arrived_at,
            rules,
            inbound: Arc::clone(inbound),
            view: Arc::clone(view),
            bounds,
            admitted: None,
            held: None,
            cap: Arc::new(AtomicU64::new(u64::MAX)),
            watched: false,
        };
        let cap = budget.reserve(first, NanoUsd::ZERO, None).await?;
        budget.admitted = Some(Reserved { key: first.key, model: first.model.clone(), cap });
        Ok(budget)
    }

    /// The most output tokens of each choice that the reservation made at admission pays for, until the first attempt
    /// takes it.
    pub(super) fn reserved_cap(&self) -> Option<u64> {
        self.admitted.as_ref().and_then(|reserved| reserved.cap)
    }

    /// The amount that is held for the attempt under way, or for the one that is about to be sent.
    pub(super) fn held(&self) -> Option<NanoUsd> {
        self.held
    }

    /// Reserves what an attempt at `step` may cost, in place of the reservation before; ended attempts are charged with
    /// `settled`. The first attempt takes the reservation that was made at admission, unless it asks another target, because
    /// the one that was to be first was passed over, or its request is longer than was known then: `encoded_bytes` of text, if it was encoded for the target. Returns the most output tokens of each
    /// choice that the reservation pays for, if the client asked for more.
    ///
    /// # Errors
    /// When a budget does not cover the attempt, or its cost has no bound.
    pub(super) async fn reserve(
        &mut self,
        step: &Step,
        settled: NanoUsd,
        encoded_bytes: Option<u64>,
    ) -> Result<Option<u64>, NotReserved> {
        let has_grown = encoded_bytes.is_some_and(|bytes| self.bounds.encoded(bytes));
        let serves = |reserved: &Reserved| (reserved.key, &reserved.model) == (step.key, &step.model);
        if let Some(Reserved { cap, .. }) = self.admitted.take().filter(|reserved| !has_grown && serves(reserved)) {
            return Ok(cap);
        }
        if let Some(sums) = &self.app.budget_sums {
            sums.note(&self.rules, self.created_at);
        }
        let mut reserved = self.ask(step, settled).await?;
        if let Err(Refusal { left, .. }) = reserved
            && self.may_fit_when_counted(step, left)
        {
            let tokens = self.inbound.most_text_tokens().await.map_err(NotReserved::Refused)?;
            self.bounds.counted(tokens);
            reserved = self.ask(step, settled).await?;
        }
        match reserved {
            Ok(Hold { amount, cap }) => {
                self.decided(Decided::Admit);
                self.held = Some(amount);
                self.cap.store(cap.unwrap_or(u64::MAX), Ordering::Relaxed);
                Ok(cap)
            }
            Err(Refusal { error, kind, alert, .. }) => {
                self.app.metrics.budgeted(kind, Decided::Deny);
                self.app.alerts.notice(Alert { subject: Subject::User(self.user), at: now(), data: alert });
                Err(NotReserved::Refused(error))
            }
        }
    }

    /// Notes in the metrics what all budgets have decided alike.
    fn decided(&self, decided: Decided) {
        self.rules.iter().for_each(|rule| self.app.metrics.budgeted(rule.kind, decided));
    }

    /// True if the attempt may cost no more than `left` by a count of its tokens. The text of a large request is counted
    /// only then; that of a small one always, so that the refusal tells how much must be left.
    fn may_fit_when_counted(&self, step: &Step, left: NanoUsd) -> bool {
        let fits = || {
            let least = self.bounds.least_worst_case(&self.app.prices.load(), step, self.region(step), now());
            least.is_ok_and(|least| least.cost <= left)
        };
        self.bounds.may_be_counted() && (!self.inbound.is_large() || fits())
    }

    /// Asks for the worst case of an attempt by the bounds as they are, or for what calls of its kind need.
    async fn ask(&self, step: &Step, settled: NanoUsd) -> Result<Result<Hold, Refusal>, NotReserved> {
        let (at, prices) = (now(), self.app.prices.load_full());
        let worst = self.bounds.worst_case(&prices, step, self.region(step), at).map_err(|why| self.unbounded(why))?;
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
        let reserved = self.app.budget_accounts.reserve(&self.worker, &request, settled, ask).await;
        let reserved = reserved.inspect_err(|_| self.decided(Decided::Unavailable))?;
        let hold = |Held { amount, capped }| {
            let cap = capped.then(|| {
                let cap = prices.output_tokens_for(provider, model, &worst.bound, amount, at);
                // A call that asks for no output at all would be an error upstream.
                cap.unwrap_or(1).max(1)
            });
            Hold { amount, cap }
        };
        Ok(reserved.map(hold).map_err(|shortfall| self.refusal(shortfall)))
    }

    fn unbounded(&self, why: Unbounded) -> NotReserved {
        let field = match why {
            Unbounded::Unpriced | Unbounded::Searches => Field::Model,
            Unbounded::Output => Field::MaxOutput,
            Unbounded::Input => Field::Messages,
            Unbounded::HostedTools => Field::written("tools"),
        };
        NotReserved::Unbounded { why, param: self.inbound.request().field(&field) }
    }

    fn refusal(&self, shortfall: Shortfall) -> Refusal {
        let Shortfall { kind, limit, spent, held, asked } = shortfall;
        let rule = self.rules.iter().find(|rule| rule.kind == kind);
        let resets_at = rule.and_then(|rule| rule.period.resets_at(self.created_at));
        let which = rule.map_or_else(String::new, describe);
        let error = ApiError::budget_exceeded(&which, limit, spent, held, asked, resets_at, self.created_at);
        let period = rule.map_or(Period::Total, |rule| rule.period);
        let budget = AlertedBudget {
            scope: kind,
            api_key_id: rule.and_then(|rule| rule.key),
            limit_usd: limit,
            period,
            period_starts_at: period.start(self.created_at),
            resets_at,
            soft: false,
        };
        let alert = AlertData::BudgetRefused { spent_usd: spent, held_usd: held, asked_usd: asked, budget };
        Refusal { left: limit.minus(spent).minus(held), kind, error, alert }
    }

    /// The word for the prices of the region that an attempt at `step` is sent to.
    fn region(&self, step: &Step) -> Option<&'static str> {
        self.view.keys.get(&step.key).and_then(|key| key.account.region())
    }

    /// Makes `guard` settle the reservation from here on, each time an attempt has ended and once more when the request
    /// settles.
    ///
    /// A budget is a watcher of its guard and not an observer of all settlements: it owns the state of one request, such
    /// as its cap and what was learned from it, and it must know an attempt's cost before the next one is reserved.
    pub(super) fn watch(&mut self, guard: &mut Guard) {
        self.watched = true;
        let (app, cap, choices) = (Arc::clone(&self.app), Arc::clone(&self.cap), self.bounds.choices());
        let (user, key, id) = (self.user, self.key, self.id);
        let mut learned_from = 0;
        guard.watch(Box::new(move |attempts: &[Attempt]| {
            app.budget_accounts.counters().settle(user, id, charged(attempts), NanoUsd::ZERO);
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

/// The output tokens that a choice of a call needed; of several choices, the mean. A choice that used its cap up needed more:
/// twice the cap is assumed.
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

/// The amount that the ended attempts take from budgets, as the store will count it.
pub(super) fn charged(attempts: &[Attempt]) -> NanoUsd {
    Totals::of(attempts).charged
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
