//! The types that the store takes and gives for webhooks and their deliveries.

use tt_core::alert::{Event, WebhookScope};
use tt_core::{DeliveryId, Label, SealId, Sealed, Timestamp, UserId, WebhookId, WebhookUrl};

/// A webhook to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// The events that it is about: those of its user, or those of the installation.
    pub scope: WebhookScope,
    /// The address that alerts are sent to.
    pub url: WebhookUrl,
    /// The name that the owner chose.
    pub label: Option<Label>,
    /// The events that it subscribes to.
    pub events: Vec<Event>,
    /// False if nothing is to be sent.
    pub active: bool,
    /// The random name that the ciphertext is bound to.
    pub seal_id: SealId,
    /// The secret that deliveries are signed with, sealed.
    pub sealed: Sealed,
}

/// A webhook without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The webhook's id.
    pub id: WebhookId,
    /// The events that it is about.
    pub scope: WebhookScope,
    /// The address that alerts are sent to.
    pub url: WebhookUrl,
    /// The name that the owner chose.
    pub label: Option<Label>,
    /// The events that it subscribes to.
    pub events: Vec<Event>,
    /// False if nothing is to be sent.
    pub active: bool,
    /// The time at which it was made.
    pub created_at: Timestamp,
}

/// Changes to a webhook; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookPatch {
    /// The address that alerts are sent to.
    pub url: Option<WebhookUrl>,
    /// The name that the owner chose.
    pub label: Option<Option<Label>>,
    /// The events that it subscribes to.
    pub events: Option<Vec<Event>>,
    /// False to send nothing any more. Waiting deliveries are given up.
    pub active: Option<bool>,
}

/// The sealed secret of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    /// The webhook's id.
    pub id: WebhookId,
    /// The user who owns the webhook. The ciphertext is bound to the user.
    pub user_id: UserId,
    /// The random name that the ciphertext is bound to.
    pub seal_id: SealId,
    /// The sealed secret.
    pub sealed: Sealed,
}

/// An alert on its way to a webhook, as the webhook's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The alert's id, which its body has too.
    pub event_id: String,
    /// The word of the alert's event.
    pub event: String,
    /// The time at which the alert was made.
    pub created_at: Timestamp,
    /// The number of attempts so far.
    pub attempts: u64,
    /// The time of the last attempt.
    pub last_attempt_at: Option<Timestamp>,
    /// The status that the receiver answered with at last; `None` when it did not answer.
    pub last_status: Option<u16>,
    /// The failure of the last attempt, in words.
    pub last_error: Option<String>,
    /// The time at which the receiver took it.
    pub delivered_at: Option<Timestamp>,
    /// The time of the next attempt; `None` when it is delivered or given up.
    pub next_attempt_at: Option<Timestamp>,
}

/// A delivery that this process is to send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The number of this attempt, counted from 1.
    pub attempt: u64,
    /// The time of the first attempt.
    pub first_attempt_at: Timestamp,
    /// The alert's id.
    pub event_id: String,
    /// The word of the alert's event.
    pub event: String,
    /// The body to send.
    pub body: String,
    /// The address to send it to.
    pub url: WebhookUrl,
    /// The secret to sign it with.
    pub secret: WebhookSecret,
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The number of the attempt. If another one has been made meanwhile, a failure of this one changes nothing.
    pub attempt: u64,
    /// The end of the attempt.
    pub at: Timestamp,
    /// The status that the receiver answered with.
    pub status: Option<u16>,
    /// The failure in words; `None`: the receiver took it.
    pub error: Option<String>,
    /// The time of the next attempt after a failure; `None`: it is given up.
    pub next_attempt_at: Option<Timestamp>,
}
