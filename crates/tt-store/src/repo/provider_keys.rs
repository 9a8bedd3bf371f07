//! Keys of providers, as sealed secrets. This file never sees a key in the clear.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::routing::KeyRef;
use tt_core::{ProviderKeyId, SealId, Sealed, Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode;
use crate::error::{Conflict, Constraint, Object, Quota, Result, StoreError, on_violation};
use crate::schema::{provider_keys, provider_models};
use crate::view::{NewProviderKey, ProviderKeyInfo, ProviderKeyPatch, SealedKey, StoredSecret};

#[derive(Queryable, Selectable)]
#[diesel(table_name = provider_keys)]
struct Row {
    id: i64,
    provider: String,
    label: Option<String>,
    base_url: Option<String>,
    created_at: i64,
}

fn key_ref(id: i64, provider: &str, base_url: Option<String>) -> Result<KeyRef> {
    Ok(KeyRef {
        id: ProviderKeyId(id),
        provider: decode::parsed(provider)?,
        base_url: base_url.map(decode::name).transpose()?,
    })
}

impl TryFrom<Row> for ProviderKeyInfo {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            key: key_ref(row.id, &row.provider, row.base_url)?,
            label: row.label.map(decode::name).transpose()?,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// Stores a key.
pub(crate) async fn create(c: &mut Conn, user: UserId, new: NewProviderKey, by: Author) -> Result<ProviderKeyInfo> {
    let now = by.at;
    let detail = new.base_url.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
    let detail = format!("{}{detail}", new.provider);
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let own = provider_keys::table.filter(provider_keys::user_id.eq(user.0));
        Quota::ProviderKeys.admit(own.count().get_result(c).await?)?;
        let row: Row = diesel::insert_into(provider_keys::table)
            .values((
                provider_keys::user_id.eq(user.0),
                provider_keys::provider.eq(new.provider.as_str()),
                provider_keys::label.eq(new.label.as_ref().map(|label| label.as_str())),
                provider_keys::base_url.eq(new.base_url.as_ref().map(|url| url.as_str())),
                provider_keys::seal_id.eq(new.seal_id.0),
                provider_keys::sealed.eq(new.sealed.0),
                provider_keys::created_at.eq(now.millis()),
                provider_keys::updated_at.eq(now.millis()),
            ))
            .returning(Row::as_returning())
            .get_result(c)
            .await?;
        let object = format!("provider_key {}", row.id);
        super::audit::note(c, &by, Action::ProviderKeyCreated, object, detail).await?;
        super::changes::note(c, user, now).await?;
        row.try_into()
    })
}

/// The user's keys, by id.
pub(crate) async fn list(c: &mut Conn, user: UserId) -> Result<Vec<ProviderKeyInfo>> {
    let rows: Vec<Row> = provider_keys::table
        .filter(provider_keys::user_id.eq(user.0))
        .order(provider_keys::id)
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(ProviderKeyInfo::try_from).collect()
}

type SealedRow = (i64, String, Option<String>, String, String);

fn sealed_key((id, provider, base_url, seal_id, sealed): SealedRow) -> Result<SealedKey> {
    Ok(SealedKey { key: key_ref(id, &provider, base_url)?, seal_id: SealId(seal_id), sealed: Sealed(sealed) })
}

/// The user's keys with their sealed secrets, by id.
pub(crate) async fn all_sealed(c: &mut Conn, user: UserId) -> Result<Vec<SealedKey>> {
    use provider_keys::{base_url, id, provider, seal_id, sealed, user_id};
    let rows: Vec<SealedRow> = provider_keys::table
        .filter(user_id.eq(user.0))
        .order(id)
        .select((id, provider, base_url, seal_id, sealed))
        .load(c)
        .await?;
    rows.into_iter().map(sealed_key).collect()
}

/// One key with its sealed secret.
pub(crate) async fn sealed(c: &mut Conn, user: UserId, key: ProviderKeyId) -> Result<Option<SealedKey>> {
    use provider_keys::{base_url, id, provider, seal_id, sealed, user_id};
    let row: Option<SealedRow> = provider_keys::table
        .filter(user_id.eq(user.0))
        .filter(id.eq(key.0))
        .select((id, provider, base_url, seal_id, sealed))
        .first(c)
        .await
        .optional()?;
    row.map(sealed_key).transpose()
}

#[derive(AsChangeset)]
#[diesel(table_name = provider_keys)]
struct Changes {
    label: Option<Option<String>>,
    base_url: Option<Option<String>>,
    seal_id: Option<String>,
    sealed: Option<String>,
    updated_at: i64,
}

/// Changes a key. A new secret or address deletes the list of its models, since that was fetched with the old one.
pub(crate) async fn update(
    c: &mut Conn,
    user: UserId,
    id: ProviderKeyId,
    patch: ProviderKeyPatch,
    by: Author,
) -> Result<ProviderKeyInfo> {
    tx!(c, {
        let now = by.at;
        let what =
            [(patch.secret.is_some(), "key"), (patch.base_url.is_some(), "base_url"), (patch.label.is_some(), "label")];
        let what: Vec<&str> = what.into_iter().filter(|(changed, _)| *changed).map(|(_, name)| name).collect();
        let elsewhere = patch.secret.is_some() || patch.base_url.is_some();
        let (seal_id, sealed) = patch.secret.map(|(id, sealed)| (id.0, sealed.0)).unzip();
        let changes = Changes {
            label: patch.label.map(|label| label.map(|label| label.to_string())),
            base_url: patch.base_url.map(|url| url.map(|url| url.to_string())),
            seal_id,
            sealed,
            updated_at: now.millis(),
        };
        let row: Option<Row> = diesel::update(
            provider_keys::table.filter(provider_keys::user_id.eq(user.0)).filter(provider_keys::id.eq(id.0)),
        )
        .set(changes)
        .returning(Row::as_returning())
        .get_result(c)
        .await
        .optional()?;
        let row = row.ok_or(StoreError::NotFound(Object::ProviderKey))?;
        let detail = format!("changed: {}", what.join(", "));
        super::audit::note(c, &by, Action::ProviderKeyUpdated, format!("provider_key {id}"), detail).await?;
        if elsewhere {
            forget_models(c, user, id).await?;
        }
        super::changes::note(c, user, now).await?;
        row.try_into()
    })
}

async fn forget_models(c: &mut Conn, user: UserId, id: ProviderKeyId) -> Result<()> {
    diesel::delete(
        provider_models::table
            .filter(provider_models::user_id.eq(user.0))
            .filter(provider_models::provider_key_id.eq(id.0)),
    )
    .execute(c)
    .await?;
    Ok(())
}

/// Deletes a key. It is refused if an alias uses the key.
pub(crate) async fn delete(c: &mut Conn, user: UserId, id: ProviderKeyId, by: Author) -> Result<()> {
    tx!(c, {
        forget_models(c, user, id).await?;
        let gone = diesel::delete(
            provider_keys::table.filter(provider_keys::user_id.eq(user.0)).filter(provider_keys::id.eq(id.0)),
        )
        .execute(c)
        .await
        .map_err(on_violation(Constraint::ForeignKey, Conflict::ProviderKeyInUse))?;
        if gone == 0 {
            return Err(StoreError::NotFound(Object::ProviderKey));
        }
        super::audit::note(c, &by, Action::ProviderKeyDeleted, format!("provider_key {id}"), String::new()).await?;
        super::changes::note(c, user, by.at).await
    })
}

/// Sealed secrets of all users, by id, beginning after `after`.
pub(crate) async fn secrets(c: &mut Conn, after: ProviderKeyId, limit: u32) -> Result<Vec<StoredSecret>> {
    use provider_keys::{base_url, id, provider, seal_id, sealed, user_id};
    let rows: Vec<(i64, SealedRow)> = provider_keys::table
        .filter(id.gt(after.0))
        .order(id)
        .limit(i64::from(limit))
        .select((user_id, (id, provider, base_url, seal_id, sealed)))
        .load(c)
        .await?;
    rows.into_iter().map(|(user, row)| Ok(StoredSecret { user_id: UserId(user), key: sealed_key(row)? })).collect()
}

/// Replaces a sealed secret, unless it has changed since it was read. Returns whether it was replaced. The new one
/// opens to the same key, so other processes need not forget anything.
pub(crate) async fn reseal(c: &mut Conn, old: StoredSecret, new: Sealed) -> Result<bool> {
    let changed = diesel::update(
        provider_keys::table
            .filter(provider_keys::user_id.eq(old.user_id.0))
            .filter(provider_keys::id.eq(old.key.key.id.0))
            .filter(provider_keys::seal_id.eq(old.key.seal_id.0))
            .filter(provider_keys::sealed.eq(old.key.sealed.0)),
    )
    .set(provider_keys::sealed.eq(new.0))
    .execute(c)
    .await?;
    Ok(changed == 1)
}

/// The provider that a key of the user is for; `None` when the user has no such key.
pub(crate) async fn provider(c: &mut Conn, user: UserId, id: ProviderKeyId) -> Result<Option<String>> {
    Ok(provider_keys::table
        .filter(provider_keys::user_id.eq(user.0))
        .filter(provider_keys::id.eq(id.0))
        .select(provider_keys::provider)
        .first(c)
        .await
        .optional()?)
}
