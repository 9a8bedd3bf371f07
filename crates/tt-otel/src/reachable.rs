//! Whether a receiver takes what it is sent. The log says so when it changes, and not with each export.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The state of one receiver.
#[derive(Debug)]
pub(crate) struct Reachable {
    /// The kind of telemetry that it gets, for the log.
    signal: &'static str,
    /// The host and port, for the log.
    host: String,
    away: AtomicBool,
    /// The requests whose spans have been dropped since the log last said so.
    lost: AtomicU64,
}

impl Reachable {
    pub(crate) fn new(signal: &'static str, host: String) -> Self {
        Self { signal, host, away: AtomicBool::new(false), lost: AtomicU64::new(0) }
    }

    /// An export has failed for this reason.
    pub(crate) fn failed(&self, reason: &str) {
        if !self.away.swap(true, Ordering::Relaxed) {
            let (signal, receiver) = (self.signal, self.host.as_str());
            tracing::warn!(receiver, "OTLP: {signal} cannot be delivered: {reason}; requests are served without");
        }
    }

    /// An export has been taken.
    pub(crate) fn delivered(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            let (signal, receiver, lost) = (self.signal, self.host.as_str(), self.take_lost());
            tracing::info!(receiver, lost, "OTLP: {signal} are delivered again");
        }
    }

    /// The spans of so many requests have been dropped.
    pub(crate) fn lose(&self, requests: u64) {
        self.lost.fetch_add(requests, Ordering::Relaxed);
    }

    /// The number of requests without spans, if the receiver is there: then the queue was full.
    pub(crate) fn take_overflow(&self) -> Option<u64> {
        if self.away.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.take_lost()).filter(|lost| *lost > 0)
    }

    /// The number of requests whose spans have been dropped since this was last asked.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
