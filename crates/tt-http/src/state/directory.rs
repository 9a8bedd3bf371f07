//! The directory: callers and what they have set up, remembered over the store so that a request needs no SQL.
//!
//! Everything remembered belongs to the slot of one user. It holds as long as the slot's generation is the one that it
//! had when the query for it began: a write through this process, or a change that another process has noted in the
//! store, moves the generation on.
//!
//! Credentials that nobody has are remembered too, in few places and for a short time, so that a client that keeps
//! sending one is not a query each time. An address that sends many different ones is slowed down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::time::error::Elapsed;
use tt_core::health::{TargetSample, TargetState};
use tt_core::{Caller, KeyHash, ModelName, Provider, ProviderKeyId, UserId};
use tt_crypto::Keyring;
use tt_store::{Store, StoreError};

use crate::config::UpstreamConfig;
use crate::state::directory::slots::{Slot, Slots};
use crate::state::memory_limit::UserMemory;
use crate::state::target_health::HealthClock;
use crate::state::unknown_credentials::UnknownCredentials;

mod slots;
mod user_view;

pub(crate) use crate::state::directory::user_view::UserView;

/// The most callers remembered, and the most users. Those used least recently are forgotten first.
const MOST_CALLERS: usize = 100_000;
const MOST_USERS: usize = 100_000;

/// The most unknown credentials remembered, and the longest time for each. Nobody can hold a credential before it is
/// made, so none that is made later is kept out; a user who is enabled again is a change, which ends what was
/// remembered.
const MOST_UNKNOWN: usize = 4096;
const UNKNOWN_MS: u64 = 5_000;

/// The longest time that a request waits for another request's query for the same entry.
const FILL_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why the directory has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// Another request's query for the same entry has taken too long.
    #[error("the query for the same entry does not end")]
    TimedOut(#[from] Elapsed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The kind of credential that a hash belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CredentialKind {
    /// An API key.
    ApiKey,
    /// A session token.
    Session,
}

/// A credential that the store did not know.
#[derive(Debug, Clone, Copy)]
struct Unknown {
    /// The number of changes when it was asked for.
    changes: u64,
    /// The time when it was asked for, in milliseconds after the directory was made.
    at_ms: u64,
}

impl Unknown {
    /// True after so many changes and at this time, in milliseconds after the directory was made.
    fn holds(&self, changes: u64, now_ms: u64) -> bool {
        self.changes == changes && now_ms.saturating_sub(self.at_ms) <= UNKNOWN_MS
    }
}

/// A caller whom the directory knows, with the slot of what they have set up.
#[derive(Clone)]
pub(crate) struct KnownCaller {
    caller: Arc<Caller>,
    slot: Arc<Slot>,
    generation: u64,
}

impl KnownCaller {
    /// True if nothing has changed since the store was asked.
    fn is_current(&self) -> bool {
        self.slot.is_at(self.generation)
    }

    /// The memory that the requests of the caller's user hold.
    pub(crate) fn memory(&self) -> Arc<UserMemory> {
        Arc::clone(self.slot.memory())
    }
}

impl std::ops::Deref for KnownCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// The directory.
pub(crate) struct Directory {
    store: Store,
    keyring: Arc<Keyring>,
    upstream: UpstreamConfig,
    callers: Cache<(CredentialKind, KeyHash), KnownCaller>,
    unknown: Cache<(CredentialKind, KeyHash), Unknown>,
    /// The senders of credentials that nobody has.
    senders: UnknownCredentials,
    slots: Slots,
    /// The clock of the rests of targets.
    pub(crate) health: Arc<HealthClock>,
    max_stale: Duration,
    /// The time when the store last had no change that is not followed, in milliseconds after `started`, by a clock
    /// that cannot be set.
    fresh_at_ms: AtomicU64,
    started: Instant,
}

impl Directory {
    /// An empty directory of accounts at the addresses of `upstream`. It is used for `max_stale` while the store does not
    /// answer.
    pub(crate) fn new(store: Store, keyring: Arc<Keyring>, upstream: UpstreamConfig, max_stale: Duration) -> Self {
        Self {
            store,
            keyring,
            upstream,
            callers: Cache::new(MOST_CALLERS),
            unknown: Cache::new(MOST_UNKNOWN),
            senders: UnknownCredentials::default(),
            slots: Slots::new(MOST_USERS),
            health: HealthClock::new(),
            max_stale,
            fresh_at_ms: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// The caller behind a credential that was sent from `address`; `None` when it is unknown or revoked. An expired one
    /// is still given out: compare its `expires_at` with the time of the request.
    pub(crate) async fn caller(
        &self,
        kind: CredentialKind,
        hash: KeyHash,
        address: IpAddr,
    ) -> Result<Option<KnownCaller>, DirectoryError> {
        let key = (kind, hash);
        let fresh = self.is_fresh();
        if fresh && let Some(known) = self.callers.get(&key) {
            if known.is_current() {
                return Ok(Some(known));
            }
            self.callers.remove(&key);
        } else if fresh && self.is_unknown(&key) {
            return Ok(None);
        } else {
            let wait = self.senders.wait(address, Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        // However many requests miss one key, one of them queries and the others wait for it.
        let waited = tokio::time::timeout(FILL_TIMEOUT, self.callers.get_value_or_guard_async(&key)).await;
        let guard = match waited? {
            Ok(known) if fresh && known.is_current() => return Ok(Some(known)),
            Ok(_) => None,
            Err(_) if fresh && self.is_unknown(&key) => return Ok(None),
            Err(guard) => Some(guard),
        };
        let (changes, at_ms) = (self.slots.changes(), self.running_ms());
        let found = match kind {
            CredentialKind::ApiKey => self.store.caller_by_key(hash).await?,
            CredentialKind::Session => self.store.caller_by_session(hash).await?,
        };
        let Some(caller) = found.map(Arc::new) else {
            self.unknown.insert(key, Unknown { changes, at_ms });
            self.senders.note(address, Instant::now());
            return Ok(None);
        };
        let slot = self.slots.of(caller.user_id);
        let known = KnownCaller { caller, generation: slot.generation(), slot };
        // A change of this user during the query keeps the answer from being remembered.
        if known.generation <= changes {
            match guard {
                // This fails when another has filled the entry meanwhile, with a value as good.
                Some(guard) => drop(guard.insert(known.clone())),
                None => self.callers.insert(key, known.clone()),
            }
        }
        Ok(Some(known))
    }

    /// True if the store did not know the credential a moment ago, and nothing has changed since.
    fn is_unknown(&self, key: &(CredentialKind, KeyHash)) -> bool {
        self.unknown.get(key).is_some_and(|unknown| unknown.holds(self.slots.changes(), self.running_ms()))
    }

    /// The caller's aliases and opened provider keys.
    pub(crate) async fn view(&self, known: &KnownCaller) -> Result<Arc<UserView>, DirectoryError> {
        let slot = &known.slot;
        let fresh = self.is_fresh();
        if fresh && let Some(view) = slot.view() {
            return Ok(view);
        }
        let _filling = tokio::time::timeout(FILL_TIMEOUT, slot.filling()).await?;
        if fresh && let Some(view) = slot.view() {
            return Ok(view);
        }
        let generation = slot.generation();
        let routing = self.store.routing(known.user_id).await?;
        slot.health().keep(known.user_id, &routing.keys, &self.health);
        let view = UserView::open(&self.keyring, &self.upstream, known.user_id, routing, slot.health());
        let view = Arc::new(view);
        slot.remember(generation, Arc::clone(&view));
        Ok(view)
    }

    /// Makes the directory forget everything about a user, because something of the user has changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.slots.forget(user);
    }

    /// As [`Self::forget`], after a provider key of the user was deleted.
    pub(crate) fn forget_key(&self, user: UserId, key: ProviderKeyId) {
        self.forget(user);
        self.slots.of(user).health().forget(key);
    }

    /// The targets that have failed, or rest with their key, counted by provider, model and state.
    pub(crate) fn target_samples(&self) -> Vec<TargetSample> {
        let mut samples: HashMap<(Provider, ModelName, TargetState), u64> = HashMap::new();
        self.slots.all().for_each(|slot| slot.health().sample(&mut samples));
        let sample = |((provider, model, state), keys): ((Provider, ModelName, TargetState), u64)| TargetSample {
            provider,
            model: model.to_string(),
            state,
            keys,
        };
        samples.into_iter().map(sample).collect()
    }

    /// The provider keys that requests have used since the last call, with their users.
    pub(crate) fn keys_used(&self) -> Vec<(UserId, ProviderKeyId)> {
        let used_of =
            |(user, view): (UserId, Arc<UserView>)| view.take_used().map(|key| (user, key)).collect::<Vec<_>>();
        self.slots.views().flat_map(used_of).collect()
    }

    /// Notes that every change that the store has up to now is followed.
    pub(crate) fn refreshed(&self) {
        self.fresh_at_ms.store(self.running_ms(), Ordering::Release);
    }

    /// The time since every change in the store was followed.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(self.running_ms().saturating_sub(self.fresh_at_ms.load(Ordering::Acquire)))
    }

    /// True if remembered entries may still be used.
    fn is_fresh(&self) -> bool {
        self.age() <= self.max_stale
    }

    fn running_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
