//! The requests that the benchmark makes.

/// A kind of request. Each is measured with every number of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) model: &'static str,
    pub(super) stream: bool,
    pub(super) bytes: usize,
}

/// The models are the upstream's, and TokenTracer has aliases of the same names, so that all three get the same bytes.
pub(super) const SHAPES: [Shape; 3] = [
    Shape { name: "300 B", model: "mock-bench", stream: false, bytes: 300 },
    Shape { name: "100 KB", model: "mock-bench", stream: false, bytes: 100 * 1024 },
    Shape { name: "200 chunks", model: "mock-bench-chunks-200", stream: true, bytes: 300 },
];
