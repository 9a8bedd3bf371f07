//! One stream: its task, and the body of its answer, which gives a piece when the client's connection has taken the one
//! before. So an answer holds no more memory than over HTTP/1, and a client that takes nothing of one stream is found out
//! whatever it takes of others.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::connection::OpenStream;
use crate::edge::reader::Reader;
use crate::edge::reply::{Reply, ReplyBody};
use crate::server::idle_timeout::Answering;

/// The client has taken nothing of an answer for `CLIENT_WRITE_TIMEOUT`.
#[derive(Debug, thiserror::Error)]
#[error("the client takes nothing of the answer")]
pub(super) struct TakesNothing;

/// The bytes of one answer that the client's connection has taken. Clones are of the same stream.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

struct State {
    /// The bytes of the last piece that have not been taken.
    waiting: usize,
    /// The time when something of the piece was last taken, or when it was given.
    since: Instant,
    /// True once the client has taken nothing for too long.
    given_up: bool,
    /// The body, which waits until all has been taken.
    body: Option<Waker>,
    reader: Reader,
}

impl Progress {
    fn new(reader: Reader) -> Self {
        Self(Arc::new(Mutex::new(State { waiting: 0, since: Instant::now(), given_up: false, body: None, reader })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, piece: Bytes) -> Piece {
        let mut state = self.state();
        state.waiting = piece.len();
        state.since = Instant::now();
        Piece { bytes: piece, progress: self.clone() }
    }

    fn took(&self, bytes: usize) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(bytes);
        state.since = Instant::now();
        if state.waiting == 0
            && let Some(body) = state.body.take()
        {
            body.wake();
        }
    }

    /// The time since when bytes have waited for the client; `None` while none do.
    fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.waiting > 0).then_some(state.since)
    }

    fn give_up(&self) {
        let mut state = self.state();
        state.given_up = true;
        state.reader.cut();
    }

    /// Is ready when all has been taken, or the client is given up.
    fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<Result<(), TakesNothing>> {
        let mut state = self.state();
        if state.given_up {
            return Poll::Ready(Err(TakesNothing));
        }
        if state.waiting == 0 {
            return Poll::Ready(Ok(()));
        }
        if !state.body.as_ref().is_some_and(|body| body.will_wake(cx.waker())) {
            state.body = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A piece of an answer. It tells what is taken of it.
pub(super) struct Piece {
    bytes: Bytes,
    progress: Progress,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        self.progress.took(bytes);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.progress.took(self.bytes.len());
        }
    }
}

/// A stream whose answer has not ended. If it is dropped before that, the client has left the stream.
pub(super) struct Unfinished {
    progress: Progress,
    stream: OpenStream,
    _answering: Answering,
}

impl Unfinished {
    pub(super) fn new(answering: Answering, stream: OpenStream, reader: Reader) -> Self {
        Self { progress: Progress::new(reader), stream, _answering: answering }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The answer to the client. hyper leaves it to its callers to send no body where the request was `HEAD`.
    pub(super) fn answer(mut self, reply: Reply, is_head: bool) -> Response<Answer> {
        let (mut parts, body) = reply.into_parts();
        let length = body.size_hint().exact();
        if is_head
            && parts.status != StatusCode::NO_CONTENT
            && let Some(length) = length
        {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        let body = Some(body).filter(|body| !is_head && !body.is_end_stream());
        self.stream.answered = body.is_none();
        Response::from_parts(parts, Answer { body, unfinished: self })
    }
}

/// The body of an answer.
pub(super) struct Answer {
    /// `None` once it has ended.
    body: Option<ReplyBody>,
    unfinished: Unfinished,
}

impl Body for Answer {
    type Data = Piece;
    type Error = TakesNothing;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, TakesNothing>>> {
        let Self { body: rest, unfinished } = self.get_mut();
        let Some(body) = rest else { return Poll::Ready(None) };
        let progress = &unfinished.progress;
        match progress.poll_taken(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else { return Poll::Pending };
        match frame {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame.map_data(|piece| progress.give(piece))))),
            Some(Err(never)) => match never {},
            None => {
                *rest = None;
                unfinished.stream.answered = true;
                Poll::Ready(None)
            }
        }
    }

    /// True only before the first piece: the end comes when the last piece has been taken.
    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Spawns the tasks of a connection's streams.
#[derive(Clone)]
pub(in crate::server) struct Streams {
    tasks: TaskTracker,
    /// The time for which an answer may wait to be taken.
    write: Duration,
    /// The progress of the request that has just begun: hyper calls the service, and at once spawns its future.
    begun: Arc<Mutex<Option<Progress>>>,
}

impl Streams {
    pub(in crate::server) fn new(tasks: TaskTracker, write: Duration) -> Self {
        Self { tasks, write, begun: Arc::default() }
    }

    /// Notes the progress of the stream that is spawned next.
    pub(super) fn begins(&self, progress: Progress) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            Some(progress) => drop(self.tasks.spawn(while_taken(stream, progress, self.write))),
            None => drop(self.tasks.spawn(stream)),
        }
    }
}

/// Runs a stream until it ends, or until the client has taken nothing of its answer for `most`. The stream is reset then.
async fn while_taken(stream: impl Future<Output = ()>, progress: Progress, most: Duration) {
    let mut stream = pin!(stream);
    let mut alarm: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let Some(since) = progress.waits_since() else { return Poll::Pending };
            let deadline = since + most;
            if Instant::now() >= deadline {
                progress.give_up();
                // A body that is asked for more fails now, and hyper throws away what waits. Where hyper waits for the
                // client instead, nothing of the piece has been sent, and the drop of the stream resets it.
                let _ended = stream.as_mut().poll(cx);
                return Poll::Ready(());
            }
            // Moved when it fires and not with every piece: it is never later than the deadline.
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm.as_mut().reset(deadline);
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::h2::connection::OpenStreams;
    use crate::server::idle_timeout::Requests;

    fn answer(text: &'static str, is_head: bool) -> (Response<Answer>, Progress, Reader) {
        let reader = Reader::default();
        let unfinished = Unfinished::new(Requests::default().begin(), OpenStreams::default().begin(0), reader.clone());
        let progress = unfinished.progress();
        (unfinished.answer(Response::new(ReplyBody::full(text)), is_head), progress, reader)
    }

    #[tokio::test]
    async fn an_answer_ends_when_all_of_it_has_been_taken() {
        let (mut answer, progress, _) = answer("hello", false);
        let body = answer.body_mut();
        assert_eq!(body.size_hint().exact(), Some(5));
        let piece = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap().unwrap();
        let mut piece = piece.into_data().ok().unwrap();
        assert!(!body.is_end_stream());
        let mut next = pin!(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        for _ in 0..5 {
            let waits = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await;
            assert!(waits && progress.waits_since().is_some());
            piece.advance(1);
        }
        assert!(next.await.is_none() && progress.waits_since().is_none());
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn the_answer_to_head_has_a_length_and_no_body() {
        let (answer, _, _) = answer("hello", true);
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "5");
        assert!(answer.body().is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_which_nothing_is_taken_is_given_up() {
        let (mut answer, progress, reader) = answer("hello", false);
        let body = answer.body_mut();
        let piece = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap().unwrap();
        let mut piece = piece.into_data().ok().unwrap();
        let begun = Instant::now();
        let most = Duration::from_secs(60);
        let stream = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx).map(|failed| assert!(failed.unwrap().is_err())));
        let slow = async {
            for _ in 0..4 {
                tokio::time::sleep(most / 2).await;
                piece.advance(1);
            }
        };
        tokio::join!(while_taken(stream, progress, most), slow);
        assert!(reader.was_cut());
        assert_eq!(begun.elapsed().as_secs(), 180, "counted from the last byte that was taken");
    }
}
