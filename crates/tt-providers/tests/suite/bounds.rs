//! Work and memory are bounded by what a client or a provider sent.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

mod answers;
mod corpus;
mod decoded;
mod gemini_requests;
mod properties;
mod requests;
mod schemas;

/// The most bytes that were allocated at once while `work` ran, beside those that were there before.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let counted = allocation_counter::measure(|| {
        black_box(work());
    });
    usize::try_from(counted.bytes_max).unwrap()
}

/// Fails if work on an input four times as large takes much more than four times as long. `work` makes the input of a
/// size, and gives the time that the work on it took.
fn grows_no_faster_than_its_input(name: &str, sizes: [usize; 2], work: impl Fn(usize) -> Duration) {
    let least = |size| (0..2).map(|_| work(size)).min().unwrap_or_default();
    let [small, large] = sizes;
    assert_eq!(large, 4 * small);
    // Caches that other programs empty cost time too. Quadratic work fails every try.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (one, four) = (least(small), least(large));
        if four < one * 9 + Duration::from_millis(1) {
            return;
        }
        seen.push((one, four));
    }
    panic!("{name}: sizes {sizes:?} took {seen:?}");
}

/// The processor time that `work` took. It is not the time on the wall, in which other programs work too.
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let start = now();
    black_box(work());
    now() - start
}
