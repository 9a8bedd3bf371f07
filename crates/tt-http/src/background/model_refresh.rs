//! Fetches the lists of models of provider keys: soon after a key is saved or its list is first read, and again when the
//! list is as old as `MODEL_REFRESH_INTERVAL` and the key is in use.
//!
//! A process claims a list in the store before it fetches it, so that only one of many replicas does. Users take turns, one
//! list each, and several have their turn at a time. A list has a deadline. So users whose hosts never answer delay the
//! lists of others by a turn each at most, however many keys they have.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tt_core::backoff::backoff;
use tt_core::{Causes, ProviderKeyId, UserId};
use tt_providers::{Client, UpstreamError};
use tt_store::StoreError;

use crate::clock::now;
use crate::model_list::ModelSource;
use crate::state::app::App;
use crate::state::model_refresh_queue::RefreshRequest;

/// The time between two looks at which keys requests have used: the refresh interval, within these bounds.
const TURN: Duration = Duration::from_secs(60);
const SHORTEST_TURN: Duration = Duration::from_secs(1);

/// The most lists that are fetched at a time, each of another user.
const MOST_AT_ONCE: usize = 8;

/// The time that the fetch of a whole list may take.
const LIST_TIME: Duration = Duration::from_secs(30);

/// The time that a claim lasts. It is longer than the fetch of a list, and short, so that another replica soon fetches
/// the lists of one that died.
const CLAIM_MS: i64 = 60_000;

/// The pause after a first failure, which doubles with each further failure up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The time that a key is remembered after its last use.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The state of a key's list, as this process knows it.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// The time to look at the list again, if the key is in use then.
    due: Instant,
    /// The number of failures in a row.
    failures: u32,
}

/// The outcome of one look at a key's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// The list is recent enough for this time.
    Good(Duration),
    /// Another process has claimed the list.
    Elsewhere,
    /// The provider or the store failed.
    Failed,
    /// The key has been deleted.
    Gone,
}

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let app = app.as_ref();
    let client = match Client::new(app.client_settings()) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "lists of models cannot be fetched: no client can be made");
            return;
        }
    };
    let mut turns = interval(app.config.model_refresh_interval.clamp(SHORTEST_TURN, TURN));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: HashMap<ProviderKeyId, Standing> = HashMap::new();
    let mut waiting = Waiting::default();
    let mut running = FuturesUnordered::new();
    loop {
        let mut used = Vec::new();
        tokio::select! {
            _ = turns.tick() => {
                known.retain(|_, standing| standing.due + REMEMBERED > Instant::now());
                // It looks at every user, so it must not be done for each list that has come.
                used = app.directory.keys_used();
            }
            () = app.model_refresh.wake.notified() => {}
            Some((user, key, looked)) = running.next(), if !running.is_empty() => {
                waiting.ended(user);
                settle(&mut known, key, looked);
            }
        }
        let used = used.into_iter().map(|(user, key)| (key, RefreshRequest { user, replaced: false }));
        for (key, RefreshRequest { user, replaced }) in app.model_refresh.take().into_iter().chain(used) {
            if replaced {
                known.remove(&key);
            }
            if known.get(&key).is_none_or(|standing| standing.due <= Instant::now()) {
                waiting.add(user, key);
            }
        }
        while running.len() < MOST_AT_ONCE
            && let Some((user, key)) = waiting.next()
        {
            let failed_before = known.get(&key).is_some_and(|standing| standing.failures > 0);
            running.push(look_at(app, &client, user, key, failed_before));
        }
    }
}

/// The keys whose lists are to be looked at. Users take turns in the order in which they came.
#[derive(Debug, Default)]
struct Waiting {
    keys: HashMap<UserId, VecDeque<ProviderKeyId>>,
    /// The users among `keys` who have no turn now, in the order of their turns.
    turns: VecDeque<UserId>,
    /// The users who have their turn now.
    busy: HashSet<UserId>,
}

impl Waiting {
    fn add(&mut self, user: UserId, key: ProviderKeyId) {
        let keys = self.keys.entry(user).or_default();
        if keys.is_empty() && !self.busy.contains(&user) {
            self.turns.push_back(user);
        }
        if !keys.contains(&key) {
            keys.push_back(key);
        }
    }

    /// The next user to have a turn, with one of their keys.
    fn next(&mut self) -> Option<(UserId, ProviderKeyId)> {
        let user = self.turns.pop_front()?;
        let keys = self.keys.get_mut(&user)?;
        let key = keys.pop_front()?;
        if keys.is_empty() {
            self.keys.remove(&user);
        }
        self.busy.insert(user);
        Some((user, key))
    }

    /// Notes that a user's turn has ended. The user's other keys wait for the next one.
    fn ended(&mut self, user: UserId) {
        self.busy.remove(&user);
        if self.keys.contains_key(&user) {
            self.turns.push_back(user);
        }
    }
}

/// Notes the outcome of a look, and when the next one is due.
fn settle(known: &mut HashMap<ProviderKeyId, Standing>, key: ProviderKeyId, looked: Looked) {
    let before = known.get(&key).map_or(0, |standing| standing.failures);
    let (pause, failures) = match looked {
        Looked::Good(pause) => (pause, 0),
        Looked::Elsewhere => (FIRST_PAUSE, before),
        Looked::Failed => (backoff(before, FIRST_PAUSE, LONGEST_PAUSE, 0), before.saturating_add(1)),
        Looked::Gone => {
            known.remove(&key);
            return;
        }
    };
    known.insert(key, Standing { due: Instant::now() + pause, failures });
}

/// Looks at the list of one of a user's keys.
async fn look_at(
    app: &App,
    client: &Client,
    user: UserId,
    key: ProviderKeyId,
    failed_before: bool,
) -> (UserId, ProviderKeyId, Looked) {
    let looked = match look(app, client, user, key, failed_before).await {
        Ok(looked) => looked,
        Err(StoreError::NotFound(_)) => Looked::Gone,
        Err(error) => {
            tracing::debug!(provider_key = %key, error = %Causes(&error), "the store failed while a list of models was fetched");
            Looked::Failed
        }
    };
    (user, key, looked)
}

/// Fetches a key's list if it is old and no other process has claimed it.
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
    // A list is claimed when it was fetched before `stale`; one that is exactly as old as the interval is old too.
    let stale = at.plus_millis(1 - interval_ms);
    if !app.store.claim_model_refresh(user, key, stale, at, at.plus_millis(CLAIM_MS)).await? {
        return Ok(Looked::Elsewhere);
    }
    let Some(stored) = app.store.sealed_key(user, key).await? else { return Ok(Looked::Gone) };
    let failed = |reason: &str| {
        // A warning only the first time: a wrong key stays wrong, and its owner sees the error where they use it.
        if failed_before {
            tracing::debug!(provider_key = %key, reason, "the list of models could again not be fetched");
        } else {
            tracing::warn!(provider_key = %key, reason, "the list of models could not be fetched: trying again later");
        }
        Ok(Looked::Failed)
    };
    let asked = match ModelSource::open(&app.keyring, &app.config.upstream, user, &stored) {
        Ok(asked) => asked,
        Err(error) => return failed(&error.to_string()),
    };
    let all = timeout(LIST_TIME, asked.all(client)).await;
    match all.unwrap_or(Err(UpstreamError::Timeout(LIST_TIME))) {
        Ok(models) => {
            // When the key was replaced meanwhile, this list is the old key's, and saving the new one has asked for another.
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
    fn users_take_turns_however_many_keys_they_have() {
        let mut waiting = Waiting::default();
        let (ann, bob, cem) = (UserId(1), UserId(2), UserId(3));
        (0..100).for_each(|key| waiting.add(ann, ProviderKeyId(key)));
        waiting.add(ann, ProviderKeyId(0));
        waiting.add(bob, ProviderKeyId(200));
        assert_eq!(waiting.next(), Some((ann, ProviderKeyId(0))));
        assert_eq!(waiting.next(), Some((bob, ProviderKeyId(200))));
        assert_eq!(waiting.next(), None, "one turn a user at a time");
        waiting.add(cem, ProviderKeyId(300));
        waiting.add(ann, ProviderKeyId(0));
        waiting.ended(ann);
        assert_eq!(waiting.next(), Some((cem, ProviderKeyId(300))), "before the next turn of the first");
        assert_eq!(waiting.next(), Some((ann, ProviderKeyId(1))));
        waiting.ended(bob);
        waiting.ended(cem);
        let mut left = 0;
        while let Some((user, _)) = {
            waiting.ended(ann);
            waiting.next()
        } {
            assert_eq!(user, ann);
            left += 1;
        }
        assert_eq!(left, 99, "98 others, and the first once more");
        assert!(waiting.keys.is_empty() && waiting.turns.is_empty());
    }

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
