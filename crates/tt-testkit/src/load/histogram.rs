//! Counts of latencies in buckets that grow with the value: 64 to every power of two, so that a value read back is at
//! most 0.8 % off, from a nanosecond to centuries, in 30 KB.

/// Buckets to a power of two, as a power of two.
const BITS: u32 = 6;
const STEP: usize = 1 << BITS;
/// Values below 64 have a bucket each, and so has every 64th of the powers of two from 2^6 to 2^63.
const BUCKETS: usize = STEP * (65 - BITS as usize);

/// Latencies in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    highest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, highest: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket(value)) {
            *bucket += 1;
            self.count += 1;
            self.highest = self.highest.max(value);
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.highest = self.highest.max(other.highest);
    }

    /// How many values were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly; 0 where there is none.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// The value that `per_mille` of 1000 values do not exceed (the median is 500), as the middle of its bucket; 0 where
    /// there is none.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return middle(index).min(self.highest);
            }
        }
        0
    }
}

/// The bucket of a value: the value itself below 64, then its leading seven bits.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(BITS + 1);
    // Below 128, whatever the value.
    let leading = usize::try_from(value >> shift).unwrap_or(0);
    STEP * shift as usize + leading
}

/// The middle of a bucket's values.
fn middle(index: usize) -> u64 {
    let shift = (index / STEP).saturating_sub(1);
    let leading = (index - STEP * shift) as u64;
    (leading << shift) + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_whose_middle_is_near() {
        let mut last = 0;
        for power in 0..64 {
            for value in [1_u64 << power, (1 << power) + (1 << power) / 3, (1 << power) - 1] {
                let index = bucket(value);
                assert!(index < BUCKETS, "{value} is in bucket {index}");
                let off = middle(index).abs_diff(value);
                assert!(off <= value / 128 + u64::from(value >= 128), "{value} reads back {off} off");
            }
            assert!(bucket(1 << power) > last || power == 0, "buckets grow with the value");
            last = bucket(1 << power);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        let mut other = Histogram::default();
        let values: Vec<u64> = (1..=1000).map(|n| n * n * 37).collect();
        for (index, value) in values.iter().enumerate() {
            if index % 3 == 0 { histogram.record(*value) } else { other.record(*value) }
        }
        histogram.merge(&other);
        assert_eq!((histogram.count(), histogram.highest()), (1000, 37_000_000));
        for per_mille in [1, 100, 500, 990, 999, 1000] {
            let exact = values[usize::try_from(per_mille).unwrap() - 1];
            let read = histogram.quantile(per_mille);
            assert!(read.abs_diff(exact) <= exact / 100 + 1, "{per_mille}: {read}, not {exact}");
        }
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Histogram::default().quantile(500), 0);
    }
}
