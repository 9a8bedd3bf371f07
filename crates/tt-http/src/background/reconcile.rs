//! Takes back what processes that have died still hold of budgets: a process may end between storing a request's row and
//! posting its charge.

use std::sync::Arc;
use std::time::Duration;

use tt_core::Causes;

use crate::background::interval::turns;
use crate::state::app::App;

/// The time between two searches.
const PERIOD: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let mut turns = turns(PERIOD);
    loop {
        turns.tick().await;
        if let Err(error) = app.budget_accounts.reconcile().await {
            tracing::warn!(
                error = %Causes(&error),
                "what processes that have died hold of budgets could not be looked into: trying again"
            );
        }
    }
}
