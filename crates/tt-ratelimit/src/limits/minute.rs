//! The limit of a minute: a sliding window of 61 buckets, one a second. Pure: the clock is an argument.
//!
//! Two requests at most 60 s apart lie in seconds at most 60 apart, so in the same 61 buckets: no interval of 60 s ever
//! admits more than the limit. The price is the 61st second: a client that always has something to send gets its limit
//! every 61 s, which is 98.4 %. (A client that sends evenly, exactly at a small limit, loses about one request in
//! `limit + 1`: its next one comes 60 s after the first, one second too early.)
//!
//! `lua/limits.lua` does the same in Redis, and one test suite checks both.

use std::time::Duration;

use tt_core::Timestamp;

use super::decision::Verdict;

/// The number of buckets.
const BUCKETS: i64 = 61;
const BUCKETS_LEN: usize = 61;

/// The requests of one user or API key in each of the last 61 seconds.
#[derive(Debug)]
pub(super) struct Minute {
    /// The newest second, in seconds since the Unix epoch. The ring holds it and the 60 before it.
    newest: i64,
    /// No second before this one has a count. It is kept so that the search for the oldest request goes on from here.
    oldest: i64,
    /// The sum of `counts`.
    sum: u64,
    /// The requests of second `s` are at index `s mod 61`.
    counts: [u32; BUCKETS_LEN],
}

impl Minute {
    /// No requests yet.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { newest: second(now), oldest: second(now), sum: 0, counts: [0; BUCKETS_LEN] }
    }

    /// Decides if one more request fits under `limit`.
    pub(super) fn verdict(&mut self, limit: u64, now: Timestamp) -> Verdict {
        self.advance(now);
        let mut left = self.sum;
        if left < limit {
            // If nothing is counted yet, the request itself will be the oldest.
            while self.oldest < self.newest && self.counts[slot(self.oldest)] == 0 {
                self.oldest += 1;
            }
            return Verdict::Room { remaining: limit - left - 1, reset: leaves(self.oldest, now) };
        }
        // After a limit was lowered, the counts of several seconds may have to leave the window before one fits.
        let last = (self.oldest..=self.newest).find(|&s| {
            left -= u64::from(self.counts[slot(s)]);
            left < limit
        });
        Verdict::Full { retry_after: leaves(last.unwrap_or(self.newest), now) }
    }

    /// Counts one request.
    pub(super) fn count(&mut self, now: Timestamp) {
        self.advance(now);
        let bucket = &mut self.counts[slot(self.newest)];
        if let Some(more) = bucket.checked_add(1) {
            *bucket = more;
            self.sum += 1;
        }
    }

    /// The ages in seconds of the counted requests at `now`, the oldest first, each with their number.
    #[cfg(feature = "redis")]
    pub(super) fn ages(&self, now: Timestamp) -> Vec<(i64, u32)> {
        let now = second(now).max(self.newest);
        let counted = (self.oldest..=self.newest).map(|s| (now.saturating_sub(s), self.counts[slot(s)]));
        counted.filter(|(age, count)| *age < BUCKETS && *count > 0).collect()
    }

    /// True if all counted requests have left the window.
    pub(super) const fn is_idle(&self, now: Timestamp) -> bool {
        second(now).saturating_sub(self.newest) >= BUCKETS
    }

    /// Moves the window to `now`. If `now` is a little behind the window, nothing moves: requests are not decided in
    /// the order in which they read the clock. If `now` is a whole window behind, the clock has been set back: then the
    /// window moves back with it. Otherwise nothing would be admitted until the clock has caught up again. The counts
    /// become a second younger, because the seconds of the two clocks need not begin at the same moment, and a count must
    /// not leave the window too early.
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
                let moved = &mut self.counts[slot(now.saturating_sub((age - 1).max(0)))];
                *moved = moved.saturating_add(old[slot(self.newest.saturating_sub(age))]);
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

/// The time until second `s` is no longer counted.
fn leaves(s: i64, now: Timestamp) -> Duration {
    let at = s.saturating_add(BUCKETS).saturating_mul(1000);
    Duration::from_millis(u64::try_from(at.saturating_sub(now.millis())).unwrap_or(0))
}

fn slot(s: i64) -> usize {
    usize::try_from(s.rem_euclid(BUCKETS)).unwrap_or(0)
}
