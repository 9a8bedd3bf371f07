//! A response body as a list of steps: bytes, waits, and the ways in which a body can go wrong.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::journal::Ticket;
use super::wire::Reset;

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Hand out these bytes as one frame.
    Send(Bytes),
    /// Wait for this time.
    Wait(Duration),
    /// Send nothing more and keep the connection open.
    Stall,
    /// End the connection in the middle of the body.
    Cut,
    /// End the connection with RST.
    Reset,
}

/// The number of times that a broken body lets hyper flush the earlier frames before the connection ends.
const FLUSHES: u8 = 3;

/// The body of a mock answer.
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    /// The announced length; `None`: chunked.
    length: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    flushes: u8,
    reset: Reset,
    ticket: Option<Ticket>,
}

impl Script {
    pub(super) fn new(steps: Vec<Step>, length: Option<u64>, reset: Reset, ticket: Option<Ticket>) -> Self {
        let mut script = Self { steps: steps.into(), length, sleep: None, flushes: FLUSHES, reset, ticket };
        script.finish_if_done();
        script
    }

    fn finish_if_done(&mut self) {
        if self.steps.is_empty()
            && let Some(ticket) = self.ticket.take()
        {
            ticket.complete();
        }
    }

    /// Ends the body in an error, after what was handed out before had its chance to leave.
    fn broken(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.flushes > 0 {
            self.flushes -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.broken();
        }
        Poll::Ready(Some(Err(io::Error::other("the mock breaks off here"))))
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            match self.steps.front() {
                None => return Poll::Ready(None),
                Some(Step::Send(_)) => {}
                Some(&Step::Wait(time)) => {
                    self.steps.pop_front();
                    self.sleep = Some(Box::pin(tokio::time::sleep(time)));
                    continue;
                }
                Some(Step::Stall) => return Poll::Pending,
                Some(Step::Cut) => return self.broken(cx),
                Some(Step::Reset) => {
                    self.reset.arm();
                    return self.broken(cx);
                }
            }
            if let Some(Step::Send(bytes)) = self.steps.pop_front() {
                if let Some(ticket) = &mut self.ticket {
                    ticket.frame();
                }
                self.finish_if_done();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
