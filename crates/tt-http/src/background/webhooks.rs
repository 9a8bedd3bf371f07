//! Sends alerts to webhooks.
//!
//! Deliveries wait in the store. A process claims some of a user's deliveries for a while before it sends them, so that
//! only one of many replicas does, and another takes over if it dies: a receiver gets each alert at least once. Users take
//! turns, several at a time, and a turn has a deadline. So a user whose receivers never answer delays others by a turn at
//! most, however much is to be sent to them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tt_core::backoff::backoff;
use tt_core::time::DAY_MS;
use tt_core::{Causes, Timestamp, UserId};
use tt_providers::Client;
use tt_store::{Attempted, ClaimedDelivery};

use crate::background::interval::turns;
use crate::clock::now;
use crate::state::app::App;
use crate::state::sealing;
use crate::webhook_call::{Answer, Message, send};

/// The time between two looks at what is due.
const PERIOD: Duration = Duration::from_secs(1);

/// The most users who have their turn at a time.
const MOST_USERS: usize = 32;

/// The most deliveries of a turn, which are sent at once.
const TURN: u32 = 8;

/// The time that a claim lasts. It is longer than a turn, which takes 10 s and the time to write its outcome, and short, so
/// that another replica soon takes over from one that died.
const CLAIM_MS: i64 = 30_000;

/// The pause after a first failure, which doubles with each further failure up to the longest. As much again may come to it at
/// random.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// The time after the first attempt at which a delivery is given up.
const GIVE_UP_MS: i64 = DAY_MS;

/// Runs until it is dropped. A delivery under way then is sent again by the next process.
pub(super) async fn run(app: Arc<App>) {
    let app = app.as_ref();
    let client = match Client::new(app.client_settings()) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "webhooks cannot be called: no client can be made");
            return;
        }
    };
    let mut ticks = turns(PERIOD);
    let mut busy: HashSet<UserId> = HashSet::new();
    let mut running = FuturesUnordered::new();
    let mut away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.alerts.due.notified() => {}
            Some((user, sent)) = running.next(), if !running.is_empty() => {
                busy.remove(&user);
                // Somebody else was quicker, or the store failed: a look at once would find the same.
                if sent == 0 {
                    continue;
                }
            }
        }
        let free = MOST_USERS.saturating_sub(running.len());
        if free == 0 {
            continue;
        }
        let most = u32::try_from(MOST_USERS).unwrap_or(u32::MAX);
        match app.store.users_with_due_deliveries(now(), most.saturating_mul(2)).await {
            Ok(users) => {
                away = false;
                for user in users.into_iter().filter(|user| !busy.contains(user)).take(free).collect::<Vec<_>>() {
                    busy.insert(user);
                    running.push(turn(app, &client, user));
                }
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(error = %Causes(&error), "what is due to webhooks could not be read: trying again");
            }
            // The error was logged when the outage began.
            Err(_) => {}
        }
    }
}

/// Sends some of a user's deliveries. Returns the number of those that were claimed.
async fn turn(app: &App, client: &Client, user: UserId) -> (UserId, usize) {
    let at = now();
    let claimed = match app.store.claim_deliveries(user, at, at.plus_millis(CLAIM_MS), TURN).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%user, error = %Causes(&error), "what is due to webhooks could not be claimed: trying again");
            return (user, 0);
        }
    };
    let sent = claimed.len();
    let outcomes = join_all(claimed.iter().map(|delivery| attempt(app, client, delivery))).await;
    if sent > 0
        && let Err(error) = app.store.delivery_attempted(outcomes).await
    {
        // The receivers get these again, which they must expect.
        tracing::warn!(%user, error = %Causes(&error), "the outcome of calls of webhooks could not be written");
    }
    (user, sent)
}

/// Makes one attempt of a delivery.
async fn attempt(app: &App, client: &Client, delivery: &ClaimedDelivery) -> Attempted {
    let answer = match sealing::open_webhook(&app.keyring, &delivery.secret) {
        Ok(secret) => {
            let message = Message {
                url: &delivery.url,
                secret: &secret,
                event_id: &delivery.event_id,
                event: &delivery.event,
                delivery: Some(delivery.id),
                body: Bytes::from(delivery.body.clone()),
            };
            send(client, &message, now(), app.config.upstream.allow_private).await
        }
        Err(_) => Answer::failed("the stored secret cannot be opened; rotate it"),
    };
    let Answer { status, error } = answer;
    let at = now();
    let next_attempt_at = error.as_ref().and_then(|_| next_attempt(delivery, at, random()));
    if let (Some(error), None) = (&error, next_attempt_at) {
        tracing::info!(delivery = %delivery.id, webhook = %delivery.secret.id, error, "a delivery is given up");
    }
    Attempted { id: delivery.id, attempt: delivery.attempt, at, status, error, next_attempt_at }
}

/// The time of the attempt after one that has failed at `at`; `None`: there is none.
fn next_attempt(delivery: &ClaimedDelivery, at: Timestamp, random: u16) -> Option<Timestamp> {
    let failures = u32::try_from(delivery.attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = backoff(failures, FIRST_PAUSE, LONGEST_PAUSE, random);
    let next = at.plus_millis(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    (next <= delivery.first_attempt_at.plus_millis(GIVE_UP_MS)).then_some(next)
}

/// A random number, by which those that failed together are not tried again together.
fn random() -> u16 {
    // The last bits of a UUIDv7 are random.
    u16::try_from(uuid::Uuid::now_v7().as_u128() & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tt_core::{DeliveryId, SealId, Sealed, WebhookId, WebhookUrl};
    use tt_store::WebhookSecret;

    use super::*;

    #[test]
    fn a_delivery_is_tried_for_a_day_with_growing_pauses() {
        let mut delivery = ClaimedDelivery {
            id: DeliveryId(1),
            attempt: 0,
            first_attempt_at: Timestamp::from_millis(0),
            event_id: "evt_1".to_owned(),
            event: "ledger.gap".to_owned(),
            body: "{}".to_owned(),
            url: WebhookUrl::try_from("https://x".to_owned()).unwrap(),
            secret: WebhookSecret {
                id: WebhookId(1),
                user_id: UserId(1),
                seal_id: SealId("s".to_owned()),
                sealed: Sealed("v".to_owned()),
            },
        };
        let mut at = delivery.first_attempt_at;
        let mut pauses = Vec::new();
        loop {
            delivery.attempt += 1;
            let Some(next) = next_attempt(&delivery, at, 0) else { break };
            pauses.push((next.millis() - at.millis()) / 1000);
            at = next;
        }
        assert_eq!(pauses[..12], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800]);
        assert!(pauses.len() < 100, "{}", pauses.len());
        assert!(at.millis() > DAY_MS - 3_600_000, "it is tried to the end of the day");
    }
}
