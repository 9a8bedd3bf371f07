//! The minute rule: requests of the last 61 one-second buckets, counted whole. Pure: the clock is an argument.
//!
//! Two requests at most 60 s apart lie in seconds at most 60 apart, hence in the same 61 buckets: whatever the
//! interval, never more than the limit are admitted in it. What that costs is the 61st second: a client that always has
//! something to send gets the limit every 61 s, 98.4 %. (One that sends evenly and just at a small limit loses about one
//! request in `limit + 1`: its next comes 60 s after the first, a second early.)
//! `redis/limits.lua` says the same in Lua, and one test suite holds them together.

use std::time::Duration;

use tt_core::Timestamp;

use crate::Verdict;

/// Buckets counted.
const BUCKETS: i64 = 61;
const BUCKETS_LEN: usize = 61;

/// Requests per second of the last 61 seconds of one user or key.
#[derive(Debug)]
pub(crate) struct Minute {
    /// The newest second counted; the ring holds it and the 60 before.
    newest: i64,
    /// No second before this one has a count; kept so that the search for the oldest need not begin anew each time.
    oldest: i64,
    /// The sum of `counts`.
    sum: u64,
    /// Requests in second `s`, at `s mod 61`.
    counts: [u32; BUCKETS_LEN],
}

impl Minute {
    /// Nothing counted yet.
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { newest: second(now), oldest: second(now), sum: 0, counts: [0; BUCKETS_LEN] }
    }

    /// Would one more request fit under `limit`?
    pub(crate) fn verdict(&mut self, limit: u64, now: Timestamp) -> Verdict {
        self.advance(now);
        let mut left = self.sum;
        if left < limit {
            // With nothing counted the request itself will be the oldest.
            while self.oldest < self.newest && self.counts[slot(self.oldest)] == 0 {
                self.oldest += 1;
            }
            return Verdict::Room { remaining: limit - left - 1, reset: leaves(self.oldest, now) };
        }
        // A limit may have been lowered: more than one second must leave then.
        let last = (self.oldest..=self.newest).find(|&s| {
            left -= u64::from(self.counts[slot(s)]);
            left < limit
        });
        Verdict::Full { retry_after: leaves(last.unwrap_or(self.newest), now) }
    }

    /// Counts one request.
    pub(crate) fn count(&mut self, now: Timestamp) {
        self.advance(now);
        let bucket = &mut self.counts[slot(self.newest)];
        if let Some(more) = bucket.checked_add(1) {
            *bucket = more;
            self.sum += 1;
        }
    }

    /// Has everything counted left the window?
    pub(crate) const fn is_idle(&self, now: Timestamp) -> bool {
        second(now).saturating_sub(self.newest) >= BUCKETS
    }

    /// Moves the window to `now`, or not at all when `now` is a little behind it: requests are not decided in the order
    /// in which they read the clock. A clock more than a window behind has been set back; then the window goes with it
    /// and everything counted keeps its age, so that nobody waits for a time that is long in coming.
    fn advance(&mut self, now: Timestamp) {
        let now = second(now);
        let ahead = now.saturating_sub(self.newest);
        if ahead >= BUCKETS {
            self.counts = [0; BUCKETS_LEN];
            self.sum = 0;
        } else if ahead > 0 {
            for s in self.newest + 1..=now {
                self.sum -= u64::from(std::mem::take(&mut self.counts[slot(s)]));
            }
        } else if ahead <= -BUCKETS {
            let old = std::mem::replace(&mut self.counts, [0; BUCKETS_LEN]);
            for age in 0..BUCKETS {
                self.counts[slot(now.saturating_sub(age))] = old[slot(self.newest.saturating_sub(age))];
            }
        } else {
            return;
        }
        let first = now.saturating_sub(BUCKETS - 1);
        self.oldest = if ahead > 0 { self.oldest.max(first) } else { first };
        self.newest = now;
    }
}

const fn second(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}

/// Until second `s` is no longer counted.
fn leaves(s: i64, now: Timestamp) -> Duration {
    let at = s.saturating_add(BUCKETS).saturating_mul(1000);
    Duration::from_millis(u64::try_from(at.saturating_sub(now.millis())).unwrap_or(0))
}

fn slot(s: i64) -> usize {
    usize::try_from(s.rem_euclid(BUCKETS)).unwrap_or(0)
}
