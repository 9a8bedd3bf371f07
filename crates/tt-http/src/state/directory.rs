//! The directory: callers and what they have set up, remembered over the store so that a request needs no SQL.
//!
//! Everything remembered belongs to the slot of one user. It holds as long as the slot's generation is the one that it
//! had when the query for it began: a write through this process, or a change that another process has noted in the
//! store, moves the generation on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::time::error::Elapsed;
use tt_core::{Caller, KeyHash, ProviderKeyId, UserId};
use tt_crypto::Keyring;
use tt_store::{Store, StoreError};

use crate::state::directory::slots::{Slot, Slots};
use crate::state::memory_limit::UserMemory;

mod slots;
mod user_view;

pub(crate) use crate::state::directory::user_view::UserView;

/// The most callers remembered, and the most users. Those used least recently are forgotten first.
const MOST_CALLERS: usize = 100_000;
const MOST_USERS: usize = 100_000;

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
    callers: Cache<(CredentialKind, KeyHash), KnownCaller>,
    slots: Slots,
    /// Moves on with every slot's generation.
    changes: AtomicU64,
    max_stale: Duration,
    /// The time when the store last had no change that is not followed, in milliseconds after `started`, by a clock
    /// that cannot be set.
    fresh_at_ms: AtomicU64,
    started: Instant,
}

impl Directory {
    /// An empty directory, which is used for `max_stale` while the store does not answer.
    pub(crate) fn new(store: Store, keyring: Arc<Keyring>, max_stale: Duration) -> Self {
        Self {
            store,
            keyring,
            callers: Cache::new(MOST_CALLERS),
            slots: Slots::new(MOST_USERS),
            changes: AtomicU64::new(0),
            max_stale,
            fresh_at_ms: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// The caller behind a credential; `None` when it is unknown or revoked. An expired one is still given out: compare
    /// its `expires_at` with the time of the request.
    pub(crate) async fn caller(
        &self,
        kind: CredentialKind,
        hash: KeyHash,
    ) -> Result<Option<KnownCaller>, DirectoryError> {
        let key = (kind, hash);
        let fresh = self.is_fresh();
        if fresh && let Some(known) = self.callers.get(&key) {
            if known.is_current() {
                return Ok(Some(known));
            }
            self.callers.remove(&key);
        }
        // However many requests miss one key, one of them queries and the others wait for it.
        let waited = tokio::time::timeout(FILL_TIMEOUT, self.callers.get_value_or_guard_async(&key)).await;
        let guard = match waited? {
            Ok(known) if fresh && known.is_current() => return Ok(Some(known)),
            Ok(_) => None,
            Err(guard) => Some(guard),
        };
        // Only the answer tells who owns the credential, so a change of any user during the query keeps the answer from
        // being remembered.
        let before = self.changes.load(Ordering::Acquire);
        let found = match kind {
            CredentialKind::ApiKey => self.store.caller_by_key(hash).await?,
            CredentialKind::Session => self.store.caller_by_session(hash).await?,
        };
        let Some(caller) = found.map(Arc::new) else { return Ok(None) };
        let slot = self.slots.of(caller.user_id);
        let known = KnownCaller { caller, generation: slot.generation(), slot };
        if self.changes.load(Ordering::Acquire) == before {
            match guard {
                // This fails when another has filled the entry meanwhile, with a value as good.
                Some(guard) => drop(guard.insert(known.clone())),
                None => self.callers.insert(key, known.clone()),
            }
        }
        Ok(Some(known))
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
        let view = Arc::new(UserView::open(&self.keyring, known.user_id, routing));
        slot.remember(generation, Arc::clone(&view));
        Ok(view)
    }

    /// Makes the directory forget everything about a user, because something of the user has changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.slots.forget(user);
        self.changes.fetch_add(1, Ordering::AcqRel);
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

    /// True if remembered entries may still be used.
    fn is_fresh(&self) -> bool {
        let age_ms = self.running_ms().saturating_sub(self.fresh_at_ms.load(Ordering::Acquire));
        u128::from(age_ms) <= self.max_stale.as_millis()
    }

    fn running_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
