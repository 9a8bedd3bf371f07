//! One slot a user: its generation says whether what was remembered of the user still holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};
use tt_core::UserId;

use crate::state::directory::user_view::UserView;
use crate::state::memory_limit::UserMemory;

/// The slot of one user.
#[derive(Default)]
pub(super) struct Slot {
    generation: AtomicU64,
    /// True if the slot is out of the cache, where no change reaches it any more: nothing that belongs to it holds.
    evicted: AtomicBool,
    view: Mutex<Option<(u64, Arc<UserView>)>>,
    filling: tokio::sync::Mutex<()>,
    memory: Arc<UserMemory>,
}

impl Slot {
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

    /// The memory that the user's requests hold. It begins anew when the slot has left the cache, which happens to users
    /// who have not been seen for longest.
    pub(super) fn memory(&self) -> &Arc<UserMemory> {
        &self.memory
    }

    /// Remembers the user's view.
    pub(super) fn remember(&self, generation: u64, view: Arc<UserView>) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, view));
    }

    /// Locks the query for the view. The request that queries holds the lock, so that the others wait for it.
    pub(super) async fn filling(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.filling.lock().await
    }

    fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }
}

/// The slots of the users seen last.
pub(super) struct Slots(Cache<UserId, Arc<Slot>, UnitWeighter, DefaultHashBuilder, MarkEvicted>);

impl Slots {
    /// Room for about `most` users.
    pub(super) fn new(most: usize) -> Self {
        let weight = u64::try_from(most).unwrap_or(u64::MAX);
        Self(Cache::with(most, weight, UnitWeighter, DefaultHashBuilder::default(), MarkEvicted))
    }

    /// The user's slot, which is the only one that is not marked as evicted.
    pub(super) fn of(&self, user: UserId) -> Arc<Slot> {
        match self.0.get_or_insert_with(&user, || Ok::<_, std::convert::Infallible>(Arc::default())) {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }

    /// Moves the user's generation on.
    pub(super) fn forget(&self, user: UserId) {
        // The slot is made if there is none: a slot that another thread is about to put into the cache must not be
        // missed.
        self.of(user).forget();
    }

    /// The remembered view of each user.
    pub(super) fn views(&self) -> impl Iterator<Item = (UserId, Arc<UserView>)> + '_ {
        self.0.iter().filter_map(|(user, slot)| Some((user, slot.view()?)))
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
