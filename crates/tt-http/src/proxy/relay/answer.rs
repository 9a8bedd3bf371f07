//! The state of a streamed answer, which reads each event: small ones at once, large ones on the threads for long
//! computations, since a worker thread must not take that long.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Bytes, BytesMut};
use tt_providers::exchange::Step;
use tt_providers::sse::Frame;
use tt_providers::tally::Tally;
use tt_providers::{AnswerStream, UpstreamError, decoded_bytes};

use crate::proxy::ingress::Inbound;
use crate::state::memory_limit::Part;

/// Events of more than this, in bytes, are large.
const LARGE_EVENT: usize = 64 * 1024;

/// The outcome of reading one event.
pub(super) type Took = Result<Step, UpstreamError>;

/// The state of the answer.
pub(super) enum Answering {
    /// Events can be read.
    Here(AnswerStream),
    /// A large event is being read.
    Away(Away),
    /// The state is lost, which does not happen: nothing keeps it when a large event has been read. The account is the
    /// one before that event.
    Lost(Box<Tally>),
}

/// The state of the answer while a large event is being read.
pub(super) struct Away {
    /// The bytes for the client and the outcome.
    reading: Pin<Box<dyn Future<Output = (BytesMut, Took)> + Send>>,
    /// The state is in here before and after the event is read.
    answer: Arc<Mutex<AnswerStream>>,
    /// The account before the event, by which the request settles if its client leaves now.
    tally: Box<Tally>,
    held_bytes: usize,
}

impl Answering {
    pub(super) fn new(answer: AnswerStream) -> Self {
        Self::Here(answer)
    }

    /// Reads an event, and appends the bytes for the client to `out`. It is `None` if the event is large: then
    /// [`Answering::poll_large`] has the outcome.
    pub(super) fn event(&mut self, event: Bytes, out: &mut BytesMut, inbound: &Arc<Inbound>) -> Option<Took> {
        match self.here() {
            Ok(answer) if event.len() <= LARGE_EVENT => return Some(answer.frame(&Frame::read(event), out)),
            Ok(_) => {}
            Err(away) => return Some(Err(away)),
        }
        match std::mem::replace(self, Self::Lost(Box::default())) {
            Self::Here(answer) => *self = Self::Away(Away::read(answer, event, inbound)),
            other => *self = other,
        }
        None
    }

    /// Waits for a large event, if one is being read, and appends the bytes for the client to `out`.
    pub(super) fn poll_large(&mut self, cx: &mut TaskContext<'_>, out: &mut BytesMut) -> Poll<Option<Took>> {
        let Self::Away(away) = self else { return Poll::Ready(None) };
        let (bytes, took) = ready!(away.reading.as_mut().poll(cx));
        if out.is_empty() {
            *out = bytes;
        } else {
            out.extend_from_slice(&bytes);
        }
        if let Self::Away(Away { reading, answer, tally, .. }) = std::mem::replace(self, Self::Lost(Box::default())) {
            // The computation is over, or has never begun: nothing else holds the state.
            drop(reading);
            *self = match Arc::into_inner(answer) {
                Some(answer) => Self::Here(answer.into_inner().unwrap_or_else(PoisonError::into_inner)),
                None => Self::Lost(tally),
            };
        }
        Poll::Ready(Some(took))
    }

    /// The state, if events can be read.
    ///
    /// # Errors
    /// `Unread` if it is lost, or a large event is being read.
    pub(super) fn here(&mut self) -> Result<&mut AnswerStream, UpstreamError> {
        match self {
            Self::Here(answer) => Ok(answer),
            Self::Away(_) | Self::Lost(_) => {
                Err(UpstreamError::Unread("a large event is not read to its end".to_owned()))
            }
        }
    }

    /// The account of the answer, without a large event that is still being read.
    pub(super) fn tally(&mut self) -> &Tally {
        match self {
            Self::Here(answer) => answer.tally(),
            Self::Away(Away { tally, .. }) | Self::Lost(tally) => tally,
        }
    }

    /// The memory in bytes that the state takes.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Here(answer) => answer.held_bytes(),
            Self::Away(away) => away.held_bytes,
            Self::Lost(_) => 0,
        }
    }
}

impl Away {
    fn read(mut answer: AnswerStream, event: Bytes, inbound: &Arc<Inbound>) -> Self {
        let tally = Box::new(answer.tally().clone());
        let held_bytes = answer.held_bytes() + event.len() + tally.output_text.len();
        let passes_through = matches!(answer, AnswerStream::PassThrough(_));
        let answer = Arc::new(Mutex::new(answer));
        let (state, inbound) = (Arc::clone(&answer), Arc::clone(inbound));
        let reading = Box::pin(async move {
            let (user, own) = (inbound.user(), Arc::clone(&inbound));
            let read = move || {
                let (mut out, frame) = (BytesMut::new(), Frame::read(event));
                let room = if passes_through { frame.data.len() } else { decoded_bytes(&frame.data) };
                if let Err(exceeded) = own.memory().hold(Part::Decoded, room) {
                    return (out, Err(exceeded.into()));
                }
                let took = state.lock().unwrap_or_else(PoisonError::into_inner).frame(&frame, &mut out);
                own.memory().release(Part::Decoded);
                (out, took)
            };
            let computed = inbound.compute().run(user, read).await;
            computed.unwrap_or_else(|error| (BytesMut::new(), Err(error.into())))
        });
        Self { reading, answer, tally, held_bytes }
    }
}
