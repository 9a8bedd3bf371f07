//! A thread of its own for counting tokens: the tokenizer takes milliseconds, which no worker thread can spare.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// The most jobs that wait for the thread.
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

/// A thread that runs counting jobs. It ends when the counter is dropped and every job has run.
pub(crate) struct TokenCounter {
    jobs: Option<SyncSender<Job>>,
}

impl TokenCounter {
    /// Starts the thread. Where it cannot be started, every job counts bytes instead.
    pub(crate) fn start() -> Self {
        let (jobs, waiting) = sync_channel(MOST_WAITING);
        let thread = std::thread::Builder::new().name("token-counter".to_owned()).spawn(move || work(&waiting));
        if let Err(error) = &thread {
            tracing::error!(%error, "the token counter's thread cannot be started: tokens are estimated from bytes");
        }
        Self { jobs: thread.is_ok().then_some(jobs) }
    }

    /// Runs `job` on the thread with [`Precision::Tokens`]. When [`MOST_WAITING`] jobs wait already, runs it at once on
    /// the calling thread with [`Precision::Bytes`].
    pub(crate) fn run(&self, job: impl FnOnce(Precision) + Send + 'static) {
        let job: Job = Box::new(job);
        match &self.jobs {
            Some(jobs) => match jobs.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job(Precision::Bytes),
            },
            None => job(Precision::Bytes),
        }
    }
}

fn work(waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        job(Precision::Tokens);
    }
}
