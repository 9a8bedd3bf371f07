use std::sync::Mutex;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tt_core::{Usage, UsageSource};

use super::*;
use crate::fixtures::{SECRET, answered, attempt, settlement};
use crate::names;

/// An exporter that keeps the sizes of batches, and refuses them if it is told to.
#[derive(Debug, Default, Clone)]
struct Kept {
    batches: Arc<Mutex<Vec<usize>>>,
    refuses: bool,
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.batches.lock().unwrap().push(batch.len());
        if self.refuses { Err(OTelSdkError::InternalFailure("refused".to_owned())) } else { Ok(()) }
    }
}

fn one() -> Settlement {
    settlement(vec![attempt(Some(answered(Usage { input: 7, ..Usage::default() })))])
}

fn sender(queued: mpsc::Receiver<Settlement>, exporter: Kept, reachable: Arc<Reachable>) -> Sender<Kept> {
    let spans = Spans::new(InstrumentationScope::builder(names::SCOPE).build(), "http");
    let (delay, timeout) = (Duration::from_secs(5), Duration::from_secs(1));
    Sender { queued, spans, exporter, batch: 3, delay, timeout, reachable }
}

fn queue(most: usize) -> (Queue, mpsc::Receiver<Settlement>, Arc<Reachable>) {
    let reachable = Arc::new(Reachable::new("traces", String::new()));
    let (queue, queued) = Queue::new(most, Sampler::default(), Arc::clone(&reachable));
    (queue, queued, reachable)
}

#[test]
fn a_queued_settlement_has_no_text_of_anybody_and_all_numbers() {
    let mut whole = one();
    whole.settled.error = Some(SECRET.to_owned());
    whole.attempts.push(attempt(Some(AttemptEnded::unanswered(SECRET, 5))));
    let slim = slim(&whole);
    assert!(format!("{whole:?}").contains(SECRET));
    assert!(!format!("{slim:?}").contains(SECRET), "{slim:?}");
    assert_eq!((slim.totals().usage, slim.totals().source), (whole.totals().usage, UsageSource::Unknown));
    assert_eq!((slim.settled_at(), slim.settled.error), (whole.settled_at(), Some(String::new())));
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let (queue, mut queued, reachable) = queue(2);
    for _ in 0..5 {
        queue.settled(&one());
    }
    assert_eq!(reachable.take_overflow(), Some(3));
    assert_eq!(reachable.take_overflow(), None);
    assert!(queued.try_recv().is_ok() && queued.try_recv().is_ok() && queued.try_recv().is_err());
}

#[test]
fn a_request_that_is_not_sampled_takes_no_place() {
    let (_, _, reachable) = queue(1);
    let (queue, mut queued) = Queue::new(1, Sampler::named("always_off", 1.0).unwrap(), Arc::clone(&reachable));
    queue.settled(&one());
    assert!(queued.try_recv().is_err());
    assert_eq!(reachable.take_lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_full_or_has_waited_and_the_last_is_sent_at_the_stop() {
    let (queue, queued, reachable) = queue(100);
    let (kept, stop) = (Kept::default(), CancellationToken::new());
    let task = tokio::runtime::Handle::current().spawn(sender(queued, kept.clone(), reachable).run(stop.clone()));
    for _ in 0..2 {
        queue.settled(&one());
    }
    // Four spans: three are a batch, and one waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*kept.batches.lock().unwrap(), [3]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*kept.batches.lock().unwrap(), [3, 1]);
    queue.settled(&one());
    stop.cancel();
    task.await.unwrap();
    assert_eq!(*kept.batches.lock().unwrap(), [3, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn requests_whose_spans_are_refused_are_counted() {
    let (queue, queued, reachable) = queue(100);
    let (kept, stop) = (Kept { refuses: true, ..Kept::default() }, CancellationToken::new());
    reachable.failed("it is away");
    for _ in 0..3 {
        queue.settled(&one());
    }
    stop.cancel();
    sender(queued, kept.clone(), Arc::clone(&reachable)).run(stop).await;
    assert_eq!(kept.batches.lock().unwrap().iter().sum::<usize>(), 6);
    assert_eq!(reachable.take_lost(), 3);
}
