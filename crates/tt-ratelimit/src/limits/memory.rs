//! Limits in the memory of this process. A decision takes one short lock and never waits for anything else; for a user
//! who is already counted it allocates nothing.
//!
//! **Invariant:** all counters of a user, those of their API keys too, lie in one shard, so that a decision by several
//! rules is made under one lock. Memory is bounded by who was active: a minute's counter is dropped 61 s after its last
//! request, a day's when the day is over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::limits::{Decision, Rule, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::day::{Day, day_number};
use super::decision::{Verdict, Verdicts, Window};
use super::minute::Minute;

const SHARDS: usize = 64;

/// The pause between two sweeps of a shard, which drop old counters.
const SWEEP_EVERY_MS: i64 = 61_000;

/// The owner of counters: a user, or one API key of theirs.
type Subject = (UserId, Option<ApiKeyId>);

/// The counters of this process.
#[derive(Debug)]
pub(super) struct MemoryLimits {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    counters: HashMap<Subject, Counter>,
    swept: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Counter {
    // Boxed, since it takes most of the memory and is needed for the shortest time.
    minute: Option<Box<Minute>>,
    day: Option<Day>,
}

/// The requests that this process has admitted for one user or API key in the last minute.
#[cfg(feature = "redis")]
#[derive(Debug)]
pub(super) struct LastMinute {
    pub(super) user: UserId,
    pub(super) key: Option<ApiKeyId>,
    /// Ages in seconds, each with the number of requests.
    pub(super) ages: Vec<(i64, u32)>,
}

impl MemoryLimits {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Decides by `rules`, which are of one user and of different kinds, and counts the request if it is admitted.
    pub(super) fn check(&self, rules: &[Rule], now: Timestamp) -> Decision {
        let Some(first) = rules.first() else { return Decision::Admit { nearest: None } };
        let mut shard = self.shard(first.user);
        shard.sweep(now);
        let mut verdicts = Verdicts::default();
        for rule in rules {
            verdicts.add(rule, shard.verdict(rule, now));
        }
        let decision = verdicts.decision();
        if matches!(decision, Decision::Admit { .. }) {
            shard.count(rules, now);
        }
        decision
    }

    /// The state of each of `rules`, which are of one user.
    pub(super) fn standings(&self, rules: &[Rule], now: Timestamp) -> Vec<Standing> {
        let Some(first) = rules.first() else { return Vec::new() };
        let mut shard = self.shard(first.user);
        rules.iter().map(|rule| shard.verdict(rule, now).standing(rule.limit)).collect()
    }

    /// Shows the counters of `rules` the time of a request that Redis has refused, so that a clock which was set back
    /// moves them at once.
    #[cfg(feature = "redis")]
    pub(super) fn see(&self, rules: &[Rule], now: Timestamp) {
        let Some(first) = rules.first() else { return };
        let mut shard = self.shard(first.user);
        for rule in rules {
            shard.verdict(rule, now);
        }
    }

    /// The requests that were admitted here in the minute before `now`, and `age_ms` ago or earlier.
    #[cfg(feature = "redis")]
    pub(super) fn last_minute(&self, now: Timestamp, age_ms: u64) -> Vec<LastMinute> {
        let least = i64::try_from(age_ms / 1000).unwrap_or(i64::MAX);
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for ((user, key), counter) in &shard.counters {
                let mut ages = counter.minute.as_ref().map(|minute| minute.ages(now)).unwrap_or_default();
                ages.retain(|(age, _)| *age >= least);
                if !ages.is_empty() {
                    all.push(LastMinute { user: *user, key: *key, ages });
                }
            }
        }
        all
    }

    /// Raises the count of the day that `day` lies in to `count`, unless a later day is being counted already.
    pub(super) fn seed_day(&self, user: UserId, key: Option<ApiKeyId>, day: Timestamp, count: u64) {
        let seed = Day { number: day_number(day), count };
        let mut shard = self.shard(user);
        let kept = shard.counter((user, key)).day.get_or_insert(seed);
        if (kept.number, kept.count) < (seed.number, seed.count) {
            *kept = seed;
        }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(user.0.rem_euclid(SHARDS as i64)).unwrap_or(0);
        // A poisoned lock is taken all the same: nothing panics in the middle of a change, so counters are consistent.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let shards = self.shards.iter().map(|s| s.lock().unwrap());
        shards.fold((0, 0), |(counters, minutes), shard| {
            let with_minute = shard.counters.values().filter(|c| c.minute.is_some()).count();
            (counters + shard.counters.len(), minutes + with_minute)
        })
    }
}

impl Shard {
    fn verdict(&mut self, rule: &Rule, now: Timestamp) -> Verdict {
        let counter = self.counter((rule.user, rule.key));
        match Window::of(rule.kind) {
            Window::Minute => counter.minute(now).verdict(rule.limit, now),
            Window::Day => counter.day(now).verdict(rule.limit, now),
        }
    }

    fn count(&mut self, rules: &[Rule], now: Timestamp) {
        for rule in rules {
            let counter = self.counter((rule.user, rule.key));
            match Window::of(rule.kind) {
                Window::Minute => counter.minute(now).count(now),
                Window::Day => counter.day(now).count(now),
            }
        }
    }

    fn counter(&mut self, subject: Subject) -> &mut Counter {
        self.counters.entry(subject).or_default()
    }

    /// Drops counters that no longer count anything, about once a minute.
    fn sweep(&mut self, now: Timestamp) {
        // After the clock was set back this sweeps at once, and finds nothing old.
        let due = self.swept.is_none_or(|at| (now.millis().saturating_sub(at.millis())).abs() >= SWEEP_EVERY_MS);
        if !due {
            return;
        }
        self.swept = Some(now);
        self.counters.retain(|_, counter| {
            counter.minute.take_if(|minute| minute.is_idle(now));
            counter.day.take_if(|day| day.is_past(now));
            counter.minute.is_some() || counter.day.is_some()
        });
        if self.counters.capacity() > 4 * self.counters.len().max(16) {
            self.counters.shrink_to(2 * self.counters.len());
        }
    }
}

impl Counter {
    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        self.minute.get_or_insert_with(|| Box::new(Minute::new(now)))
    }

    fn day(&mut self, now: Timestamp) -> &mut Day {
        self.day.get_or_insert_with(|| Day::new(now))
    }
}
