//! A provider's stream on its way to the client, and the settlement it owns.
//!
//! hyper drops this body the moment the client leaves, and a handler with it before the head has gone out: whatever
//! happens, the drop settles what was consumed.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};
use tt_core::UsageSource;
use tt_core::record::{AttemptEnded, Outcome, Settled};
use tt_ledger::Guard;
use tt_providers::exchange::Step;
use tt_providers::sse::Framer;
use tt_providers::upstream::call::error_without_secret;
use tt_providers::{AnswerStream, UpstreamError};

use super::accounting::estimate::estimate;
use super::accounting::meter::{Measured, Meter, millis};
use super::attempt::Failed;
use super::durable;
use super::ingress::Inbound;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::app::App;
use crate::state::token_counter::Precision;

/// Start-up events are held until first content: at most so long after the first of them, and at most so many bytes.
const HOLD_TIME: Duration = Duration::from_secs(15);
const HOLD_BYTES: usize = 64 * 1024;

/// Frames that are ready are joined up to this size before they are written.
const JOIN_BYTES: usize = 64 * 1024;

/// How long a provider has, after its proper end, to end the body, so that the connection can serve again.
const LAST_WORDS: Duration = Duration::from_millis(5);

enum State {
    /// Events are coming.
    Flowing,
    /// The provider gave no usage, or not all: it is being counted, and the end waits for it.
    Counting(oneshot::Receiver<AttemptEnded>, Ending),
    /// Settled, and on its way to the disk: the end waits for it.
    Syncing(Pin<Box<dyn Future<Output = ()> + Send>>, Ending),
    /// Settled; what is in `out` is the last.
    Settled,
    /// All is given; the provider may end its body, so that the connection can serve again.
    Parting,
    /// Nothing more.
    Over,
}

/// What the client is given last.
enum Ending {
    /// The end of a whole answer.
    Whole,
    /// An error event, and no `[DONE]`: why the stream broke, and the event.
    Broken { reason: String, event: BytesMut },
}

/// The relayed stream.
pub(crate) struct Relay {
    app: Arc<App>,
    upstream: Incoming,
    framer: Framer,
    answer: AnswerStream,
    out: BytesMut,
    state: State,
    /// Taken when the request is settled.
    guard: Option<Guard>,
    meter: Meter,
    inbound: Arc<Inbound>,
    /// What no error of the provider's may repeat.
    secret: SecretString,
    idle: Pin<Box<Sleep>>,
    arrived: StdInstant,
    first_token_ms: Option<u64>,
}

impl Relay {
    pub(super) fn new(
        cx: &Context,
        upstream: Incoming,
        answer: AnswerStream,
        guard: Guard,
        meter: Meter,
        inbound: Arc<Inbound>,
        secret: SecretString,
    ) -> Box<Self> {
        let idle = Box::pin(sleep_until(Instant::now() + cx.app.config.upstream.idle_timeout));
        Box::new(Self {
            app: Arc::clone(&cx.app),
            upstream,
            framer: Framer::default(),
            answer,
            out: BytesMut::new(),
            state: State::Flowing,
            guard: Some(guard),
            meter,
            inbound,
            secret,
            idle,
            arrived: cx.arrived,
            first_token_ms: None,
        })
    }

    /// Holds the stream until its first content, or for as long as start-up events may be held. Nothing has gone to
    /// the client before this returns, so a failure may still be retried.
    pub(super) async fn open(
        mut self: Box<Self>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Box<Self>, Box<Failed>> {
        let mut held_since: Option<Instant> = None;
        loop {
            let commit_at = held_since.map(|since| since + HOLD_TIME);
            let wake = commit_at.map_or(deadline, |commit| commit.min(deadline));
            let polled = tokio::time::timeout_at(wake, poll_fn(|cx| self.poll_upstream(cx))).await;
            match polled {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.failed(error),
                Err(_) if commit_at.is_some_and(|commit| commit < deadline) => return Ok(self),
                Err(_) => return self.failed(UpstreamError::Timeout(limit)),
            }
            if self.first_token_ms.is_some() || self.out.len() >= HOLD_BYTES {
                return Ok(self);
            }
            if !self.out.is_empty() {
                held_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Takes one piece from the provider and works it into `out`.
    fn poll_upstream(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), UpstreamError>> {
        let step = match Pin::new(&mut self.upstream).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => self.take(data),
                Err(_trailers) => Ok(()),
            },
            Poll::Ready(Some(Err(_))) => Err(UpstreamError::Broken("in the middle of the stream".to_owned())),
            Poll::Ready(None) => self.body_ended(),
            Poll::Pending => {
                ready!(self.idle.as_mut().poll(cx));
                Err(UpstreamError::Timeout(self.app.config.upstream.idle_timeout))
            }
        };
        Poll::Ready(step.map_err(|error| error_without_secret(error, &self.secret)))
    }

    fn take(&mut self, data: Bytes) -> Result<(), UpstreamError> {
        self.idle.as_mut().reset(Instant::now() + self.app.config.upstream.idle_timeout);
        self.framer.push(data);
        while let Some(frame) = self.framer.next() {
            let step = self.answer.frame(&frame?, &mut self.out)?;
            self.note(step);
            if step.done {
                return self.finish();
            }
        }
        Ok(())
    }

    fn body_ended(&mut self) -> Result<(), UpstreamError> {
        if let Some(frame) = self.framer.finish() {
            let step = self.answer.frame(&frame, &mut self.out)?;
            self.note(step);
            if step.done {
                return self.finish();
            }
        }
        let step = self.answer.body_ended(&mut self.out)?;
        self.note(step);
        self.finish()
    }

    fn note(&mut self, step: Step) {
        if step.content && self.first_token_ms.is_none() {
            self.first_token_ms = Some(millis(self.arrived));
        }
    }

    /// The provider ended properly: settle, at once when it gave its usage, else when it is counted.
    fn finish(&mut self) -> Result<(), UpstreamError> {
        if self.first_token_ms.is_none() {
            return Err(UpstreamError::Protocol("the stream ended before its first content".to_owned()));
        }
        let tally = self.answer.tally();
        let served_model = tally.served_model.clone();
        match tally.usage.clone() {
            Some(usage) => {
                let source = UsageSource::Provider;
                let ended = self.meter.ended(Measured { status: Some(200), error: None, source, usage, served_model });
                self.settle(ended, Ending::Whole);
            }
            None => self.count(UsageSource::Estimated, Ending::Whole),
        }
        Ok(())
    }

    /// The stream broke after the client had some of it: an error event, and no `[DONE]`.
    fn broke(&mut self, error: &UpstreamError) {
        tracing::warn!(provider = %self.meter.provider(), why = error.kind(), "a stream broke");
        let reason = error.public_reason();
        let mut event = BytesMut::new();
        self.answer.broke(&ApiError::stream_broke(error, &reason).public(), &mut event);
        self.count(UsageSource::Partial, Ending::Broken { reason, event });
    }

    /// Has what the provider did not say counted; the end of the stream waits for it.
    fn count(&mut self, source: UsageSource, ending: Ending) {
        let error = match &ending {
            Ending::Whole => None,
            Ending::Broken { reason, .. } => Some(reason.clone()),
        };
        let (done, counted) = oneshot::channel();
        let measure = self.measure(source, error);
        self.app.token_counter.run(move |precision| {
            // When the client has left meanwhile, the drop has settled without this.
            let _gone = done.send(measure(precision));
        });
        self.state = State::Counting(counted, ending);
    }

    /// The attempt's end, with what the provider did not say counted: to be run where that may take its time.
    fn measure(
        &mut self,
        source: UsageSource,
        error: Option<String>,
    ) -> impl FnOnce(Precision) -> AttemptEnded + Send + 'static {
        let tally = self.answer.tally().clone();
        let (meter, request) = (self.meter.clone(), Arc::clone(self.inbound.request()));
        let latency_ms = self.meter.elapsed_ms();
        move |precision| {
            let usage = estimate(&request, meter.provider(), &tally, precision);
            let served_model = tally.served_model;
            let ended = meter.ended(Measured { status: Some(200), error, source, usage, served_model });
            AttemptEnded { latency_ms, ..ended }
        }
    }

    /// Settles with the attempt's end; the client's end follows as soon as that is as durable as it has to be.
    fn settle(&mut self, ended: AttemptEnded, ending: Ending) {
        let settled = match &ending {
            Ending::Whole => self.settled(Outcome::Ok, None),
            Ending::Broken { reason, .. } => self.settled(Outcome::Error, Some(reason.clone())),
        };
        let Some(mut guard) = self.guard.take() else { return };
        guard.last_attempt_ended(ended);
        let settlement = guard.settle(settled);
        if settlement.is_ready() {
            self.end(ending);
        } else {
            self.state = State::Syncing(Box::pin(durable(settlement)), ending);
        }
    }

    fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Whole => self.answer.end(&mut self.out),
            Ending::Broken { event, .. } => self.out.extend_from_slice(&event),
        }
        self.state = State::Settled;
    }

    fn settled(&self, outcome: Outcome, error: Option<String>) -> Settled {
        let status = if outcome == Outcome::Cancelled { 499 } else { 200 };
        let (latency_ms, first_token_ms) = (millis(self.arrived), self.first_token_ms);
        Settled { status: Some(status), outcome, error, latency_ms, first_token_ms }
    }

    /// Nothing has gone to the client: the guard goes back, with what the attempt may have billed. A stream that has
    /// settled has had content, and is no failure any more.
    fn failed(mut self: Box<Self>, error: UpstreamError) -> Result<Box<Self>, Box<Failed>> {
        let Some(mut guard) = self.guard.take() else { return Ok(self) };
        let reason = error.public_reason();
        let tally = self.answer.tally();
        let ended = match tally.usage.clone() {
            Some(usage) => self.meter.ended(Measured {
                status: Some(200),
                error: Some(reason),
                source: UsageSource::Partial,
                usage,
                served_model: tally.served_model.clone(),
            }),
            None => AttemptEnded { status: Some(200), ..AttemptEnded::unanswered(reason, self.meter.elapsed_ms()) },
        };
        guard.attempt_ended(ended);
        Err(Box::new(Failed { guard, error }))
    }

    /// The next bytes for the client: all that is ready, joined.
    fn poll_bytes(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Flowing if self.out.len() >= JOIN_BYTES => return self.give(),
                State::Flowing => match self.poll_upstream(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => self.broke(&error),
                    Poll::Pending if self.out.is_empty() => return Poll::Pending,
                    Poll::Pending => return self.give(),
                },
                State::Counting(..) | State::Syncing(..) if !self.out.is_empty() => return self.give(),
                State::Counting(counted, _) => {
                    let counted = ready!(Pin::new(counted).poll(cx));
                    let unknown = || AttemptEnded::unanswered("not counted", self.meter.elapsed_ms());
                    let ended = counted.unwrap_or_else(|_| unknown());
                    if let State::Counting(_, ending) = std::mem::replace(&mut self.state, State::Settled) {
                        self.settle(ended, ending);
                    }
                }
                State::Syncing(synced, _) => {
                    ready!(synced.as_mut().poll(cx));
                    if let State::Syncing(_, ending) = std::mem::replace(&mut self.state, State::Settled) {
                        self.end(ending);
                    }
                }
                State::Settled => {
                    self.state = State::Parting;
                    self.idle.as_mut().reset(Instant::now() + LAST_WORDS);
                    if !self.out.is_empty() {
                        return self.give();
                    }
                }
                State::Parting => match Pin::new(&mut self.upstream).poll_frame(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => self.state = State::Over,
                    Poll::Pending => {
                        ready!(self.idle.as_mut().poll(cx));
                        self.state = State::Over;
                    }
                },
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn give(&mut self) -> Poll<Option<Bytes>> {
        Poll::Ready(Some(self.out.split().freeze()))
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.out.is_empty()
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }
}

impl Drop for Relay {
    /// Still to be settled: the client left, and what it had consumed is counted.
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        let reason = "the client left".to_owned();
        let settled = self.settled(Outcome::Cancelled, Some(reason.clone()));
        let measure = self.measure(UsageSource::Partial, Some(reason));
        self.app.token_counter.run(move |precision| {
            guard.last_attempt_ended(measure(precision));
            // Nobody is left to wait for the disk.
            let _durable = guard.settle(settled);
        });
    }
}
