//! One open request. Settles exactly once: when told to, or when dropped.

use std::sync::Arc;

use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Outcome, Settled, Settlement};
use tt_core::{RequestId, UserId};

use crate::journal::frame;
use crate::journal::writer::{Chain, ENDED_ROOM, SETTLED_ROOM};
use crate::ledger::{Queued, Shared};
use crate::{Durable, LedgerError};

/// Told of a request's attempts each time one has ended, and once more before the settlement goes to the drain: whatever
/// it does is done when the drain has the request. It runs where the guard is used or dropped, so it must not wait.
pub type Watcher = Box<dyn FnMut(&[Attempt]) + Send>;

/// An admitted request; owned by whatever ends with the answer, which is the response body.
///
/// Dropped before [`Guard::settle`] it records that the client left (499, `cancelled`), or, while a panic unwinds, an
/// internal error. That is synchronous and never waits for more than the page cache, so it may happen on any thread.
#[must_use = "dropping it records that the client left"]
pub struct Guard {
    shared: Arc<Shared>,
    request_id: RequestId,
    /// `None` once settled, which outside of this file nobody sees.
    record: Option<Record>,
    /// `None` without a journal.
    entry: Option<Entry>,
    watcher: Option<Watcher>,
}

struct Record {
    intent: Intent,
    attempts: Vec<Attempt>,
}

/// A request's part in the journal.
pub(crate) struct Entry {
    chain: Arc<Chain>,
    request: u64,
    /// Records that are written with the next one.
    unwritten: Vec<u8>,
}

impl Entry {
    /// Sets room aside. The intent is written with what comes next.
    pub(crate) fn open(chain: &Arc<Chain>, intent: &Intent) -> Result<Self, LedgerError> {
        let (request, mut unwritten) = (chain.number(), Vec::with_capacity(1024));
        frame::push(&mut unwritten, request, intent)?;
        chain.open(request, unwritten.len() as u64)?;
        Ok(Self { chain: Arc::clone(chain), request, unwritten })
    }

    fn start(&mut self, started: &AttemptStarted) -> Result<(), LedgerError> {
        let before = self.unwritten.len();
        frame::push(&mut self.unwritten, self.request, started)?;
        let written = self.chain.start(self.request, &self.unwritten);
        self.unwritten.truncate(if written.is_ok() { 0 } else { before });
        written
    }

    /// Without room for all of it, what counts is written: the numbers, not the texts.
    fn end(&mut self, ended: &AttemptEnded, now: bool) {
        let before = self.unwritten.len();
        if self.push(ended) && if now { self.write() } else { self.fits_with_settlement() } {
            return;
        }
        self.unwritten.truncate(before);
        let mut short = AttemptEnded { error: ended.error.as_deref().map(cut), ..ended.clone() };
        short.usage.raw.clear();
        if self.push(&short) && self.write() {
            tracing::warn!(request = self.request, "the end of an attempt is in the journal without its texts");
        }
    }

    fn push<K: frame::Kind>(&mut self, record: &K) -> bool {
        let pushed = frame::push(&mut self.unwritten, self.request, record);
        pushed.inspect_err(|error| tracing::error!(%error, "a record cannot be encoded")).is_ok()
    }

    /// Is there room for what is unwritten and a settlement?
    fn fits_with_settlement(&self) -> bool {
        let length = self.unwritten.len() as u64;
        length <= ENDED_ROOM || self.chain.fits(self.request, length + SETTLED_ROOM)
    }

    fn write(&mut self) -> bool {
        let written = self.chain.append(self.request, &self.unwritten);
        if written.is_ok() {
            self.unwritten.clear();
        }
        written.is_ok()
    }
}

/// Short enough to fit into the room of any settlement, however it is escaped.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Guard {
    pub(crate) fn new(shared: Arc<Shared>, intent: Intent, entry: Option<Entry>) -> Self {
        let request_id = intent.request_id;
        Self {
            shared,
            request_id,
            record: Some(Record { intent, attempts: Vec::with_capacity(1) }),
            entry,
            watcher: None,
        }
    }

    /// Has `watcher` told of what becomes of the request, in place of the one before.
    pub fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    /// Records that an attempt is about to be sent. On an error it must not be: nobody would account for it.
    ///
    /// An attempt before it that was never ended counts as sent and not answered.
    pub fn attempt_started(&mut self, started: AttemptStarted) -> Result<(), LedgerError> {
        if self.shared.queue.is_closed() {
            return Err(LedgerError::Closed);
        }
        self.end_if_open("no end was recorded");
        if let Some(entry) = &mut self.entry {
            entry.start(&started)?;
        }
        if let Some(record) = &mut self.record {
            record.attempts.push(Attempt { started, ended: None });
        }
        Ok(())
    }

    /// Records how the attempt started last has ended. A second end of the same attempt is not taken.
    pub fn attempt_ended(&mut self, ended: AttemptEnded) {
        self.end(ended, true);
    }

    /// As [`Guard::attempt_ended`] for the attempt that served, or was the last: it is written with the settlement,
    /// which must follow at once.
    pub fn last_attempt_ended(&mut self, ended: AttemptEnded) {
        self.end(ended, false);
    }

    fn end(&mut self, ended: AttemptEnded, now: bool) {
        match self.record.as_mut().and_then(|r| r.attempts.last_mut()) {
            Some(Attempt { ended: end @ None, .. }) => {
                if let Some(entry) = &mut self.entry {
                    entry.end(&ended, now);
                }
                *end = Some(ended);
                self.tell();
            }
            _ => tracing::error!(request_id = %self.request_id, "an attempt was ended that is not open"),
        }
    }

    /// Records how the request has ended, before the client is given the end of the answer: with
    /// [`crate::Fsync::Always`] not before what this returns is ready.
    ///
    /// An attempt that was never ended counts as sent and not answered.
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
        if let Some(last) = self.record.as_mut().and_then(|r| r.attempts.last_mut())
            && last.ended.is_none()
        {
            let ended = AttemptEnded::unanswered(error, self.shared.since(last.started.started_at));
            if let Some(entry) = &mut self.entry {
                entry.end(&ended, false);
            }
            last.ended = Some(ended);
            self.tell();
        }
    }

    fn tell(&mut self) {
        if let (Some(watcher), Some(record)) = (&mut self.watcher, &self.record) {
            watcher(&record.attempts);
        }
    }

    /// The one place where a request settles; the second time nothing happens.
    fn finish(&mut self, settled: impl FnOnce(&Intent) -> Settled) -> Durable {
        self.tell();
        let Some(Record { intent, attempts }) = self.record.take() else { return Durable::default() };
        let settled = settled(&intent);
        let settlement = Settlement { intent, attempts, settled };
        self.shared.places.settle();
        self.shared.places.census.settled(settlement.settled_at());
        match self.entry.take() {
            None => {
                let caller = settlement.intent.user_id;
                if self.shared.queue.send(Queued { settlement, at: None }).is_err() {
                    self.too_late(caller);
                }
                Durable::default()
            }
            Some(entry) => self.finish_in(entry, settlement),
        }
    }

    fn finish_in(&self, mut entry: Entry, settlement: Settlement) -> Durable {
        let (shared, before) = (&self.shared, entry.unwritten.len());
        let pushed = entry.push(&settlement.settled);
        let long = entry.unwritten.len() as u64 > SETTLED_ROOM;
        if !pushed || (long && !entry.chain.fits(entry.request, entry.unwritten.len() as u64)) {
            entry.unwritten.truncate(before);
            entry.push(&Settled { error: settlement.settled.error.as_deref().map(cut), ..settlement.settled.clone() });
        }
        let (worker, caller, mut sent) = (entry.chain.worker, settlement.intent.user_id, false);
        let written = entry.chain.settle(entry.request, &entry.unwritten, |at| {
            if at.is_some() && !shared.places.take_memory() {
                return false;
            }
            sent = shared.queue.send(Queued { settlement, at: at.map(|at| (worker, at)) }).is_ok();
            if !sent && at.is_some() {
                shared.places.free_memory(1);
            }
            sent
        });
        // What is in the journal and not in the queue is read back from there: by the drain, or the next process.
        if !sent && written.at.is_none() {
            self.too_late(caller);
        } else if written.began {
            shared.places.spill();
        }
        written.durable
    }

    fn too_late(&self, caller: UserId) {
        self.shared.places.free(1);
        self.shared.places.census.lost(caller);
        tracing::error!(request_id = %self.request_id, "settled after the drain ended: not recorded");
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
        let shared = Arc::clone(&self.shared);
        self.finish(|intent| Settled {
            status: Some(status),
            outcome,
            error: Some(error.to_owned()),
            latency_ms: shared.since(intent.created_at),
            first_token_ms: None,
        });
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

    /// What the sink gets once `act` is done with the ledger, whose clock stands at 1,000 ms.
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
            guard.settle(settled());
        });
        let attempts = vec![Attempt { started: started(200), ended: Some(answered()) }];
        assert_eq!(all, [Settlement { intent: intent(1), attempts, settled: settled() }]);
    }

    #[test]
    fn an_attempt_without_an_end_is_unanswered_never_free() {
        let all = settlements(|ledger| {
            let mut guard = guard(ledger, 1);
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_started(started(300)).unwrap();
            guard.settle(settled());
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
            guard.settle(settled());
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
                assert_eq!(queue.pending().undelivered, 0, "it is in the queue already");
                told.lock().unwrap().push(attempts.iter().filter(|a| a.ended.is_some()).count());
            }));
            act(guard);
            assert_eq!(ledger.pending().undelivered, 1);
            seen.lock().unwrap().clone()
        };
        let settled_after_two = |mut guard: Guard| {
            guard.attempt_started(started(200)).unwrap();
            guard.attempt_ended(answered());
            guard.attempt_started(started(300)).unwrap();
            guard.settle(settled());
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
