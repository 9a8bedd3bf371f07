//! The limit of a UTC day. Pure: the clock is an argument. `lua/limits.lua` does the same in Redis.

use std::time::Duration;

use tt_core::Timestamp;
use tt_core::time::DAY_MS;

use super::decision::Verdict;

/// A clock that is behind the counted day by more than this has been set back; by less, requests are only being decided
/// in another order than they read the clock.
const BEHIND_MS: i64 = 60_000;

/// Requests of one user or key in one UTC day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    /// Days since the Unix epoch.
    pub(super) number: i64,
    /// Requests admitted on it.
    pub(super) count: u64,
}

impl Day {
    /// The UTC day of `now`, with no requests.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { number: day_number(now), count: 0 }
    }

    /// Decides if one more request fits under `limit`.
    pub(super) fn verdict(&mut self, limit: u64, now: Timestamp) -> Verdict {
        self.advance(now);
        let ends = self.number.saturating_add(1).saturating_mul(DAY_MS);
        let reset = Duration::from_millis(u64::try_from(ends.saturating_sub(now.millis())).unwrap_or(0));
        if self.count < limit {
            Verdict::Room { remaining: limit - self.count - 1, reset }
        } else {
            Verdict::Full { retry_after: reset }
        }
    }

    /// Counts one request.
    pub(super) fn count(&mut self, now: Timestamp) {
        self.advance(now);
        self.count = self.count.saturating_add(1);
    }

    /// True if the day is over.
    pub(super) const fn is_past(&self, now: Timestamp) -> bool {
        day_number(now) > self.number
    }

    /// Moves to the day of `now`. If the clock is just before the midnight that began the counted day, that day still
    /// counts. If it is further back than [`BEHIND_MS`], it has been set back, and the count moves to its day.
    fn advance(&mut self, now: Timestamp) {
        let today = day_number(now);
        if today > self.number {
            *self = Self::new(now);
        } else if today < self.number && self.number.saturating_mul(DAY_MS).saturating_sub(now.millis()) > BEHIND_MS {
            self.number = today;
        }
    }
}

/// The UTC day that `at` lies in, in days since the Unix epoch.
pub(super) const fn day_number(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MS)
}
