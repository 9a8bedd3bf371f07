//! The load of one worker: by how much it is behind its work, and the number of calls of models that it serves at a time while
//! it is.
//!
//! The lag of a worker is the time that a task of it which is ready waits for its turn. It grows with the work that is ready.
//! While a worker lags too much, it serves fewer calls at a time, in proportion to the lag, and refuses the others; when it has
//! caught up, it serves more again. So what it can carry is served as before, whatever comes beside it.
//!
//! A refusal costs a part of what an answer costs, and a client may ask again at once. So refusals are paced: of many at a time,
//! each waits a little longer than the one before, and then looks for room once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The time between the end of one look and the next: short enough to notice overload at once, and long enough that an idle
/// server rests.
const TICK: Duration = Duration::from_millis(50);

/// The fewest calls that a worker serves at a time, however far it is behind.
const FEWEST: usize = 4;

/// A limit that has grown to this is none.
const NO_LIMIT_FROM: usize = 1 << 20;

/// The time between two refusals of a worker: they take a few hundredths of its time.
const BETWEEN_REFUSALS: Duration = Duration::from_micros(500);

/// The longest that a refusal waits.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The shortest time after which a refused client may ask again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// That time is longer by this multiple of the wait of the refusal.
const LONGER_BY: u32 = 5;

/// The load of one worker. The worker writes it, and the acceptor reads the lag: the atomics publish no other memory.
#[derive(Debug)]
pub(crate) struct WorkerLoad {
    started: Instant,
    /// The time of the next look, in microseconds after `started`.
    due_us: AtomicU64,
    /// The time by which the last look was late, in microseconds.
    late_us: AtomicU64,
    /// The calls of models that are served.
    calls: AtomicUsize,
    /// The most of them at a time since the last look.
    peak_calls: AtomicUsize,
    /// The most of them that may be, for now.
    most_calls: AtomicUsize,
    /// The time of the next refusal, in microseconds after `started`.
    next_refusal_us: AtomicU64,
}

/// A call of a model that a worker serves, until it is dropped.
#[derive(Debug)]
pub(crate) struct Call(Arc<WorkerLoad>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WorkerLoad {
    /// The load of a worker that has nothing to do yet.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            due_us: AtomicU64::new(u64::MAX),
            late_us: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            peak_calls: AtomicUsize::new(0),
            most_calls: AtomicUsize::new(usize::MAX),
            next_refusal_us: AtomicU64::new(0),
        }
    }

    /// Measures the lag for ever, as a task of the worker, and keeps it below `most_lag` by the number of calls.
    pub(crate) async fn watch(&self, most_lag: Duration) {
        loop {
            let due = Instant::now() + TICK;
            self.due_us.store(self.micros(due), Ordering::Relaxed);
            tokio::time::sleep_until(due.into()).await;
            let late = Instant::now().saturating_duration_since(due);
            // A thread that the system has not run for once has no queue of its own: two looks must agree.
            let lag = late.min(self.late());
            let (limit, calls) = (self.most_calls.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed));
            let peak = self.peak_calls.swap(calls, Ordering::Relaxed);
            self.most_calls.store(next_limit(limit, peak, lag, most_lag), Ordering::Relaxed);
            self.late_us.store(micros(late), Ordering::Relaxed);
        }
    }

    /// Waits for room for one more call, for [`LONGEST_WAIT`] at most.
    ///
    /// # Errors
    /// The time after which the client may ask again, when there is no room. It grows with the number of refusals.
    pub(crate) async fn admit(&self) -> Result<(), Duration> {
        if self.has_room() {
            return Ok(());
        }
        let wait = self.wait_of_refusal(Instant::now());
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        if self.has_room() { Ok(()) } else { Err(ASK_AGAIN_AFTER + wait * LONGER_BY) }
    }

    fn has_room(&self) -> bool {
        self.calls.load(Ordering::Relaxed) < self.most_calls.load(Ordering::Relaxed)
    }

    /// The time for which a call waits before it is refused, so that refusals come one after the other.
    fn wait_of_refusal(&self, now: Instant) -> Duration {
        let now_us = self.micros(now);
        let at_us = self.next_refusal_us.load(Ordering::Relaxed).clamp(now_us, now_us + micros(LONGEST_WAIT));
        self.next_refusal_us.store(at_us + micros(BETWEEN_REFUSALS), Ordering::Relaxed);
        Duration::from_micros(at_us - now_us)
    }

    /// Counts a call that is served.
    pub(crate) fn begin(self: &Arc<Self>) -> Call {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_calls.fetch_max(calls, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    /// The lag at `now`: by how much the last look was late or, if that is more, by how much the next one is already.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        let due = self.due_us.load(Ordering::Relaxed);
        self.late().max(Duration::from_micros(self.micros(now).saturating_sub(due)))
    }

    fn late(&self) -> Duration {
        Duration::from_micros(self.late_us.load(Ordering::Relaxed))
    }

    fn micros(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.started))
    }
}

/// The number of calls that may be served at a time from now on: of `calls`, as many as could be done within `most_lag`, but at
/// least the half, since many that have begun go on for long; or an eighth more than before.
fn next_limit(limit: usize, calls: usize, lag: Duration, most_lag: Duration) -> usize {
    if lag >= most_lag {
        let thousandths = most_lag.as_micros() * 1000 / lag.as_micros().max(1);
        let thousandths = usize::try_from(thousandths).unwrap_or(1000).clamp(500, 950);
        return (calls.saturating_mul(thousandths) / 1000).max(FEWEST);
    }
    let more = limit.saturating_add(limit / 8 + 1);
    if more >= NO_LIMIT_FROM { usize::MAX } else { more }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(200);

    /// Keeps the worker from everything else, for so long.
    fn busy(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn a_worker_that_is_behind_serves_fewer_calls_and_one_that_was_so_once_as_many_as_ever() {
        let load = Arc::new(WorkerLoad::new());
        let mut calls: Vec<_> = (0..1_000).map(|_| load.begin()).collect();
        let mut watch = std::pin::pin!(load.watch(MOST));
        // Gives the measurement its turns until it has looked.
        macro_rules! look {
            () => {
                let due = load.due_us.load(Ordering::Relaxed);
                while load.due_us.load(Ordering::Relaxed) == due {
                    tokio::select! { biased; () = watch.as_mut() => {} () = tokio::task::yield_now() => {} }
                }
            };
        }
        look!();
        let due = load.started + Duration::from_micros(load.due_us.load(Ordering::Relaxed));
        assert_eq!(load.lag(due), Duration::ZERO);
        assert_eq!(load.lag(due + MOST), MOST, "the look is overdue");
        busy(2 * MOST);
        look!();
        assert!(load.lag(Instant::now()) >= MOST, "the last look was late");
        assert!(load.has_room(), "for the first time");
        busy(2 * MOST);
        look!();
        assert!(!load.has_room(), "for the second time");
        // As many as could be served in the time end, and there is room.
        let most = load.most_calls.load(Ordering::Relaxed);
        assert!((500..=950).contains(&most), "{most}");
        calls.truncate(most - 1);
        assert!(load.has_room());
        let _last = load.begin();
        assert!(!load.has_room());
        // A busy machine may keep the worker from its work once more.
        for _ in 0..20 {
            if load.has_room() {
                break;
            }
            look!();
        }
        assert!(load.has_room(), "it has caught up");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_come_one_after_the_other_and_who_waits_may_find_room() {
        let load = Arc::new(WorkerLoad::new());
        load.most_calls.store(1, Ordering::Relaxed);
        assert_eq!(load.admit().await, Ok(()));
        let call = load.begin();
        let now = Instant::now() + Duration::from_secs(1);
        let waits: Vec<_> = (0..3_000).map(|_| load.wait_of_refusal(now)).collect();
        assert_eq!(waits[..3], [Duration::ZERO, BETWEEN_REFUSALS, 2 * BETWEEN_REFUSALS]);
        assert_eq!(waits[2_999], LONGEST_WAIT);
        assert_eq!(load.wait_of_refusal(now + Duration::from_secs(1)), Duration::ZERO);

        load.next_refusal_us.store(load.micros(Instant::now() + LONGEST_WAIT / 2), Ordering::Relaxed);
        let (begun, waiting) = (tokio::time::Instant::now(), load.admit());
        let (admitted, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(LONGEST_WAIT / 4).await;
            drop(call);
        });
        assert!(admitted.is_ok() && begun.elapsed() > LONGEST_WAIT / 4);
        let _call = load.begin();
        load.next_refusal_us.store(0, Ordering::Relaxed);
        assert_eq!(load.admit().await, Err(ASK_AGAIN_AFTER));
        load.next_refusal_us.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(load.admit().await, Err(ASK_AGAIN_AFTER + LONGEST_WAIT * LONGER_BY));
    }

    #[test]
    fn the_limit_follows_the_lag_and_goes_away() {
        let limit = |limit, calls, lag_ms| next_limit(limit, calls, Duration::from_millis(lag_ms), MOST);
        assert_eq!(limit(usize::MAX, 0, 0), usize::MAX);
        assert_eq!(limit(usize::MAX, 1_000, 199), usize::MAX);
        assert_eq!(limit(usize::MAX, 1_000, 200), 950);
        assert_eq!(limit(usize::MAX, 1_000, 250), 800);
        assert_eq!(limit(usize::MAX, 1_000, 9_000), 500, "half of them at least");
        assert_eq!(limit(600, 1_000, 250), 800, "calls that go on for long are not the reason to serve hardly any");
        assert_eq!(limit(usize::MAX, 0, 9_000), FEWEST);
        assert_eq!((limit(4, 4, 0), limit(80, 80, 0)), (5, 91));
        let looks =
            std::iter::successors(Some(FEWEST), |most| Some(limit(*most, 0, 0))).take_while(|most| *most != usize::MAX);
        assert!(looks.count() < 120, "within six seconds there is no limit any more");
    }
}
