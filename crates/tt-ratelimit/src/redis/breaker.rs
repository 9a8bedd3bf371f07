//! Whether Redis is asked at all: one number that counts how often that has changed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Even: closed, Redis is asked. Odd: open, it is not.
#[derive(Debug, Default)]
pub(super) struct Breaker(AtomicU64);

/// A span in which the breaker is closed. A failure counts against its own span only: a straggler of an outage that is
/// over does not begin another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed(u64);

/// A span in which it is open. Held by whoever ends it.
#[derive(Debug)]
pub(crate) struct Opened(u64);

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    /// How many open spans have ended.
    pub(super) fn closings(&self) -> u64 {
        self.0.load(Ordering::Acquire) / 2
    }

    /// The current span if it is closed.
    pub(super) fn closed(&self) -> Option<Closed> {
        let span = self.0.load(Ordering::Acquire);
        span.is_multiple_of(2).then_some(Closed(span))
    }

    /// Ends the closed span `since`. One caller alone gets to.
    pub(super) fn open(&self, since: Closed) -> Option<Opened> {
        let next = since.0 + 1;
        self.0.compare_exchange(since.0, next, Ordering::AcqRel, Ordering::Acquire).ok().map(|_| Opened(next))
    }

    /// Ends an open span.
    pub(super) fn close(&self, opened: Opened) {
        self.0.store(opened.0 + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_against_its_own_span_only() {
        let breaker = Breaker::default();
        let before = breaker.closed().unwrap();
        let opened = breaker.open(before).unwrap();
        assert!(breaker.is_open());
        assert!(breaker.open(before).is_none(), "opened twice");
        assert_eq!(breaker.closings(), 0);
        breaker.close(opened);
        assert_eq!(breaker.closings(), 1);
        assert!(!breaker.is_open());
        assert!(breaker.open(before).is_none(), "a straggler opened it");
        assert!(breaker.open(breaker.closed().unwrap()).is_some());
    }
}
