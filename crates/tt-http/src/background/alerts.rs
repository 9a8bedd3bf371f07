//! Writes the alerts that this process has noticed to the store, and notices a journal that is behind and API keys that
//! expire soon.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tt_core::alert::{Alert, AlertData, Subject};
use tt_core::{ApiKeyId, Causes};
use tt_store::StoreError;

use crate::background::interval::turns;
use crate::clock::now;
use crate::state::app::App;
use crate::state::target_health::TargetOpened;

/// The time between two writes.
const PERIOD: Duration = Duration::from_secs(1);

/// A request that has settled this long ago and is not stored makes an alert.
const BEHIND_MS: i64 = 60_000;

/// The time between two looks at which API keys expire soon.
const KEYS_PERIOD: Duration = Duration::from_secs(600);

/// The most keys that are looked at in one transaction.
const KEYS_PAGE: u32 = 500;

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let mut turns = turns(PERIOD);
    let mut keys_due = Instant::now();
    loop {
        turns.tick().await;
        notice_journal(&app);
        app.write_alerts().await;
        if keys_due <= Instant::now() {
            keys_due = Instant::now() + KEYS_PERIOD;
            if let Err(error) = notice_keys(&app).await {
                tracing::warn!(error = %Causes(&error), "which API keys expire soon could not be read: trying again");
            }
        }
    }
}

/// Notices the targets that begin to rest, until it is dropped.
pub(super) async fn watch_targets(app: Arc<App>) {
    let Some(mut targets) = app.watch_targets() else { return };
    while let Some(opened) = targets.recv().await {
        let TargetOpened { user_id, provider_key_id, provider, model, cause, until, .. } = opened;
        app.alerts.target_open(user_id, provider_key_id, provider, model.as_str(), &cause, until);
    }
}

/// Notices that settled requests wait long to be stored. While that is because the store is away, the alert waits too.
fn notice_journal(app: &App) {
    let (backlog, at) = (app.ledger.backlog(), now());
    if let Some(oldest) = backlog.oldest
        && oldest.plus_millis(BEHIND_MS) < at
    {
        let unstored = u64::try_from(backlog.unstored).unwrap_or(u64::MAX);
        let data = AlertData::JournalBehind { oldest_settled_at: oldest, unstored };
        app.alerts.notice(Alert { subject: Subject::Installation, at, data });
    }
}

/// Writes an alert for each API key that expires soon.
async fn notice_keys(app: &App) -> Result<(), StoreError> {
    let mut after = ApiKeyId(0);
    while let Some(last) = app.store.raise_expiring_keys(now(), after, KEYS_PAGE).await? {
        after = last;
    }
    Ok(())
}
