//! The lag of a worker: the time that a task of it which is ready waits for its turn. It grows with the work that is ready,
//! so it says that a worker has more to do than it can.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time between the end of one look and the next: short enough to notice overload at once, and long enough that an idle
/// server rests.
const TICK: Duration = Duration::from_millis(50);

/// The lag of one worker. The worker writes it, and the acceptor reads it too: the atomics publish no other memory.
#[derive(Debug)]
pub(crate) struct Lag {
    started: Instant,
    /// The time of the next look, in microseconds after `started`.
    due_us: AtomicU64,
    /// The time by which the last look was late, in microseconds.
    late_us: AtomicU64,
}

impl Lag {
    /// The lag of a worker that has nothing to do yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), due_us: AtomicU64::new(u64::MAX), late_us: AtomicU64::new(0) }
    }

    /// Measures for ever, as a task of the worker.
    pub(crate) fn watch(&self) -> impl Future<Output = ()> + Send + '_ {
        async {
            loop {
                let due = Instant::now() + TICK;
                self.due_us.store(self.micros(due), Ordering::Relaxed);
                tokio::time::sleep_until(due.into()).await;
                let late = Instant::now().saturating_duration_since(due);
                self.late_us.store(micros(late), Ordering::Relaxed);
            }
        }
    }

    /// The lag at `now`: by how much the last look was late or, if that is more, by how much the next one is already.
    pub(crate) fn at(&self, now: Instant) -> Duration {
        self.late().max(self.overdue(now))
    }

    /// True if the worker is behind by `most` or more, and was at the look before: a thread that the system has not run for
    /// once has no queue of its own.
    pub(crate) fn exceeds(&self, most: Duration, now: Instant) -> bool {
        self.late() >= most && self.overdue(now) >= most
    }

    fn late(&self) -> Duration {
        Duration::from_micros(self.late_us.load(Ordering::Relaxed))
    }

    fn overdue(&self, now: Instant) -> Duration {
        Duration::from_micros(self.micros(now).saturating_sub(self.due_us.load(Ordering::Relaxed)))
    }

    fn micros(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.started))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_worker_that_is_busy_lags_and_one_that_was_so_once_refuses_nothing() {
        let lag = Lag::new();
        let mut watch = std::pin::pin!(lag.watch());
        // Gives the measurement its turn.
        macro_rules! turn {
            () => {
                tokio::select! { biased; () = watch.as_mut() => {} () = tokio::task::yield_now() => {} }
            };
        }
        turn!();
        let due = |lag: &Lag| lag.started + Duration::from_micros(lag.due_us.load(Ordering::Relaxed));
        let first = due(&lag);
        assert_eq!(lag.at(first), Duration::ZERO);
        assert_eq!(lag.at(first + MOST), MOST, "the look is overdue");
        assert!(!lag.exceeds(MOST, first + MOST), "for the first time");
        // The worker does something else.
        while Instant::now() < first + MOST {
            std::hint::spin_loop();
        }
        while due(&lag) == first {
            turn!();
        }
        let second = due(&lag);
        assert!(lag.at(second) >= MOST, "the last look was late");
        assert!(!lag.exceeds(MOST, second), "the next one is not, so far");
        assert!(lag.exceeds(MOST, second + MOST));
    }
}
