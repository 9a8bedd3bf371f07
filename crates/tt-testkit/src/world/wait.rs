//! Waits for work that the program does in the background.

use std::future::Future;
use std::time::{Duration, Instant};

/// The time that a test waits between two looks. A user may make 600 calls to `/manage` in a minute, and a test may look for
/// ten seconds.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Looks again and again until `holds` is true; returns the time that took.
///
/// # Panics
/// If that takes longer than `most`. The message names `what`.
pub async fn within<F: Future<Output = bool>>(most: Duration, what: &str, holds: impl Fn() -> F) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < most, "not within {most:?}: {what}");
        tokio::time::sleep(TICK).await;
    }
    begun.elapsed()
}

/// As [`within`] ten seconds.
///
/// # Panics
/// If that takes longer. The message names `what`.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    within(Duration::from_secs(10), what, holds).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn it_looks_until_the_condition_holds() {
        let looks = Cell::new(0);
        let third = async || {
            looks.set(looks.get() + 1);
            looks.get() == 3
        };
        let took = within(Duration::from_secs(60), "the third look", third).await;
        assert!(took >= 2 * TICK && looks.get() == 3);
    }

    #[tokio::test]
    #[should_panic(expected = "the moon falls")]
    async fn what_did_not_happen_is_named() {
        within(Duration::ZERO, "the moon falls", async || false).await;
    }
}
