//! Threads of their own for long computations: decoding, encoding and counting, which take a worker thread too long.
//!
//! There are as many threads as cores, and users take turns: however much one user asks for, the others wait for the
//! computations that run already and for one of each user before them.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;
use tt_core::UserId;
use tt_providers::UpstreamError;

use crate::state::compute::turns::{Ticket, Turns};

mod turns;

/// The most computations of one user that wait. A request whose computation finds no place is refused.
const MOST_WAITING: usize = 1024;

type Job = Box<dyn FnOnce(Precision) + Send>;

/// The way a job counts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Tokens are counted with the tokenizer, which takes milliseconds.
    Tokens,
    /// Tokens are estimated from the number of bytes, which takes no time.
    Bytes,
}

/// The reason why a computation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ComputeError {
    /// As many computations of the user wait as may.
    #[error("too many long requests of this user wait")]
    Busy,
    /// The computation panicked.
    #[error("the computation panicked")]
    Panicked,
}

impl From<ComputeError> for UpstreamError {
    fn from(error: ComputeError) -> Self {
        Self::Unread(error.to_string())
    }
}

/// The threads for long computations. They end when this is dropped and every job has run.
pub(crate) struct Compute(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told of each new job, and of the end.
    changed: Condvar,
    /// The number of threads.
    threads: usize,
}

#[derive(Default)]
struct State {
    waiting: Turns<Job>,
    /// The number of running jobs of each user who has any.
    running: HashMap<UserId, usize>,
    /// True if tokens are no longer counted, because the process stops.
    hurried: bool,
    /// True if no job comes any more.
    ended: bool,
}

impl Compute {
    /// Makes the queue. Nothing runs until [`Compute::start`].
    pub(crate) fn new() -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), threads }))
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start(&self) -> io::Result<()> {
        for number in 0..self.0.threads {
            let shared = Arc::clone(&self.0);
            std::thread::Builder::new().name(format!("compute-{number}")).spawn(move || shared.work())?;
        }
        Ok(())
    }

    /// Runs `work` for `user` when it is the user's turn, and returns its result. If the returned future is dropped before
    /// `work` has begun, `work` does not run.
    ///
    /// # Errors
    /// When too many computations of the user wait, or `work` panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |_| {
            // The caller may have left since.
            let _left = done.send(work());
        });
        let ticket = self.0.push(user, job).map_err(|_| ComputeError::Busy)?;
        let _place = Place { shared: &self.0, user, ticket };
        result.await.map_err(|_| ComputeError::Panicked)
    }

    /// Runs `count` for `user` when it is the user's turn, with [`Precision::Tokens`]. It runs with [`Precision::Bytes`]
    /// after [`Compute::hurry`], and, on the calling thread, when too many computations of the user wait.
    pub(crate) fn count(&self, user: UserId, count: impl FnOnce(Precision) + Send + 'static) {
        if let Err(count) = self.0.push(user, Box::new(count)) {
            count(Precision::Bytes);
        }
    }

    /// Makes every job from now on run with [`Precision::Bytes`]: the process stops, and nobody waits for exact numbers.
    pub(crate) fn hurry(&self) {
        self.0.lock().hurried = true;
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The place of a computation in the queue, which is given up on drop.
struct Place<'a> {
    shared: &'a Shared,
    user: UserId,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // The job is dropped after the lock is free: it may hold the last part of a request.
        let given_up = self.shared.lock().waiting.remove(self.user, self.ticket);
        drop(given_up);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, user: UserId, job: Job) -> Result<Ticket, Job> {
        let mut state = self.lock();
        if state.waiting.of(user) >= MOST_WAITING {
            return Err(job);
        }
        let ticket = state.waiting.push(user, job);
        drop(state);
        self.changed.notify_one();
        Ok(ticket)
    }

    /// Runs jobs until the end.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let Some((user, job)) = state.next(self.threads) else {
                if state.ended && state.waiting.is_empty() {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let precision = if state.hurried { Precision::Bytes } else { Precision::Tokens };
            drop(state);
            // The panic hook has reported a panic already, and whoever waits for the job sees that no result comes.
            let _panicked = catch_unwind(AssertUnwindSafe(|| job(precision)));
            state = self.lock();
            state.over(user);
            if state.ended {
                // The threads that found no job they may run look whether all have run.
                self.changed.notify_all();
            }
        }
    }
}

impl State {
    /// Takes the next job that may run. A user has all threads but one at most, so that another user's job can begin at
    /// once.
    fn next(&mut self, threads: usize) -> Option<(UserId, Job)> {
        let most = threads.saturating_sub(1).max(1);
        let running = &self.running;
        let (user, job) = self.waiting.next(|user| running.get(&user).is_none_or(|running| *running < most))?;
        *self.running.entry(user).or_default() += 1;
        Some((user, job))
    }

    fn over(&mut self, user: UserId) {
        if let Some(running) = self.running.get_mut(&user) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests;
