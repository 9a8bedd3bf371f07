//! Webhooks: made, listed, changed and deleted by their owner. This file never sees a secret in the clear.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::alert::Event;
use tt_core::{SealId, Sealed, Timestamp, UserId, WebhookId};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode;
use crate::error::{Object, Quota, Result, StoreError};
use crate::schema::webhooks;
use crate::webhook::{NewWebhook, Webhook, WebhookPatch, WebhookSecret};

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks)]
struct Row {
    id: i64,
    scope: String,
    url: String,
    label: Option<String>,
    events: String,
    active: bool,
    created_at: i64,
}

impl TryFrom<Row> for Webhook {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: WebhookId(row.id),
            scope: decode::parsed(&row.scope)?,
            url: decode::name(row.url)?,
            label: row.label.map(decode::name).transpose()?,
            events: row.events.split_whitespace().map(decode::parsed).collect::<Result<_>>()?,
            active: row.active,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// Events as a column: their words, separated by blanks.
fn events_column(events: &[Event]) -> String {
    events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(" ")
}

/// Stores a webhook.
pub(crate) async fn create(c: &mut Conn, user: UserId, new: NewWebhook, by: Author) -> Result<Webhook> {
    let now = by.at.millis();
    tx!(c, {
        super::native::lock_user(c, user.0).await?;
        let own = webhooks::table.filter(webhooks::user_id.eq(user.0));
        Quota::Webhooks.admit(own.count().get_result(c).await?)?;
        let events = events_column(&new.events);
        let detail = format!("to {}; events {events}; scope {}", new.url.origin(), new.scope.as_str());
        let row: Row = diesel::insert_into(webhooks::table)
            .values((
                webhooks::user_id.eq(user.0),
                webhooks::scope.eq(new.scope.as_str()),
                webhooks::url.eq(new.url.as_str()),
                webhooks::label.eq(new.label.as_ref().map(|label| label.as_str())),
                webhooks::events.eq(events),
                webhooks::active.eq(new.active),
                webhooks::seal_id.eq(new.seal_id.0),
                webhooks::sealed.eq(new.sealed.0),
                webhooks::created_at.eq(now),
                webhooks::updated_at.eq(now),
            ))
            .returning(Row::as_returning())
            .get_result(c)
            .await?;
        super::audit::note(c, &by, Action::WebhookCreated, format!("webhook {}", row.id), detail).await?;
        row.try_into()
    })
}

/// The user's webhooks, by id.
pub(crate) async fn list(c: &mut Conn, user: UserId) -> Result<Vec<Webhook>> {
    let rows: Vec<Row> = webhooks::table
        .filter(webhooks::user_id.eq(user.0))
        .order(webhooks::id)
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(Webhook::try_from).collect()
}

/// One of the user's webhooks.
pub(crate) async fn one(c: &mut Conn, user: UserId, id: WebhookId) -> Result<Option<Webhook>> {
    let own = webhooks::table.filter(webhooks::user_id.eq(user.0)).filter(webhooks::id.eq(id.0));
    let row: Option<Row> = own.select(Row::as_select()).first(c).await.optional()?;
    row.map(Webhook::try_from).transpose()
}

#[derive(AsChangeset)]
#[diesel(table_name = webhooks)]
struct Changes {
    url: Option<String>,
    label: Option<Option<String>>,
    events: Option<String>,
    active: Option<bool>,
    updated_at: i64,
}

/// Changes a webhook. Deliveries that wait for one that is switched off are given up.
pub(crate) async fn update(
    c: &mut Conn,
    user: UserId,
    id: WebhookId,
    patch: WebhookPatch,
    by: Author,
) -> Result<Webhook> {
    tx!(c, {
        let mut words = Vec::new();
        words.extend(patch.url.as_ref().map(|url| format!("to {}", url.origin())));
        words.extend(patch.events.as_deref().map(|events| format!("events {}", events_column(events))));
        words.extend(patch.active.map(|active| if active { "active" } else { "not active" }.to_owned()));
        words.extend(patch.label.as_ref().map(|_| "label".to_owned()));
        let changes = Changes {
            url: patch.url.map(|url| url.to_string()),
            label: patch.label.map(|label| label.map(|label| label.to_string())),
            events: patch.events.as_deref().map(events_column),
            active: patch.active,
            updated_at: by.at.millis(),
        };
        let own = webhooks::table.filter(webhooks::user_id.eq(user.0)).filter(webhooks::id.eq(id.0));
        let row: Option<Row> =
            diesel::update(own).set(changes).returning(Row::as_returning()).get_result(c).await.optional()?;
        let row = row.ok_or(StoreError::NotFound(Object::Webhook))?;
        if patch.active == Some(false) {
            super::deliveries::give_up(c, id).await?;
        }
        super::audit::note(c, &by, Action::WebhookUpdated, format!("webhook {id}"), words.join("; ")).await?;
        row.try_into()
    })
}

/// Puts another secret in the place of the one that deliveries are signed with.
pub(crate) async fn set_secret(
    c: &mut Conn,
    user: UserId,
    id: WebhookId,
    (seal_id, sealed): (SealId, Sealed),
    by: Author,
) -> Result<Webhook> {
    tx!(c, {
        let own = webhooks::table.filter(webhooks::user_id.eq(user.0)).filter(webhooks::id.eq(id.0));
        let row: Option<Row> = diesel::update(own)
            .set((
                webhooks::seal_id.eq(seal_id.0),
                webhooks::sealed.eq(sealed.0),
                webhooks::updated_at.eq(by.at.millis()),
            ))
            .returning(Row::as_returning())
            .get_result(c)
            .await
            .optional()?;
        let row = row.ok_or(StoreError::NotFound(Object::Webhook))?;
        super::audit::note(c, &by, Action::WebhookRotated, format!("webhook {id}"), String::new()).await?;
        row.try_into()
    })
}

/// Deletes a webhook with its deliveries.
pub(crate) async fn delete(c: &mut Conn, user: UserId, id: WebhookId, by: Author) -> Result<()> {
    tx!(c, {
        let own = webhooks::table.filter(webhooks::user_id.eq(user.0)).filter(webhooks::id.eq(id.0));
        if diesel::delete(own).execute(c).await? == 0 {
            return Err(StoreError::NotFound(Object::Webhook));
        }
        super::deliveries::delete_of(c, id).await?;
        super::audit::note(c, &by, Action::WebhookDeleted, format!("webhook {id}"), String::new()).await
    })
}

type SecretRow = (i64, i64, String, String);

fn secret((id, user, seal_id, sealed): SecretRow) -> WebhookSecret {
    WebhookSecret { id: WebhookId(id), user_id: UserId(user), seal_id: SealId(seal_id), sealed: Sealed(sealed) }
}

/// The sealed secret of one of the user's webhooks.
pub(crate) async fn sealed(c: &mut Conn, user: UserId, id: WebhookId) -> Result<Option<WebhookSecret>> {
    let row: Option<SecretRow> = webhooks::table
        .filter(webhooks::user_id.eq(user.0))
        .filter(webhooks::id.eq(id.0))
        .select((webhooks::id, webhooks::user_id, webhooks::seal_id, webhooks::sealed))
        .first(c)
        .await
        .optional()?;
    Ok(row.map(secret))
}

/// Sealed secrets of all users, by id, beginning after `after`.
pub(crate) async fn secrets(c: &mut Conn, after: WebhookId, limit: u32) -> Result<Vec<WebhookSecret>> {
    let rows: Vec<SecretRow> = webhooks::table
        .filter(webhooks::id.gt(after.0))
        .order(webhooks::id)
        .limit(i64::from(limit))
        .select((webhooks::id, webhooks::user_id, webhooks::seal_id, webhooks::sealed))
        .load(c)
        .await?;
    Ok(rows.into_iter().map(secret).collect())
}

/// Replaces a sealed secret, unless it has changed since it was read. Returns whether it was replaced.
pub(crate) async fn reseal(c: &mut Conn, old: WebhookSecret, new: Sealed) -> Result<bool> {
    let unchanged = webhooks::table
        .filter(webhooks::id.eq(old.id.0))
        .filter(webhooks::seal_id.eq(old.seal_id.0))
        .filter(webhooks::sealed.eq(old.sealed.0));
    Ok(diesel::update(unchanged).set(webhooks::sealed.eq(new.0)).execute(c).await? == 1)
}
