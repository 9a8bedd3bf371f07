//! Writes failed logins to the audit trail.

use std::sync::Arc;
use std::time::Duration;

use crate::background::interval::turns;
use crate::state::app::App;

/// The time between two writes.
const PERIOD: Duration = Duration::from_secs(60);

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let mut turns = turns(PERIOD);
    loop {
        turns.tick().await;
        app.write_login_failures(false).await;
    }
}
