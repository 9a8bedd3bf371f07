//! Follows the changes that other processes, the command line too, have made to users, keys, aliases and prices, so that
//! this process forgets what it remembers of them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tt_core::Causes;
use tt_store::{Change, StoreError};

use crate::background::interval::turns;
use crate::state::app::App;

/// The time between two looks at the store.
const PERIOD: Duration = Duration::from_secs(1);

/// The span of time whose changes are read again at each turn: a transaction may become visible after one with a higher
/// id.
const REREAD: Duration = Duration::from_secs(30);

/// Changes read in one query.
const PAGE: u32 = 1000;

/// More changes than can be uncommitted at a time.
const MOST_UNCOMMITTED: i64 = 500;

/// Runs until it is dropped. `baseline` is the id after which changes are followed.
pub(super) async fn run(app: Arc<App>, baseline: i64) {
    let mut turns = turns(PERIOD);
    // The highest id known at each turn of the last `REREAD`: each turn reads on from the oldest of them.
    let mut marks = VecDeque::from([(Instant::now(), baseline)]);
    let mut known: BTreeSet<i64> = BTreeSet::new();
    let mut away = false;
    loop {
        turns.tick().await;
        while marks.len() > 1 && marks.get(1).is_some_and(|(at, _)| at.elapsed() >= REREAD) {
            marks.pop_front();
        }
        let after = marks.front().map_or(baseline, |(_, after)| *after);
        match changes_after(&app, after).await {
            Ok(changes) => {
                known = known.split_off(&after);
                for change in changes.into_iter().filter(|change| known.insert(change.id)) {
                    if change.of_prices() {
                        app.prices.outdate();
                    } else {
                        app.directory.forget(change.user_id);
                    }
                }
                if let Some(highest) = known.last() {
                    marks.push_back((Instant::now(), *highest));
                }
                app.directory.refreshed();
                if std::mem::take(&mut away) {
                    tracing::info!("the store answers again");
                    // Changes are kept for an hour, and the store may have been away for longer.
                    app.prices.outdate();
                }
                refresh_prices(&app).await;
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(
                    error = %Causes(&error),
                    "the store does not answer: known callers are served from memory"
                );
            }
            // `changes_after` has failed. Its error was logged when the outage began.
            Err(_) => {}
        }
    }
}

/// Reads the prices again if they may have changed. An error has been logged, and the old prices stay in force.
pub(crate) async fn refresh_prices(app: &App) {
    let _logged = app.refresh_prices().await;
}

/// Reads the id after which [`run`] follows changes. Call it before anything from the store is remembered. The id lies
/// some way back, since transactions that are still open have lower ids than the latest change.
pub(crate) async fn baseline(app: &App) -> Result<i64, StoreError> {
    Ok(app.store.latest_change().await?.saturating_sub(MOST_UNCOMMITTED).max(0))
}

/// All changes with a higher id than `after`, read page by page.
async fn changes_after(app: &App, mut after: i64) -> Result<Vec<Change>, StoreError> {
    let mut all = Vec::new();
    loop {
        let page = app.store.changes_since(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id;
        let more = page.len() == PAGE as usize;
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}
