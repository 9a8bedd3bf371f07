//! One open request. It settles exactly once: when told to, or when dropped.

use std::sync::Arc;

use tt_core::RequestId;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Outcome, Settled, Settlement};

use crate::error::LedgerError;
use crate::journal::durable::{Durable, Turn};
use crate::journal::request::JournaledRequest;
use crate::recorder::Recorder;

/// A callback that gets a request's attempts each time one has ended, and once more before the settlement goes to the
/// drain. So its effects are there before the sink gets the request. It runs where the guard is used or dropped, so it
/// must not block.
pub type Watcher = Box<dyn FnMut(&[Attempt]) + Send>;

/// An admitted request. The response body should own it, because it ends when the answer does.
///
/// If it is dropped before [`Guard::settle`], it records that the client left (499, `cancelled`), or an internal error (500)
/// while a panic unwinds. Recording is synchronous and waits for nothing but the page cache, so any thread may drop it.
///
/// The guard cuts the texts of providers and clients to the sizes of [`tt_core::record::bounds`], before they are kept
/// in memory, in the journal or in the store.
#[must_use = "dropping it records that the client left"]
pub struct Guard {
    recorder: Arc<Recorder>,
    request_id: RequestId,
    /// `None` once settled, which only code in this file can see.
    record: Option<Record>,
    /// `None` without a journal.
    journaled: Option<JournaledRequest>,
    watcher: Option<Watcher>,
    /// The last attempt's start waits to be written, so it has not been sent.
    start_waits: bool,
}

struct Record {
    intent: Intent,
    attempts: Vec<Attempt>,
}

impl Guard {
    pub(crate) fn new(recorder: Arc<Recorder>, intent: Intent, journaled: Option<JournaledRequest>) -> Self {
        let request_id = intent.request_id;
        Self {
            recorder,
            request_id,
            record: Some(Record { intent, attempts: Vec::with_capacity(1) }),
            journaled,
            watcher: None,
            start_waits: false,
        }
    }

    /// Makes the guard call `watcher` from now on, in place of the one before. Anything to be undone or corrected with
    /// each request, such as money held for it, belongs here: the watcher owns the request's state, so that no shared
    /// map of requests is needed. Work that concerns all requests belongs in a [`crate::SettlementObserver`].
    pub fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    /// Records that an attempt is about to be sent. On an error it must not be sent, because nothing would account for it.
    ///
    /// If the attempt before has not ended, it counts as sent and not answered.
    pub fn attempt_started(&mut self, started: AttemptStarted) -> Result<(), LedgerError> {
        self.start(started, true)
    }

    /// Like [`Guard::attempt_started`], but waits for one turn of the runtime, in which other requests of this thread record
    /// theirs: one write to the journal serves all. If it is dropped before it is ready, the attempt counts as not sent.
    pub async fn attempt_started_with_others(&mut self, started: AttemptStarted) -> Result<(), LedgerError> {
        self.start(started, false)?;
        if !self.start_waits {
            return Ok(());
        }
        Turn::default().await;
        self.write_start()
    }

    fn start(&mut self, mut started: AttemptStarted, alone: bool) -> Result<(), LedgerError> {
        started.bound();
        if self.recorder.queue.is_closed() {
            return Err(LedgerError::Closed);
        }
        self.end_if_open("no end was recorded");
        if let Some(journaled) = &mut self.journaled {
            self.start_waits = journaled.start(&started, alone)?;
        }
        if let Some(record) = &mut self.record {
            record.attempts.push(Attempt { started, ended: None });
        }
        Ok(())
    }

    /// Writes the start of the last attempt, which waits. On an error there is no such attempt.
    fn write_start(&mut self) -> Result<(), LedgerError> {
        self.start_waits = false;
        let written = self.journaled.as_mut().map_or(Ok(()), JournaledRequest::write_start);
        if let (Err(_), Some(record)) = (&written, &mut self.record) {
            record.attempts.pop();
        }
        written
    }

    /// Ends an attempt whose start still waits to be written: [`Guard::attempt_started_with_others`] was dropped before, so the
    /// attempt was not sent.
    fn end_if_unsent(&mut self) {
        if self.start_waits && self.write_start().is_ok() {
            self.end(AttemptEnded::unbilled(None, "the request was given up before it was sent", 0), false);
        }
    }

    /// Records how the last started attempt has ended. A second end of the same attempt is logged and ignored.
    pub fn attempt_ended(&mut self, ended: AttemptEnded) {
        self.end(ended, true);
    }

    /// Like [`Guard::attempt_ended`], for the last attempt. Its end is written together with the settlement, which must
    /// follow at once.
    pub fn last_attempt_ended(&mut self, ended: AttemptEnded) {
        self.end(ended, false);
    }

    fn end(&mut self, mut ended: AttemptEnded, now: bool) {
        self.end_if_unsent();
        ended.bound();
        match self.record.as_mut().and_then(|r| r.attempts.last_mut()) {
            Some(Attempt { ended: end @ None, .. }) => {
                if let Some(journaled) = &mut self.journaled {
                    journaled.end(&ended, now);
                }
                *end = Some(ended);
                self.call_watcher();
            }
            _ => tracing::error!(request_id = %self.request_id, "the end of an attempt was recorded that is not open"),
        }
    }

    /// Records how the request has ended. To be called before the client gets the end of the answer, which waits until the
    /// returned value is ready.
    ///
    /// If the last attempt has not ended, it counts as sent and not answered.
    pub fn settle(mut self, settled: Settled) -> Durable {
        self.end_if_open("no end was recorded");
        self.finish(|_| settled)
    }

    /// The request.
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The attempts so far, in order; the last may be without its end.
    pub fn attempts(&self) -> &[Attempt] {
        self.record.as_ref().map_or(&[], |r| &r.attempts)
    }

    fn end_if_open(&mut self, error: &str) {
        self.end_if_unsent();
        if let Some(last) = self.record.as_mut().and_then(|r| r.attempts.last_mut())
            && last.ended.is_none()
        {
            let ended = AttemptEnded::unanswered(error, self.recorder.since(last.started.started_at));
            if let Some(journaled) = &mut self.journaled {
                journaled.end(&ended, false);
            }
            last.ended = Some(ended);
            self.call_watcher();
        }
    }

    fn call_watcher(&mut self) {
        if let (Some(watcher), Some(record)) = (&mut self.watcher, &self.record) {
            watcher(&record.attempts);
        }
    }

    /// The one place where a request settles. A second call does nothing.
    fn finish(&mut self, settled: impl FnOnce(&Intent) -> Settled) -> Durable {
        self.call_watcher();
        let Some(Record { intent, attempts }) = self.record.take() else { return Durable::default() };
        let mut settled = settled(&intent);
        settled.bound();
        let settlement = Settlement { intent, attempts, settled };
        self.recorder.observers.tell(&settlement);
        self.recorder.in_flight.settle(settlement.settled_at());
        match self.journaled.take() {
            None => {
                self.recorder.queue_unwritten(settlement);
                Durable::default()
            }
            Some(journaled) => self.finish_in_journal(journaled, settlement),
        }
    }

    fn finish_in_journal(&self, mut journaled: JournaledRequest, settlement: Settlement) -> Durable {
        journaled.settled(&settlement.settled);
        let (worker, recorder) = (journaled.worker(), Arc::clone(&self.recorder));
        journaled.settle(Box::new(move |at, from_files| recorder.deliver(worker, settlement, at, from_files)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.record.is_none() {
            return;
        }
        let (status, outcome, error) = if std::thread::panicking() {
            (500, Outcome::Error, "internal error")
        } else {
            (499, Outcome::Cancelled, "the client left")
        };
        self.end_if_open(error);
        let recorder = Arc::clone(&self.recorder);
        let settled = |intent: &Intent| Settled {
            status: Some(status),
            outcome,
            error: Some(error.to_owned()),
            latency_ms: recorder.since(intent.created_at),
            first_token_ms: None,
        };
        drop(self.finish(settled));
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tt_core::Timestamp;

    use super::*;
    use crate::sim::fixtures::{Sink, answered, guard, intent, ledger, settled, started};
    use crate::{Drain, Ledger};

    /// The settlements that the sink gets after `act` on a ledger whose clock says 1,000 ms.
    fn settlements(act: impl FnOnce(&Ledger)) -> Vec<Settlement> {
        let (ledger, drain) = ledger(10);
        act(&ledger);
        drop(ledger);
        delivered(drain)
    }

    fn delivered(drain: Drain) -> Vec<Settlement> {
        let sink = Sink::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let drained = runtime.block_on(drain.run(sink.as_fn(), std::future::pending()));
        assert_eq!(drained.lost + drained.open, 0);
        sink.settlements()
    }

    #[test]
    fn dropped_it_records_that_the_client_left() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_ended(answered());
            guard.attempt_started(started(400)).unwrap();
        });
        let [Settlement { attempts, settled, .. }] = &all[..] else { panic!("{all:?}") };
        assert_eq!(attempts[0].ended, Some(answered()));
        assert_eq!(attempts[1].ended, Some(AttemptEnded::unanswered("the client left", 600)));
        let error = Some("the client left".to_owned());
        let latency_ms = 900;
        let outcome = Outcome::Cancelled;
        assert_eq!(*settled, Settled { status: Some(499), outcome, error, latency_ms, first_token_ms: None });
    }

    #[test]
    fn settled_it_records_that_and_nothing_when_dropped() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_ended(answered());
            drop(guard.settle(settled()));
        });
        let attempts = vec![Attempt { started: started(200), ended: Some(answered()) }];
        assert_eq!(all, [Settlement { intent: intent(1), attempts, settled: settled() }]);
    }

    #[test]
    fn what_a_provider_says_is_cut_before_it_is_kept() {
        use tt_core::record::bounds::{ERROR_BYTES, MODEL_BYTES, RAW_BYTES};
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            let mut ended = AttemptEnded { error: Some("é".repeat(1 << 20)), ..answered() };
            ended.usage.raw = format!(r#"{{"x":"{}"}}"#, "é".repeat(1 << 20));
            ended.served_model = Some("m".repeat(1 << 20));
            guard.attempt_ended(ended);
            assert!(guard.attempts()[0].ended.as_ref().unwrap().usage.raw.len() <= RAW_BYTES);
            drop(guard.settle(Settled { error: Some("e".repeat(1 << 20)), ..settled() }));
        });
        let [one] = &all[..] else { panic!("{all:?}") };
        let ended = one.attempts[0].ended.as_ref().unwrap();
        assert!(ended.usage.raw.starts_with(r#"{"bytes":2097160,"begins":"{\"x\":"#), "{}", ended.usage.raw);
        assert_eq!(ended.served_model.as_ref().unwrap().len(), MODEL_BYTES);
        let errors = [&ended.error, &one.settled.error].map(|error| error.as_ref().unwrap().len());
        assert_eq!(errors, [ERROR_BYTES; 2]);
    }

    #[test]
    fn an_attempt_without_an_end_is_unanswered_never_free() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_started(started(300)).unwrap();
            drop(guard.settle(settled()));
        });
        let ends: Vec<_> = all[0].attempts.iter().map(|a| a.ended.clone().unwrap()).collect();
        assert_eq!(ends, [800, 700].map(|ms| AttemptEnded::unanswered("no end was recorded", ms)));
    }

    #[test]
    fn an_end_counts_once_and_only_for_an_attempt() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_ended(AttemptEnded::unbilled(None, "stray", 1));
            assert_eq!(guard.attempts(), []);
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_ended(answered());
            guard.attempt_ended(AttemptEnded::unbilled(None, "stray", 1));
            assert_eq!((guard.attempts().len(), guard.request_id()), (1, intent(1).request_id));
            drop(guard.settle(settled()));
        });
        assert_eq!(all[0].attempts, [Attempt { started: started(200), ended: Some(answered()) }]);
    }

    #[test]
    fn a_panic_is_our_error_and_not_the_clients_leaving() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _guard = guard;
                std::panic::resume_unwind(Box::new("quiet"));
            }));
            assert!(unwound.is_err());
        });
        let [Settlement { attempts, settled, .. }] = &all[..] else { panic!("{all:?}") };
        assert_eq!((settled.status, settled.outcome), (Some(500), Outcome::Error));
        assert_eq!(attempts[0].ended, Some(AttemptEnded::unanswered("internal error", 800)));
    }

    #[test]
    fn a_watcher_sees_every_end_before_the_drain_sees_the_request() {
        use std::sync::Mutex;
        let watched = |act: fn(Guard)| {
            let (ledger, _drain) = ledger(10);
            let mut guard = guard(&ledger, 1);
            let seen = Arc::new(Mutex::new(Vec::new()));
            let told = Arc::clone(&seen);
            let queue = ledger.clone();
            guard.watch(Box::new(move |attempts: &[Attempt]| {
                assert_eq!(queue.status().unstored, 0, "it is in the queue already");
                told.lock().unwrap().push(attempts.iter().filter(|a| a.ended.is_some()).count());
            }));
            act(guard);
            assert_eq!(ledger.status().unstored, 1);
            seen.lock().unwrap().clone()
        };
        let settled_after_two = |mut guard: Guard| {
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_ended(answered());
            guard.attempt_started(started(300)).unwrap();
            drop(guard.settle(settled()));
        };
        assert_eq!(watched(settled_after_two), [1, 2, 2]);
        let dropped_while_one_runs = |mut guard: Guard| guard.attempt_started(started(200)).unwrap();
        assert_eq!(watched(dropped_while_one_runs), [1, 1]);
        assert_eq!(watched(drop), [0]);
    }

    #[test]
    fn it_may_be_dropped_on_a_thread_without_a_runtime() {
        let (ledger, drain) = ledger(10);
        let guard = guard(&ledger, 1);
        std::thread::spawn(move || drop((guard, ledger))).join().unwrap();
        assert_eq!(delivered(drain).len(), 1);
    }

    #[test]
    fn a_clock_set_back_makes_no_negative_latency() {
        let (ledger, drain) = Ledger::new(1, || Timestamp::from_millis(-5));
        drop(guard(&ledger, 1));
        drop(ledger);
        assert_eq!(delivered(drain)[0].settled.latency_ms, 0);
    }
}
