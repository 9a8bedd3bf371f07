//! Fetching lists of models in the background: soon after a key is saved or first listed, and again when the list is
//! `MODEL_REFRESH_INTERVAL` old and the key is in use.
//!
//! A process asks the store for the right to fetch, so that of many replicas one does. Each user's keys are fetched one
//! after the other, and few users' at once: somebody whose provider never answers delays their own lists, not others'.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tt_core::{ProviderKeyId, UserId};
use tt_providers::Client;
use tt_store::StoreError;

use crate::clock::now;
use crate::model_list::ModelSource;
use crate::state::app::App;
use crate::state::model_refresh_queue::Ask;

/// How often it is asked which keys requests have used.
const TURN: Duration = Duration::from_secs(60);
const SHORTEST_TURN: Duration = Duration::from_secs(1);

/// Users whose keys are fetched at once.
const MOST_AT_ONCE: usize = 8;

/// How long a right to fetch lasts: longer than a fetch of one page, so that a replica that died is soon stepped in for.
const CLAIM_MS: i64 = 60_000;

/// The pause after a first failure; it doubles with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long a key that nobody uses any more is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What is known of a key's list.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// When to look again, if the key is in use then.
    due: Instant,
    /// Failures in a row.
    failures: u32,
}

/// What became of one look at a key's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// It is good for so long.
    Good(Duration),
    /// Another process is at it.
    Elsewhere,
    Failed,
    /// The key is gone.
    Gone,
}

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let app = app.as_ref();
    let client = match Client::new(app.client_settings()) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "lists of models cannot be fetched");
            return;
        }
    };
    let mut turns = interval(app.config.model_refresh_interval.clamp(SHORTEST_TURN, TURN));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: HashMap<ProviderKeyId, Standing> = HashMap::new();
    let mut waiting: BTreeMap<UserId, HashSet<ProviderKeyId>> = BTreeMap::new();
    let mut busy: HashSet<UserId> = HashSet::new();
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = turns.tick() => known.retain(|_, standing| standing.due + REMEMBERED > Instant::now()),
            () = app.model_refresh.wake.notified() => {}
            Some((user, looked)) = running.next(), if !running.is_empty() => {
                busy.remove(&user);
                for (key, looked) in looked {
                    settle(&mut known, key, looked);
                }
            }
        }
        let used = app.directory.keys_used().into_iter().map(|(user, key)| (key, Ask { user, anew: false }));
        for (key, Ask { user, anew }) in app.model_refresh.take().into_iter().chain(used) {
            if anew {
                known.remove(&key);
            }
            if known.get(&key).is_none_or(|standing| standing.due <= Instant::now()) {
                waiting.entry(user).or_default().insert(key);
            }
        }
        while busy.len() < MOST_AT_ONCE {
            let Some(user) = waiting.keys().find(|user| !busy.contains(user)).copied() else { break };
            let keys = waiting.remove(&user).unwrap_or_default();
            busy.insert(user);
            running.push(look_at(app, &client, user, keys, &known));
        }
    }
}

/// Notes what became of a look: when the next is due.
fn settle(known: &mut HashMap<ProviderKeyId, Standing>, key: ProviderKeyId, looked: Looked) {
    let before = known.get(&key).map_or(0, |standing| standing.failures);
    let (pause, failures) = match looked {
        Looked::Good(pause) => (pause, 0),
        Looked::Elsewhere => (FIRST_PAUSE, before),
        Looked::Failed => (back_off(before), before.saturating_add(1)),
        Looked::Gone => {
            known.remove(&key);
            return;
        }
    };
    known.insert(key, Standing { due: Instant::now() + pause, failures });
}

/// The pause after a failure that had `before` failures right before it.
fn back_off(before: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << before.min(16)).min(LONGEST_PAUSE)
}

/// Looks at the lists of some of a user's keys, one after the other.
fn look_at<'a>(
    app: &'a App,
    client: &'a Client,
    user: UserId,
    keys: HashSet<ProviderKeyId>,
    known: &HashMap<ProviderKeyId, Standing>,
) -> impl Future<Output = (UserId, Vec<(ProviderKeyId, Looked)>)> + use<'a> {
    let keys: Vec<_> =
        keys.into_iter().map(|key| (key, known.get(&key).is_some_and(|standing| standing.failures > 0))).collect();
    async move {
        let mut results = Vec::with_capacity(keys.len());
        for (key, failed_before) in keys {
            let looked = match look(app, client, user, key, failed_before).await {
                Ok(looked) => looked,
                Err(StoreError::NotFound(_)) => Looked::Gone,
                Err(error) => {
                    tracing::debug!(provider_key = %key, %error, "a list of models waits for the store");
                    Looked::Failed
                }
            };
            results.push((key, looked));
        }
        (user, results)
    }
}

/// Fetches a key's list where it is old and nobody else does.
async fn look(
    app: &App,
    client: &Client,
    user: UserId,
    key: ProviderKeyId,
    failed_before: bool,
) -> Result<Looked, StoreError> {
    let interval = app.config.model_refresh_interval;
    let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let lists = app.store.model_lists(user).await?;
    if let Some(list) = lists.iter().find(|list| list.provider_key_id == key) {
        let left_ms = list.fetched_at.plus_millis(interval_ms).millis().saturating_sub(now().millis());
        if left_ms > 0 {
            return Ok(Looked::Good(Duration::from_millis(left_ms.unsigned_abs()).min(interval)));
        }
    }
    let at = now();
    // The claim is for lists before `stale`, and one that is as old as the interval is.
    let stale = at.plus_millis(1 - interval_ms);
    if !app.store.claim_model_refresh(user, key, stale, at, at.plus_millis(CLAIM_MS)).await? {
        return Ok(Looked::Elsewhere);
    }
    let Some(stored) = app.store.sealed_key(user, key).await? else { return Ok(Looked::Gone) };
    let failed = |reason: &str| {
        // Said once: a key that is wrong stays so, and its owner sees it where they use it.
        if failed_before {
            tracing::debug!(provider_key = %key, reason, "its list of models could again not be fetched");
        } else {
            tracing::warn!(provider_key = %key, reason, "its list of models could not be fetched; it is tried again");
        }
        Ok(Looked::Failed)
    };
    let asked = match ModelSource::open(&app.keyring, &app.config.upstream, user, &stored) {
        Ok(asked) => asked,
        Err(error) => return failed(&error.to_string()),
    };
    match asked.all(client).await {
        Ok(models) => {
            // The list of a key that was replaced meanwhile is another's: its saving has asked for a new one.
            if app.store.sealed_key(user, key).await?.is_none_or(|current| current.seal_id != stored.seal_id) {
                return Ok(Looked::Elsewhere);
            }
            app.store.save_models(user, key, models, now()).await?;
            Ok(Looked::Good(interval))
        }
        Err(error) => failed(&asked.reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_each_time_and_a_success_forgets_them() {
        let mut known = HashMap::new();
        let key = ProviderKeyId(1);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let before = Instant::now();
            settle(&mut known, key, Looked::Failed);
            pauses.push(known[&key].due.duration_since(before).as_secs());
        }
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
        settle(&mut known, key, Looked::Elsewhere);
        assert_eq!(known[&key].failures, 10);
        settle(&mut known, key, Looked::Good(Duration::from_secs(5)));
        assert_eq!(known[&key].failures, 0);
        settle(&mut known, key, Looked::Gone);
        assert!(known.is_empty());
    }
}
