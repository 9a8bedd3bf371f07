//! `/manage/webhooks`: the caller's webhooks, and what was sent to them.

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tt_core::alert::{Event, TEST_EVENT, WebhookScope, test_body};
use tt_core::{DeliveryId, Label, Role, Timestamp, WebhookId, WebhookUrl};
use tt_crypto::webhook::new_secret;
use tt_store::{Delivery, NewWebhook, Webhook, WebhookPatch};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::{self, page_size};
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::app::App;
use crate::state::directory::KnownCaller;
use crate::state::sealing;
use crate::webhook_call::{Message, send};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(crate) struct WebhookWish {
    url: String,
    #[schemars(with = "Vec<Event>")]
    events: Vec<String>,
    label: Option<String>,
    active: Option<bool>,
    /// `installation`, for administrators: events of all users together.
    #[schemars(with = "Option<WebhookScope>")]
    scope: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(crate) struct WebhookView {
    id: WebhookId,
    url: WebhookUrl,
    events: Vec<Event>,
    label: Option<Label>,
    active: bool,
    scope: WebhookScope,
    created_at: Timestamp,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let Webhook { id, scope, url, label, events, active, created_at } = webhook;
        Self { id, url, events, label, active, scope, created_at }
    }
}

/// A webhook with its secret, which is shown this once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookWithSecret")]
pub(crate) struct WithSecret {
    id: WebhookId,
    url: WebhookUrl,
    events: Vec<Event>,
    label: Option<Label>,
    active: bool,
    scope: WebhookScope,
    created_at: Timestamp,
    /// `whsec_` and the key in base64, as Standard Webhooks has it.
    secret: String,
}

impl WithSecret {
    fn of(webhook: Webhook, secret: &SecretString) -> Self {
        let Webhook { id, scope, url, label, events, active, created_at } = webhook;
        Self { id, url, events, label, active, scope, created_at, secret: secret.expose_secret().to_owned() }
    }
}

/// `POST /manage/webhooks`: makes a webhook. This reply, and that of a rotation, are the only ones that show the secret.
pub(crate) async fn create(
    mut cx: Box<Context>,
    caller: KnownCaller,
) -> Result<(StatusCode, Json<WithSecret>), ApiError> {
    let wish: WebhookWish = cx.json().await?;
    let scope = wish.scope.map_or(Ok(WebhookScope::Own), |word| word.parse())?;
    if scope == WebhookScope::Installation && caller.role != Role::Admin {
        return Err(ApiError::forbidden("A webhook with the scope `installation` is for administrators."));
    }
    let events = events(&wish.events, scope)?;
    let label = wish.label.map(|text| fields::label("label", text)).transpose()?;
    let url = address(&cx.app, wish.url).await?;
    let secret = new_secret()?;
    let (seal_id, sealed) = sealing::seal_webhook(&cx.app.keyring, caller.user_id, &secret)?;
    let new = NewWebhook { scope, url, label, events, active: wish.active.unwrap_or(true), seal_id, sealed };
    let webhook = cx.app.store.create_webhook(caller.user_id, new, cx.author(&caller)).await?;
    Ok((StatusCode::CREATED, Json(WithSecret::of(webhook, &secret))))
}

/// The events of a webhook of this scope, each once.
fn events(words: &[String], scope: WebhookScope) -> Result<Vec<Event>, ApiError> {
    let mut events = words.iter().map(|word| word.parse()).collect::<Result<Vec<Event>, _>>()?;
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(ApiError::invalid_field("events", "must name at least one event"));
    }
    if let Some(other) = events.iter().find(|event| !event.is_of(scope)) {
        let why = format!("{} is no event of a webhook with the scope `{}`", other.as_str(), scope.as_str());
        return Err(ApiError::invalid_field("events", why));
    }
    Ok(events)
}

/// An address that a user gives. It must be a public one over TLS, unless the operator allows others. The check of the host is
/// repeated at every connection.
async fn address(app: &App, text: String) -> Result<WebhookUrl, ApiError> {
    let url = WebhookUrl::try_from(text)?;
    if app.config.upstream.allow_private {
        return Ok(url);
    }
    if !url.is_https() {
        return Err(ApiError::invalid_field("url", "must begin with https://"));
    }
    match tt_providers::upstream::address::resolve_public(&app.resolver, url.as_str()).await {
        Ok(()) => Ok(url),
        Err(_) => Err(ApiError::invalid_field("url", "must name a host with a public address")),
    }
}

/// `GET /manage/webhooks`: the caller's webhooks, without their secrets.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<WebhookView>>, ApiError> {
    let webhooks = cx.app.store.webhooks(caller.user_id).await?;
    Ok(Json(webhooks.into_iter().map(WebhookView::from).collect()))
}

/// `GET /manage/webhooks/{id}`: one of them.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(named(&cx, &caller).await?.into()))
}

/// The caller's webhook that the path names.
async fn named(cx: &Context, caller: &KnownCaller) -> Result<Webhook, ApiError> {
    let id = WebhookId(cx.id_param(0, "webhook")?);
    cx.app.store.webhook(caller.user_id, id).await?.ok_or_else(|| ApiError::not_found("webhook"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookPatch")]
pub(crate) struct WebhookChange {
    url: Option<String>,
    #[schemars(with = "Option<Vec<Event>>")]
    events: Option<Vec<String>>,
    #[serde(default, deserialize_with = "nullable")]
    label: Option<Option<String>>,
    active: Option<bool>,
}

/// `PATCH /manage/webhooks/{id}`: changes the fields that the body names.
pub(crate) async fn update(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<WebhookView>, ApiError> {
    let change: WebhookChange = cx.json().await?;
    let before = named(&cx, &caller).await?;
    let patch = WebhookPatch {
        label: match change.label {
            Some(Some(text)) => Some(Some(fields::label("label", text)?)),
            Some(None) => Some(None),
            None => None,
        },
        events: change.events.map(|words| events(&words, before.scope)).transpose()?,
        active: change.active,
        url: match change.url {
            Some(text) => Some(address(&cx.app, text).await?),
            None => None,
        },
    };
    if patch == WebhookPatch::default() {
        return Err(ApiError::missing_field("url"));
    }
    let webhook = cx.app.store.update_webhook(caller.user_id, before.id, patch, cx.author(&caller)).await?;
    Ok(Json(webhook.into()))
}

/// `DELETE /manage/webhooks/{id}`: deletes a webhook and what was to be sent to it.
pub(crate) async fn delete(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let id = WebhookId(cx.id_param(0, "webhook")?);
    cx.app.store.delete_webhook(caller.user_id, id, cx.author(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /manage/webhooks/{id}/rotate`: makes another secret, with which everything is signed from now on.
pub(crate) async fn rotate(cx: Box<Context>, caller: KnownCaller) -> Result<Json<WithSecret>, ApiError> {
    let id = WebhookId(cx.id_param(0, "webhook")?);
    let secret = new_secret()?;
    let sealed = sealing::seal_webhook(&cx.app.keyring, caller.user_id, &secret)?;
    let webhook = cx.app.store.set_webhook_secret(caller.user_id, id, sealed, cx.author(&caller)).await?;
    Ok(Json(WithSecret::of(webhook, &secret)))
}

/// The outcome of a test.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookTest")]
pub(crate) struct Tested {
    ok: bool,
    /// The status that the receiver answered with; `null` when it did not answer.
    status: Option<u16>,
    latency_ms: u64,
    message: String,
}

/// `POST /manage/webhooks/{id}/test`: sends an event `webhook.test` once. It is no delivery, and is not tried again.
pub(crate) async fn test(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Tested>, ApiError> {
    let webhook = named(&cx, &caller).await?;
    let sealed = cx.app.store.webhook_secret(caller.user_id, webhook.id).await?;
    let sealed = sealed.ok_or_else(|| ApiError::not_found("webhook"))?;
    let Ok(secret) = sealing::open_webhook(&cx.app.keyring, &sealed) else {
        let message = "The stored secret cannot be opened; rotate it.".to_owned();
        return Ok(Json(Tested { ok: false, status: None, latency_ms: 0, message }));
    };
    let (begun, at, event_id) = (Instant::now(), now(), format!("evt_{}", cx.id.0.simple()));
    let message = Message {
        url: &webhook.url,
        secret: &secret,
        event_id: &event_id,
        event: TEST_EVENT,
        delivery: None,
        body: Bytes::from(test_body(&event_id, at)),
    };
    let answer = send(&cx.worker.client, &message, at, cx.app.config.upstream.allow_private).await;
    let message = match &answer.error {
        None => "The receiver took the test.".to_owned(),
        Some(error) => format!("The test failed: {error}."),
    };
    let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(Tested { ok: answer.error.is_none(), status: answer.status, latency_ms, message }))
}

/// The state of a delivery.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DeliveryStatus {
    /// It is to be sent, for the first time or again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It is given up.
    Failed,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookDelivery")]
pub(crate) struct DeliveryView {
    id: DeliveryId,
    event_id: String,
    event: String,
    status: DeliveryStatus,
    created_at: Timestamp,
    attempts: u64,
    last_attempt_at: Option<Timestamp>,
    /// The status that the receiver answered with at last.
    last_status: Option<u16>,
    last_error: Option<String>,
    delivered_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let status = match (delivery.next_attempt_at, delivery.delivered_at) {
            (Some(_), _) => DeliveryStatus::Pending,
            (None, Some(_)) => DeliveryStatus::Delivered,
            (None, None) => DeliveryStatus::Failed,
        };
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            event: delivery.event,
            status,
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            last_attempt_at: delivery.last_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            delivered_at: delivery.delivered_at,
            next_attempt_at: delivery.next_attempt_at,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookDeliveryPage")]
pub(crate) struct Page {
    data: Vec<DeliveryView>,
    next_cursor: Option<String>,
}

/// `GET /manage/webhooks/{id}/deliveries`: a page of what was, or is to be, sent to a webhook, the newest first.
pub(crate) async fn deliveries(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Page>, ApiError> {
    let [limit, cursor] = cx.query(["limit", "cursor"])?;
    let limit = page_size(limit)?;
    let before = cursor.map(|text| position(&text)).transpose()?;
    let webhook = named(&cx, &caller).await?;
    // One more than the page holds tells whether there is a next page.
    let mut found = cx.app.store.deliveries(caller.user_id, webhook.id, before, limit + 1).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next_cursor = found.last().filter(|_| more).map(|delivery| delivery.id.to_string());
    Ok(Json(Page { data: found.into_iter().map(DeliveryView::from).collect(), next_cursor }))
}

/// The position that a cursor stands for: the id of the last delivery shown.
fn position(cursor: &str) -> Result<DeliveryId, ApiError> {
    let id = cursor.parse::<i64>().ok().filter(|id| *id > 0 && id.to_string() == cursor);
    id.map(DeliveryId).ok_or_else(|| ApiError::invalid_field("cursor", "is not one that this call gave out"))
}

/// `POST /manage/webhooks/{id}/deliveries/{delivery_id}/redeliver`: sends the same body again, soon.
pub(crate) async fn redeliver(
    cx: Box<Context>,
    caller: KnownCaller,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let webhook = named(&cx, &caller).await?;
    if !webhook.active {
        return Err(ApiError::conflict("webhook_not_active", "The webhook is switched off; make it active first."));
    }
    let id = DeliveryId(cx.id_param(1, "delivery")?);
    let delivery = cx.app.store.deliver_again(caller.user_id, webhook.id, id, now()).await?;
    cx.app.alerts.due.notify_one();
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_takes_the_events_of_its_scope() {
        let of = |words: &[&str], scope| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            events(&words, scope).map_err(|error| error.param.clone())
        };
        let both = Ok(vec![Event::PriceMissing, Event::LedgerGap]);
        assert_eq!(of(&["ledger.gap", "price.missing", "ledger.gap"], WebhookScope::Own), both);
        assert_eq!(of(&["ledger.gap", "price.missing"], WebhookScope::Installation), both);
        let refused = Err(Some("events".to_owned()));
        assert_eq!(of(&[], WebhookScope::Own), refused);
        assert_eq!(of(&["all"], WebhookScope::Own), refused);
        assert_eq!(of(&["journal.behind"], WebhookScope::Own), refused);
        assert_eq!(of(&["budget.threshold"], WebhookScope::Installation), refused);
    }

    #[test]
    fn a_cursor_is_only_what_was_given_out() {
        assert_eq!(position("7").unwrap(), DeliveryId(7));
        for junk in ["", "0", "-1", "07", "+7", "x"] {
            assert!(position(junk).is_err(), "{junk:?}");
        }
    }
}
