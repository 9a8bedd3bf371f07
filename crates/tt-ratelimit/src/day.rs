//! The day rule: requests of one UTC day. Pure: the clock is an argument. `redis/limits.lua` says the same in Lua.

use std::time::Duration;

use tt_core::Timestamp;
use tt_core::time::DAY_MS;

use crate::Verdict;

/// How far a clock may be behind the day that is being counted without having been set back.
const BEHIND_MS: i64 = 60_000;

/// Requests of one user or key in one UTC day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    /// Its number since the Unix epoch.
    pub(crate) number: i64,
    /// Requests in it.
    pub(crate) count: u64,
}

impl Day {
    /// Nothing counted yet on the day of `now`.
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { number: day_number(now), count: 0 }
    }

    /// Would one more request fit under `limit`?
    pub(crate) fn verdict(&mut self, limit: u64, now: Timestamp) -> Verdict {
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
    pub(crate) fn count(&mut self, now: Timestamp) {
        self.advance(now);
        self.count = self.count.saturating_add(1);
    }

    /// Is the day over?
    pub(crate) const fn is_past(&self, now: Timestamp) -> bool {
        day_number(now) > self.number
    }

    /// Goes on to the day of `now`. A clock a little behind midnight still counts for the day already begun; one further
    /// behind has been set back, and the count goes with it.
    fn advance(&mut self, now: Timestamp) {
        let today = day_number(now);
        if today > self.number {
            *self = Self::new(now);
        } else if today < self.number && self.number.saturating_mul(DAY_MS).saturating_sub(now.millis()) > BEHIND_MS {
            self.number = today;
        }
    }
}

/// The number of the UTC day `at` lies in, since the Unix epoch.
pub(crate) const fn day_number(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MS)
}
