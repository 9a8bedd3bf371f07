//! The server's own share of a request's duration, for the metrics.
//!
//! It is the time from the arrival of the request's head to its settlement, less the waits for others:
//!
//! - for the client's body;
//! - for providers, from the moment an attempt is sent to the end of its answer. That includes the relay of a stream, in which
//!   our work runs beside the provider's;
//! - for the time to try again.
//!
//! The share is the reading of credentials and directory, the decisions of limits and budgets with their calls to Redis,
//! the reading and writing of bodies, the counting of tokens, and the journal. A request whose client has left has no share,
//! since nobody waited for its settlement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tt_metrics::Metrics;

use super::meter::millis;

/// The measurement of one request.
pub(in crate::proxy) struct OwnShare {
    metrics: Arc<Metrics>,
    arrived: Instant,
    /// The waits for others so far.
    waits: Duration,
}

impl OwnShare {
    /// Begins with a request that arrived at `arrived` and whose body came within `body_wait`.
    pub(in crate::proxy) fn new(metrics: Arc<Metrics>, arrived: Instant, body_wait: Duration) -> Self {
        Self { metrics, arrived, waits: body_wait }
    }

    /// Notes a wait for others.
    pub(super) fn waited(&mut self, wait: Duration) {
        self.waits = self.waits.saturating_add(wait);
    }

    /// Milliseconds since the request arrived.
    pub(super) fn since_arrival_ms(&self) -> u64 {
        millis(self.arrived.elapsed())
    }

    /// Ends the measurement, since the request is about to settle. Returns the milliseconds since the request arrived.
    pub(super) fn end(&self) -> u64 {
        let all = self.arrived.elapsed();
        self.metrics.overhead(all.saturating_sub(self.waits));
        millis(all)
    }
}

#[cfg(test)]
mod tests {
    use tt_core::price::PriceTable;
    use tt_metrics::{Format, Readings};

    use super::*;

    fn share_under(seconds: &str, waits: [u64; 2]) -> bool {
        let metrics = Arc::new(Metrics::new(PriceTable::builtin().unwrap(), "test"));
        let arrived = Instant::now().checked_sub(Duration::from_secs(600)).unwrap();
        let [body_wait, wait] = waits.map(Duration::from_secs);
        let mut own = OwnShare::new(Arc::clone(&metrics), arrived, body_wait);
        own.waited(wait);
        assert!(own.end() >= 600_000, "the duration of the request has the waits in it");
        let text = metrics.exposition(&Readings::default(), Format::Text).unwrap();
        assert!(text.contains("tokentracer_overhead_seconds_count 1\n"), "{text}");
        text.contains(&format!("tokentracer_overhead_seconds_bucket{{le=\"{seconds}\"}} 1\n"))
    }

    #[test]
    fn waits_for_others_are_no_part_of_it() {
        assert!(!share_under("5", [0, 0]));
        assert!(!share_under("5", [300, 200]));
        assert!(share_under("5", [300, 299]));
        // A wait that was measured longer than the whole takes nothing away.
        assert!(share_under("0.0001", [600, 600]));
    }
}
