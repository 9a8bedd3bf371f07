//! `/manage/budgets`: the caller's own budget, the one that an administrator has set for them, those of the caller's API
//! keys, and the usage of all.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tt_core::budget::{Budget, BudgetKind, BudgetRule, Period, UserBudgets};
use tt_core::{ApiKeyId, Causes, NanoUsd, Timestamp, UserId};
use tt_ratelimit::Used;
use tt_store::ApiKeyInfo;

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields;
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::budget_accounts::BudgetAccountsError;
use crate::state::directory::KnownCaller;

/// The number of times that usage above the limit is read again, and the time between two readings. When several
/// processes store requests of one user at the same moment, their counters hold each other's twice for some
/// milliseconds: as spent and as not yet posted. Usage that is really above the limit, because the limit was lowered,
/// is shown after the last reading.
const READ_AGAIN: usize = 5;
const APART: Duration = Duration::from_millis(20);

/// A budget and its usage, which is `null` if it is not known. Every field is `null` if there is no budget.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Budget")]
pub(crate) struct BudgetView {
    limit_usd: Option<NanoUsd>,
    period: Option<Period>,
    /// True if the budget warns and refuses nothing.
    soft: Option<bool>,
    spent_usd: Option<NanoUsd>,
    held_usd: Option<NanoUsd>,
    /// The end of the period. It is `null` for `total`, which never ends.
    resets_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Budgets")]
pub(crate) struct BudgetsView {
    limit_usd: Option<NanoUsd>,
    period: Option<Period>,
    soft: Option<bool>,
    spent_usd: Option<NanoUsd>,
    held_usd: Option<NanoUsd>,
    resets_at: Option<Timestamp>,
    admin: BudgetView,
    /// Those of API keys that work, in the order of their ids.
    api_keys: Vec<KeyBudgetView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyBudget")]
pub(crate) struct KeyBudgetView {
    api_key_id: ApiKeyId,
    #[serde(flatten)]
    budget: BudgetView,
}

/// `GET /manage/budgets`: the budgets of the caller and of their API keys.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Json<BudgetsView>, ApiError> {
    let keys = cx.app.store.api_keys(caller.user_id).await?;
    let at = now();
    let rules = rules(caller.user_id, caller.budgets, &keys, at);
    let used = used(&cx, &rules, at).await?;
    Ok(Json(view(&rules, &used.into_iter().map(Some).collect::<Vec<_>>(), at)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetWish {
    #[serde(default, deserialize_with = "nullable")]
    limit_usd: Option<Option<NanoUsd>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Period>")]
    period: Option<Option<String>>,
    /// True to have the budget warn and refuse nothing.
    soft: Option<bool>,
}

/// `PUT /manage/budgets`: sets or removes the caller's own budget. The administrator's stays as it is. Once the budget
/// is stored the answer is 200. Its usage is `null` if the counters do not know it, as after a restart of Redis.
pub(crate) async fn put(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<BudgetsView>, ApiError> {
    let BudgetWish { limit_usd, period, soft } = cx.json().await?;
    let own = fields::budget(["limit_usd", "period"], limit_usd, period, soft)?
        .ok_or_else(|| ApiError::missing_field("limit_usd"))?;
    // This read may fail, so it comes before the change.
    let keys = cx.app.store.api_keys(caller.user_id).await?;
    cx.app.store.set_own_budget(caller.user_id, own, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    let at = now();
    let rules = rules(caller.user_id, UserBudgets { own, ..caller.budgets }, &keys, at);
    let read = async {
        cx.app.budget_accounts.budget_set(caller.user_id).await?;
        used(&cx, &rules, at).await
    };
    let used = match read.await {
        Ok(used) => used.into_iter().map(Some).collect(),
        Err(error) => {
            tracing::warn!(error = %Causes(&error), "a budget is set, and what is used of it cannot be told");
            vec![None; rules.len()]
        }
    };
    Ok(Json(view(&rules, &used, at)))
}

/// A budget to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) rule: BudgetRule,
    pub(crate) soft: bool,
}

/// The budgets of a user, and those of their API keys that work at `at`.
fn rules(user: UserId, budgets: UserBudgets, keys: &[ApiKeyInfo], at: Timestamp) -> Vec<Shown> {
    let of_user = [(BudgetKind::UserOwn, None, budgets.own), (BudgetKind::UserAdmin, None, budgets.admin)];
    let of_keys = keys.iter().filter(|key| works(key, at)).map(|key| (BudgetKind::Key, Some(key.id), key.budget));
    let rule = |(kind, key, budget): (BudgetKind, Option<ApiKeyId>, Option<Budget>)| {
        let Budget { limit, period, soft } = budget?;
        Some(Shown { rule: BudgetRule { kind, user, key, limit, period }, soft })
    };
    of_user.into_iter().chain(of_keys).filter_map(rule).collect()
}

fn works(key: &ApiKeyInfo, at: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > at)
}

/// Reads the usage of each rule in the periods of `at`. That of soft budgets, for which nothing is held, is what the store
/// says is spent.
pub(crate) async fn used(cx: &Context, rules: &[Shown], at: Timestamp) -> Result<Vec<Used>, BudgetAccountsError> {
    let of = |soft: bool| rules.iter().filter(move |shown| shown.soft == soft).map(|shown| shown.rule);
    let (hard, soft): (Vec<BudgetRule>, Vec<BudgetRule>) = (of(false).collect(), of(true).collect());
    let mut hard = used_of_hard(cx, &hard, at).await?.into_iter();
    let mut soft = if soft.is_empty() {
        Vec::new()
    } else {
        cx.app.wait_for_drain().await;
        cx.app.store.spent(soft.iter().map(BudgetRule::account).collect(), at).await?
    }
    .into_iter()
    .map(|spent| Used { spent: spent.amount, held: NanoUsd::ZERO });
    Ok(rules.iter().filter_map(|shown| if shown.soft { soft.next() } else { hard.next() }).collect())
}

async fn used_of_hard(cx: &Context, rules: &[BudgetRule], at: Timestamp) -> Result<Vec<Used>, BudgetAccountsError> {
    let mut used = cx.app.budget_accounts.standing(rules, at).await?;
    for _ in 0..READ_AGAIN {
        let over = |(rule, used): (&BudgetRule, &Used)| used.spent.plus(used.held) > rule.limit;
        if !rules.iter().zip(&used).any(over) {
            break;
        }
        tokio::time::sleep(APART).await;
        used = cx.app.budget_accounts.standing(rules, at).await?;
    }
    Ok(used)
}

/// Shows each rule with its usage. An entry of `used` is `None` if the usage of that rule is not known.
fn view(rules: &[Shown], used: &[Option<Used>], at: Timestamp) -> BudgetsView {
    let shown = |(Shown { rule, soft }, used): (&Shown, &Option<Used>)| BudgetView {
        limit_usd: Some(rule.limit),
        period: Some(rule.period),
        soft: Some(*soft),
        spent_usd: used.map(|used| used.spent),
        held_usd: used.map(|used| used.held),
        resets_at: rule.period.resets_at(at),
    };
    let all = || rules.iter().zip(used);
    let of_user = |kind| all().find(|(shown, _)| shown.rule.kind == kind).map(shown).unwrap_or_default();
    let of_key =
        |entry: (&Shown, &Option<Used>)| Some(KeyBudgetView { api_key_id: entry.0.rule.key?, budget: shown(entry) });
    let BudgetView { limit_usd, period, soft, spent_usd, held_usd, resets_at } = of_user(BudgetKind::UserOwn);
    let admin = of_user(BudgetKind::UserAdmin);
    let api_keys = all().filter_map(of_key).collect();
    BudgetsView { limit_usd, period, soft, spent_usd, held_usd, resets_at, admin, api_keys }
}
