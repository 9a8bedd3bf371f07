//! Reads the body of a request: up to a cap, at a least rate, with a deadline for silence.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::Instant;
use tt_providers::Gathered;

use crate::edge::error::ApiError;

/// The time in which a body may come at any rate.
const ANY_RATE: Duration = Duration::from_secs(30);

/// The bytes that must have come, on average, in every second after [`ANY_RATE`]. A body that drips would otherwise hold
/// its place and its memory for days.
const LEAST_BYTES_PER_SECOND: u32 = 1024;

/// The least speed at which a body must come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The longest silence.
    idle: Duration,
    /// The time in which any rate is fast enough.
    any_rate: Duration,
}

impl Pace {
    /// The pace with `idle` as the longest silence.
    pub(crate) const fn with_idle(idle: Duration) -> Self {
        Self { idle, any_rate: ANY_RATE }
    }

    /// The time by which the next bytes of a body must have come. The body began at `begun`, and `bytes` of it have
    /// come.
    fn deadline(&self, begun: Instant, bytes: usize) -> Instant {
        let whole_seconds = u64::try_from(bytes).unwrap_or(u64::MAX) / u64::from(LEAST_BYTES_PER_SECOND);
        // The earned time is a day at most, so that no size is out of range.
        let earned = Duration::from_secs(whole_seconds.min(86_400));
        (Instant::now() + self.idle).min(begun + self.any_rate + earned)
    }
}

/// Reads `body` to its end. A length that the client announces can only get the body refused: memory is taken as bytes
/// arrive. `hold` is told the number of bytes so far, before they are kept.
///
/// # Errors
/// When the body is longer than `cap_bytes` (413), slower than `pace` (408), broken off or badly framed (400), and
/// whatever `hold` refuses.
pub(crate) async fn read<B>(
    mut body: B,
    cap_bytes: usize,
    pace: Pace,
    mut hold: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let begun = Instant::now();
    let (announced, most) = (body.size_hint().lower(), body.size_hint().upper());
    if announced > cap_bytes as u64 {
        return Err(ApiError::body_too_large(cap_bytes));
    }
    let most = most.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(cap_bytes).min(cap_bytes);
    let mut gathered = Gathered::default();
    loop {
        let so_far = gathered.len();
        let frame = tokio::time::timeout_at(pace.deadline(begun, so_far), body.frame());
        let frame = frame.await.map_err(|_| ApiError::request_timeout())?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| ApiError::incomplete_body())?.into_data() else { continue };
        let total = so_far + data.len();
        if total > cap_bytes {
            return Err(ApiError::body_too_large(cap_bytes));
        }
        hold(total)?;
        gathered.push(data, most);
    }
    Ok(gathered.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    const PACE: Pace = Pace { idle: Duration::from_millis(400), any_rate: Duration::from_millis(600) };

    /// Reads a body of `pieces` pieces of `bytes` bytes each, which come 100 ms apart.
    async fn dripping(pieces: usize, bytes: usize) -> Result<usize, ApiError> {
        let drip = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let piece = Frame::data(Bytes::from(vec![b' '; bytes]));
            (sent < pieces).then_some((Ok::<_, Infallible>(piece), sent + 1))
        });
        let body = StreamBody::new(Box::pin(drip));
        read(body, usize::MAX, PACE, |_| Ok(())).await.map(|read| read.len())
    }

    #[tokio::test]
    async fn a_body_that_drips_is_cut_though_it_is_never_silent() {
        assert_eq!(dripping(30, 1).await.unwrap_err().code, "request_timeout");
        assert_eq!(dripping(3, 1).await.unwrap(), 3, "at first any rate is fast enough");
        assert_eq!(dripping(12, 1024).await.unwrap(), 12 * 1024, "a slow body is cut that keeps the least rate");
    }

    #[test]
    fn every_kibibyte_earns_a_second_and_silence_has_its_own_end() {
        let begun = Instant::now();
        let pace = Pace::with_idle(Duration::from_secs(3600));
        let left = |bytes| pace.deadline(begun, bytes).duration_since(begun);
        assert_eq!([left(0), left(1023), left(10 * 1024)].map(|left| left.as_secs()), [30, 30, 40]);
        let silent = Pace::with_idle(Duration::from_secs(5)).deadline(begun, 1 << 20);
        assert!(silent <= Instant::now() + Duration::from_secs(5));
    }
}
