//! Drops rows that are too old to be needed, and makes room for the request logs of the days to come.

use std::sync::Arc;
use std::time::Duration;

use tt_core::Causes;
use tt_core::time::DAY_MS;
use tt_store::{Pruned, StoreError};

use crate::background::interval::turns;
use crate::clock::now;
use crate::state::app::App;
use crate::state::login_throttle::KNOWN_FOR_MS;

/// The time between two rounds.
const PERIOD: Duration = Duration::from_secs(3600);

/// The age of changes that every living process has followed.
const OLD_CHANGE_MS: i64 = 3_600_000;

/// Days whose spending is kept apart: a late row of a process that died may still add to one of them.
const SPENDING_DAYS: i64 = 40;

/// Days with room for request logs: today, and some ahead.
const DAYS_AHEAD: u16 = 3;

/// Request logs dropped in one transaction.
const LOGS_CHUNK: u32 = 5000;

/// The number of tries in one round to drop a day, and the time between two tries. Dropping a day takes a lock that
/// others wait for, so each try is short.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(3);

/// The entries of the audit trail that are kept of each user and action. Somebody who writes entries without pause pushes
/// out their own of that action alone, so that a stolen key cannot wipe away the login.
const AUDIT_ENTRIES: u32 = 2000;

/// The time that a session is kept after its end, because a clock that is ahead for a while must not end sessions for
/// good.
const ENDED_SESSION_MS: i64 = 7 * DAY_MS;

/// The time that finished deliveries of webhooks are kept, and the most deliveries that are kept of each webhook.
const DELIVERY_MS: i64 = 30 * DAY_MS;
const DELIVERIES: u32 = 10_000;

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let mut turns = turns(PERIOD);
    loop {
        turns.tick().await;
        let (now, store) = (now(), &app.store);
        logged("old changes could not be dropped", store.prune_changes(now.plus_millis(-OLD_CHANGE_MS)).await);
        logged("expired sessions could not be dropped", store.prune_sessions(now.plus_millis(-ENDED_SESSION_MS)).await);
        let old_day = now.plus_millis(-SPENDING_DAYS * DAY_MS).day();
        logged("the spending of old days could not be dropped", store.prune_spending(old_day).await);
        logged("there is no room yet for the next days' request logs", store.make_log_days(now, DAYS_AHEAD).await);
        let unknown = now.plus_millis(-KNOWN_FOR_MS);
        logged("addresses that no longer sign in could not be dropped", store.prune_addresses(unknown).await);
        logged("old entries of the audit trail could not be dropped", store.prune_audit(AUDIT_ENTRIES).await);
        let finished = store.prune_deliveries(now.plus_millis(-DELIVERY_MS), DELIVERIES).await;
        logged("old deliveries of webhooks could not be dropped", finished);
        logged("old request logs could not be dropped", drop_old_logs(&app).await);
    }
}

/// Logs a failure; the next round tries again.
fn logged<T>(what_failed: &'static str, result: Result<T, StoreError>) {
    if let Err(error) = result {
        tracing::warn!(error = %Causes(&error), "{what_failed}: trying again in an hour");
    }
}

/// Drops request logs that are older than `LOG_RETENTION_DAYS`.
async fn drop_old_logs(app: &App) -> Result<(), StoreError> {
    let Some(before) = app.rows_since() else { return Ok(()) };
    let (mut rows, mut days, mut tries) = (0, 0, TRIES);
    loop {
        match app.store.prune_logs(before, LOGS_CHUNK).await {
            Ok(Pruned::Nothing) => break,
            Ok(Pruned::Rows(dropped)) => rows += dropped,
            Ok(Pruned::Day(_)) => days += 1,
            // A reader of the log may hold the day for a moment.
            Err(_) if tries > 1 => {
                tries -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    if rows + days > 0 {
        tracing::info!(rows, days, before = %before.rfc3339(), "old request logs dropped");
    }
    Ok(())
}
