//! The account of one request: its guard, its budget, the prices of its attempts, and its settlement.
//!
//! Plain and streamed answers settle here alike, so each rule is written once: the end of an attempt, the source of its
//! numbers, the status and the error in the request's row.
//!
//! | event | attempt | request |
//! |---|---|---|
//! | [`OpenAttempt::failed`] | unbilled, unanswered, or billed in part: see there | stays open |
//! | [`OpenAttempt::whole`] | the provider's usage, or a count (`estimated`) | `ok`, 200 |
//! | the same, of an answer in the background | not known (`unknown`) | `ok`, 200 |
//! | [`OpenAttempt::whole_by_count`] | a count (`estimated`) that the client got too | `ok`, 200 |
//! | [`OpenAttempt::broke`] | a count (`partial`), with the error | `error`, 200 |
//! | [`OpenAttempt::client_left`] | a count (`partial`), with the error | `cancelled`, 499; the error of a client that was cut says so |
//! | [`OpenAttempt::counted`] | unbilled: a count of tokens is free | `ok`, 200 |
//! | [`Accounting::counted`] | has ended before, or was none | `ok`, 200 |
//! | [`Accounting::nothing_served`] | has ended before | `error`, the client's status |
//! | any of these values is dropped | unanswered, if it is open | `cancelled`, 499 |
//!
//! **Invariant:** a request settles exactly once, wherever hyper drops the handler or the body. Each event that settles
//! takes its value, so it cannot happen twice; a value that is dropped settles by its guard.
//!
//! **Invariant:** the client gets the end of its answer when [`Settling`] is ready, not earlier.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;
use tt_core::health::Fault;
use tt_core::plan::Step;
use tt_core::price::PriceTable;
use tt_core::record::{AttemptEnded, AttemptStarted, Note, Outcome, Settled, Totals};
use tt_core::usage::Reported;
use tt_core::{NanoUsd, Provider, UsageSource};
use tt_ledger::{Durable, Guard, LedgerError};
use tt_providers::UpstreamError;
use tt_providers::tally::Tally;

use super::ingress::Inbound;
use super::request_budget::{self, NotReserved, RequestBudget};
use crate::clock::now;
use crate::edge::error::ApiError;
use crate::edge::reader::Reader;
use crate::state::target_health::Pass;
use crate::state::worker_load::Call;

mod estimate;
mod meter;
mod own_share;

use estimate::estimate;
use meter::{Billed, Meter};
pub(super) use own_share::OwnShare;

/// The account of an admitted request, between its attempts. It is passed on in a box, since it is large.
pub(super) struct Accounting {
    guard: Guard,
    /// Counts the request among those that its worker serves.
    _call: Call,
    /// The caller's budget; `None` if no budget holds for the caller.
    budget: Option<Box<RequestBudget>>,
    inbound: Arc<Inbound>,
    own_share: OwnShare,
    /// The reader of the answer, which knows why a client has left.
    reader: Reader,
}

/// The account of a request while one of its attempts is under way.
pub(super) struct OpenAttempt {
    accounting: Box<Accounting>,
    meter: Meter,
    /// The place where the end of the attempt is told, for the health of its target. A drop says nothing.
    pass: Pass,
    first_token_ms: Option<u64>,
    /// The time from sending the request to the end of the provider's answer, once it has come.
    answered_after: Option<Duration>,
}

/// An attempt that did not serve. It has ended in the account, which is ready for the next one.
pub(super) struct Failed {
    pub(super) accounting: Box<Accounting>,
    pub(super) error: UpstreamError,
}

/// The part of the provider's answer that had come when an attempt failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Received<'a> {
    /// No success status has come.
    Nothing,
    /// The success status of a plain answer has come.
    Head,
    /// A success status and the beginning of a stream have come. The client has none of it yet.
    Stream(&'a Tally),
}

impl Accounting {
    /// Opens the account of a request whose answer goes to `reader`. From here on `guard` tells
    /// `budget` what attempts cost.
    pub(super) fn new(
        mut guard: Guard,
        call: Call,
        mut budget: Option<Box<RequestBudget>>,
        inbound: Arc<Inbound>,
        own_share: OwnShare,
        reader: Reader,
    ) -> Box<Self> {
        if let Some(budget) = &mut budget {
            budget.watch(&mut guard);
        }
        Box::new(Self { guard, _call: call, budget, inbound, own_share, reader })
    }

    /// The most output tokens of each choice that the reservation made at admission pays for, until the first attempt
    /// takes it. It is `None` if the reservation pays for as many as the client asked for, or if nothing is reserved.
    pub(super) fn reserved_cap(&self) -> Option<u64> {
        self.budget.as_deref().and_then(RequestBudget::reserved_cap)
    }

    /// Reserves what an attempt at `step` may cost, for which `encoded_bytes` of text were encoded if the request does not
    /// pass through. Returns the most output tokens of each choice that the reservation pays for, or `None` if it pays
    /// for as many as the client asked for.
    ///
    /// # Errors
    /// When a budget does not cover the attempt, or its cost has no bound.
    pub(super) async fn reserve(
        &mut self,
        step: &Step,
        encoded_bytes: Option<u64>,
    ) -> Result<Option<u64>, NotReserved> {
        let Some(budget) = &mut self.budget else { return Ok(None) };
        // A box, because only callers with a budget come here, and every caller's future has room for this one.
        Box::pin(budget.reserve(step, request_budget::charged(self.guard.attempts()), encoded_bytes)).await
    }

    /// Records an attempt that is about to be sent to a provider in `region`, if that region has prices of its own, to be
    /// priced by `prices`. Its end is told to `pass`. Under load the other requests of the worker go first, once.
    ///
    /// # Errors
    /// When the ledger cannot record it, with the account. The attempt must not be sent then.
    pub(super) async fn attempt_started(
        mut self: Box<Self>,
        step: &Step,
        region: Option<&'static str>,
        notes: Vec<Note>,
        prices: Arc<PriceTable>,
        pass: Pass,
    ) -> Result<OpenAttempt, (Box<Self>, LedgerError)> {
        let sent_at = now();
        let started = AttemptStarted {
            alias: step.alias.clone(),
            route: step.route,
            provider: step.provider,
            provider_key_id: step.key,
            model: step.model.to_string(),
            started_at: sent_at,
            notes,
            held: self.budget.as_deref().and_then(RequestBudget::held),
        };
        match self.guard.attempt_started_with_others(started).await {
            Ok(()) => {
                let meter = Meter::start(prices, step, region, sent_at);
                Ok(OpenAttempt { accounting: self, meter, pass, first_token_ms: None, answered_after: None })
            }
            Err(error) => Err((self, error)),
        }
    }

    /// Notes a wait before another attempt.
    pub(super) fn waited(&mut self, pause: Duration) {
        self.own_share.waited(pause);
    }

    /// The number of attempts so far.
    pub(super) fn attempts(&self) -> usize {
        self.guard.attempts().len()
    }

    /// Settles a request for a count of tokens that was made here.
    pub(super) fn counted(self: Box<Self>) -> Settling {
        let settled = Settled {
            status: Some(200),
            outcome: Outcome::Ok,
            error: None,
            latency_ms: self.own_share.end(),
            first_token_ms: None,
        };
        Settling::after(self.guard.settle(settled), Some(NanoUsd::ZERO))
    }

    /// Settles a request that nothing served, with the error that the client gets.
    pub(super) fn nothing_served(self: Box<Self>, error: &ApiError) -> Settling {
        let settled = Settled {
            status: Some(error.status.as_u16()),
            outcome: Outcome::Error,
            error: Some(error.message.clone()),
            latency_ms: self.own_share.end(),
            first_token_ms: None,
        };
        Settling::after(self.guard.settle(settled), None)
    }
}

impl OpenAttempt {
    /// The number of attempts so far, this one among them.
    pub(super) fn number(&self) -> usize {
        self.accounting.attempts()
    }

    pub(super) fn provider(&self) -> Provider {
        self.meter.provider()
    }

    /// Notes the time of the first content.
    pub(super) fn first_content(&mut self) {
        self.first_token_ms.get_or_insert_with(|| self.accounting.own_share.since_arrival_ms());
        self.pass.began(self.meter.model());
    }

    /// Notes that the provider's answer has come to its end. The time from then until the request settles is the
    /// server's own work.
    pub(super) fn answered(&mut self) {
        self.answered_after.get_or_insert_with(|| self.meter.elapsed());
    }

    /// Ends an attempt of which the client has got nothing.
    ///
    /// It is billed by the usage that the provider reported, if there is one. Otherwise a refusal, in the place of a status
    /// or inside a stream, and a missing connection have billed nothing, and what anything else has billed is not known.
    pub(super) fn failed(mut self, error: UpstreamError, received: Received<'_>) -> Box<Failed> {
        let (reason, elapsed) = (error.public_reason(), self.meter.elapsed_ms());
        let billed = |error, source, usage, served_model| {
            self.meter.ended(Billed { error: Some(error), source, usage, served_model, latency_ms: elapsed })
        };
        let status = match &error {
            UpstreamError::Refused(refused) => refused.status,
            _ => 200,
        };
        let unanswered = |status| AttemptEnded { status, ..AttemptEnded::unanswered(reason.clone(), elapsed) };
        let ended = match (&error, received) {
            (_, Received::Stream(Tally { usage: Some(usage), served_model, .. })) => {
                let billed = billed(reason, UsageSource::Partial, usage.clone(), served_model.clone());
                AttemptEnded { status: Some(status), ..billed }
            }
            (UpstreamError::BadAnswer { usage, .. }, _) => {
                billed(reason, UsageSource::Provider, (**usage).clone(), None)
            }
            (UpstreamError::Refused(_), _) => AttemptEnded::unbilled(Some(status), reason, elapsed),
            (_, Received::Stream(_)) => unanswered(Some(status)),
            (UpstreamError::Connect(_), _) => AttemptEnded::unbilled(None, reason, elapsed),
            (UpstreamError::Protocol(_) | UpstreamError::Broken(_) | UpstreamError::Unread(_), Received::Head) => {
                unanswered(Some(200))
            }
            (UpstreamError::Protocol(_) | UpstreamError::Broken(_) | UpstreamError::Unread(_), Received::Nothing)
            | (UpstreamError::Timeout(_), _) => unanswered(None),
        };
        self.answered();
        self.accounting.own_share.waited(self.answered_after.unwrap_or_default());
        self.accounting.guard.attempt_ended(ended);
        self.pass.failed(self.meter.model(), error.fault());
        Box::new(Failed { accounting: self.accounting, error })
    }

    /// Settles a request whose provider ended its answer properly: at once where the answer has a usage that can be true,
    /// else when it is counted.
    pub(super) fn whole(self, tally: Cow<'_, Tally>) -> Settling {
        if tally.deferred {
            let promised = self.promised(tally.served_model.clone());
            return self.settle(promised, End::Whole);
        }
        if !tally.has_credible_usage() {
            return self.count(tally.into_owned(), End::Whole);
        }
        let (usage, served_model) = match tally {
            Cow::Borrowed(tally) => (tally.usage.clone(), tally.served_model.clone()),
            Cow::Owned(tally) => (tally.usage, tally.served_model),
        };
        let latency_ms = self.meter.elapsed_ms();
        let ended = self.meter.ended(Billed {
            error: None,
            source: UsageSource::Provider,
            usage: usage.unwrap_or_default(),
            served_model,
            latency_ms,
        });
        self.settle(ended, End::Whole)
    }

    /// The end of an attempt whose answer is only a promise: the provider works on, and the client fetches the result later.
    fn promised(&self, served_model: Option<String>) -> AttemptEnded {
        let reason = "the provider answers in the background, so its usage does not come here";
        let unanswered = AttemptEnded::unanswered(reason, self.meter.elapsed_ms());
        AttemptEnded { status: Some(200), served_model, ..unanswered }
    }

    /// Settles a request whose provider ended its answer properly without usage, by the usage in `tally`, which was counted
    /// here.
    pub(super) fn whole_by_count(self, tally: Tally) -> Settling {
        let latency_ms = self.meter.elapsed_ms();
        let usage = tally.usage.clone().unwrap_or_default();
        let ended = self.meter.ended(End::Whole.billed(usage, &tally, latency_ms));
        self.settle(ended, End::Whole)
    }

    /// Settles a request for a count of tokens that the provider made, which is free.
    pub(super) fn counted(self) -> Settling {
        let latency_ms = self.meter.elapsed_ms();
        self.settle(AttemptEnded { error: None, ..AttemptEnded::unbilled(Some(200), "", latency_ms) }, End::Whole)
    }

    /// Settles a request whose stream broke, by `error`, after the client had got some of it.
    pub(super) fn broke(self, tally: Tally, error: &UpstreamError) -> Settling {
        let end = End::Broke { reason: error.public_reason(), fault: error.fault() };
        if tally.deferred {
            let promised = self.promised(tally.served_model);
            return self.settle(promised, end);
        }
        self.count(tally, end)
    }

    /// Settles a request whose client left a stream. A thread for long computations counts what the client had consumed,
    /// and settles.
    pub(super) fn client_left(self, tally: impl Into<Arc<Tally>>) {
        let end = if self.accounting.reader.was_cut() { End::ClientCut } else { End::ClientLeft };
        let (tally, latency_ms) = (tally.into(), self.meter.elapsed_ms());
        let settled = self.settled(&end, self.accounting.own_share.since_arrival_ms());
        if tally.deferred {
            let promised = self.promised(tally.served_model.clone());
            let mut guard = self.accounting.guard;
            guard.last_attempt_ended(promised);
            let _durable = guard.settle(settled);
            return;
        }
        let inbound = Arc::clone(&self.accounting.inbound);
        inbound.compute().count(inbound.user(), move |precision| {
            let usage = estimate(&self.accounting.inbound, self.meter.provider(), &tally, false, precision);
            let ended = self.meter.ended(end.billed(usage, &tally, latency_ms));
            let mut guard = self.accounting.guard;
            guard.last_attempt_ended(ended);
            // No client is left to wait for the disk.
            let _durable = guard.settle(settled);
        });
    }

    /// Counts the usage that the provider did not report, or not credibly, and then settles.
    fn count(mut self, tally: Tally, end: End) -> Settling {
        self.answered();
        let latency_ms = self.meter.elapsed_ms();
        let tally = Arc::new(tally);
        let (done, counted) = oneshot::channel();
        let (inbound, provider) = (Arc::clone(&self.accounting.inbound), self.meter.provider());
        let (answer, whole) = (Arc::clone(&tally), matches!(end, End::Whole));
        self.accounting.inbound.compute().count(inbound.user(), move |precision| {
            // If the client leaves meanwhile, `Settling` is dropped, and its drop counts again.
            if !done.is_closed() {
                let _gone = done.send(estimate(&inbound, provider, &answer, whole, precision));
            }
        });
        Settling(Stage::Counting(Box::new(Counting { attempt: self, counted, tally, end, latency_ms })))
    }

    /// Settles with the attempt's end.
    fn settle(mut self, ended: AttemptEnded, end: End) -> Settling {
        self.answered();
        self.accounting.own_share.waited(self.answered_after.unwrap_or_default());
        let settled = self.settled(&end, self.accounting.own_share.end());
        match end {
            End::Whole => self.pass.served(self.meter.model()),
            End::Broke { fault, .. } => self.pass.failed(self.meter.model(), fault),
            End::ClientLeft | End::ClientCut => {}
        }
        let mut guard = self.accounting.guard;
        guard.last_attempt_ended(ended);
        let totals = Totals::of(guard.attempts());
        let cost = totals.cost.filter(|_| !totals.unpriced);
        Settling::after(guard.settle(settled), cost)
    }

    fn settled(&self, end: &End, latency_ms: u64) -> Settled {
        let (status, outcome) = match end {
            End::Whole => (200, Outcome::Ok),
            End::Broke { .. } => (200, Outcome::Error),
            End::ClientLeft | End::ClientCut => (499, Outcome::Cancelled),
        };
        Settled { status: Some(status), outcome, error: end.error(), latency_ms, first_token_ms: self.first_token_ms }
    }
}

/// The end of an answer that the provider had begun.
#[derive(Debug)]
enum End {
    /// The provider ended the answer properly.
    Whole,
    /// The answer broke, for this reason. `fault` is what it says about the target.
    Broke { reason: String, fault: Option<Fault> },
    /// The client left.
    ClientLeft,
    /// The client took nothing for too long, so its connection was cut.
    ClientCut,
}

impl End {
    fn error(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Broke { reason, .. } => Some(reason.clone()),
            Self::ClientLeft => Some("the client left".to_owned()),
            Self::ClientCut => {
                Some("the client took nothing of the answer for CLIENT_WRITE_TIMEOUT and was cut".to_owned())
            }
        }
    }

    /// The attempt's numbers, where they were counted.
    fn billed(&self, usage: Reported, tally: &Tally, latency_ms: u64) -> Billed {
        let source = match self {
            Self::Whole => UsageSource::Estimated,
            Self::Broke { .. } | Self::ClientLeft | Self::ClientCut => UsageSource::Partial,
        };
        Billed { error: self.error(), source, usage, served_model: tally.served_model.clone(), latency_ms }
    }
}

/// A settlement under way. It is ready, with the cost of all attempts where that is known, when the settlement is written
/// and as durable as `JOURNAL_FSYNC` asks: from then on the client may have the end of its answer.
///
/// If it is dropped while tokens are counted, the client has left.
#[must_use = "the end of the answer waits for it"]
pub(super) struct Settling(Stage);

enum Stage {
    /// A thread for long computations counts the usage that the provider did not report.
    Counting(Box<Counting>),
    /// The request has settled, and the settlement is on its way to the journal.
    Writing(Durable, Option<NanoUsd>),
    /// The request has settled, and the settlement is as durable as it shall be.
    Ready(Option<NanoUsd>),
}

struct Counting {
    attempt: OpenAttempt,
    counted: oneshot::Receiver<Reported>,
    tally: Arc<Tally>,
    end: End,
    latency_ms: u64,
}

impl Settling {
    fn after(durable: Durable, cost: Option<NanoUsd>) -> Self {
        if durable.is_ready() {
            return Self(Stage::Ready(cost));
        }
        Self(Stage::Writing(durable, cost))
    }

    /// True if the client may have the end of its answer.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.0, Stage::Ready(_))
    }
}

impl Future for Settling {
    type Output = Option<NanoUsd>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<NanoUsd>> {
        let this = self.get_mut();
        loop {
            match &mut this.0 {
                Stage::Counting(counting) => {
                    let counted = ready!(Pin::new(&mut counting.counted).poll(cx)).ok();
                    if let Stage::Counting(counting) = std::mem::replace(&mut this.0, Stage::Ready(None)) {
                        *this = counting.settle(counted);
                    }
                }
                Stage::Writing(durable, cost) => {
                    if let Err(error) = ready!(Pin::new(durable).poll(cx)) {
                        tracing::error!(%error, "a settlement could not be made durable");
                    }
                    this.0 = Stage::Ready(*cost);
                }
                Stage::Ready(cost) => return Poll::Ready(*cost),
            }
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Stage::Counting(counting) = std::mem::replace(&mut self.0, Stage::Ready(None)) {
            let Counting { attempt, tally, .. } = *counting;
            attempt.client_left(tally);
        }
    }
}

impl Counting {
    /// Settles with the counted usage, `counted`. It is `None` if the count panicked.
    fn settle(self, counted: Option<Reported>) -> Settling {
        let Self { attempt, tally, end, latency_ms, .. } = self;
        let ended = match counted {
            Some(usage) => attempt.meter.ended(end.billed(usage, &tally, latency_ms)),
            None => AttemptEnded { status: Some(200), ..AttemptEnded::unanswered("not counted", latency_ms) },
        };
        attempt.settle(ended, end)
    }
}

#[cfg(test)]
mod tests;
