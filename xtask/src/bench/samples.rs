//! The numbers measured for each target.

use super::shape::Shape;

/// One kind of load, and what was measured under it.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) shape: Shape,
    pub(super) connections: usize,
    /// For each target its name and a sample of each round; none for a target that does not get this load.
    pub(super) targets: Vec<(String, Vec<Sample>)>,
}

impl Series {
    /// The samples of the target at `position`.
    pub(super) fn samples(&self, position: usize) -> &[Sample] {
        self.targets.get(position).map_or(&[][..], |(_, samples)| samples)
    }
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
