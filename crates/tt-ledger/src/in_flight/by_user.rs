//! Counts the requests that hold a permit by user, and remembers since when the oldest settlement waits. They answer
//! what is missing from a user's numbers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::record::Settlement;
use tt_core::{Timestamp, UserId};

/// Settlements within this time of one another share a count.
const STEP_MS: u64 = 1000;

/// Requests by user from their intent until the sink has taken their settlement.
#[derive(Debug, Default)]
pub(super) struct ByUser {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// No count is zero.
    users: HashMap<UserId, usize>,
    /// The time of a settlement, and how many settled within the second from then on. Oldest first; at most one entry a
    /// second.
    waiting: VecDeque<(Timestamp, usize)>,
}

impl ByUser {
    /// A request of `user` was admitted.
    pub(super) fn enter(&self, user: UserId) {
        *self.lock().users.entry(user).or_default() += 1;
    }

    /// A request of `user` was refused after all.
    pub(super) fn leave(&self, user: UserId) {
        self.lock().leave(user);
    }

    /// A request has settled, at that time.
    pub(super) fn settled(&self, at: Timestamp) {
        let mut counts = self.lock();
        match counts.waiting.back_mut() {
            // Neither does a clock that was set back make a new entry.
            Some((since, count)) if at.millis() < since.millis().saturating_add_unsigned(STEP_MS) => *count += 1,
            _ => counts.waiting.push_back((at, 1)),
        }
    }

    /// The sink has taken these. They count as the oldest, which is right except between workers.
    pub(super) fn stored(&self, settlements: &[Settlement]) {
        let mut counts = self.lock();
        for settlement in settlements {
            counts.leave(settlement.intent.user_id);
        }
        counts.forget(settlements.len());
    }

    /// The settlement of a request of `user` will never be stored.
    pub(super) fn lost(&self, user: UserId) {
        let mut counts = self.lock();
        counts.leave(user);
        counts.forget(1);
    }

    /// Requests of `user` that are open or not yet stored.
    pub(super) fn of(&self, user: UserId) -> usize {
        self.lock().users.get(&user).copied().unwrap_or(0)
    }

    /// The time, to the second, of the longest-waiting settlement.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.lock().waiting.front().map(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn leave(&mut self, user: UserId) {
        if let Some(count) = self.users.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&user);
            }
        }
    }

    fn forget(&mut self, mut settlements: usize) {
        while let Some((_, count)) = self.waiting.front_mut() {
            if *count > settlements {
                *count -= settlements;
                return;
            }
            settlements -= *count;
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fixtures::{intent, settled};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn settlements(count: u128) -> Vec<Settlement> {
        (0..count).map(|id| Settlement { intent: intent(id), attempts: Vec::new(), settled: settled() }).collect()
    }

    #[test]
    fn a_user_is_counted_until_the_last_is_stored() {
        let (by_user, user) = (ByUser::default(), intent(1).user_id);
        (0..3).for_each(|_| by_user.enter(user));
        by_user.enter(UserId(77));
        by_user.leave(UserId(77));
        assert_eq!((by_user.of(user), by_user.of(UserId(77))), (3, 0));
        by_user.stored(&settlements(2));
        assert_eq!(by_user.of(user), 1);
        by_user.lost(user);
        assert_eq!(by_user.of(user), 0);
        assert!(by_user.lock().users.is_empty(), "a user without requests is forgotten");
    }

    #[test]
    fn the_oldest_is_the_first_that_is_not_stored_to_the_second() {
        let by_user = ByUser::default();
        assert_eq!(by_user.oldest(), None);
        for millis in [1_000, 1_999, 1_500, 2_000, 900, 5_000] {
            by_user.settled(at(millis));
        }
        assert_eq!(by_user.lock().waiting.len(), 3);
        by_user.stored(&settlements(2));
        assert_eq!(by_user.oldest(), Some(at(1_000)));
        by_user.stored(&settlements(1));
        assert_eq!(by_user.oldest(), Some(at(2_000)));
        by_user.stored(&settlements(2));
        assert_eq!(by_user.oldest(), Some(at(5_000)));
        by_user.stored(&settlements(9));
        assert_eq!(by_user.oldest(), None);
    }
}
