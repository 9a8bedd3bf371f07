//! How long a connection may be silent: a request that has begun has `CLIENT_HEADER_TIMEOUT` for the rest of its head;
//! between requests a connection may idle for longer, since balancers keep theirs and would meet a reset.
//!
//! hyper knows one timeout for both. Here a socket ends, as if its peer had left, when nothing has come for too long;
//! while a request is answered it does not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The requests of one connection, counted when their heads are read and when their answers are handed over in full.
#[derive(Debug, Clone)]
pub(crate) struct Requests(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    connected: Instant,
    begun: AtomicU64,
    over: AtomicU64,
    /// When the last one was over, in microseconds from the connection's begin.
    over_us: AtomicU64,
}

impl Requests {
    /// None so far.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self(Arc::new(Counts { connected: Instant::now(), begun: zero(), over: zero(), over_us: zero() }))
    }

    /// One more: over when what this gives is dropped.
    pub(crate) fn begin(&self) -> Answering {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Counts>);

impl Answering {
    /// The answer's body, with which it is over.
    pub(crate) fn until_end_of<B>(self, body: B) -> Answer<B> {
        Answer { body, _answering: self }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let us = u64::try_from(self.0.connected.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.over_us.store(us, Ordering::Relaxed);
        self.0.over.fetch_add(1, Ordering::Release);
    }
}

/// The body of an answer.
pub(crate) struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The rest of a head, or the first one.
    Head,
    /// The next request.
    Idle,
}

/// A socket that ends when it has been silent for too long.
pub(crate) struct TimedSocket<S> {
    socket: S,
    head: Duration,
    idle: Duration,
    requests: Requests,
    /// How many requests were over when the phase began.
    over: u64,
    phase: Phase,
    until: Instant,
    /// May fire before `until`, never after it: moving it with every request would cost more than waking once too often.
    alarm: Pin<Box<Sleep>>,
}

impl<S> TimedSocket<S> {
    /// The first head is waited for as long as the rest of one.
    pub(crate) fn new(socket: S, head: Duration, idle: Duration, requests: Requests) -> Self {
        let until = Instant::now() + head;
        let alarm = Box::pin(sleep_until(until));
        Self { socket, head, idle, requests, over: 0, phase: Phase::Head, until, alarm }
    }

    /// Is a request being answered? When one has been since the last look, the connection idles from its end on.
    fn is_answering(&mut self) -> bool {
        let counts = &self.requests.0;
        let over = counts.over.load(Ordering::Acquire);
        let answering = counts.begun.load(Ordering::Relaxed) != over;
        if !answering && over != self.over {
            let since = Duration::from_micros(counts.over_us.load(Ordering::Relaxed));
            self.over = over;
            self.phase = Phase::Idle;
            self.until = counts.connected + since + self.idle;
        }
        answering
    }

    /// Ready once the wait is over.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.until < self.alarm.deadline() {
            self.alarm.as_mut().reset(self.until);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.until {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.until);
        }
    }

    /// hyper may have looked for the last time before the answer is over: the alarm makes it look again.
    fn keep_looking(&mut self, cx: &mut Context<'_>) {
        while self.alarm.as_mut().poll(cx).is_ready() {
            self.alarm.as_mut().reset(Instant::now() + self.idle);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let answering = self.is_answering();
        let had = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if polled.is_ready() {
            if !answering && self.phase == Phase::Idle && buf.filled().len() > had {
                self.phase = Phase::Head;
                self.until = Instant::now() + self.head;
            }
            return polled;
        }
        if answering {
            self.keep_looking(cx);
            return Poll::Pending;
        }
        self.poll_alarm(cx).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinSet;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection that answers each request with `hello` after `work`, and its other end.
    fn connection(head: Duration, idle: Duration, work: Duration) -> (DuplexStream, JoinSet<()>) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let requests = Requests::new();
            let socket = TimedSocket::new(far, head, idle, requests.clone());
            let service = service_fn(move |_| {
                let answering = requests.begin();
                async move {
                    tokio::time::sleep(work).await;
                    Ok::<_, Infallible>(Response::new(answering.until_end_of(Full::new(Bytes::from("hello")))))
                }
            });
            let served =
                http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(socket), service);
            let _ = served.await;
        });
        (near, server)
    }

    async fn answered(near: &mut DuplexStream) {
        let mut text = String::new();
        let mut buffer = [0; 1024];
        while !text.ends_with("hello") {
            let n = near.read(&mut buffer).await.unwrap();
            assert!(n > 0, "it was closed after {text:?}");
            text.push_str(std::str::from_utf8(buffer.get(..n).unwrap()).unwrap());
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }

    /// How long it stays open, saying nothing.
    async fn closed_after(near: &mut DuplexStream) -> Duration {
        let begun = Instant::now();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), near.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        begun.elapsed()
    }

    const HEAD: Duration = Duration::from_millis(200);
    const IDLE: Duration = Duration::from_millis(1200);
    const NO_TIME: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_connection_may_idle_longer_than_a_head_may_take() {
        let (mut near, _server) = connection(HEAD, IDLE, NO_TIME);
        near.write_all(REQUEST).await.unwrap();
        answered(&mut near).await;
        let mut asked = Instant::now();
        for _ in 0..2 {
            tokio::time::sleep(2 * HEAD).await;
            asked = Instant::now();
            near.write_all(REQUEST).await.unwrap();
            answered(&mut near).await;
        }
        closed_after(&mut near).await;
        assert!(asked.elapsed() >= IDLE, "closed after {:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn a_head_that_has_begun_must_come_in_time_first_or_later() {
        let long = Duration::from_secs(60);
        for begin in [&b""[..], b"GET / HT"] {
            let (mut near, _server) = connection(HEAD, long, NO_TIME);
            near.write_all(begin).await.unwrap();
            assert!(closed_after(&mut near).await >= HEAD / 2);
        }
        let (mut near, _server) = connection(HEAD, long, NO_TIME);
        near.write_all(REQUEST).await.unwrap();
        answered(&mut near).await;
        near.write_all(b"GET / HT").await.unwrap();
        assert!(closed_after(&mut near).await >= HEAD);
    }

    #[tokio::test]
    async fn a_head_that_comes_byte_by_byte_has_no_more_time() {
        let (mut near, _server) = connection(HEAD, Duration::from_secs(60), NO_TIME);
        near.write_all(REQUEST).await.unwrap();
        answered(&mut near).await;
        let begun = Instant::now();
        while near.write_all(b"G").await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it waits for ever");
            tokio::time::sleep(HEAD / 8).await;
        }
    }

    #[tokio::test]
    async fn while_a_request_is_answered_nothing_is_late() {
        let (mut near, _server) = connection(HEAD, HEAD, 3 * HEAD);
        for _ in 0..2 {
            near.write_all(REQUEST).await.unwrap();
            answered(&mut near).await;
        }
        closed_after(&mut near).await;
    }
}
