//! The store's functions for webhooks, alerts and deliveries.

use tt_core::alert::Alert;
use tt_core::{ApiKeyId, DeliveryId, SealId, Sealed, Timestamp, UserId, WebhookId};

use super::{Store, StoreCall};
use crate::audit::Author;
use crate::webhook::{Attempted, ClaimedDelivery, Delivery, NewWebhook, Webhook, WebhookPatch, WebhookSecret};

impl Store {
    /// Stores a webhook. `Conflict(QuotaExceeded)`.
    pub fn create_webhook(&self, user: UserId, new: NewWebhook, by: Author) -> StoreCall<Webhook> {
        call!(self, write, webhooks::create(user, new, by))
    }

    /// The user's webhooks, by id.
    pub fn webhooks(&self, user: UserId) -> StoreCall<Vec<Webhook>> {
        call!(self, read, webhooks::list(user))
    }

    /// One of the user's webhooks.
    pub fn webhook(&self, user: UserId, webhook: WebhookId) -> StoreCall<Option<Webhook>> {
        call!(self, read, webhooks::one(user, webhook))
    }

    /// Changes a webhook. Deliveries that wait for one that is switched off are given up. `NotFound(Webhook)`.
    pub fn update_webhook(
        &self,
        user: UserId,
        webhook: WebhookId,
        patch: WebhookPatch,
        by: Author,
    ) -> StoreCall<Webhook> {
        call!(self, write, webhooks::update(user, webhook, patch, by))
    }

    /// Puts another secret in the place of the one that deliveries are signed with. `NotFound(Webhook)`.
    pub fn set_webhook_secret(
        &self,
        user: UserId,
        webhook: WebhookId,
        secret: (SealId, Sealed),
        by: Author,
    ) -> StoreCall<Webhook> {
        call!(self, write, webhooks::set_secret(user, webhook, secret, by))
    }

    /// Deletes a webhook with its deliveries. `NotFound(Webhook)`.
    pub fn delete_webhook(&self, user: UserId, webhook: WebhookId, by: Author) -> StoreCall<()> {
        call!(self, write, webhooks::delete(user, webhook, by))
    }

    /// The sealed secret of one of the user's webhooks.
    pub fn webhook_secret(&self, user: UserId, webhook: WebhookId) -> StoreCall<Option<WebhookSecret>> {
        call!(self, read, webhooks::sealed(user, webhook))
    }

    /// Sealed secrets of the webhooks of all users by id, at most `limit`, beginning after `after`. The rotation of the
    /// encryption key uses it.
    pub fn webhook_secrets(&self, after: WebhookId, limit: u32) -> StoreCall<Vec<WebhookSecret>> {
        call!(self, read, webhooks::secrets(after, limit))
    }

    /// Replaces a sealed secret by `new`, which must open to the same secret, unless it has changed since it was read.
    /// Returns whether it was replaced.
    pub fn reseal_webhook(&self, old: WebhookSecret, new: Sealed) -> StoreCall<bool> {
        call!(self, write, webhooks::reseal(old, new))
    }

    /// Writes alerts, each once however often it is raised, with a delivery for every webhook that subscribes to it; those
    /// that nobody subscribes to are dropped. Returns the number of new ones. [`Store::record`] writes the alerts that it
    /// notices itself.
    pub fn raise(&self, alerts: Vec<Alert>) -> StoreCall<usize> {
        call!(self, write, alerts::raise(alerts))
    }

    /// Writes the alerts of API keys that expire soon at `now`: looks at no more than `limit` keys, beginning after
    /// `after`. Returns where to go on, `None` at the end.
    pub fn raise_expiring_keys(&self, now: Timestamp, after: ApiKeyId, limit: u32) -> StoreCall<Option<ApiKeyId>> {
        call!(self, write, alerts::expiring_keys(now, after, limit))
    }

    /// Deliveries to one of the user's webhooks, newest first, at most `limit`, those before `before`.
    pub fn deliveries(
        &self,
        user: UserId,
        webhook: WebhookId,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> StoreCall<Vec<Delivery>> {
        call!(self, read, deliveries::list(user, webhook, before, limit))
    }

    /// Makes a delivery due at `now` again, whatever became of it. `NotFound(Delivery)`.
    pub fn deliver_again(
        &self,
        user: UserId,
        webhook: WebhookId,
        delivery: DeliveryId,
        now: Timestamp,
    ) -> StoreCall<Delivery> {
        call!(self, write, deliveries::again(user, webhook, delivery, now))
    }

    /// The users to whose webhooks something is due at `now`, at most `limit`, those who wait longest first.
    pub fn users_with_due_deliveries(&self, now: Timestamp, limit: u32) -> StoreCall<Vec<UserId>> {
        call!(self, read, deliveries::due_users(now, limit))
    }

    /// Takes at most `limit` of a user's deliveries that are due at `now`. No other process takes them before `until`,
    /// when they are due again unless [`Store::delivery_attempted`] has said otherwise.
    pub fn claim_deliveries(
        &self,
        user: UserId,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreCall<Vec<ClaimedDelivery>> {
        call!(self, write, deliveries::claim(user, now, until, limit))
    }

    /// Writes the outcomes of attempts.
    pub fn delivery_attempted(&self, outcomes: Vec<Attempted>) -> StoreCall<()> {
        call!(self, write, deliveries::attempted(outcomes))
    }

    /// Deletes finished deliveries and their alerts that are older than `before`, and all deliveries to a webhook beyond
    /// the newest `most`. Returns the number of deliveries.
    pub fn prune_deliveries(&self, before: Timestamp, most: u32) -> StoreCall<usize> {
        call!(self, write, deliveries::prune(before, most))
    }
}
