//! The sums over requests that the hourly tables hold: their names, their addition, and their place in an answer. Every sum
//! is added to in the same way, so that a new one needs a name here, its value for a request in `rollup.rs`, and its
//! expression over a row in `usage_sql.rs`.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::row::NamedRow;
use diesel::sql_types::BigInt;
use tt_core::NanoUsd;
use tt_core::cost::CostByClass;
use tt_core::query::{UsageDetails, UsageSums};

use crate::batch::{Batch, Ending};
use crate::decode::count;

/// The most that a sum of one key can be (10⁷ dollars, 10¹⁶ tokens). A provider's host may claim any number; an
/// addition that overflowed would stop the drain for all users.
pub(crate) const BOUND: i64 = 10_000_000_000_000_000;

/// A sum, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Requests,
    Input,
    Cached,
    CacheWrite,
    Output,
    Reasoning,
    Cost,
    Unpriced,
    Saved,
    Errors,
    Cancelled,
    CostInput,
    CostCached,
    CostCacheWrite,
    CostOutput,
    CostFees,
    /// The requests that the following sums cover: 0 in hours whose rows were gone when these columns were added.
    Detailed,
    Estimated,
    Partial,
    Unknown,
    Costless,
    Interrupted,
    LatencyMs,
    FirstTokenMs,
    FirstTokens,
}

/// The columns of the sums, in both rollups, in the order of [`Sum`].
pub(crate) const SUMS: [&str; COUNT] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano",
    "unpriced",
    "saved_nano",
    "errors",
    "cancelled",
    "cost_input_nano",
    "cost_cached_nano",
    "cost_cache_write_nano",
    "cost_output_nano",
    "cost_fees_nano",
    "detailed",
    "estimated",
    "partial_usage",
    "unknown_usage",
    "costless",
    "interrupted",
    "latency_ms",
    "first_token_ms",
    "first_tokens",
];

const COUNT: usize = Sum::FirstTokens as usize + 1;

/// The columns of the cost by class: in the rollups, and in a row of the log.
pub(crate) const COSTS: [&str; CostByClass::COUNT] =
    ["cost_input_nano", "cost_cached_nano", "cost_cache_write_nano", "cost_output_nano", "cost_fees_nano"];

/// The sums of [`COSTS`], in the same order.
pub(crate) const COST_SUMS: [Sum; CostByClass::COUNT] =
    [Sum::CostInput, Sum::CostCached, Sum::CostCacheWrite, Sum::CostOutput, Sum::CostFees];

/// The sums to which most requests add nothing.
const RARE: [Sum; 12] = [
    Sum::CacheWrite,
    Sum::Unpriced,
    Sum::Saved,
    Sum::Errors,
    Sum::Cancelled,
    Sum::CostCacheWrite,
    Sum::CostFees,
    Sum::Estimated,
    Sum::Partial,
    Sum::Unknown,
    Sum::Costless,
    Sum::Interrupted,
];

fn is_rare(at: usize) -> bool {
    RARE.iter().any(|sum| *sum as usize == at)
}

/// The sums of one key: requests, tokens, nano-dollars, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums([i64; COUNT]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Sums {
    /// These values, each held at [`BOUND`]; the sums that are not named are 0.
    pub(crate) fn of<const N: usize>(values: [(Sum, i64); N]) -> Self {
        let mut sums = Self::default();
        for (sum, value) in values {
            sums.0[sum as usize] = value.clamp(-BOUND, BOUND);
        }
        sums
    }

    /// These sums with a cost by class.
    pub(crate) fn with_costs(mut self, by_class: &CostByClass) -> Self {
        for (sum, part) in COST_SUMS.into_iter().zip(by_class.parts()) {
            self.0[sum as usize] = part.0.clamp(-BOUND, BOUND);
        }
        self
    }

    /// One of the sums.
    pub(crate) fn value(&self, sum: Sum) -> i64 {
        self.0[sum as usize]
    }

    /// Adds each sum, held at [`BOUND`].
    pub(crate) fn add(&mut self, other: &Self) {
        self.each(other, |sum, more| sum.saturating_add(more).clamp(-BOUND, BOUND));
    }

    /// Subtracts each sum.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.each(other, i64::saturating_sub);
    }

    fn each(&mut self, other: &Self, of: impl Fn(i64, i64) -> i64) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = of(*sum, more));
    }

    /// The sums as an answer has them.
    pub(crate) fn shown(&self) -> UsageSums {
        let number = |sum| count(self.value(sum));
        UsageSums {
            requests: number(Sum::Requests),
            input_tokens: number(Sum::Input),
            cached_input_tokens: number(Sum::Cached),
            cache_write_tokens: number(Sum::CacheWrite),
            output_tokens: number(Sum::Output),
            reasoning_tokens: number(Sum::Reasoning),
            cost: NanoUsd(self.value(Sum::Cost)),
            unpriced: number(Sum::Unpriced),
            saved: NanoUsd(self.value(Sum::Saved)),
            errors: number(Sum::Errors),
            cancelled: number(Sum::Cancelled),
            by_class: CostByClass::of_parts(COST_SUMS.map(|sum| NanoUsd(self.value(sum)))),
            detailed: number(Sum::Detailed),
            details: UsageDetails {
                estimated: number(Sum::Estimated),
                partial: number(Sum::Partial),
                unknown: number(Sum::Unknown),
                costless: number(Sum::Costless),
                interrupted: number(Sum::Interrupted),
                latency_ms: number(Sum::LatencyMs),
                first_token_ms: number(Sum::FirstTokenMs),
                first_tokens: number(Sum::FirstTokens),
            },
        }
    }
}

impl<DB: Backend> QueryableByName<DB> for Sums
where
    i64: FromSql<BigInt, DB>,
{
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        let mut sums = Self::default();
        for (value, name) in sums.0.iter_mut().zip(SUMS) {
            *value = NamedRow::get::<BigInt, i64>(row, name)?;
        }
        Ok(sums)
    }
}

/// Adds the columns of the sums to a batch.
pub(crate) fn columns<R>(batch: Batch, rows: &[R], sums: impl Fn(&R) -> &Sums) -> Batch {
    (0..COUNT)
        .zip(SUMS)
        .fold(batch, |batch, (at, name)| batch.big(name, rows, |row| sums(row).0[at]).rare_if(is_rare(at)))
}

/// The end of an insert that adds to sums that are there already, at most to [`BOUND`]. Both databases take it.
pub(crate) fn upsert(table: &str, key: &str) -> Ending {
    let ending = |with_rare: bool| {
        let names = SUMS.iter().enumerate().filter(|(at, _)| with_rare || !is_rare(*at));
        let set = names.map(|(_, name)| format!("{name} = {}", held(&format!("{table}.{name} + excluded.{name}"))));
        format!("ON CONFLICT ({key}) DO UPDATE SET {}", set.collect::<Vec<_>>().join(", "))
    };
    Ending { all: ending(true), plain: ending(false) }
}

/// The SQL expression `sum`, held at [`BOUND`].
pub(crate) fn held(sum: &str) -> String {
    format!("CASE WHEN {sum} BETWEEN -{BOUND} AND {BOUND} THEN {sum} WHEN {sum} > 0 THEN {BOUND} ELSE -{BOUND} END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sum_has_the_name_of_its_place() {
        for (sum, name) in [
            (Sum::Requests, "requests"),
            (Sum::Cost, "cost_nano"),
            (Sum::Cancelled, "cancelled"),
            (Sum::CostInput, COSTS[0]),
            (Sum::CostFees, COSTS[4]),
            (Sum::Detailed, "detailed"),
            (Sum::Unknown, "unknown_usage"),
            (Sum::FirstTokens, "first_tokens"),
        ] {
            assert_eq!(SUMS[sum as usize], name);
        }
        assert!(COST_SUMS.iter().zip(COSTS).all(|(sum, name)| SUMS[*sum as usize] == name));
    }

    #[test]
    fn sums_are_held_at_the_bound() {
        let mut sums = Sums::of([(Sum::Cost, i64::MAX), (Sum::Saved, i64::MIN)]);
        sums.add(&Sums::of([(Sum::Cost, 5), (Sum::Saved, -5), (Sum::Requests, 1)]));
        let found = [Sum::Cost, Sum::Saved, Sum::Requests].map(|sum| sums.value(sum));
        assert_eq!(found, [BOUND, -BOUND, 1]);
    }
}
