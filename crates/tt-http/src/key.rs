//! `/v1/key`: the credential of the request itself, with its scopes, its limits, its budgets and its usage.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::budget::Period;
use tt_core::caller::Proof;
use tt_core::filters::Filters;
use tt_core::limits::{self, Rule, Standing};
use tt_core::query::{UsageQuery, UsageSums};
use tt_core::{Causes, Label, NanoUsd, Scope, Timestamp};
use tt_ratelimit::Used;

use crate::clock::{end_of_hour, now};
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::manage::budgets::{self, Shown};
use crate::state::directory::KnownCaller;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyStanding")]
pub(crate) struct KeyView {
    /// The id of the API key or of the session.
    id: i64,
    name: Option<Label>,
    prefix: Option<String>,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
    limits: Vec<LimitView>,
    budgets: Vec<BudgetView>,
    usage: Usage,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limit")]
pub(crate) struct LimitView {
    rule: &'static str,
    limit: u64,
    remaining: u64,
    /// The time at which `remaining` grows; `null` while nothing is used.
    resets_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BudgetStanding")]
pub(crate) struct BudgetView {
    scope: &'static str,
    limit_usd: NanoUsd,
    period: Period,
    /// True if the budget warns and refuses nothing.
    soft: bool,
    /// `null` while it is not known.
    spent_usd: Option<NanoUsd>,
    held_usd: Option<NanoUsd>,
    resets_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyUsage")]
pub(crate) struct Usage {
    today: Sums,
    month: Sums,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyUsageSums")]
pub(crate) struct Sums {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: Option<NanoUsd>,
}

impl From<UsageSums> for Sums {
    fn from(sums: UsageSums) -> Self {
        Self {
            requests: sums.requests,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            cost_usd: sums.known_cost(),
        }
    }
}

/// `GET /v1/key`: the API key or the session of the request. The usage is that of the API key, with a session that of the
/// user.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Json<KeyView>, ApiError> {
    let at = now();
    let (id, name, prefix, scopes) = match &caller.proof {
        Proof::ApiKey { id, scopes, .. } => {
            let key = cx.app.store.api_key(caller.user_id, *id).await?.ok_or_else(ApiError::invalid_credentials)?;
            (id.0, key.name, Some(key.prefix), scopes.clone())
        }
        Proof::Session(id) => (id.0, None, None, vec![Scope::Proxy, Scope::Manage]),
    };
    let rules = limits::rules(&caller, cx.app.config.default_limits);
    let standings = cx.worker.limits.standings(&rules, at).await;
    cx.app.wait_for_drain().await;
    let usage = Usage {
        today: usage(&cx, &caller, at.day()).await?,
        month: usage(&cx, &caller, Period::Month.start(at)).await?,
    };
    Ok(Json(KeyView {
        id,
        name,
        prefix,
        scopes,
        expires_at: caller.expires_at,
        limits: rules.iter().zip(standings).map(|(rule, standing)| limit(rule, standing, at)).collect(),
        budgets: budgets(&cx, &caller, at).await,
        usage,
    }))
}

/// The usage since `since`, which is on a full hour.
async fn usage(cx: &Context, caller: &KnownCaller, since: Timestamp) -> Result<Sums, ApiError> {
    let filters = caller.api_key_id().map(Filters::of_key).unwrap_or_default();
    let query = UsageQuery { filters, ..UsageQuery::new(since, end_of_hour(), Vec::new()) };
    let groups = cx.app.store.usage(caller.user_id, query).await?;
    Ok(groups.first().map(|group| group.sums).unwrap_or_default().into())
}

fn limit(rule: &Rule, standing: Standing, at: Timestamp) -> LimitView {
    let reset_ms = i64::try_from(standing.reset.as_millis()).unwrap_or(i64::MAX);
    LimitView {
        rule: rule.kind.as_str(),
        limit: standing.limit,
        remaining: standing.remaining,
        resets_at: (standing.remaining < standing.limit).then(|| at.plus_millis(reset_ms)),
    }
}

/// The budgets that hold. They are shown also while the counters are away, without their usage, which nobody knows then.
async fn budgets(cx: &Context, caller: &KnownCaller, at: Timestamp) -> Vec<BudgetView> {
    let mut rules: Vec<Shown> = Vec::new();
    for (of, soft) in [(caller.budget_rules(), false), (caller.soft_budget_rules(), true)] {
        rules.extend(of.iter().map(|rule| Shown { rule: *rule, soft }));
    }
    let used: Vec<Option<Used>> = match budgets::used(cx, &rules, at).await {
        Ok(used) => used.into_iter().map(Some).collect(),
        Err(error) => {
            tracing::debug!(error = %Causes(&error), "what is used of budgets cannot be told");
            vec![None; rules.len()]
        }
    };
    let view = |(Shown { rule, soft }, used): (&Shown, Option<Used>)| BudgetView {
        scope: rule.kind.scope(),
        soft: *soft,
        limit_usd: rule.limit,
        period: rule.period,
        spent_usd: used.map(|used| used.spent),
        held_usd: used.map(|used| used.held),
        resets_at: rule.period.resets_at(at),
    };
    rules.iter().zip(used).map(view).collect()
}
