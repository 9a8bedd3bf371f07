//! Users: sign-up, login, and the changes that administrators make.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use secrecy::ExposeSecret;
use tt_core::budget::Budget;
use tt_core::{Email, SessionId, Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode;
use crate::error::{Conflict, Constraint, Object, Result, StoreError, on_violation};
use crate::schema::{api_keys, known_addresses, model_aliases, provider_keys, provider_models, sessions, users};
use crate::view::{Login, User, UserPatch};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct Row {
    id: i64,
    email: String,
    role: String,
    disabled: bool,
    rate_limit_minute: i64,
    rate_limit_daily: i64,
    created_at: i64,
    budget_nano: Option<i64>,
    budget_period: Option<String>,
    own_budget_nano: Option<i64>,
    own_budget_period: Option<String>,
    budget_soft: bool,
    own_budget_soft: bool,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: UserId(row.id),
            email: decode::name(row.email)?,
            role: decode::parsed(&row.role)?,
            disabled: row.disabled,
            limits: decode::limits(row.rate_limit_minute, row.rate_limit_daily),
            budgets: decode::budgets(
                (row.own_budget_nano, row.own_budget_period, row.own_budget_soft),
                (row.budget_nano, row.budget_period, row.budget_soft),
            )?,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// Adds a user with role `user`.
pub(crate) async fn create(
    c: &mut Conn,
    email: Email,
    password_hash: secrecy::SecretString,
    by: Author,
) -> Result<UserId> {
    tx!(c, {
        let id = diesel::insert_into(users::table)
            .values((
                users::email.eq(email.as_str()),
                users::password_hash.eq(password_hash.expose_secret()),
                users::created_at.eq(by.at.millis()),
            ))
            .returning(users::id)
            .get_result(c)
            .await
            .map(UserId)
            .map_err(on_violation(Constraint::Unique, Conflict::EmailTaken))?;
        super::audit::note_new_user(c, &by, id, email.as_str()).await?;
        Ok(id)
    })
}

/// The part of the user with this address that a login needs.
pub(crate) async fn login(c: &mut Conn, email: Email) -> Result<Option<Login>> {
    let row: Option<(i64, String, String, bool)> = users::table
        .filter(users::email.eq(email.as_str()))
        .select((users::id, users::password_hash, users::role, users::disabled))
        .first(c)
        .await
        .optional()?;
    row.map(|(id, hash, role, disabled)| {
        Ok(Login { id: UserId(id), password_hash: hash.into(), role: decode::parsed(&role)?, disabled })
    })
    .transpose()
}

/// The hash of a user's password.
pub(crate) async fn password_hash(c: &mut Conn, id: UserId) -> Result<Option<secrecy::SecretString>> {
    let hash: Option<String> = users::table.find(id.0).select(users::password_hash).first(c).await.optional()?;
    Ok(hash.map(Into::into))
}

/// The user of this id.
pub(crate) async fn by_id(c: &mut Conn, id: UserId) -> Result<Option<User>> {
    let row: Option<Row> = users::table.find(id.0).select(Row::as_select()).first(c).await.optional()?;
    row.map(User::try_from).transpose()
}

/// The user of this address.
pub(crate) async fn by_email(c: &mut Conn, email: Email) -> Result<Option<User>> {
    let row: Option<Row> =
        users::table.filter(users::email.eq(email.as_str())).select(Row::as_select()).first(c).await.optional()?;
    row.map(User::try_from).transpose()
}

/// Users by id, beginning after `after`.
pub(crate) async fn list(c: &mut Conn, after: Option<UserId>, limit: u32) -> Result<Vec<User>> {
    let rows: Vec<Row> = users::table
        .filter(users::id.gt(after.map_or(i64::MIN, |id| id.0)))
        .order(users::id)
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(User::try_from).collect()
}

#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct Changes {
    role: Option<&'static str>,
    disabled: Option<bool>,
    rate_limit_minute: Option<i64>,
    rate_limit_daily: Option<i64>,
    budget_nano: Option<Option<i64>>,
    budget_period: Option<Option<&'static str>>,
    budget_soft: Option<bool>,
}

/// Changes a user and returns the result; an empty patch changes nothing.
pub(crate) async fn update(c: &mut Conn, id: UserId, patch: UserPatch, by: Author) -> Result<User> {
    let budget = patch.budget.map(decode::budget_columns);
    let changes = Changes {
        role: patch.role.map(tt_core::Role::as_str),
        disabled: patch.disabled,
        rate_limit_minute: patch.rate_limit_minute.map(decode::column),
        rate_limit_daily: patch.rate_limit_daily.map(decode::column),
        budget_nano: budget.map(|(nano, ..)| nano),
        budget_period: budget.map(|(_, period, _)| period),
        budget_soft: budget.map(|(.., soft)| soft),
    };
    tx!(c, {
        if patch != UserPatch::default() {
            diesel::update(users::table.find(id.0)).set(changes).execute(c).await?;
            super::changes::note(c, id, by.at).await?;
        }
        let user = by_id(c, id).await?.ok_or(StoreError::NotFound(Object::User))?;
        if patch != UserPatch::default() {
            let detail = format!("{}: {}", user.email, changed(&patch));
            super::audit::note(c, &by, Action::UserUpdated, format!("user {id}"), detail).await?;
        }
        Ok(user)
    })
}

/// A patch in words.
fn changed(patch: &UserPatch) -> String {
    let mut words = Vec::new();
    words.extend(patch.role.map(|role| format!("role {}", role.as_str())));
    words.extend(patch.disabled.map(|disabled| if disabled { "disabled" } else { "enabled" }.to_owned()));
    words.extend(patch.rate_limit_minute.map(|limit| format!("rate_limit_minute {limit}")));
    words.extend(patch.rate_limit_daily.map(|limit| format!("rate_limit_daily {limit}")));
    words.extend(patch.budget.map(in_words));
    words.join(", ")
}

/// A budget in words.
fn in_words(budget: Option<Budget>) -> String {
    match budget {
        Some(Budget { limit, period, soft }) => {
            let soft = if soft { ", soft" } else { "" };
            format!("budget {limit} USD, period {}{soft}", period.as_str())
        }
        None => "no budget".to_owned(),
    }
}

/// Sets the user's own budget; `None` removes it.
pub(crate) async fn set_own_budget(c: &mut Conn, id: UserId, budget: Option<Budget>, by: Author) -> Result<()> {
    let (nano, period, soft) = decode::budget_columns(budget);
    tx!(c, {
        let changed = diesel::update(users::table.find(id.0))
            .set((
                users::own_budget_nano.eq(nano),
                users::own_budget_period.eq(period),
                users::own_budget_soft.eq(soft),
            ))
            .execute(c)
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound(Object::User));
        }
        super::audit::note(c, &by, Action::BudgetSet, format!("user {id}"), in_words(budget)).await?;
        super::changes::note(c, id, by.at).await
    })
}

/// Sets another password. Every session of the user ends, except `keep`.
pub(crate) async fn set_password(
    c: &mut Conn,
    id: UserId,
    password_hash: secrecy::SecretString,
    keep: Option<SessionId>,
    by: Author,
) -> Result<()> {
    tx!(c, {
        let changed = diesel::update(users::table.find(id.0))
            .set(users::password_hash.eq(password_hash.expose_secret()))
            .execute(c)
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound(Object::User));
        }
        diesel::update(
            sessions::table
                .filter(sessions::user_id.eq(id.0))
                .filter(sessions::revoked_at.is_null())
                // Ids begin at 1: -1 keeps none.
                .filter(sessions::id.ne(keep.map_or(-1, |session| session.0))),
        )
        .set(sessions::revoked_at.eq(by.at.millis()))
        .execute(c)
        .await?;
        super::audit::note(c, &by, Action::PasswordChanged, format!("user {id}"), String::new()).await?;
        super::changes::note(c, id, by.at).await
    })
}

/// Deletes a user and all that is theirs but the ledger, whose sums must go on adding up.
pub(crate) async fn delete(c: &mut Conn, id: UserId, by: Author) -> Result<()> {
    tx!(c, {
        let user = by_id(c, id).await?.ok_or(StoreError::NotFound(Object::User))?;
        // In one statement, since aliases fall back to each other.
        diesel::delete(model_aliases::table.filter(model_aliases::user_id.eq(id.0))).execute(c).await?;
        diesel::delete(provider_models::table.filter(provider_models::user_id.eq(id.0))).execute(c).await?;
        diesel::delete(provider_keys::table.filter(provider_keys::user_id.eq(id.0))).execute(c).await?;
        diesel::delete(api_keys::table.filter(api_keys::user_id.eq(id.0))).execute(c).await?;
        diesel::delete(sessions::table.filter(sessions::user_id.eq(id.0))).execute(c).await?;
        super::alerts::delete_of(c, id).await?;
        diesel::delete(known_addresses::table.filter(known_addresses::user_id.eq(id.0))).execute(c).await?;
        if diesel::delete(users::table.find(id.0)).execute(c).await? == 0 {
            return Err(StoreError::NotFound(Object::User));
        }
        super::audit::note(c, &by, Action::UserDeleted, format!("user {id}"), user.email.to_string()).await?;
        super::changes::note(c, id, by.at).await
    })
}
