//! Quantiles of output tokens: how many tokens 99 of 100 calls of a kind stay within. They are kept in this process and
//! begin anew with it.
//!
//! Each kind of call has a histogram whose buckets are an eighth of a power of two wide. The answer is the upper end of
//! a bucket, so it is up to an eighth above the true quantile and never below it. At [`HALVE_AT`] samples all counts
//! are halved, so that about the last thousand calls count, newer ones more.
//!
//! It is written by hand because it is short, takes 352 bytes a kind whatever was sampled, and must forget old samples.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tt_core::{ApiKeyId, Provider, UserId};

/// The number of samples below which there is no answer.
const ENOUGH: u32 = 50;

/// The number of samples at which all counts are halved.
const HALVE_AT: u32 = 1024;

/// Each power of two has 2^3 buckets.
const FINE_BITS: u32 = 3;

/// Values are counted up to 2^24 - 1, above any model's output.
const VALUE_BITS: u32 = 24;

const BUCKETS: usize = ((VALUE_BITS - FINE_BITS + 1) << FINE_BITS) as usize;

const SHARDS: usize = 16;

/// A kind of call: who calls which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallKind<'a> {
    /// The user.
    pub user: UserId,
    /// The API key, or `None` if the call came without one.
    pub key: Option<ApiKeyId>,
    /// The provider of the model.
    pub provider: Provider,
    /// The model's name, as it is sent to the provider.
    pub model: &'a str,
}

type Who = (UserId, Option<ApiKeyId>, Provider);

/// The 99th percentile of output tokens for each kind of call. The number of kinds is bounded: those sampled longest
/// ago are dropped.
#[derive(Debug)]
pub struct OutputQuantiles {
    shards: [Mutex<Shard>; SHARDS],
    most_per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    // A list of models, since a caller has few of them, and a name in a list is looked up without being copied.
    kinds: HashMap<Who, Vec<Kind>>,
    len: usize,
    /// Counts samples, to tell which kind was sampled longest ago.
    clock: u64,
}

#[derive(Debug)]
struct Kind {
    model: Box<str>,
    /// The shard's clock at the last sample.
    sampled: u64,
    histogram: Box<Histogram>,
}

impl OutputQuantiles {
    /// No samples yet; room for about `most` kinds.
    pub fn new(most: usize) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), most_per_shard: most.div_ceil(SHARDS).max(1) }
    }

    /// Notes that a call of this kind ended with `tokens` of output.
    ///
    /// A call that ended because it reached its cap would have needed more, and it is unknown how much more: pass more
    /// than the cap then, for example twice as much. If it counted as the cap, the quantile could only ever fall.
    pub fn sample(&self, kind: &CallKind<'_>, tokens: u64) {
        let mut shard = self.shard(kind);
        shard.clock += 1;
        let now = shard.clock;
        if let Some(known) = shard.find(kind) {
            known.sampled = now;
            known.histogram.add(tokens);
            return;
        }
        if shard.len >= self.most_per_shard {
            shard.forget_the_oldest(self.most_per_shard / 8);
        }
        let mut histogram = Box::new(Histogram::default());
        histogram.add(tokens);
        let new = Kind { model: kind.model.into(), sampled: now, histogram };
        shard.kinds.entry(who(kind)).or_default().push(new);
        shard.len += 1;
    }

    /// The output tokens that 99 of 100 calls of this kind stay within; `None` before 50 samples.
    pub fn p99(&self, kind: &CallKind<'_>) -> Option<u64> {
        self.shard(kind).find(kind)?.histogram.p99()
    }

    fn shard(&self, kind: &CallKind<'_>) -> MutexGuard<'_, Shard> {
        let of = kind.key.map_or(0, |key| key.0).wrapping_add(kind.user.0);
        let at = usize::try_from(of.rem_euclid(SHARDS as i64)).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(kind: &CallKind<'_>) -> Who {
    (kind.user, kind.key, kind.provider)
}

impl Shard {
    fn find(&mut self, kind: &CallKind<'_>) -> Option<&mut Kind> {
        self.kinds.get_mut(&who(kind))?.iter_mut().find(|known| *known.model == *kind.model)
    }

    /// Drops the kinds sampled longest ago: one and `more`, so that this is not done for every new kind.
    fn forget_the_oldest(&mut self, more: usize) {
        let mut ages: Vec<_> = self.kinds.values().flatten().map(|kind| kind.sampled).collect();
        let last = more.min(ages.len().saturating_sub(1));
        let (_, newest_to_go, _) = ages.select_nth_unstable(last);
        let newest_to_go = *newest_to_go;
        self.kinds.retain(|_, kinds| {
            kinds.retain(|kind| kind.sampled > newest_to_go);
            !kinds.is_empty()
        });
        self.len = self.kinds.values().map(Vec::len).sum();
    }
}

#[derive(Debug)]
struct Histogram {
    counts: [u16; BUCKETS],
    total: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            // This never saturates: no count exceeds the total, which is halved at 1024.
            *count = count.saturating_add(1);
            self.total += 1;
        }
        if self.total >= HALVE_AT {
            self.halve();
        }
    }

    /// Halves all counts. The half that an odd count leaves goes to the next lower bucket, so that rare large values
    /// are neither all lost nor kept for ever.
    fn halve(&mut self) {
        let mut left = 0;
        for count in self.counts.iter_mut().rev() {
            let sum = *count + left;
            (*count, left) = (sum / 2, sum % 2);
        }
        self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
    }

    fn p99(&self) -> Option<u64> {
        if self.total < ENOUGH {
            return None;
        }
        let rank = (self.total * 99).div_ceil(100);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += u32::from(*count);
            below >= rank
        })?;
        Some(upper_end(at))
    }
}

/// The bucket of a value. Small values have one each; above them, each power of two has eight.
fn bucket(value: u64) -> usize {
    let value = value.min((1 << VALUE_BITS) - 1);
    let high = value.checked_ilog2().unwrap_or(0).max(FINE_BITS) - FINE_BITS;
    usize::try_from((u64::from(high) << FINE_BITS) + (value >> high)).unwrap_or(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let fine = 1 << FINE_BITS;
    if bucket < 2 * fine {
        return bucket;
    }
    let high = bucket / fine - 1;
    ((bucket % fine + fine + 1) << high) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn kind(user: i64, model: &str) -> CallKind<'_> {
        CallKind { user: UserId(user), key: None, provider: Provider::OpenAi, model }
    }

    fn sample_all(quantiles: &OutputQuantiles, kind: &CallKind<'_>, values: impl IntoIterator<Item = u64>) {
        for value in values {
            quantiles.sample(kind, value);
        }
    }

    #[test]
    fn there_is_no_answer_before_fifty_samples() {
        let (quantiles, one) = (OutputQuantiles::new(100), kind(1, "m"));
        assert_eq!(quantiles.p99(&one), None);
        sample_all(&quantiles, &one, [10; 49]);
        assert_eq!(quantiles.p99(&one), None);
        sample_all(&quantiles, &one, [12]);
        assert_eq!(quantiles.p99(&one), Some(12));
    }

    #[test]
    fn callers_and_models_are_told_apart() {
        let quantiles = OutputQuantiles::new(100);
        let others = [
            kind(1, "m"),
            kind(1, "n"),
            kind(2, "m"),
            CallKind { key: Some(ApiKeyId(1)), ..kind(1, "m") },
            CallKind { provider: Provider::Gemini, ..kind(1, "m") },
        ];
        for (value, kind) in others.iter().enumerate() {
            sample_all(&quantiles, kind, [value as u64; 50]);
        }
        for (value, kind) in others.iter().enumerate() {
            assert_eq!(quantiles.p99(kind), Some(value as u64));
        }
    }

    #[test]
    fn one_in_a_hundred_may_need_more() {
        let (quantiles, one) = (OutputQuantiles::new(100), kind(1, "m"));
        sample_all(&quantiles, &one, (0..200).map(|i| if i % 100 == 0 { 5000 } else { 100 }));
        assert_eq!(quantiles.p99(&one), Some(103));
        sample_all(&quantiles, &one, [5000]);
        assert_eq!(quantiles.p99(&one), Some(5119));
    }

    #[test]
    fn a_change_is_followed_both_ways() {
        let (quantiles, one) = (OutputQuantiles::new(100), kind(1, "m"));
        sample_all(&quantiles, &one, [4000; 5000]);
        sample_all(&quantiles, &one, [100; 5000]);
        assert_eq!(quantiles.p99(&one), Some(103), "it has fallen");
        sample_all(&quantiles, &one, [4000; 20]);
        assert_eq!(quantiles.p99(&one), Some(4095), "it has risen");
    }

    /// Answers that end at their cap count as more, so the quantile grows until they fit.
    #[test]
    fn a_capped_kind_grows_until_it_fits() {
        let (quantiles, one) = (OutputQuantiles::new(100), kind(1, "m"));
        sample_all(&quantiles, &one, [100; 1000]);
        for _ in 0..2000 {
            let cap = quantiles.p99(&one).unwrap();
            quantiles.sample(&one, if cap < 3000 { 2 * cap } else { 3000 });
        }
        assert!(quantiles.p99(&one).unwrap() >= 3000);
    }

    #[test]
    fn halving_keeps_the_share_of_rare_large_values() {
        let mut histogram = Histogram::default();
        for i in 0..100_000_u64 {
            // three in a hundred, all of different size
            histogram.add(if i % 100 < 3 { 10_000 + (i * 7919) % 50_000 } else { 200 });
        }
        assert!((HALVE_AT / 2..HALVE_AT).contains(&histogram.total));
        let p99 = histogram.p99().unwrap();
        assert!((20_000..60_000).contains(&p99), "{p99}");
    }

    #[test]
    fn the_kinds_sampled_longest_ago_go() {
        let quantiles = OutputQuantiles::new(160);
        sample_all(&quantiles, &kind(0, "kept"), [7; 60]);
        for i in 0..1000 {
            quantiles.sample(&kind(0, &i.to_string()), 1);
            quantiles.sample(&kind(0, "kept"), 7);
        }
        assert_eq!(quantiles.p99(&kind(0, "kept")), Some(7));
        let kept: usize = quantiles.shards.iter().map(|shard| shard.lock().unwrap().len).sum();
        assert!(kept <= 160, "{kept}");
        for user in 0..10_000 {
            quantiles.sample(&kind(user, "m"), 1);
        }
        let kept: usize = quantiles.shards.iter().map(|shard| shard.lock().unwrap().len).sum();
        assert!((80..=160).contains(&kept), "{kept}");
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_an_eighth_wide(value in 0_u64..(1 << VALUE_BITS)) {
            let end = upper_end(bucket(value));
            prop_assert!(bucket(value) < BUCKETS && end >= value && end - value <= value / 8, "{value}: {end}");
            prop_assert_eq!(bucket(end), bucket(value));
            prop_assert_eq!(bucket(end + 1).min(BUCKETS - 1), (bucket(value) + 1).min(BUCKETS - 1));
        }

        #[test]
        fn the_answer_is_the_99th_of_a_hundred(values in prop::collection::vec(0_u64..200_000, 50..1000)) {
            let (quantiles, one) = (OutputQuantiles::new(1), kind(1, "m"));
            sample_all(&quantiles, &one, values.iter().copied());
            let mut sorted = values;
            sorted.sort_unstable();
            let want = sorted[(sorted.len() * 99).div_ceil(100) - 1];
            let got = quantiles.p99(&one).unwrap();
            prop_assert!(got >= want && got - want <= want / 8, "{got}, not {want}");
        }
    }

    #[test]
    fn a_value_above_all_buckets_counts_in_the_last() {
        let (quantiles, one) = (OutputQuantiles::new(1), kind(i64::MIN, "m"));
        sample_all(&quantiles, &one, [u64::MAX; 50]);
        assert_eq!(quantiles.p99(&one), Some((1 << VALUE_BITS) - 1));
    }
}
