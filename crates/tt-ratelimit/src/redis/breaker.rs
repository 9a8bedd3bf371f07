//! The circuit breaker: whether Redis is called at all. One number counts how often that has changed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Closed (Redis is called) while the number is even, open (it is not) while it is odd.
#[derive(Debug, Default)]
pub(super) struct Breaker(AtomicU64);

/// A span of time in which the breaker is closed. A failure opens the breaker only if the call began in the span that
/// still lasts: a late failure from an outage that is over does not begin another outage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClosedSpan(u64);

/// A span of time in which the breaker is open. The task that ends the outage holds it.
#[derive(Debug)]
pub(super) struct OpenSpan(u64);

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    /// The number of outages that have ended.
    pub(super) fn closings(&self) -> u64 {
        self.0.load(Ordering::Acquire) / 2
    }

    /// The current span if the breaker is closed.
    pub(super) fn closed(&self) -> Option<ClosedSpan> {
        let span = self.0.load(Ordering::Acquire);
        span.is_multiple_of(2).then_some(ClosedSpan(span))
    }

    /// Ends the span `since` and opens the breaker. Of many callers at once, one gets the new span.
    pub(super) fn open(&self, since: ClosedSpan) -> Option<OpenSpan> {
        let next = since.0 + 1;
        self.0.compare_exchange(since.0, next, Ordering::AcqRel, Ordering::Acquire).ok().map(|_| OpenSpan(next))
    }

    /// Ends an outage.
    pub(super) fn close(&self, opened: OpenSpan) {
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
