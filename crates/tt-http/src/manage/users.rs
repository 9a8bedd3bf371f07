//! `/manage/users`: administrators list and change users.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tt_core::budget::Period;
use tt_core::{Email, NanoUsd, Role, Timestamp, UserId};
use tt_store::{User, UserPatch};

use crate::edge::context::Context;
use crate::edge::credentials;
use crate::edge::error::ApiError;
use crate::edge::fields::{self, BUDGET_FIELDS, page_size};
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(crate) struct UserView {
    id: UserId,
    email: Email,
    role: Role,
    disabled: bool,
    rate_limit_minute: u64,
    rate_limit_daily: u64,
    /// The budget that administrators have set. The user's own budget is shown to the user alone.
    budget_usd: Option<NanoUsd>,
    budget_period: Option<Period>,
    /// True if that budget warns and refuses nothing.
    budget_soft: bool,
    created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            role: user.role,
            disabled: user.disabled,
            rate_limit_minute: user.limits.minute,
            rate_limit_daily: user.limits.day,
            budget_usd: user.budgets.admin.map(|budget| budget.limit),
            budget_period: user.budgets.admin.map(|budget| budget.period),
            budget_soft: user.budgets.admin.is_some_and(|budget| budget.soft),
            created_at: user.created_at,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserPage")]
pub(crate) struct Page {
    data: Vec<UserView>,
    next_cursor: Option<String>,
}

/// `GET /manage/users`: all users, in the order of their ids.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Page>, ApiError> {
    credentials::admins_only(&caller)?;
    let [limit, cursor] = cx.query(["limit", "cursor"])?;
    let limit = page_size(limit)?;
    let after = cursor.map(|text| position(&text)).transpose()?;
    // One user more than the page holds tells whether there is a next page.
    let mut users = cx.app.store.users(after, limit + 1).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = users.len() > page;
    users.truncate(page);
    let next_cursor = users.last().filter(|_| more).map(|user| user.id.to_string());
    Ok(Json(Page { data: users.into_iter().map(UserView::from).collect(), next_cursor }))
}

/// The position that a cursor stands for: the id of the last user shown.
fn position(cursor: &str) -> Result<UserId, ApiError> {
    let id = cursor.parse::<i64>().ok().filter(|id| *id > 0 && id.to_string() == cursor);
    id.map(UserId).ok_or_else(|| ApiError::invalid_field("cursor", "is not one that this call gave out"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserPatch")]
pub(crate) struct UserChange {
    #[schemars(with = "Option<Role>")]
    role: Option<String>,
    disabled: Option<bool>,
    rate_limit_minute: Option<u64>,
    rate_limit_daily: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    budget_usd: Option<Option<NanoUsd>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<Period>")]
    budget_period: Option<Option<String>>,
    /// True to have the budget warn and refuse nothing.
    budget_soft: Option<bool>,
}

/// `PATCH /manage/users/{id}`: changes the fields that the body names. A disabled user cannot
/// sign in, and their sessions and API keys are not accepted any more.
pub(crate) async fn update(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<UserView>, ApiError> {
    credentials::admins_only(&caller)?;
    let id = UserId(cx.id_param(0, "user")?);
    let change: UserChange = cx.json().await?;
    let patch = UserPatch {
        role: change.role.map(|role| role.parse()).transpose()?,
        disabled: change.disabled,
        rate_limit_minute: change.rate_limit_minute.map(|n| fields::limit("rate_limit_minute", Some(n))).transpose()?,
        rate_limit_daily: change.rate_limit_daily.map(|n| fields::limit("rate_limit_daily", Some(n))).transpose()?,
        budget: fields::budget(BUDGET_FIELDS, change.budget_usd, change.budget_period, change.budget_soft)?,
    };
    if patch == UserPatch::default() {
        return Err(ApiError::missing_field("role"));
    }
    // An administrator who is the last one would lock everybody out.
    if id == caller.user_id && (patch.disabled == Some(true) || patch.role == Some(Role::User)) {
        return Err(ApiError::own_account());
    }
    let user = cx.app.store.update_user(id, patch, cx.author(&caller)).await?;
    cx.app.directory.forget(id);
    if patch.budget.is_some() {
        cx.app.budget_accounts.budget_set(id).await?;
    }
    Ok(Json(user.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_only_what_was_given_out() {
        assert_eq!(position("7").unwrap(), UserId(7));
        for junk in ["", "0", "-1", "07", "+7", " 7", "x", "9223372036854775808", "1.0"] {
            assert!(position(junk).is_err(), "{junk:?}");
        }
    }
}
