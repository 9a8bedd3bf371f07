//! The side of the ledger that moves settlements to a sink: in order, in batches, each until it is taken.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};
use tt_core::record::Settlement;

use crate::places::Places;

/// The most settlements in a batch.
pub const BATCH: usize = 1000;
/// How long a batch that is not full waits for more, from its first settlement on.
pub const WINDOW: Duration = Duration::from_millis(50);

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often a batch is tried once the end has come: a second and a half with the waits in between.
const LAST_TRIES: u32 = 5;

/// Hands settlements to a sink; made by [`crate::Ledger::new`], run once, on the control plane.
#[derive(Debug)]
pub struct Drain {
    queue: UnboundedReceiver<Settlement>,
    places: Arc<Places>,
}

/// What became of the settlements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "says whether something was lost"]
pub struct Drained {
    /// Taken by the sink.
    pub delivered: u64,
    /// Settled, and refused by the sink to the last.
    pub lost: u64,
    /// Requests that were still open at the end: what they settle to is not recorded.
    pub open: u64,
}

impl Drain {
    pub(crate) fn new(queue: UnboundedReceiver<Settlement>, places: Arc<Places>) -> Self {
        Self { queue, places }
    }

    /// Delivers until every ledger and guard is gone, or `shutdown` resolves: then no more intents are taken, what has
    /// settled is delivered with a bounded number of tries, and what is still open is left. So let `shutdown` resolve
    /// after the last response body is dropped.
    ///
    /// `sink` stores a batch as a whole or says why not; it is called again with the same batch, after 100 ms at first
    /// and 5 s at most, until it takes it. A call is never cut short, so it must end by itself, and an error means that
    /// trying again may help: a batch that never can be stored would hold up all that come after it.
    pub async fn run<S, F, E>(mut self, mut sink: S, shutdown: impl Future<Output = ()>) -> Drained
    where
        S: FnMut(Arc<[Settlement]>) -> F,
        F: Future<Output = Result<(), E>>,
        E: Error,
    {
        let mut stop = Stop { signal: pin!(shutdown), fired: false };
        let mut drained = Drained::default();
        while let Some(batch) = self.next(&mut stop).await {
            let count = batch.len();
            if self.deliver(&batch.into(), &mut sink, &mut stop).await {
                drained.delivered += count as u64;
            } else {
                drained.lost = count as u64 + self.give_up(count).await;
                break;
            }
        }
        drained.open = self.places.open() as u64;
        if drained.lost + drained.open > 0 {
            let Drained { delivered, lost, open } = drained;
            tracing::error!(delivered, lost, open, "the ledger ended with requests that are not recorded");
        }
        drained
    }

    /// The next batch; `None` when there will be none.
    async fn next<F: Future<Output = ()>>(&mut self, stop: &mut Stop<'_, F>) -> Option<Vec<Settlement>> {
        let mut batch = Vec::new();
        if !stop.fired {
            tokio::select! {
                biased;
                () = stop.wait() => {}
                _ = self.queue.recv_many(&mut batch, BATCH) => {
                    if batch.is_empty() {
                        return None;
                    }
                    if batch.len() < BATCH {
                        // Not by receiving meanwhile: each settlement would wake this task, at the cost of its sender.
                        tokio::select! {
                            biased;
                            () = stop.wait() => {}
                            () = self.places.full_batch() => {}
                            () = sleep(WINDOW) => {}
                        }
                    }
                }
            }
        }
        if stop.fired {
            self.places.close();
        }
        while batch.len() < BATCH
            && let Ok(settlement) = self.queue.try_recv()
        {
            batch.push(settlement);
        }
        if batch.is_empty() && stop.fired {
            // From here on a guard that settles learns that it is too late; what came before this is in the queue.
            self.queue.close();
            self.queue.recv_many(&mut batch, BATCH).await;
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Offers a batch until it is taken. False: it was the end, and the last try failed.
    async fn deliver<S, R, E, F>(&self, batch: &Arc<[Settlement]>, sink: &mut S, stop: &mut Stop<'_, F>) -> bool
    where
        S: FnMut(Arc<[Settlement]>) -> R,
        R: Future<Output = Result<(), E>>,
        E: Error,
        F: Future<Output = ()>,
    {
        let mut outage: Option<Instant> = None;
        let mut wait = FIRST_WAIT;
        let mut tries_left = LAST_TRIES;
        loop {
            let error = match sink(Arc::clone(batch)).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if outage.is_none() {
                tracing::warn!(error = %chain(&error), "settlements cannot be stored and are kept until they can");
                outage = Some(Instant::now());
            }
            if stop.fired || self.queue.is_closed() {
                if tries_left == LAST_TRIES {
                    wait = FIRST_WAIT;
                }
                tries_left -= 1;
                if tries_left == 0 {
                    return false;
                }
            }
            tokio::select! {
                biased;
                () = stop.wait(), if !stop.fired => self.places.close(),
                () = sleep(wait) => wait = LONGEST_WAIT.min(wait * 2),
            }
        }
        self.places.free(batch.len());
        if let Some(since) = outage {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, waiting = self.places.settled(), "settlements are stored again");
        }
        true
    }

    /// Counts and drops what is left in the queue, besides the `held` of the batch at hand.
    async fn give_up(&mut self, held: usize) -> u64 {
        self.queue.close();
        let mut left = 0;
        while self.queue.recv().await.is_some() {
            left += 1;
        }
        self.places.free(held + left);
        left as u64
    }
}

impl Drop for Drain {
    /// However a run ends: nobody settles what is admitted from here on.
    fn drop(&mut self) {
        self.places.close();
        self.queue.close();
        let lost = self.places.settled();
        if lost > 0 {
            tracing::error!(lost, "the drain was dropped with settlements that are not stored");
        }
    }
}

/// A signal that is asked again after it was given.
struct Stop<'a, F> {
    signal: Pin<&'a mut F>,
    fired: bool,
}

impl<F: Future<Output = ()>> Stop<'_, F> {
    async fn wait(&mut self) {
        if !self.fired {
            self.signal.as_mut().await;
            self.fired = true;
        }
    }
}

/// An error with its causes, which libraries tend to leave out of their `Display`.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::time::advance;

    use super::*;
    use crate::fixtures::{Logs, Sink, guard, intent, ledger, ms, settled, started};
    use crate::{Ledger, LedgerError};

    /// Runs the drain until every ledger and guard is gone.
    async fn run(drain: Drain, sink: &Sink) -> Drained {
        drain.run(sink.as_fn(), std::future::pending()).await
    }

    fn settle(ledger: &Ledger, ids: impl IntoIterator<Item = u128>) {
        ids.into_iter().for_each(|id| guard(ledger, id).settle(settled()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_50_ms_from_its_first_settlement() {
        let ((ledger, drain), sink) = (ledger(10), Sink::default());
        let requests = async {
            advance(ms(7)).await;
            settle(&ledger, [1]);
            sleep(ms(30)).await;
            settle(&ledger, [2]);
            sleep(ms(30)).await;
            settle(&ledger, [3]);
            drop(ledger);
        };
        let (drained, ()) = tokio::join!(run(drain, &sink), requests);
        assert_eq!(sink.calls(), [(57, vec![1, 2]), (117, vec![3])]);
        assert_eq!(drained, Drained { delivered: 3, lost: 0, open: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_of_1000_does_not_wait() {
        let ((ledger, drain), sink) = (ledger(5000), Sink::default());
        let requests = async {
            settle(&ledger, [0]);
            sleep(ms(10)).await;
            settle(&ledger, 1..2500);
            sleep(ms(100)).await;
            drop(ledger);
        };
        let (drained, ()) = tokio::join!(run(drain, &sink), requests);
        let sizes: Vec<_> = sink.calls().into_iter().map(|(at, ids)| (at, ids.len())).collect();
        assert_eq!(sizes[..2], [(10, 1000), (10, 1000)]);
        assert_eq!(sizes.iter().map(|s| s.1).sum::<usize>(), 2500);
        assert!(sizes.last().unwrap().0 <= 60, "{sizes:?}");
        assert_eq!(drained.delivered, 2500);
        assert_eq!(sink.stored(), (0..2500).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_batch_comes_again_as_it_was_and_ever_more_slowly() {
        let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 8]));
        let requests = async {
            settle(&ledger, [1, 2]);
            sleep(ms(60)).await;
            settle(&ledger, [3]);
            sleep(Duration::from_secs(60)).await;
            drop(ledger);
        };
        let (drained, ()) = tokio::join!(run(drain, &sink), requests);
        let calls = sink.calls();
        let at: Vec<u128> = calls.iter().map(|c| c.0).collect();
        let waits: Vec<u128> = at.windows(2).map(|w| w[1] - w[0]).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 50]);
        assert!(calls[..9].iter().all(|c| c.1 == [1, 2]));
        assert_eq!(sink.stored(), [1, 2, 3]);
        assert_eq!(drained, Drained { delivered: 3, lost: 0, open: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_once_and_so_is_its_end() {
        let (logs, _guard) = Logs::capture();
        let ((ledger, drain), sink) = (ledger(10), Sink::failing([true, true, true, false, true]));
        let requests = async {
            settle(&ledger, [1]);
            sleep(Duration::from_secs(5)).await;
            settle(&ledger, [2]);
            sleep(Duration::from_secs(5)).await;
            drop(ledger);
        };
        let (drained, ()) = tokio::join!(run(drain, &sink), requests);
        assert_eq!(drained.delivered, 2);
        assert_eq!(logs.levels(), ["WARN", "INFO", "WARN", "INFO"]);
        assert!(logs.text().contains("store is away: connection refused"), "{}", logs.text());
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_delivers_what_has_settled_and_counts_what_is_open() {
        let (logs, _guard) = Logs::capture();
        let ((ledger, drain), sink) = (ledger(5000), Sink::failing([true, true]));
        let (stop, stopped) = oneshot::channel::<()>();
        let mut late = guard(&ledger, 9999);
        settle(&ledger, 0..2500);
        stop.send(()).unwrap();
        let drained = drain.run(sink.as_fn(), async { stopped.await.unwrap() }).await;
        assert_eq!(drained, Drained { delivered: 2500, lost: 0, open: 1 });
        assert_eq!(sink.stored(), (0..2500).collect::<Vec<_>>());
        assert_eq!(ledger.open(intent(1)).unwrap_err(), LedgerError::Closed);
        assert_eq!(late.attempt_started(started(0)).unwrap_err(), LedgerError::Closed);
        late.settle(settled());
        assert_eq!(logs.levels(), ["WARN", "INFO", "ERROR", "ERROR"]);
        assert_eq!((ledger.pending().open, ledger.pending().undelivered), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_takes_no_intents_while_the_rest_is_delivered() {
        // While a batch waits for more, and while it waits to be tried again.
        for at in [10, 60] {
            let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 3]));
            let (stop, stopped) = oneshot::channel::<()>();
            let requests = async {
                settle(&ledger, [1]);
                let running = guard(&ledger, 2);
                sleep(ms(at)).await;
                stop.send(()).unwrap();
                sleep(ms(1)).await;
                assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Closed, "stopped at {at} ms");
                running.settle(settled());
            };
            let (drained, ()) = tokio::join!(drain.run(sink.as_fn(), async { stopped.await.unwrap() }), requests);
            assert_eq!(drained, Drained { delivered: 2, lost: 0, open: 0 });
            assert_eq!(sink.stored(), [1, 2]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_stays_away_at_the_end_is_given_up_and_the_loss_is_counted() {
        let (logs, _guard) = Logs::capture();
        let ((ledger, drain), sink) = (ledger(5000), Sink::failing([true; 100]));
        let start = Instant::now();
        settle(&ledger, 0..2500);
        let drained = drain.run(sink.as_fn(), std::future::ready(())).await;
        assert_eq!(drained, Drained { delivered: 0, lost: 2500, open: 0 });
        assert_eq!((sink.calls().len(), start.elapsed()), (5, ms(1500)));
        assert_eq!(logs.levels(), ["WARN", "ERROR"]);
        assert_eq!(ledger.pending().undelivered, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_itself_when_nobody_is_left_even_in_an_outage() {
        let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 100]));
        settle(&ledger, [1]);
        drop(ledger);
        assert_eq!(run(drain, &sink).await.lost, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_dropped_closes_the_ledger_and_says_what_is_lost() {
        let (logs, _guard) = Logs::capture();
        let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 100]));
        settle(&ledger, [1, 2]);
        assert!(tokio::time::timeout(ms(500), run(drain, &sink)).await.is_err());
        assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Closed);
        assert_eq!(logs.levels(), ["WARN", "ERROR"]);
    }

    #[test]
    fn it_can_run_on_any_runtime() {
        fn send<T: Send>(_: &T) {}
        let (ledger, drain) = ledger(1);
        send(&guard(&ledger, 1));
        send(&drain.run(Sink::default().as_fn(), std::future::pending()));
    }
}
