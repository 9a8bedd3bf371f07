//! What goes on beside requests: following other processes' changes, noting keys' use, dropping what is too old, fetching
//! lists of models.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tt_core::UserId;
use tt_ratelimit::RedisState;
use tt_store::{Change, Pruned, RequestCount, StoreError};

use crate::clock::now;
use crate::state::app::App;
use crate::state::login_throttle::KNOWN_FOR_MS;

pub(crate) mod model_refresh;

/// How often changes are looked for.
const FOLLOW: Duration = Duration::from_secs(1);

/// How far back they are read again: transactions become visible out of the order of their ids.
const REREAD: Duration = Duration::from_secs(30);
const CHANGES_PAGE: u32 = 1000;

/// More changes than can be uncommitted at once.
const OPEN_CHANGES: i64 = 500;

/// How often the use of keys is written.
const NOTE: Duration = Duration::from_secs(60);

/// How often charges of dead processes are looked for.
const RECONCILE: Duration = Duration::from_secs(10);

/// Days for which is kept what was spent on each: a late row of a dead process may still add to one.
const SPENDING_DAYS: i64 = 40;

/// How often old rows are dropped, and the age of changes nobody needs any more.
const TIDY: Duration = Duration::from_secs(3600);
const OLD_CHANGE_MS: i64 = 3_600_000;

/// Rows dropped in one transaction.
const LOGS_CHUNK: u32 = 5000;

/// How often it is tried at one turn to drop a day, which must not keep others waiting, and the time between.
const DROP_TRIES: u32 = 10;
const DROP_PAUSE: Duration = Duration::from_secs(3);

/// Today, and the days ahead that rows have room for before they come.
const DAYS_AHEAD: u16 = 3;

const DAY_MS: i64 = 86_400_000;

/// Runs until `stop`. Every failure is logged and tried again with the next turn.
pub(crate) async fn upkeep(app: Arc<App>, baseline: i64, stop: CancellationToken) {
    let work = async {
        let models = crate::background::model_refresh::run(&app);
        tokio::join!(follow(&app, baseline), note(&app), tidy(&app), reseed(&app), reconcile(&app), models);
    };
    stop.run_until_cancelled(work).await;
    app.write_last_used().await;
}

/// Forgets what other processes (the command line too) have changed.
///
/// Ids become visible out of order: each turn reads again from the highest id that was known [`REREAD`] ago.
async fn follow(app: &App, baseline: i64) {
    let mut turns = turns(FOLLOW);
    let mut marks = VecDeque::from([(Instant::now(), baseline)]);
    let mut known: BTreeSet<i64> = BTreeSet::new();
    let mut away = false;
    loop {
        turns.tick().await;
        while marks.len() > 1 && marks.get(1).is_some_and(|(at, _)| at.elapsed() >= REREAD) {
            marks.pop_front();
        }
        let after = marks.front().map_or(baseline, |(_, after)| *after);
        match changes_after(app, after).await {
            Ok(changes) => {
                known = known.split_off(&after);
                for change in changes {
                    if !known.insert(change.id) {
                        continue;
                    }
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
                    // Changes are kept for an hour: it may have been away for longer.
                    app.prices.outdate();
                }
                refresh_prices(app).await;
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(%error, "the store does not answer; known callers are served from memory");
            }
            Err(_) => {}
        }
    }
}

/// What cannot be read has been logged, and the old prices stay.
pub(crate) async fn refresh_prices(app: &App) {
    let _logged = app.refresh_prices().await;
}

/// All changes with a higher id, page by page.
async fn changes_after(app: &App, mut after: i64) -> Result<Vec<Change>, StoreError> {
    let mut all = Vec::new();
    loop {
        let page = app.store.changes_since(after, CHANGES_PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id;
        let more = page.len() == CHANGES_PAGE as usize;
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}

/// Where following changes begins, to be asked before anything is remembered. Changes of transactions that are still
/// open have lower ids: some way back is read again.
pub(crate) async fn baseline(app: &App) -> Result<i64, StoreError> {
    Ok(app.store.latest_change().await?.saturating_sub(OPEN_CHANGES).max(0))
}

/// Gives the limiter the day's counts so far, which a start without Redis and a Redis that lost its data do not know.
pub(crate) async fn seed(app: &App) -> Result<(), StoreError> {
    let day = now().day();
    let mut users: HashMap<UserId, u64> = HashMap::new();
    for RequestCount { user_id, api_key_id, requests } in app.store.requests_since(day).await? {
        let total = users.entry(user_id).or_default();
        *total = total.saturating_add(requests);
        if api_key_id.is_some() {
            app.limiter.seed_day(user_id, api_key_id, day, requests).await;
        }
    }
    for (user, requests) in users {
        app.limiter.seed_day(user, None, day, requests).await;
    }
    Ok(())
}

/// Seeds again when Redis is back, however short it was away.
async fn reseed(app: &App) {
    let mut turns = turns(FOLLOW);
    let mut seeded = 0;
    loop {
        turns.tick().await;
        let returns = app.limiter.redis_recoveries();
        if returns != seeded && app.limiter.redis_state() == RedisState::Up {
            match seed(app).await {
                Ok(()) => seeded = returns,
                Err(error) => tracing::warn!(%error, "the day's counts could not be given to Redis; trying again"),
            }
        }
    }
}

/// Takes back charges that a process left behind which ended between storing a request and saying so.
async fn reconcile(app: &App) {
    let mut turns = turns(RECONCILE);
    loop {
        turns.tick().await;
        if let Err(error) = app.budget_accounts.reconcile().await {
            tracing::warn!(%error, "what dead processes hold of budgets could not be looked into");
        }
    }
}

async fn note(app: &App) {
    let mut turns = turns(NOTE);
    loop {
        turns.tick().await;
        app.write_last_used().await;
    }
}

async fn tidy(app: &App) {
    let mut turns = turns(TIDY);
    loop {
        turns.tick().await;
        if let Err(error) = app.store.prune_changes(now().plus_millis(-OLD_CHANGE_MS)).await {
            tracing::warn!(%error, "old changes could not be dropped");
        }
        if let Err(error) = app.store.prune_sessions(now()).await {
            tracing::warn!(%error, "expired sessions could not be dropped");
        }
        if let Err(error) = app.store.prune_spending(now().plus_millis(-SPENDING_DAYS * DAY_MS).day()).await {
            tracing::warn!(%error, "what was spent on old days could not be dropped");
        }
        if let Err(error) = app.store.make_log_days(now(), DAYS_AHEAD).await {
            tracing::warn!(%error, "there is no room for the next days' request logs yet");
        }
        if let Err(error) = app.store.prune_addresses(now().plus_millis(-KNOWN_FOR_MS)).await {
            tracing::warn!(%error, "addresses that no longer sign in could not be dropped");
        }
        if app.log_retention_days > 0
            && let Err(error) = drop_old_logs(app).await
        {
            tracing::warn!(%error, "old request logs could not be dropped");
        }
    }
}

async fn drop_old_logs(app: &App) -> Result<(), StoreError> {
    let before = now().plus_millis(-i64::from(app.log_retention_days) * DAY_MS).day();
    let (mut rows, mut days, mut tries) = (0, 0, DROP_TRIES);
    loop {
        match app.store.prune_logs(before, LOGS_CHUNK).await {
            Ok(Pruned::Nothing) => break,
            Ok(Pruned::Rows(dropped)) => rows += dropped,
            Ok(Pruned::Day(_)) => days += 1,
            // Somebody was reading the log, perhaps.
            Err(_) if tries > 1 => {
                tries -= 1;
                tokio::time::sleep(DROP_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    if rows + days > 0 {
        tracing::info!(rows, days, before = %before.rfc3339(), "old request logs dropped");
    }
    Ok(())
}

fn turns(every: Duration) -> tokio::time::Interval {
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.reset_at(Instant::now() + every.min(Duration::from_millis(200)));
    turns
}
