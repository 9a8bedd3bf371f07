//! Whose requests the ledger holds, and since when the oldest settlement waits: for those who ask what is missing from
//! their numbers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::record::Settlement;
use tt_core::{Timestamp, UserId};

/// Settlements that waited this long apart are counted together.
const STEP_MS: u64 = 1000;

/// Counts of requests from their intent until the sink has taken their settlement.
#[derive(Debug, Default)]
pub(crate) struct Census {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Nobody has zero.
    callers: HashMap<UserId, usize>,
    /// When settlements settled, and how many did within the second from there on: oldest first, one entry a second at
    /// most.
    waiting: VecDeque<(Timestamp, usize)>,
}

impl Census {
    /// A request of `caller` has been taken in.
    pub(crate) fn enter(&self, caller: UserId) {
        *self.lock().callers.entry(caller).or_default() += 1;
    }

    /// A request of `caller` never ran.
    pub(crate) fn leave(&self, caller: UserId) {
        self.lock().leave(caller);
    }

    /// A request has settled, at that time.
    pub(crate) fn settled(&self, at: Timestamp) {
        let mut counts = self.lock();
        match counts.waiting.back_mut() {
            // A clock that was set back makes no new entry either.
            Some((since, count)) if at.millis() < since.millis().saturating_add_unsigned(STEP_MS) => *count += 1,
            _ => counts.waiting.push_back((at, 1)),
        }
    }

    /// The sink has taken these. They are taken to be the oldest, which they are but for those of other workers.
    pub(crate) fn stored(&self, settlements: &[Settlement]) {
        let mut counts = self.lock();
        for settlement in settlements {
            counts.leave(settlement.intent.user_id);
        }
        counts.forget(settlements.len());
    }

    /// A request of `caller` settled when nobody took settlements any more.
    pub(crate) fn lost(&self, caller: UserId) {
        let mut counts = self.lock();
        counts.leave(caller);
        counts.forget(1);
    }

    /// Requests of `caller` that are open or wait.
    pub(crate) fn of(&self, caller: UserId) -> usize {
        self.lock().callers.get(&caller).copied().unwrap_or(0)
    }

    /// When the settlement that waits longest settled, to the second.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.lock().waiting.front().map(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn leave(&mut self, caller: UserId) {
        if let Some(count) = self.callers.get_mut(&caller) {
            *count -= 1;
            if *count == 0 {
                self.callers.remove(&caller);
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
    fn a_caller_is_counted_until_the_last_is_stored() {
        let (census, caller) = (Census::default(), intent(1).user_id);
        (0..3).for_each(|_| census.enter(caller));
        census.enter(UserId(77));
        census.leave(UserId(77));
        assert_eq!((census.of(caller), census.of(UserId(77))), (3, 0));
        census.stored(&settlements(2));
        assert_eq!(census.of(caller), 1);
        census.lost(caller);
        assert_eq!(census.of(caller), 0);
        assert!(census.lock().callers.is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn the_oldest_is_the_first_that_is_not_stored_to_the_second() {
        let census = Census::default();
        assert_eq!(census.oldest(), None);
        for millis in [1_000, 1_999, 1_500, 2_000, 900, 5_000] {
            census.settled(at(millis));
        }
        assert_eq!(census.lock().waiting.len(), 3);
        census.stored(&settlements(2));
        assert_eq!(census.oldest(), Some(at(1_000)));
        census.stored(&settlements(1));
        assert_eq!(census.oldest(), Some(at(2_000)));
        census.stored(&settlements(2));
        assert_eq!(census.oldest(), Some(at(5_000)));
        census.stored(&settlements(9));
        assert_eq!(census.oldest(), None);
    }
}
