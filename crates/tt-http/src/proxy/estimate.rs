//! Counting what a provider did not: on a thread of its own, never on a worker.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tt_core::plan::InputTokens;
use tt_core::usage::{Reported, Usage};
use tt_core::{Provider, tokens};
use tt_providers::stream::Tally;

use super::inbound::Inbound;

/// Counts waiting; past that an attempt is estimated by its bytes, at once.
const WAITING: usize = 1024;

/// The roughest rule there is: bytes of text to a token.
const BYTES_PER_TOKEN: u64 = 4;

type Job = Box<dyn FnOnce(Precision) + Send>;

/// How well a count is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// With the tokenizer: milliseconds.
    Tokens,
    /// By the number of bytes: at once.
    Bytes,
}

/// The thread that counts. It ends when the last sender is gone and all jobs are done.
pub(crate) struct Estimator {
    jobs: Option<SyncSender<Job>>,
}

impl Estimator {
    pub(crate) fn start() -> Self {
        let (jobs, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("estimator".to_owned()).spawn(move || work(&waiting));
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread to count tokens on: counts will be rough");
        }
        Self { jobs: thread.is_ok().then_some(jobs) }
    }

    /// Runs `job` on the thread, or here and roughly when too many are waiting.
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

/// The usage of an attempt whose provider did not give it in full: what it did give, and counts for the rest.
pub(crate) fn estimate(inbound: &Inbound, provider: Provider, tally: &Tally, precision: Precision) -> Reported {
    let text = tally.output_text.as_str();
    let output = match precision {
        Precision::Tokens => tokens::estimate_kept_output(text, tally.extra_bytes),
        Precision::Bytes => bytes_to_tokens((text.len() as u64).saturating_add(tally.extra_bytes)),
    };
    match &tally.usage {
        // Providers report output late or in steps: what has been seen is the least it can be.
        Some(reported) => {
            let usage = Usage { output: reported.usage.output.max(output), ..reported.usage };
            Reported { usage, ..reported.clone() }
        }
        None => Reported {
            usage: Usage { input: input_tokens(inbound, provider, precision), output, ..Usage::default() },
            ..Reported::default()
        },
    }
}

fn input_tokens(inbound: &Inbound, provider: Provider, precision: Precision) -> u64 {
    let counted = match precision {
        Precision::Tokens => inbound.decode().ok().map(|c| c.input_up_to(provider, u64::MAX)),
        Precision::Bytes => None,
    };
    counted.map_or_else(|| bytes_to_tokens(inbound.body().len() as u64), InputTokens::counted)
}

const fn bytes_to_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}
