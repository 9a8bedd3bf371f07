//! Makes the sums over budgets that the metrics show, if they show any.

use std::sync::Arc;
use std::time::Duration;

use crate::background::interval::turns;
use crate::clock::now;
use crate::state::app::App;

/// The time between two sums.
const PERIOD: Duration = Duration::from_secs(5);

/// Runs until it is dropped, or until there is nothing to do.
pub(super) async fn run(app: Arc<App>) {
    let Some(sums) = &app.budget_sums else { return };
    let mut turns = turns(PERIOD);
    loop {
        turns.tick().await;
        sums.make(app.budget_accounts.counters(), now()).await;
    }
}
