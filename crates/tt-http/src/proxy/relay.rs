//! A provider's stream on its way to the client.
//!
//! The relay owns the account of its request until the stream ends. hyper drops the relay as soon as the client leaves, and
//! drops a handler that still has it before the head has gone out: in both cases the drop settles what was consumed.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep_until};
use tt_core::RequestId;
use tt_providers::exchange::Step;
use tt_providers::sse::Framer;
use tt_providers::upstream::account::Account;
use tt_providers::upstream::call::error_without_secret;
use tt_providers::{Exchange, UpstreamError};

use super::accounting::{Failed, OpenAttempt, Received, Settling};
use super::ingress::Inbound;
use crate::edge::error::ApiError;
use crate::state::memory_limit::Part;

mod answer;

use answer::{Answering, Took};

mod turn;

use turn::Turn;

/// The longest time that events before the first content are held back, counted from the first of them, and the most
/// bytes of them. They are held back so that an attempt that fails before the first content can be tried again.
const HOLD_TIME: Duration = Duration::from_secs(15);
const HOLD_BYTES: usize = 64 * 1024;

/// Frames that are ready are joined up to this size before they are written.
const JOIN_BYTES: usize = 64 * 1024;

/// The bytes by which a stream must grow or shrink before its memory is counted again.
const COUNT_BYTES: usize = 4096;

/// The time that a provider has to end its body after the end of its stream. If it does, the connection can be used again.
const END_OF_BODY: Duration = Duration::from_millis(5);

enum State {
    /// Events are coming.
    Flowing,
    /// The request settles, and the end of the stream waits for the settlement.
    Settling(Settling, Ending),
    /// The request has settled, and `out` holds the end of the stream.
    Settled,
    /// The client has everything. The provider may end its body, so that the connection can be used again.
    Parting,
    /// The stream has ended.
    Over,
}

/// The last bytes for the client.
enum Ending {
    /// The end of a whole answer.
    Whole,
    /// An error event, after which no end of the answer comes.
    Broken(BytesMut),
}

/// A stream that is relayed, as the body of the answer to the client.
pub(super) struct Relay {
    upstream: Incoming,
    framer: Framer,
    answer: Answering,
    out: BytesMut,
    /// The bytes that were last given to the client's connection, which may still hold them.
    given: usize,
    /// The bytes that are counted against the memory limit for the answer.
    counted: usize,
    state: State,
    /// True if the body of the provider has ended.
    body_ended: bool,
    /// The attempt whose answer this is. It is taken when the request settles.
    attempt: Option<OpenAttempt>,
    /// True if content has come. From the first of it on the stream is the client's, and no other attempt follows.
    content: bool,
    /// The request, by which the memory of the stream is counted.
    inbound: Arc<Inbound>,
    /// The account at the provider, whose key is removed from the provider's errors.
    account: Arc<Account>,
    /// True if the client speaks the provider's dialect, so that it can read the provider's errors as they are.
    passes_through: bool,
    /// The id of the request, for the client's error.
    id: RequestId,
    /// The time when bytes last came from the provider.
    heard: Instant,
    /// Wakes the task when the provider may have been silent for too long: at the deadline or before it, since moving the
    /// alarm with every chunk would cost more than waking once too often.
    idle: Pin<Box<Sleep>>,
    idle_timeout: Duration,
    /// The wait for more, before what has come is written.
    turn: Turn,
}

impl Relay {
    /// The relay of a stream of which `begun` has come.
    pub(super) fn new(
        (begun, upstream): (Bytes, Incoming),
        exchange: &Exchange,
        attempt: OpenAttempt,
        inbound: Arc<Inbound>,
        (id, account): (RequestId, Arc<Account>),
        idle_timeout: Duration,
    ) -> Box<Self> {
        let mut framer = Framer::default();
        framer.push(begun);
        let now = Instant::now();
        Box::new(Self {
            upstream,
            framer,
            answer: Answering::new(exchange.stream()),
            out: BytesMut::new(),
            given: 0,
            counted: 0,
            state: State::Flowing,
            body_ended: false,
            attempt: Some(attempt),
            content: false,
            inbound,
            account,
            passes_through: exchange.passes_through(),
            id,
            heard: now,
            idle: Box::pin(sleep_until(now + idle_timeout)),
            idle_timeout,
            turn: Turn::new(),
        })
    }

    /// Holds the stream back until its first content, or for as long as the events before it may be held.
    ///
    /// # Errors
    /// When the stream fails. Nothing has gone to the client then, so another attempt may follow.
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
            if self.content || self.out.len() >= HOLD_BYTES {
                return Ok(self);
            }
            if !self.out.is_empty() {
                held_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Works one event of the provider's into `out`, or takes more bytes from the provider.
    fn poll_upstream(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), UpstreamError>> {
        let step = match self.answer.poll_large(cx, &mut self.out) {
            Poll::Ready(Some(took)) => {
                // The provider was not listened to meanwhile.
                self.heard = Instant::now();
                self.took(took).and_then(|()| self.count_memory())
            }
            Poll::Ready(None) => ready!(self.poll_event(cx)),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(step.map_err(|error| {
            let error = error_without_secret(error, self.account.secret());
            if self.passes_through { error } else { error.without_original() }
        }))
    }

    fn poll_event(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), UpstreamError>> {
        if let Some(event) = self.framer.next_raw() {
            return Poll::Ready(event.and_then(|event| self.take(event)));
        }
        if self.body_ended {
            return Poll::Ready(self.end_of_body());
        }
        Poll::Ready(match Pin::new(&mut self.upstream).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    let now = Instant::now();
                    if self.out.is_empty() {
                        self.turn.begins(now.duration_since(self.heard));
                    }
                    self.heard = now;
                    self.framer.push(data);
                }
                self.count_memory()
            }
            Poll::Ready(Some(Err(_))) => Err(UpstreamError::Broken("in the middle of the stream".to_owned())),
            Poll::Ready(None) => {
                self.body_ended = true;
                self.framer.finish_raw().map_or(Ok(()), |event| self.take(event))
            }
            Poll::Pending => {
                ready!(self.poll_silence(cx));
                Err(UpstreamError::Timeout(self.idle_timeout))
            }
        })
    }

    /// Is ready once the provider has been silent for too long.
    fn poll_silence(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            ready!(self.idle.as_mut().poll(cx));
            let deadline = self.heard + self.idle_timeout;
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(deadline);
        }
    }

    /// Reads one event: here, or, if it is large, on the threads for long computations.
    fn take(&mut self, event: Bytes) -> Result<(), UpstreamError> {
        match self.answer.event(event, &mut self.out, &self.inbound) {
            Some(took) => self.took(took),
            None => Ok(()),
        }
    }

    fn took(&mut self, took: Took) -> Result<(), UpstreamError> {
        let step = took?;
        self.note(step);
        if step.done { self.finish() } else { Ok(()) }
    }

    fn end_of_body(&mut self) -> Result<(), UpstreamError> {
        let step = self.answer.here()?.body_ended(&mut self.out)?;
        self.note(step);
        self.finish()
    }

    /// Counts the memory that the stream holds.
    ///
    /// # Errors
    /// When there is no memory for a stream that has grown large.
    fn count_memory(&mut self) -> Result<(), UpstreamError> {
        let held = self.framer.held_bytes() + self.answer.held_bytes() + self.out.len() + self.given;
        if held.abs_diff(self.counted) > COUNT_BYTES {
            self.inbound.memory().hold(Part::Answer, held)?;
            self.counted = held;
        }
        Ok(())
    }

    fn note(&mut self, step: Step) {
        if step.content && !self.content {
            self.content = true;
            if let Some(attempt) = &mut self.attempt {
                attempt.first_content();
            }
        }
    }

    /// Settles a stream that the provider ended properly.
    fn finish(&mut self) -> Result<(), UpstreamError> {
        if !self.content {
            return Err(UpstreamError::Protocol("the stream ended before its first content".to_owned()));
        }
        if let Some(attempt) = self.attempt.take() {
            let settling = attempt.whole(Cow::Borrowed(self.answer.tally()));
            self.end_after(settling, Ending::Whole);
        }
        Ok(())
    }

    /// Settles a stream that broke after the client had some of it. The client gets an error event.
    fn broke(&mut self, attempt: OpenAttempt, error: &UpstreamError) {
        tracing::warn!(provider = %attempt.provider(), why = error.kind(), "a stream broke");
        let reason = error.public_reason();
        let mut event = BytesMut::new();
        // Without the state of the answer, which only a panic takes along, the stream just ends.
        if let Ok(answer) = self.answer.here() {
            answer.broke(&ApiError::stream_broke(error, &reason).public(self.id), &mut event);
        }
        let settling = attempt.broke(self.answer.tally().clone(), error);
        self.end_after(settling, Ending::Broken(event));
    }

    /// Gives the client the end of the stream as soon as the request has settled.
    fn end_after(&mut self, settling: Settling, ending: Ending) {
        if settling.is_ready() {
            self.end(&ending);
        } else {
            self.state = State::Settling(settling, ending);
        }
    }

    fn end(&mut self, ending: &Ending) {
        match ending {
            Ending::Whole => {
                if let Ok(answer) = self.answer.here() {
                    answer.end(&mut self.out);
                }
            }
            Ending::Broken(event) => self.out.extend_from_slice(event),
        }
        self.state = State::Settled;
    }

    /// Ends an attempt of which nothing has gone to the client. A stream that has settled had content: it does not fail
    /// any more.
    fn failed(mut self: Box<Self>, error: UpstreamError) -> Result<Box<Self>, Box<Failed>> {
        match self.attempt.take() {
            Some(attempt) => Err(attempt.failed(error, Received::Stream(self.answer.tally()))),
            None => Ok(self),
        }
    }

    /// The next bytes for the client: everything that comes within a turn of the runtime, joined, or at once what comes
    /// after a lull.
    fn poll_bytes(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Flowing if self.out.len() >= JOIN_BYTES => return self.give(),
                State::Flowing => match self.poll_upstream(cx) {
                    Poll::Ready(Ok(())) => self.turn.restart(),
                    Poll::Ready(Err(error)) => match self.attempt.take() {
                        Some(attempt) => self.broke(attempt, &error),
                        None => self.state = State::Over,
                    },
                    Poll::Pending if self.out.is_empty() || !self.turn.has_passed(cx) => return Poll::Pending,
                    Poll::Pending => return self.give(),
                },
                State::Settling(..) if !self.out.is_empty() => return self.give(),
                State::Settling(settling, _) => {
                    ready!(Pin::new(settling).poll(cx));
                    if let State::Settling(_, ending) = std::mem::replace(&mut self.state, State::Settled) {
                        self.end(&ending);
                    }
                }
                State::Settled => {
                    self.state = State::Parting;
                    self.idle.as_mut().reset(Instant::now() + END_OF_BODY);
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
        self.given = self.out.len();
        self.turn.restart();
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
    /// Settles a request whose client left, by what the client had consumed. If the request is already settling, the
    /// drop of [`Settling`] does that.
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.client_left(self.answer.tally().clone());
        }
    }
}
