//! The wall clock: the one place of this crate that reads the time of day.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use tt_core::{RequestId, Timestamp};
use uuid::{NoContext, Uuid};

/// The current time, to the millisecond. Every crate below this one takes the time as an argument.
#[must_use]
pub fn now() -> Timestamp {
    timestamp(since_epoch())
}

/// The end of the current hour. Sums up to it count the hour whole, which needs no rows.
pub(crate) fn end_of_hour() -> Timestamp {
    now().plus_millis(1).hour_up()
}

/// The time since the Unix epoch by the wall clock, which may be set in either direction at any time.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The millisecond that `since_epoch` lies in.
pub(crate) fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A new id for a request that arrived at `since_epoch`.
///
/// The id is made from the time, and no id before it has a say: a source of UUIDv7s that never goes back would stand still
/// after the clock has been set back. Of two requests in one millisecond the later has the greater id, since the twelve
/// bits after the millisecond hold what is left of the time.
pub(crate) fn request_id(since_epoch: Duration) -> RequestId {
    let (seconds, nanos) = (since_epoch.as_secs(), since_epoch.subsec_nanos());
    let mut bytes = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)).into_bytes();
    let [high, low] =
        (u64::from(nanos % 1_000_000) * 4096 / 1_000_000).to_be_bytes().last_chunk().map_or([0; 2], |two| *two);
    if let Some(after_the_millisecond) = bytes.get_mut(6..8) {
        after_the_millisecond.copy_from_slice(&[0x70 | high, low]);
    }
    RequestId(Uuid::from_bytes(bytes))
}

/// The header `date` for an answer at `since_epoch`. It is written once a second and thread.
pub(crate) fn date(since_epoch: Duration) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = since_epoch.as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some((of, date)) if *of == second => date.clone(),
        _ => {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            let date = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
            *last = Some((second, date.clone()));
            date
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_its_time_also_after_the_clock_was_set_back() {
        let ahead = Duration::from_millis(1_800_000_090_000);
        let back = Duration::from_millis(1_800_000_000_007);
        for time in [ahead, back] {
            assert_eq!(request_id(time).created_at(), Some(timestamp(time)));
            assert_eq!(request_id(time).0.get_version_num(), 7);
        }
        assert_ne!(request_id(back), request_id(back));
    }

    #[test]
    fn ids_within_a_millisecond_are_in_order() {
        let ids: Vec<_> = (0..1000).map(|n| request_id(Duration::new(1_800_000_000, 5_000_000 + n * 1000))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids.first().map(|id| id.created_at()), ids.last().map(|id| id.created_at()));
    }

    #[test]
    fn the_date_goes_back_with_the_clock() {
        let date = |seconds| date(Duration::from_secs(seconds)).to_str().unwrap().to_owned();
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_776), "Sun, 06 Nov 1994 08:49:36 GMT");
    }
}
