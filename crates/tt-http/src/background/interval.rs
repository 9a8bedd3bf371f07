//! The turns of a background task.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The first turn comes soon after the start, but does not compete with it.
const FIRST: Duration = Duration::from_millis(200);

/// Turns a `period` apart. After one that took longer than that the next comes a whole period later.
pub(super) fn turns(period: Duration) -> Interval {
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.reset_at(Instant::now() + period.min(FIRST));
    turns
}
