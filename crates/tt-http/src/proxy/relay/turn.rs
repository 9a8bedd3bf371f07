//! A wait for one turn of the runtime, after which everything that can come at once has come.
//!
//! hyper hands a body's chunks over one by one, each in a turn of the scheduler of its own, though it has read many of
//! them together. A stream that waits for one turn after each chunk gets the next one before it writes, and a burst goes
//! out in one write. hyper also polls a body twice within one turn, so the number of polls does not tell that a turn has
//! passed; the runtime's own wake does.
//!
//! A chunk that comes after a lull does not wait: models mostly send a token now and then, and a turn would cost each of
//! them as much as a quarter of all else. If the chunk is the first of a burst, the burst goes out in two writes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;

/// The chunks of a burst follow each other within less than this.
const LULL: Duration = Duration::from_millis(1);

/// A wait for the end of a turn of the runtime.
pub(super) struct Turn {
    waker: Waker,
    end: Arc<End>,
    waiting: bool,
    /// True if nothing more is to be expected at once.
    after_lull: bool,
}

/// Is woken by the runtime at the end of a turn, after the tasks for which something has come.
struct End {
    passed: AtomicBool,
    task: AtomicWaker,
}

impl Wake for End {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.passed.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Turn {
    pub(super) fn new() -> Self {
        let end = Arc::new(End { passed: AtomicBool::new(false), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&end)), end, waiting: false, after_lull: false }
    }

    /// True if a turn has passed since the last call of [`Turn::restart`]. Otherwise the task is woken when one has.
    pub(super) fn has_passed(&mut self, cx: &Context<'_>) -> bool {
        if self.after_lull {
            return true;
        }
        if self.waiting && self.end.passed.load(Ordering::Acquire) {
            return true;
        }
        self.end.task.register(cx.waker());
        if !self.waiting {
            self.waiting = true;
            self.end.passed.store(false, Ordering::Release);
            // The first poll asks the runtime for a wake, and the future is no longer needed then.
            let _pending = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&self.waker));
        }
        self.end.passed.load(Ordering::Acquire)
    }

    /// Takes note of the first chunk that waits to be written, which comes `silence` after the one before.
    pub(super) fn begins(&mut self, silence: Duration) {
        self.after_lull = silence >= LULL;
    }

    /// Takes note that something has come: the next wait is for a turn that begins now.
    pub(super) fn restart(&mut self) {
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn the_runtime_ends_a_turn_and_a_second_poll_does_not() {
        let mut turn = Turn::new();
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if turn.has_passed(cx) {
                return Poll::Ready(());
            }
            assert!(!turn.has_passed(cx), "a second poll within a turn ended it");
            Poll::Pending
        })
        .await;
        assert_eq!(polls, 2);
    }

    #[test]
    fn a_chunk_after_a_lull_does_not_wait_and_the_next_one_of_its_burst_does() {
        let mut turn = Turn::new();
        let mut cx = Context::from_waker(Waker::noop());
        turn.begins(LULL);
        assert!(turn.has_passed(&mut cx));
        turn.restart();
        turn.begins(LULL / 2);
        assert!(!turn.after_lull);
    }

    #[tokio::test]
    async fn a_task_that_is_ready_runs_before_the_turn_ends() {
        let (sender, mut chunks) = tokio::sync::mpsc::channel(1);
        let mut sending = tokio::task::JoinSet::new();
        sending.spawn(async move {
            for chunk in 0..100 {
                sender.send(chunk).await.unwrap();
            }
        });
        let mut turn = Turn::new();
        let mut together = Vec::new();
        poll_fn(|cx| {
            while let Poll::Ready(Some(chunk)) = chunks.poll_recv(cx) {
                together.push(chunk);
                turn.restart();
            }
            if !together.is_empty() && turn.has_passed(cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        sending.join_all().await;
        assert_eq!(together, (0..100).collect::<Vec<_>>());
    }
}
