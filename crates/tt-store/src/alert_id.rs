//! The ids of alerts: `evt_` and a UUIDv7, so that they sort by time.

use tt_core::Timestamp;
use uuid::{NoContext, Uuid};

/// A new id for an alert of the time `at`. A time before the Unix epoch counts as that.
pub(crate) fn new(at: Timestamp) -> String {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    format!("evt_{}", Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1000, nanos)).simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_are_never_the_same() {
        let at = |millis| new(Timestamp::from_millis(millis));
        assert!(at(1_795_435_200_000) < at(1_795_435_200_001));
        assert_ne!(at(5), at(5));
        assert_eq!(at(-5).len(), "evt_".len() + 32);
    }
}
