//! The wall clock. Everything below the binary takes the time as an argument or a function.

use std::time::{SystemTime, UNIX_EPOCH};

use tt_core::Timestamp;

/// The time now, in milliseconds.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
