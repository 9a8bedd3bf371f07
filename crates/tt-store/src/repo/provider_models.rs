//! The lists of models that providers give for each key.

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use tt_core::{ProviderKeyId, Timestamp, UserId};

use super::Conn;
use crate::decode;
use crate::error::{Object, Result, StoreError};
use crate::schema::{provider_keys, provider_models};
use crate::view::ModelList;

/// The lists that have been fetched for the user's keys, by key.
pub(crate) async fn lists(c: &mut Conn, user: UserId) -> Result<Vec<ModelList>> {
    let rows: Vec<(i64, String, String, i64)> = provider_models::table
        .inner_join(provider_keys::table.on(provider_keys::id.eq(provider_models::provider_key_id)))
        .filter(provider_models::user_id.eq(user.0))
        .filter(provider_keys::user_id.eq(user.0))
        .filter(provider_models::fetched_at.gt(0))
        .order(provider_models::provider_key_id)
        .select((
            provider_models::provider_key_id,
            provider_keys::provider,
            provider_models::models,
            provider_models::fetched_at,
        ))
        .load(c)
        .await?;
    rows.into_iter()
        .map(|(id, provider, models, fetched_at)| {
            Ok(ModelList {
                provider_key_id: ProviderKeyId(id),
                provider: decode::parsed(&provider)?,
                models: decode::from_json(&models)?,
                fetched_at: Timestamp::from_millis(fetched_at),
            })
        })
        .collect()
}

async fn is_own(c: &mut Conn, user: UserId, key: ProviderKeyId) -> Result<()> {
    let own: Option<i64> = provider_keys::table
        .filter(provider_keys::user_id.eq(user.0))
        .filter(provider_keys::id.eq(key.0))
        .select(provider_keys::id)
        .first(c)
        .await
        .optional()?;
    own.map(|_| ()).ok_or(StoreError::NotFound(Object::ProviderKey))
}

/// Asks for the right to fetch a key's list until `until`. It is given when the list is older than `stale` (or was
/// never fetched) and no other process has the right. Returns whether it was given.
pub(crate) async fn claim(
    c: &mut Conn,
    user: UserId,
    key: ProviderKeyId,
    stale: Timestamp,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        is_own(c, user, key).await?;
        diesel::insert_into(provider_models::table)
            .values((
                provider_models::provider_key_id.eq(key.0),
                provider_models::user_id.eq(user.0),
                provider_models::models.eq("[]"),
            ))
            .on_conflict_do_nothing()
            .execute(c)
            .await?;
        let claimed = diesel::update(
            provider_models::table
                .filter(provider_models::provider_key_id.eq(key.0))
                .filter(provider_models::fetched_at.lt(stale.millis()))
                .filter(provider_models::claimed_until.le(now.millis())),
        )
        .set(provider_models::claimed_until.eq(until.millis()))
        .execute(c)
        .await?;
        Ok(claimed == 1)
    })
}

/// Stores a list that was fetched, and gives up the right to fetch it.
pub(crate) async fn save(
    c: &mut Conn,
    user: UserId,
    key: ProviderKeyId,
    models: Vec<String>,
    now: Timestamp,
) -> Result<()> {
    let models = decode::json(&models)?;
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        is_own(c, user, key).await?;
        diesel::insert_into(provider_models::table)
            .values((
                provider_models::provider_key_id.eq(key.0),
                provider_models::user_id.eq(user.0),
                provider_models::models.eq(models),
                provider_models::fetched_at.eq(now.millis()),
            ))
            .on_conflict(provider_models::provider_key_id)
            .do_update()
            .set((
                provider_models::models.eq(excluded(provider_models::models)),
                provider_models::fetched_at.eq(excluded(provider_models::fetched_at)),
                provider_models::claimed_until.eq(0),
            ))
            .execute(c)
            .await?;
        Ok(())
    })
}
