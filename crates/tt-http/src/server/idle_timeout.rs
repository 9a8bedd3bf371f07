//! Ends a connection that has been silent for too long.
//!
//! A client has `CLIENT_HEADER_TIMEOUT` for the head of a request, counted from the head's first byte (for the first
//! head: from connecting). Between requests a connection may idle for `CLIENT_IDLE_TIMEOUT`, counted from the last byte
//! written to it: load balancers keep idle connections for about a minute, and a request that they send on one which
//! this side has just closed fails. While a request is answered neither time is counted.
//!
//! A client that takes nothing of an answer for `CLIENT_WRITE_TIMEOUT` is cut: it would hold the provider's connection and
//! the request's memory for ever. One that keeps taking is never too slow, whatever its rate: the time begins anew with
//! each piece that the system takes for it.
//!
//! hyper has one timeout for both waits, so the socket keeps the time here: when it is over, a read sees the end of the
//! stream, as if the client had closed its side, and a write that waits fails.
//!
//! The socket may be any stream. It belongs directly below the HTTP implementation, with TLS below itself, so that the
//! bytes it sees are HTTP. Over HTTP/2 it keeps the time for the first head and for writes only, since a frame may be
//! anything; `h2` knows when a connection idles.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::edge::reader::Reader;
use crate::server::head_lines::HeadLines;
use crate::server::taken::Taken;

/// The requests of one connection. A request counts as begun when hyper has read its head, and as over when hyper has
/// taken the whole of its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    over: AtomicU64,
}

impl Requests {
    /// Counts one more request, which is over when the returned value is dropped.
    pub(crate) fn begin(&self) -> Answering {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Counts>);

impl Answering {
    /// The answer's body: when it is dropped, the request is over.
    pub(crate) fn until_end_of<B>(self, body: B) -> Answer<B> {
        Answer { body, _answering: self }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
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

/// The thing that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection waits until `until` for the rest of a head that has begun, or for the first head.
    Head { until: Instant },
    /// The connection waits for the next request.
    Idle,
}

/// The times that a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The time for a head.
    pub(crate) head: Duration,
    /// The time between two requests.
    pub(crate) idle: Duration,
    /// The time for which an answer may wait to be taken.
    pub(crate) write: Duration,
}

/// A socket that ends when it has been silent for too long.
pub(crate) struct TimedSocket<S> {
    socket: S,
    times: Times,
    requests: Requests,
    reader: Reader,
    /// The number of requests that were over when the phase began.
    over: u64,
    phase: Phase,
    /// The lines of the head that comes now, or came last.
    head_lines: HeadLines,
    /// The time when a byte was last written.
    written_at: Instant,
    /// The time since when a write has waited for the client to take something; `None` while no write waits.
    waits_since: Option<Instant>,
    /// Counts what the system takes of what lies below, and the number that was last seen.
    taken: Taken,
    seen: u64,
    /// True if the bytes are frames of HTTP/2.
    http2: bool,
    /// True if bytes that cannot begin a head came where a head may begin. The connection is not HTTP/1 then, and its
    /// later bytes say nothing either.
    other_protocol: bool,
    /// Wakes the task at the deadline. It may fire before the deadline, never after it: to move it with every request
    /// would cost more than to wake once too often.
    alarm: Pin<Box<Sleep>>,
}

impl<S> TimedSocket<S> {
    /// A socket that has just been connected, and whose client has `times.head` for its first request's head.
    /// When it is cut because its client takes nothing, `reader` is told so.
    pub(crate) fn new(socket: S, times: Times, requests: Requests, reader: Reader) -> Self {
        let now = Instant::now();
        let until = now + times.head;
        Self {
            socket,
            times,
            requests,
            reader,
            over: 0,
            phase: Phase::Head { until },
            head_lines: HeadLines::default(),
            written_at: now,
            waits_since: None,
            taken: Taken::default(),
            seen: 0,
            http2: false,
            other_protocol: false,
            alarm: Box::pin(sleep_until(until)),
        }
    }

    /// The same socket, above TLS: `taken` counts what the system takes of the bytes below.
    pub(crate) fn above(self, taken: Taken) -> Self {
        Self { taken, ..self }
    }

    /// The same socket, for HTTP/2.
    pub(crate) fn carrying_http2(self) -> Self {
        Self { http2: true, ..self }
    }

    /// True if a request is being answered. If one has been answered since the last look, the connection waits for the
    /// next.
    fn is_answering(&mut self) -> bool {
        let over = self.requests.0.over.load(Ordering::Acquire);
        let answering = self.requests.0.begun.load(Ordering::Relaxed) != over;
        if !answering && over != self.over {
            self.over = over;
            self.phase = Phase::Idle;
            self.head_lines = HeadLines::default();
        }
        answering
    }

    /// The time at which the connection has been silent for too long.
    fn deadline(&self) -> Instant {
        match (self.waits_since, self.phase) {
            (Some(since), _) => since + self.times.write,
            (None, Phase::Head { until }) => until,
            (None, Phase::Idle) => self.written_at + self.times.idle,
        }
    }

    /// Is ready once the deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
        loop {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            ready!(self.alarm.as_mut().poll(cx));
            self.alarm.as_mut().reset(deadline);
        }
    }

    /// Makes the alarm wake the task again, because hyper may not look at the socket any more when the answer is over.
    fn keep_looking(&mut self, cx: &mut Context<'_>) {
        while self.alarm.as_mut().poll(cx).is_ready() {
            self.alarm.as_mut().reset(Instant::now() + self.times.idle);
        }
    }

    /// Notes the bytes that came while no request was being answered.
    fn received(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Idle || self.other_protocol {
            return;
        }
        // Empty lines before a request are allowed and begin nothing.
        match bytes.iter().find(|byte| !matches!(byte, b'\r' | b'\n')) {
            None => {}
            Some(first) if is_token(*first) => self.phase = Phase::Head { until: Instant::now() + self.times.head },
            Some(_) => self.other_protocol = true,
        }
    }

    /// Notes the outcome of a write. A finished write sets the time of the last one, and a write that waits may wait
    /// until the deadline.
    fn noted(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(_)) => {
                self.written_at = Instant::now();
                self.waits_since = None;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return self.poll_too_slow(cx).map(|late| late.map(|()| 0)),
        }
        written
    }

    /// Fails when the client has taken nothing for too long.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = self.taken.times();
        if self.waits_since.is_none() || taken != self.seen {
            self.seen = taken;
            self.waits_since = Some(Instant::now());
        }
        ready!(self.poll_deadline(cx));
        self.reader.cut();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// True if `byte` may begin a method, and so the head of a request. A method is a token (RFC 9110, 5.6.2). Records of
/// TLS and most frames of HTTP/2 begin with a byte that is not.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let answering = self.is_answering();
        let had = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if polled.is_ready() {
            if !answering && !self.http2 {
                self.received(buf.filled().get(had..).unwrap_or_default());
                self.head_lines.look_at(buf.filled_mut().get_mut(had..).unwrap_or_default());
            }
            return polled;
        }
        // A write that waits has a deadline of its own, and says what is wrong when it fails.
        if answering || self.waits_since.is_some() || (self.http2 && self.phase == Phase::Idle) {
            self.keep_looking(cx);
            return Poll::Pending;
        }
        self.poll_deadline(cx).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.noted(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(flushed) => {
                if self.waits_since.take().is_some() {
                    self.written_at = Instant::now();
                }
                Poll::Ready(flushed)
            }
            // The bytes wait in the stream below, which has taken them.
            Poll::Pending => self.poll_too_slow(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.noted(cx, written)
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
    use crate::server::taken::Counting;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection that answers each request with `hello` after `work`, and its other end.
    fn connection(head: Duration, idle: Duration, work: Duration) -> (DuplexStream, JoinSet<()>) {
        serving(Bytes::from("hello"), 1 << 16, head, idle, work)
    }

    /// Serves like [`connection`], but with another answer, and with so many bytes on their way that the client has not
    /// taken.
    fn serving(
        answer: Bytes,
        on_their_way: usize,
        head: Duration,
        idle: Duration,
        work: Duration,
    ) -> (DuplexStream, JoinSet<()>) {
        serving_with(answer, on_their_way, Times { head, idle, write: idle }, work)
    }

    fn serving_with(answer: Bytes, on_their_way: usize, times: Times, work: Duration) -> (DuplexStream, JoinSet<()>) {
        let (near, far) = tokio::io::duplex(on_their_way);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let requests = Requests::default();
            let socket = TimedSocket::new(far, times, requests.clone(), Reader::default());
            let service = service_fn(move |_| {
                let (answering, answer) = (requests.begin(), answer.clone());
                async move {
                    tokio::time::sleep(work).await;
                    Ok::<_, Infallible>(Response::new(answering.until_end_of(Full::new(answer))))
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

    /// The time that the connection stays open while the client says nothing.
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

    #[tokio::test]
    async fn a_slow_reader_that_keeps_taking_gets_its_answer_in_full() {
        const LENGTH: usize = 8000;
        let idle = 2 * HEAD;
        let (mut near, _server) = serving(Bytes::from(vec![b'x'; LENGTH]), 500, HEAD, idle, NO_TIME);
        near.write_all(REQUEST).await.unwrap();
        let (begun, mut taken, mut piece) = (Instant::now(), 0, [0; 400]);
        while taken < LENGTH {
            tokio::time::sleep(idle / 4).await;
            let n = near.read(&mut piece).await.unwrap();
            assert!(n > 0, "it was cut after {taken} bytes and {:?}", begun.elapsed());
            taken += n;
        }
        assert!(begun.elapsed() > 2 * idle, "it was no slow reader: {:?}", begun.elapsed());
        // The head was taken too. The rest of the answer comes before the end.
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), near.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.iter().all(|byte| *byte == b'x'));
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut() {
        let (mut near, mut server) = serving(Bytes::from(vec![b'x'; 8000]), 500, HEAD, HEAD, NO_TIME);
        near.write_all(REQUEST).await.unwrap();
        let begun = Instant::now();
        tokio::time::timeout(Duration::from_secs(20), server.join_next()).await.unwrap();
        assert!(begun.elapsed() >= HEAD / 2, "cut after {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_of_a_stream_is_cut_and_one_that_waits_for_it_is_not() {
        let write = 2 * HEAD;
        let (near, far) = tokio::io::duplex(500);
        let times = Times { head: HEAD, idle: Duration::from_secs(60), write };
        let (mut reader, mut writer) = (near, TimedSocket::new(far, times, Requests::default(), Reader::default()));
        // A request is being answered all the while.
        let _answering = writer.requests.begin();
        assert!(!writer.reader.was_cut());
        let mut taken = [0; 500];
        for _ in 0..3 {
            // The provider says nothing for longer than a client may take nothing.
            tokio::time::sleep(2 * write).await;
            writer.write_all(&[b'x'; 500]).await.unwrap();
            reader.read_exact(&mut taken).await.unwrap();
        }
        let begun = Instant::now();
        let failed = tokio::time::timeout(Duration::from_secs(20), writer.write_all(&[b'x'; 2000])).await.unwrap();
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(writer.reader.was_cut());
        assert!(begun.elapsed() >= write, "cut after {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_slow_reader_of_what_lies_below_is_not_cut_and_one_that_takes_nothing_is() {
        let write = 2 * HEAD;
        let times = Times { head: HEAD, idle: Duration::from_secs(60), write };
        let (mut reader, far) = tokio::io::duplex(500);
        // It takes everything and passes it on later, as TLS does.
        let taken = Taken::default();
        let below = tokio::io::BufWriter::with_capacity(8000, Counting::new(far, taken.clone()));
        let mut writer = TimedSocket::new(below, times, Requests::default(), Reader::default()).above(taken);
        let _answering = writer.requests.begin();
        writer.write_all(&[b'x'; 8000]).await.unwrap();
        let begun = Instant::now();
        let slow = async {
            let mut piece = [0; 400];
            for _ in 0..20 {
                tokio::time::sleep(write / 4).await;
                reader.read_exact(&mut piece).await.unwrap();
            }
        };
        let (flushed, ()) = tokio::join!(writer.flush(), slow);
        flushed.unwrap();
        assert!(begun.elapsed() > 3 * write, "it was no slow reader: {:?}", begun.elapsed());
        writer.write_all(&[b'x'; 8000]).await.unwrap();
        let failed = tokio::time::timeout(Duration::from_secs(20), writer.flush()).await.unwrap();
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(writer.reader.was_cut());
    }

    #[tokio::test]
    async fn hyper_gives_up_a_stream_that_nobody_takes() {
        /// A body without an end.
        struct Endless(#[expect(dead_code, reason = "it counts until it is dropped")] Answering);
        impl Body for Endless {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1000])))))
            }
        }
        let (mut near, far) = tokio::io::duplex(500);
        let times = Times { head: HEAD, idle: Duration::from_secs(60), write: 2 * HEAD };
        let mut server = JoinSet::new();
        server.spawn(async move {
            let requests = Requests::default();
            let socket = TimedSocket::new(far, times, requests.clone(), Reader::default());
            let service = service_fn(move |_| {
                let body = Endless(requests.begin());
                async move { Ok::<_, Infallible>(Response::new(body)) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
        near.write_all(REQUEST).await.unwrap();
        let mut piece = [0; 100];
        // A slow reader is not idle.
        for _ in 0..8 {
            tokio::time::sleep(HEAD).await;
            assert!(near.read(&mut piece).await.unwrap() > 0);
        }
        let begun = Instant::now();
        tokio::time::timeout(Duration::from_secs(20), server.join_next()).await.unwrap();
        assert!(begun.elapsed() >= HEAD, "cut after {:?}", begun.elapsed());
    }

    /// A socket whose first request has just been answered, and the client's side of it.
    async fn after_an_answer(head: Duration, idle: Duration) -> (TimedSocket<DuplexStream>, DuplexStream) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let requests = Requests::default();
        let mut socket = TimedSocket::new(far, Times { head, idle, write: idle }, requests.clone(), Reader::default());
        drop(requests.begin());
        socket.write_all(b"hello").await.unwrap();
        (socket, near)
    }

    #[tokio::test]
    async fn only_what_begins_a_head_is_taken_for_one() {
        let long = Duration::from_secs(60);
        // Empty lines, a record of TLS, and a PING of HTTP/2 whose rest could be a method's letters.
        for pieces in [&[&b"\r\n"[..]][..], &[b"\x16\x03\x01"], &[b"\x00\x00\x08\x06\x00\x00\x00\x00\x00", b"PINGPONG"]]
        {
            let (mut socket, mut near) = after_an_answer(HEAD, long).await;
            let mut bytes = [0; 64];
            for piece in pieces {
                near.write_all(piece).await.unwrap();
                assert_eq!(socket.read(&mut bytes).await.unwrap(), piece.len());
            }
            let waited = tokio::time::timeout(2 * HEAD, socket.read(&mut bytes)).await;
            assert!(waited.is_err(), "{pieces:?} began a head: {waited:?}");
        }
        for piece in [&b"G"[..], b"\r\nPOST"] {
            let (mut socket, mut near) = after_an_answer(HEAD, long).await;
            let mut bytes = [0; 64];
            near.write_all(piece).await.unwrap();
            assert_eq!(socket.read(&mut bytes).await.unwrap(), piece.len());
            let waited = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut bytes)).await;
            assert_eq!(waited.unwrap().unwrap(), 0, "the head had no deadline");
        }
    }
}
