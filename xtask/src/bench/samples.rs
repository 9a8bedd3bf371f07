//! The processes under test, and the numbers measured for each.

use super::shape::Shape;

/// The processes under test, in the order of the table.
pub(super) const TARGETS: [&str; 3] = ["upstream", "bare proxy", "TokenTracer"];
/// The position in [`TARGETS`] of the process that the others are compared with.
pub(super) const BARE: usize = 1;

/// One row of the table before it is summed up: what was measured in each round.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) shape: Shape,
    pub(super) connections: usize,
    /// One for each of [`TARGETS`].
    pub(super) rounds: [Vec<Sample>; 3],
}

/// One load on one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Of the process under test, all its threads, per request; `None` where the system does not tell.
    pub(super) cpu_us: Option<f64>,
}
