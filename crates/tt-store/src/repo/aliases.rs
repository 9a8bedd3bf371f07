//! Aliases, and a call that reads everything that routing needs of a user.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::plan::closes_cycle;
use tt_core::routing::Alias;
use tt_core::{AliasId, AliasName, Invalid, ProviderKeyId, Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode;
use crate::error::{Conflict, Constraint, Object, Quota, Result, StoreError, on_violation};
use crate::schema::{model_aliases, provider_keys};
use crate::view::{AliasPatch, NewAlias, Routing};

#[derive(Queryable, Selectable)]
#[diesel(table_name = model_aliases)]
struct Row {
    id: i64,
    alias: String,
    target_model: String,
    provider_key_id: i64,
    fallback_alias_id: Option<i64>,
    use_light_model: bool,
    light_model_threshold: i64,
    light_model: Option<String>,
    created_at: i64,
}

fn alias((row, provider): (Row, String)) -> Result<Alias> {
    Ok(Alias {
        id: AliasId(row.id),
        name: decode::name(row.alias)?,
        target_model: decode::name(row.target_model)?,
        provider_key_id: ProviderKeyId(row.provider_key_id),
        provider: decode::parsed(&provider)?,
        fallback_alias_id: row.fallback_alias_id.map(AliasId),
        use_light_model: row.use_light_model,
        light_model_threshold: decode::count(row.light_model_threshold),
        light_model: row.light_model.map(decode::name).transpose()?,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

macro_rules! with_keys {
    () => {
        model_aliases::table.inner_join(provider_keys::table.on(
            provider_keys::user_id.eq(model_aliases::user_id).and(provider_keys::id.eq(model_aliases::provider_key_id)),
        ))
    };
}

/// The user's alias of this name.
async fn named(c: &mut Conn, user: UserId, name: AliasName) -> Result<Option<Alias>> {
    let row: Option<(Row, String)> = with_keys!()
        .filter(model_aliases::user_id.eq(user.0))
        .filter(model_aliases::alias.eq(name.as_str()))
        .select((Row::as_select(), provider_keys::provider))
        .first(c)
        .await
        .optional()?;
    row.map(alias).transpose()
}

/// The user's aliases, by id.
pub(crate) async fn list(c: &mut Conn, user: UserId) -> Result<Vec<Alias>> {
    let rows: Vec<(Row, String)> = with_keys!()
        .filter(model_aliases::user_id.eq(user.0))
        .order(model_aliases::id)
        .select((Row::as_select(), provider_keys::provider))
        .load(c)
        .await?;
    rows.into_iter().map(alias).collect()
}

/// The user's aliases and sealed keys, read at one moment.
pub(crate) async fn routing(c: &mut Conn, user: UserId) -> Result<Routing> {
    snapshot!(c, {
        Ok(Routing { aliases: list(c, user).await?, keys: super::provider_keys::all_sealed(c, user).await? })
    })
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = model_aliases)]
#[diesel(treat_none_as_null = true)]
struct Columns<'a> {
    alias: &'a str,
    target_model: &'a str,
    provider_key_id: i64,
    fallback_alias_id: Option<i64>,
    use_light_model: bool,
    light_model_threshold: i64,
    light_model: Option<&'a str>,
    updated_at: i64,
}

impl<'a> Columns<'a> {
    fn of(new: &'a NewAlias, now: Timestamp) -> Self {
        Self {
            alias: new.name.as_str(),
            target_model: new.target_model.as_str(),
            provider_key_id: new.provider_key_id.0,
            fallback_alias_id: new.fallback_alias_id.map(|id| id.0),
            use_light_model: new.use_light_model,
            light_model_threshold: decode::column(new.light_model_threshold),
            light_model: new.light_model.as_ref().map(|model| model.as_str()),
            updated_at: now.millis(),
        }
    }
}

/// Makes the alias, or replaces the one of the same name, which keeps its id.
pub(crate) async fn upsert(c: &mut Conn, user: UserId, new: NewAlias, by: Author) -> Result<Alias> {
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let own = model_aliases::table.filter(model_aliases::user_id.eq(user.0));
        let replaced: Option<i64> = own
            .filter(model_aliases::alias.eq(new.name.as_str()))
            .select(model_aliases::id)
            .first(c)
            .await
            .optional()?;
        if replaced.is_none() {
            Quota::Aliases.admit(own.count().get_result(c).await?)?;
        }
        write(c, user, replaced.map(AliasId), new, by, Action::AliasSaved).await
    })
}

/// Changes the alias of this name.
pub(crate) async fn patch(c: &mut Conn, user: UserId, name: AliasName, patch: AliasPatch, by: Author) -> Result<Alias> {
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let old = named(c, user, name).await?.ok_or(StoreError::NotFound(Object::Alias))?;
        let new = NewAlias {
            name: patch.name.unwrap_or(old.name),
            target_model: patch.target_model.unwrap_or(old.target_model),
            provider_key_id: patch.provider_key_id.unwrap_or(old.provider_key_id),
            fallback_alias_id: patch.fallback_alias_id.unwrap_or(old.fallback_alias_id),
            use_light_model: patch.use_light_model.unwrap_or(old.use_light_model),
            light_model_threshold: patch.light_model_threshold.unwrap_or(old.light_model_threshold),
            light_model: patch.light_model.unwrap_or(old.light_model),
        };
        write(c, user, Some(old.id), new, by, Action::AliasUpdated).await
    })
}

/// Writes the alias `id` (`None`: a new one) after checking it against the user's other aliases.
async fn write(
    c: &mut Conn,
    user: UserId,
    id: Option<AliasId>,
    new: NewAlias,
    by: Author,
    action: Action,
) -> Result<Alias> {
    let now = by.at;
    let key = super::provider_keys::provider(c, user, new.provider_key_id).await?;
    let provider = key.ok_or(StoreError::NotFound(Object::ProviderKey))?;
    if let Some(fallback) = new.fallback_alias_id {
        check_fallback(c, user, id, fallback).await?;
    }
    let columns = Columns::of(&new, now);
    let row: Row = match id {
        Some(id) => {
            diesel::update(
                model_aliases::table.filter(model_aliases::user_id.eq(user.0)).filter(model_aliases::id.eq(id.0)),
            )
            .set(columns)
            .returning(Row::as_returning())
            .get_result(c)
            .await
        }
        None => {
            diesel::insert_into(model_aliases::table)
                .values((columns, model_aliases::user_id.eq(user.0), model_aliases::created_at.eq(now.millis())))
                .returning(Row::as_returning())
                .get_result(c)
                .await
        }
    }
    .map_err(on_violation(Constraint::Unique, Conflict::AliasTaken))?;
    let detail = format!("{}/{} with provider_key {}", provider, new.target_model, new.provider_key_id);
    super::audit::note(c, &by, action, format!("alias {}", new.name), detail).await?;
    super::changes::note(c, user, now).await?;
    alias((row, provider))
}

/// Refuses a fallback that is not an alias of the user's, or that leads back to the alias `id`.
async fn check_fallback(c: &mut Conn, user: UserId, id: Option<AliasId>, fallback: AliasId) -> Result<()> {
    use model_aliases::{fallback_alias_id, user_id};
    let own = model_aliases::table.filter(user_id.eq(user.0));
    let found: Option<i64> =
        own.filter(model_aliases::id.eq(fallback.0)).select(model_aliases::id).first(c).await.optional()?;
    found.ok_or(StoreError::NotFound(Object::Alias))?;
    // A new alias cannot close a cycle, since no other falls back to it yet.
    let Some(id) = id else { return Ok(()) };
    let fallbacks: Vec<(i64, i64)> = own
        .filter(fallback_alias_id.is_not_null())
        .select((model_aliases::id, fallback_alias_id.assume_not_null()))
        .load(c)
        .await?;
    let fallbacks: HashMap<AliasId, AliasId> =
        fallbacks.into_iter().map(|(from, to)| (AliasId(from), AliasId(to))).collect();
    if closes_cycle(|alias| fallbacks.get(&alias).copied(), id, fallback) {
        return Err(Invalid::new("fallback_alias_id", "must not lead back to the alias itself").into());
    }
    Ok(())
}

/// Deletes an alias. It is refused if another alias falls back to this one.
pub(crate) async fn delete(c: &mut Conn, user: UserId, name: AliasName, by: Author) -> Result<()> {
    tx!(c, {
        let gone = diesel::delete(
            model_aliases::table
                .filter(model_aliases::user_id.eq(user.0))
                .filter(model_aliases::alias.eq(name.as_str())),
        )
        .execute(c)
        .await
        .map_err(on_violation(Constraint::ForeignKey, Conflict::AliasInUse))?;
        if gone == 0 {
            return Err(StoreError::NotFound(Object::Alias));
        }
        super::audit::note(c, &by, Action::AliasDeleted, format!("alias {name}"), String::new()).await?;
        super::changes::note(c, user, by.at).await
    })
}
