//! The wall clock: the one place of this crate that reads the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use tt_core::Timestamp;

/// The current time, to the millisecond. Every crate below this one takes the time as an argument.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
