//! The way of spans from the requests to the receiver: a bounded queue of settlements, and the task that makes spans of
//! them and sends them.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tt_core::Tags;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Settled, Settlement};
use tt_core::trace::Sampler;
use tt_core::usage::Reported;

use crate::reachable::Reachable;
use crate::spans::{self, Spans};

/// The least time between two lines of the log about a queue that is full.
const QUIET: Duration = Duration::from_secs(60);

/// The side of the requests.
#[derive(Debug)]
pub(crate) struct Queue {
    settlements: mpsc::Sender<Settlement>,
    sampler: Sampler,
    reachable: Arc<Reachable>,
}

impl Queue {
    /// A queue of so many settlements, and its other end.
    pub(crate) fn new(most: usize, sampler: Sampler, reachable: Arc<Reachable>) -> (Self, mpsc::Receiver<Settlement>) {
        let (settlements, queued) = mpsc::channel(most.max(1));
        (Self { settlements, sampler, reachable }, queued)
    }

    /// Queues the settlement of a request that is sampled; drops it where the queue is full.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        if !self.sampler.samples(&spans::trace(settlement)) {
            return;
        }
        match self.settlements.try_reserve() {
            Ok(place) => place.send(slim(settlement)),
            Err(_) => self.reachable.lose(1),
        }
    }
}

/// The parts of a settlement that spans are made of: without texts of providers, notes, tags and the plan.
fn slim(settlement: &Settlement) -> Settlement {
    let Settlement { intent, attempts, settled } = settlement;
    let intent = Intent {
        alias: intent.alias.clone(),
        route_reason: String::new(),
        chain: Vec::new(),
        tags: Tags::default(),
        client: intent.client.clone(),
        session: intent.session.clone(),
        agent: intent.agent.clone(),
        trace_id: intent.trace_id.clone(),
        ..*intent
    };
    let attempts = attempts.iter().map(|Attempt { started, ended }| Attempt {
        started: AttemptStarted { alias: String::new(), model: started.model.clone(), notes: Vec::new(), ..*started },
        ended: ended.as_ref().map(slim_end),
    });
    // That there is an error counts, and not its words.
    let error = settled.error.as_ref().map(|_| String::new());
    let settled = Settled { error, ..*settled };
    Settlement { attempts: attempts.collect(), intent, settled }
}

fn slim_end(ended: &AttemptEnded) -> AttemptEnded {
    AttemptEnded {
        error: ended.error.as_ref().map(|_| String::new()),
        usage: Reported { usage: ended.usage.total(), ..Reported::default() },
        served_model: ended.served_model.clone(),
        price_version: None,
        instead_of: None,
        ..*ended
    }
}

/// The side of the receiver. One task owns it.
pub(crate) struct Sender<E> {
    pub(crate) queued: mpsc::Receiver<Settlement>,
    pub(crate) spans: Spans,
    pub(crate) exporter: E,
    /// The most spans that are sent at a time.
    pub(crate) batch: usize,
    /// The longest time that a span waits for others.
    pub(crate) delay: Duration,
    /// The time for one batch, its retries included.
    pub(crate) timeout: Duration,
    pub(crate) reachable: Arc<Reachable>,
}

impl<E: SpanExporter> Sender<E> {
    /// Sends what is queued, until `stop`; then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut waiting, mut told) = (Vec::new(), None::<Instant>);
        while self.fill(&mut waiting, &stop).await {
            let later = waiting.split_off(self.batch.min(waiting.len()));
            self.send(mem::replace(&mut waiting, later)).await;
            if told.is_none_or(|told| told.elapsed() >= QUIET)
                && let Some(requests) = self.reachable.take_overflow()
            {
                told = Some(Instant::now());
                tracing::warn!(requests, "OTLP: more requests than can be sent; these have no spans");
            }
        }
    }

    /// Fills a batch: until it is full, the first of it has waited long enough, or the queue ends. False if there is nothing
    /// more.
    async fn fill(&mut self, waiting: &mut Vec<SpanData>, stop: &CancellationToken) -> bool {
        let deadline = Instant::now() + self.delay;
        while waiting.len() < self.batch {
            if stop.is_cancelled() {
                self.queued.close();
            }
            tokio::select! {
                biased;
                settlement = self.queued.recv() => match settlement {
                    Some(settlement) => waiting.extend(self.spans.of(&settlement)),
                    None => break,
                },
                () = stop.cancelled(), if !self.queued.is_closed() => {}
                () = sleep_until(deadline), if !waiting.is_empty() => break,
            }
        }
        !waiting.is_empty()
    }

    async fn send(&self, batch: Vec<SpanData>) {
        let requests = requests(&batch);
        let sent = tokio::time::timeout(self.timeout, self.exporter.export(batch)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.reachable.lose(requests);
        }
    }
}

/// The number of requests whose own span is in a batch.
fn requests(batch: &[SpanData]) -> u64 {
    let own = batch.iter().filter(|span| span.span_kind == opentelemetry::trace::SpanKind::Server);
    u64::try_from(own.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
