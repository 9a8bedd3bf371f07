//! The part of an exact cost that one class of tokens makes.

/// A part of a cost before it is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExactLine {
    /// The class of tokens, or `web_search` for searches.
    pub(super) class: &'static str,
    /// The class among those that all providers have.
    pub(super) part: Part,
    /// The number of tokens, or of searches.
    pub(super) count: u64,
    /// The price of one, in atto-dollars.
    pub(super) per_unit: u128,
}

impl ExactLine {
    /// The cost in atto-dollars.
    pub(super) const fn amount(&self) -> u128 {
        self.per_unit.saturating_mul(self.count as u128)
    }
}

/// The class of a line, as [`crate::cost::CostByClass`] has it, in the order of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Input,
    CachedInput,
    CacheWrite,
    Output,
    Fees,
}
