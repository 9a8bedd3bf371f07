//! One slot a user: its generation says whether what was remembered of the user still holds.
//!
//! Generations are numbers of changes, which are counted over all users. So a query that finds out only by its answer
//! whose credential it asked for can tell whether that user has changed since it began.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};
use tt_core::UserId;

use crate::state::directory::user_view::UserView;
use crate::state::memory_limit::UserMemory;
use crate::state::target_health::UserHealth;

/// The slot of one user.
pub(super) struct Slot {
    /// The number of the user's last change; in a new slot, of the last change of anybody.
    generation: AtomicU64,
    /// True if the slot is out of the cache, where no change reaches it any more: nothing that belongs to it holds.
    evicted: AtomicBool,
    view: Mutex<Option<(u64, Arc<UserView>)>>,
    filling: tokio::sync::Mutex<()>,
    memory: Arc<UserMemory>,
    health: UserHealth,
}

impl Slot {
    fn new(generation: u64, memory: Arc<UserMemory>) -> Self {
        Self {
            generation: AtomicU64::new(generation),
            evicted: AtomicBool::new(false),
            view: Mutex::default(),
            filling: tokio::sync::Mutex::default(),
            memory,
            health: UserHealth::default(),
        }
    }

    /// The generation to remember something under. Read it before the query begins.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// True if what was remembered under `generation` still holds.
    pub(super) fn is_at(&self, generation: u64) -> bool {
        self.generation() == generation && !self.evicted.load(Ordering::Acquire)
    }

    /// The user's view, if it is remembered and still holds.
    pub(super) fn view(&self) -> Option<Arc<UserView>> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.as_ref().filter(|(filled, _)| self.is_at(*filled)).map(|(_, view)| Arc::clone(view))
    }

    /// The memory that the user's requests hold, also those that began when the user had another slot.
    pub(super) fn memory(&self) -> &Arc<UserMemory> {
        &self.memory
    }

    /// The health of the user's provider keys, which no change of the user ends.
    pub(super) const fn health(&self) -> &UserHealth {
        &self.health
    }

    /// Remembers the user's view.
    pub(super) fn remember(&self, generation: u64, view: Arc<UserView>) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, view));
    }

    /// Locks the query for the view. The request that queries holds the lock, so that the others wait for it.
    pub(super) async fn filling(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.filling.lock().await
    }

    fn forget(&self, change: u64) {
        self.generation.fetch_max(change, Ordering::AcqRel);
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }
}

/// The slots of the users seen last.
pub(super) struct Slots {
    cache: Cache<UserId, Arc<Slot>, UnitWeighter, DefaultHashBuilder, MarkEvicted>,
    memories: Mutex<Memories>,
    /// The number of changes of all users so far.
    changes: AtomicU64,
}

/// The memory of each user who has a slot, or whose requests outlive it.
#[derive(Default)]
struct Memories {
    of: HashMap<UserId, Weak<UserMemory>>,
    /// The number of entries at which those that nobody holds any more are dropped.
    sweep_at: usize,
}

impl Memories {
    /// The fewest entries for which a sweep is worthwhile.
    const FEWEST: usize = 1024;

    fn of(&mut self, user: UserId) -> Arc<UserMemory> {
        if let Some(held) = self.of.get(&user).and_then(Weak::upgrade) {
            return held;
        }
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, memory| memory.strong_count() > 0);
            self.sweep_at = (2 * self.of.len()).max(Self::FEWEST);
        }
        let new = Arc::default();
        self.of.insert(user, Arc::downgrade(&new));
        new
    }
}

impl Slots {
    /// Room for about `most` users.
    pub(super) fn new(most: usize) -> Self {
        let weight = u64::try_from(most).unwrap_or(u64::MAX);
        let cache = Cache::with(most, weight, UnitWeighter, DefaultHashBuilder::default(), MarkEvicted);
        Self { cache, memories: Mutex::default(), changes: AtomicU64::new(0) }
    }

    /// The number of changes so far. The result of a query is as new as this, if the number is read before the query begins.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The user's slot, which is the only one that is not marked as evicted.
    pub(super) fn of(&self, user: UserId) -> Arc<Slot> {
        // Changes of a user who had no slot are not known, so the last one may have been this user's.
        let memory = || self.memories.lock().unwrap_or_else(PoisonError::into_inner).of(user);
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Slot::new(self.changes(), memory())));
        match self.cache.get_or_insert_with(&user, new) {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }

    /// Moves the user's generation on.
    pub(super) fn forget(&self, user: UserId) {
        let change = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        // The slot is made if there is none: a slot that another thread is about to put into the cache must not be
        // missed.
        self.of(user).forget(change);
    }

    /// The remembered view of each user.
    pub(super) fn views(&self) -> impl Iterator<Item = (UserId, Arc<UserView>)> + '_ {
        self.cache.iter().filter_map(|(user, slot)| Some((user, slot.view()?)))
    }

    /// Every slot.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Slot>> + '_ {
        self.cache.iter().map(|(_, slot)| slot)
    }
}

/// Marks slots that leave the cache, since their holders cannot see the cache.
#[derive(Clone)]
struct MarkEvicted;

impl Lifecycle<UserId, Arc<Slot>> for MarkEvicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: UserId, slot: Arc<Slot>) {
        slot.evict();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tt_core::routing::Routes;

    use super::*;

    fn view() -> Arc<UserView> {
        Arc::new(UserView { routes: Routes::new(Vec::new(), Vec::new()), keys: HashMap::new() })
    }

    #[test]
    fn a_change_ends_what_was_remembered_before_it() {
        let slots = Slots::new(100);
        let slot = slots.of(UserId(1));
        let generation = slot.generation();
        slot.remember(generation, view());
        assert!(slot.is_at(generation) && slot.view().is_some());
        slots.forget(UserId(2));
        assert!(slot.is_at(generation) && slot.view().is_some(), "another user's change");
        slots.forget(UserId(1));
        assert!(!slot.is_at(generation) && slot.view().is_none());
        // A query that began before the change ends after it.
        slot.remember(generation, view());
        assert!(slot.view().is_none());
    }

    #[test]
    fn a_users_own_change_alone_makes_an_answer_old() {
        let slots = Slots::new(100);
        let (ann, bob) = (UserId(1), UserId(2));
        slots.of(ann);
        // A query for a credential of Ann begins. Bob writes without pause.
        let before = slots.changes();
        (0..100).for_each(|_| slots.forget(bob));
        assert!(slots.of(ann).generation() <= before);
        slots.forget(ann);
        assert!(slots.of(ann).generation() > before);
        // A user without a slot may have changed: the answer is not remembered, and the next one is.
        let before = slots.changes();
        slots.forget(bob);
        let (cem, later) = (UserId(3), slots.changes());
        assert!(slots.of(cem).generation() > before);
        assert!(slots.of(cem).generation() <= later);
    }

    #[test]
    fn a_user_whose_slot_was_evicted_holds_the_same_memory_while_requests_do() {
        const MOST: usize = 64;
        let slots = Slots::new(MOST);
        let held: Vec<_> = (0..10 * MOST as i64).map(|user| Arc::clone(slots.of(UserId(user)).memory())).collect();
        for (user, memory) in held.iter().enumerate() {
            assert!(Arc::ptr_eq(slots.of(UserId(user as i64)).memory(), memory), "user {user} began anew");
        }
        drop(held);
        (0..100 * MOST as i64).for_each(|user| drop(slots.of(UserId(user))));
        let kept = slots.memories.lock().unwrap().of.len();
        assert!(kept <= Memories::FEWEST, "{kept} are kept for {MOST} slots");
    }

    #[test]
    fn an_evicted_slot_holds_nothing_though_somebody_holds_it() {
        const MOST: usize = 64;
        let slots = Slots::new(MOST);
        let held: Vec<_> = (0..10 * MOST as i64).map(|user| (UserId(user), slots.of(UserId(user)))).collect();
        held.iter().for_each(|(_, slot)| slot.remember(slot.generation(), view()));
        let current = held.iter().filter(|(_, slot)| slot.view().is_some()).count();
        assert!(current > 0 && current <= MOST, "{current} of {MOST}");
        assert_eq!(slots.views().count(), current);
        // A slot that still holds is the one that changes reach.
        for (user, slot) in &held {
            slots.forget(*user);
            assert!(slot.view().is_none(), "{user}");
        }
    }
}
