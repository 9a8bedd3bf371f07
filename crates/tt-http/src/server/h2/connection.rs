//! One connection of HTTP/2 as a whole: the number of its open streams, and the reasons to end it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The streams that a client may leave before their answers have ended: so many at once, and so many in a second. A client
/// that opens and resets streams without a pause makes work that no limit of streams at a time bounds.
const MOST_LEFT: u32 = 100;
const LEFT_PER_SECOND: u32 = 10;

/// The time that a connection without requests has to end when it is told to.
const TIME_TO_CLOSE: Duration = Duration::from_secs(5);

/// The streams of one connection that are open. Clones are of the same connection.
#[derive(Clone, Default)]
pub(super) struct OpenStreams(Arc<Mutex<Counts>>);

struct Counts {
    open: usize,
    header_bytes: usize,
    /// The time when the last stream ended, or the connection began.
    idle_since: Instant,
    /// The streams that the client may still leave, and the time when that was counted.
    may_leave: u32,
    counted_at: Instant,
    flooded: bool,
}

impl Default for Counts {
    fn default() -> Self {
        let now = Instant::now();
        Self { open: 0, header_bytes: 0, idle_since: now, may_leave: MOST_LEFT, counted_at: now, flooded: false }
    }
}

/// A stream that is open. It ends when this is dropped.
pub(super) struct OpenStream {
    streams: OpenStreams,
    header_bytes: usize,
    /// True if the answer has ended.
    pub(super) answered: bool,
}

impl OpenStreams {
    /// Counts one more stream, whose request has headers of so many bytes.
    pub(super) fn begin(&self, header_bytes: usize) -> OpenStream {
        let mut counts = self.counts();
        counts.open += 1;
        counts.header_bytes += header_bytes;
        OpenStream { streams: self.clone(), header_bytes, answered: false }
    }

    /// The bytes of the headers of all open streams.
    pub(super) fn header_bytes(&self) -> usize {
        self.counts().header_bytes
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since when no stream is open; `None` while one is.
    fn idle_since(&self) -> Option<Instant> {
        let counts = self.counts();
        (counts.open == 0).then_some(counts.idle_since)
    }

    /// True if the client has left too many streams.
    fn are_flooded(&self) -> bool {
        self.counts().flooded
    }
}

impl Counts {
    fn left(&mut self, now: Instant) {
        let seconds = u32::try_from(now.duration_since(self.counted_at).as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            self.counted_at = now;
            self.may_leave = self.may_leave.saturating_add(seconds.saturating_mul(LEFT_PER_SECOND)).min(MOST_LEFT);
        }
        match self.may_leave.checked_sub(1) {
            Some(rest) => self.may_leave = rest,
            None => self.flooded = true,
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut counts = self.streams.counts();
        counts.open -= 1;
        counts.header_bytes -= self.header_bytes;
        let now = Instant::now();
        counts.idle_since = now;
        if !self.answered {
            counts.left(now);
        }
    }
}

/// The limits of one connection.
pub(super) struct Limits {
    /// The time for which no stream may be open.
    pub(super) idle: Duration,
    /// True if the client may leave as many streams as it likes: a trusted proxy leaves one for each client that leaves.
    pub(super) may_leave_all: bool,
}

/// Runs the connection to its end. It is told to end at `stop`, while the server `drains`, and when no stream has been open
/// for too long; it is cut when it does not end then, and when the client has left too many streams.
pub(super) async fn run(
    mut connection: Pin<&mut impl GracefulConnection<Error = hyper::Error>>,
    open: &OpenStreams,
    stop: &CancellationToken,
    drains: impl Fn() -> bool,
    Limits { idle, may_leave_all }: Limits,
) {
    let mut stopped = pin!(stop.cancelled());
    let mut alarm = pin!(sleep_until(Instant::now() + idle));
    // The time when the client was told to end the connection.
    let mut leaving: Option<Instant> = None;
    let ended = poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended.map_err(|error| error.to_string()));
        }
        if !may_leave_all && open.are_flooded() {
            return Poll::Ready(Err("the client left too many streams".to_owned()));
        }
        loop {
            let (now, idle_since) = (Instant::now(), open.idle_since());
            let has_idled = idle_since.is_some_and(|since| now >= since + idle);
            if leaving.is_none() && (stopped.as_mut().poll(cx).is_ready() || drains() || has_idled) {
                leaving = Some(now);
                connection.as_mut().graceful_shutdown();
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(ended.map_err(|error| error.to_string()));
                }
            }
            // A stream that is open counts as if it ended now.
            let since = idle_since.unwrap_or(now);
            let deadline = leaving.map_or(since + idle, |told| since.max(told) + TIME_TO_CLOSE);
            if now >= deadline {
                return Poll::Ready(Err("the client did not end an idle connection".to_owned()));
            }
            // Moved when it fires and not with every stream: it need not fire at the deadline, only not after it.
            if alarm.deadline() > deadline {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm.as_mut().reset(deadline);
        }
    });
    if let Err(error) = ended.await {
        tracing::debug!(error, "a connection of HTTP/2 ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_leave_streams_now_and_then_and_not_without_a_pause() {
        let streams = OpenStreams::default();
        for _ in 0..10 * MOST_LEFT {
            drop(streams.begin(1));
            tokio::time::advance(Duration::from_millis(1000 / u64::from(LEFT_PER_SECOND))).await;
        }
        assert!(!streams.are_flooded());
        for _ in 0..10 * MOST_LEFT {
            let mut answered = streams.begin(1);
            answered.answered = true;
        }
        assert!(!streams.are_flooded(), "streams that were answered count");
        for _ in 0..=MOST_LEFT {
            drop(streams.begin(1));
        }
        assert!(streams.are_flooded());
    }

    #[tokio::test]
    async fn it_knows_how_many_are_open_and_since_when_none_is() {
        let streams = OpenStreams::default();
        assert!(streams.idle_since().is_some());
        let (one, other) = (streams.begin(10), streams.begin(5));
        assert_eq!((streams.header_bytes(), streams.idle_since()), (15, None));
        drop(one);
        assert_eq!((streams.header_bytes(), streams.idle_since()), (5, None));
        drop(other);
        assert_eq!(streams.header_bytes(), 0);
        assert!(streams.idle_since().is_some());
    }
}
