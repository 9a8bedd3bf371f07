//! `/manage/budgets`: the caller's own budget, the one that an administrator has set for them, and what is used of both.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tt_core::budget::{Budget, BudgetKind, BudgetRule, Period, UserBudgets};
use tt_core::{NanoUsd, Timestamp, UserId};
use tt_ratelimit::Used;

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields;
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// When several processes store requests of one user at the same moment, their counters hold each other's twice for some
/// milliseconds: as spent and as not yet posted. So usage above the limit is read again, so often and so far apart. Usage
/// that is really above it, because the limit was lowered, is shown then.
const READ_AGAIN: usize = 5;
const APART: Duration = Duration::from_millis(20);

/// A budget and what is used of it. Every field is `null` when there is no budget.
#[derive(Debug, Default, Serialize)]
pub(crate) struct BudgetView {
    limit_usd: Option<NanoUsd>,
    period: Option<Period>,
    spent_usd: Option<NanoUsd>,
    held_usd: Option<NanoUsd>,
    /// When the period ends; `null` for `total`, which never does.
    resets_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BudgetsView {
    limit_usd: Option<NanoUsd>,
    period: Option<Period>,
    spent_usd: Option<NanoUsd>,
    held_usd: Option<NanoUsd>,
    resets_at: Option<Timestamp>,
    admin: BudgetView,
}

/// `GET /manage/budgets`: both budgets of the caller.
pub(crate) async fn show(cx: Context, caller: KnownCaller) -> Result<Json<BudgetsView>, ApiError> {
    view(&cx, caller.user_id, caller.budgets).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetWish {
    #[serde(default, deserialize_with = "nullable")]
    limit_usd: Option<Option<NanoUsd>>,
    #[serde(default, deserialize_with = "nullable")]
    period: Option<Option<String>>,
}

/// `PUT /manage/budgets`: sets or removes the caller's own budget. The administrator's stays as it is.
pub(crate) async fn put(mut cx: Context, caller: KnownCaller) -> Result<Json<BudgetsView>, ApiError> {
    let BudgetWish { limit_usd, period } = cx.json().await?;
    let own = fields::budget(["limit_usd", "period"], limit_usd, period)?
        .ok_or_else(|| ApiError::missing_field("limit_usd"))?;
    cx.app.store.set_own_budget(caller.user_id, own, now()).await?;
    cx.app.directory.forget(caller.user_id);
    cx.app.budget_accounts.budget_set(caller.user_id).await?;
    view(&cx, caller.user_id, UserBudgets { own, ..caller.budgets }).await.map(Json)
}

async fn view(cx: &Context, user: UserId, budgets: UserBudgets) -> Result<BudgetsView, ApiError> {
    let at = now();
    let of = [(BudgetKind::UserOwn, budgets.own), (BudgetKind::UserAdmin, budgets.admin)];
    let rules: Vec<BudgetRule> = of
        .into_iter()
        .filter_map(|(kind, budget)| {
            let Budget { limit, period } = budget?;
            Some(BudgetRule { kind, user, key: None, limit, period })
        })
        .collect();
    let mut used = cx.app.budget_accounts.standing(&rules, at).await?;
    for _ in 0..READ_AGAIN {
        let over = |(rule, used): (&BudgetRule, &Used)| used.spent.plus(used.held) > rule.limit;
        if !rules.iter().zip(&used).any(over) {
            break;
        }
        tokio::time::sleep(APART).await;
        used = cx.app.budget_accounts.standing(&rules, at).await?;
    }
    let view = |kind| {
        let (rule, used) = rules.iter().zip(&used).find(|(rule, _)| rule.kind == kind)?;
        Some(BudgetView {
            limit_usd: Some(rule.limit),
            period: Some(rule.period),
            spent_usd: Some(used.spent),
            held_usd: Some(used.held),
            resets_at: rule.period.resets_at(at),
        })
    };
    let BudgetView { limit_usd, period, spent_usd, held_usd, resets_at } =
        view(BudgetKind::UserOwn).unwrap_or_default();
    let admin = view(BudgetKind::UserAdmin).unwrap_or_default();
    Ok(BudgetsView { limit_usd, period, spent_usd, held_usd, resets_at, admin })
}
