//! Who is calling and what they have set up, remembered over the store so that a request needs no SQL.
//!
//! An entry belongs to a user's slot and is good while the slot's generation stands where it stood when the entry's
//! fill began: a write through this process, or one seen in the `changes` of another, moves it on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use secrecy::SecretString;
use tt_core::routing::Routes;
use tt_core::{BaseUrl, Caller, KeyHash, ProviderKeyId, UserId};
use tt_crypto::Keyring;
use tt_store::{Routing, Store};

use crate::clock::now;
use crate::edge::error::ApiError;

/// The most callers remembered; the least used go first.
const MOST_CALLERS: usize = 100_000;

/// How long one query may keep those waiting that ask for the same entry.
const FILL_TIMEOUT: Duration = Duration::from_secs(10);

/// What kind of credential a hash is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CredentialKind {
    ApiKey,
    Session,
}

/// A provider key ready for use. The secret is zeroised on drop.
pub(crate) struct OpenKey {
    pub(crate) base_url: Option<BaseUrl>,
    pub(crate) secret: SecretString,
    /// Has a request used it since [`Directory::keys_used`] was last asked?
    pub(crate) used: AtomicBool,
}

/// A user's aliases and opened provider keys.
pub(crate) struct UserView {
    pub(crate) routes: Routes,
    pub(crate) keys: HashMap<ProviderKeyId, OpenKey>,
}

#[derive(Default)]
struct Slot {
    generation: AtomicU64,
    view: Mutex<Option<(u64, Arc<UserView>)>>,
    filling: tokio::sync::Mutex<()>,
}

impl Slot {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn view(&self) -> Option<Arc<UserView>> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.as_ref().filter(|(filled, _)| *filled == self.generation()).map(|(_, view)| Arc::clone(view))
    }
}

/// A caller the directory knows, with the slot of their things at hand.
#[derive(Clone)]
pub(crate) struct KnownCaller {
    caller: Arc<Caller>,
    slot: Arc<Slot>,
    generation: u64,
}

impl KnownCaller {
    fn stands(&self) -> bool {
        self.slot.generation() == self.generation
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
    slots: Mutex<HashMap<UserId, Arc<Slot>>>,
    /// Moves on with every slot's generation.
    changes: AtomicU64,
    max_stale: Duration,
    /// When the store was last known to have told us of every change, in milliseconds since the epoch.
    fresh_at: AtomicI64,
}

impl Directory {
    pub(crate) fn new(store: Store, keyring: Arc<Keyring>, max_stale: Duration) -> Self {
        Self {
            store,
            keyring,
            callers: Cache::new(MOST_CALLERS),
            slots: Mutex::new(HashMap::new()),
            changes: AtomicU64::new(0),
            max_stale,
            fresh_at: AtomicI64::new(now().millis()),
        }
    }

    /// The caller behind a credential; `None` when there is none (any more). Whether it has expired since is the
    /// caller's to ask.
    pub(crate) async fn caller(&self, kind: CredentialKind, hash: KeyHash) -> Result<Option<KnownCaller>, ApiError> {
        let key = (kind, hash);
        let fresh = self.fresh();
        if fresh && let Some(known) = self.callers.get(&key) {
            if known.stands() {
                return Ok(Some(known));
            }
            self.callers.remove(&key);
        }
        // One query per key, however many wait for it.
        let waited = tokio::time::timeout(FILL_TIMEOUT, self.callers.get_value_or_guard_async(&key)).await;
        let guard = match waited.map_err(|_| ApiError::store_unavailable())? {
            Ok(known) if fresh && known.stands() => return Ok(Some(known)),
            Ok(_) => None,
            Err(guard) => Some(guard),
        };
        // Whose it is, is not known before the answer: a change to anyone during the query keeps it from being kept.
        let before = self.changes.load(Ordering::Acquire);
        let found = match kind {
            CredentialKind::ApiKey => self.store.caller_by_key(hash).await?,
            CredentialKind::Session => self.store.caller_by_session(hash).await?,
        };
        let Some(caller) = found.map(Arc::new) else { return Ok(None) };
        let slot = self.slot(caller.user_id);
        let known = KnownCaller { caller, generation: slot.generation(), slot };
        if self.changes.load(Ordering::Acquire) == before {
            match guard {
                // Fails only when the place was taken meanwhile, by a value as good.
                Some(guard) => drop(guard.insert(known.clone())),
                None => self.callers.insert(key, known.clone()),
            }
        }
        Ok(Some(known))
    }

    /// A caller's aliases and opened provider keys.
    pub(crate) async fn view(&self, known: &KnownCaller) -> Result<Arc<UserView>, ApiError> {
        let slot = &known.slot;
        let fresh = self.fresh();
        if fresh && let Some(view) = slot.view() {
            return Ok(view);
        }
        let filling = tokio::time::timeout(FILL_TIMEOUT, slot.filling.lock()).await;
        let _filling = filling.map_err(|_| ApiError::store_unavailable())?;
        if fresh && let Some(view) = slot.view() {
            return Ok(view);
        }
        let generation = slot.generation();
        let view = Arc::new(self.load(known.user_id).await?);
        *slot.view.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&view)));
        Ok(view)
    }

    async fn load(&self, user: UserId) -> Result<UserView, ApiError> {
        let Routing { aliases, keys: sealed } = self.store.routing(user).await?;
        let mut keys = HashMap::with_capacity(sealed.len());
        for stored in &sealed {
            let key = &stored.key;
            match crate::state::sealing::open(&self.keyring, user, stored) {
                Ok(secret) => {
                    let open = OpenKey { base_url: key.base_url.clone(), secret, used: AtomicBool::new(false) };
                    keys.insert(key.id, open);
                }
                // The other keys still serve; this one fails where it is used.
                Err(error) => tracing::error!(provider_key = %key.id, %error, "a provider key cannot be opened"),
            }
        }
        Ok(UserView { routes: Routes::new(aliases, sealed.into_iter().map(|stored| stored.key)), keys })
    }

    fn slot(&self, user: UserId) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() > MOST_CALLERS && !slots.contains_key(&user) {
            // A slot somebody holds must stay the user's only one, or changes would pass them by.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(user).or_default())
    }

    /// A user's things have changed: nothing remembered of them is good any more.
    pub(crate) fn forget(&self, user: UserId) {
        let slot = self.slot(user);
        slot.generation.fetch_add(1, Ordering::AcqRel);
        *slot.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The provider keys that requests have used since the last call, with whose they are.
    pub(crate) fn keys_used(&self) -> Vec<(UserId, ProviderKeyId)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let views = slots.iter().filter_map(|(user, slot)| Some((*user, slot.view()?)));
        let used = views.flat_map(|(user, view)| {
            let keys = view.keys.iter().filter(|(_, key)| key.used.swap(false, Ordering::Relaxed));
            keys.map(|(id, _)| (user, *id)).collect::<Vec<_>>()
        });
        used.collect()
    }

    /// The store has told of every change up to now.
    pub(crate) fn refreshed(&self) {
        self.fresh_at.store(now().millis(), Ordering::Release);
    }

    /// May what is remembered still be used?
    fn fresh(&self) -> bool {
        let age = now().millis() - self.fresh_at.load(Ordering::Acquire);
        age <= i64::try_from(self.max_stale.as_millis()).unwrap_or(i64::MAX)
    }
}
