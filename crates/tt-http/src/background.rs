//! The tasks that run beside the requests, one file each, on the control plane.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::state::app::App;

mod budget_sums;
pub(crate) mod changes;
mod interval;
mod last_used;
mod login_failures;
mod model_refresh;
mod reconcile;
pub(crate) mod reseed;
mod retention;

/// The running tasks. A task logs its failures and tries again at its next turn.
pub(crate) struct Background {
    app: Arc<App>,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Background {
    /// Starts every task, to run until `stop`. `baseline` comes from [`changes::baseline`].
    pub(crate) fn start(app: &Arc<App>, baseline: i64, stop: &CancellationToken) -> Self {
        let mut all = Self { app: Arc::clone(app), tasks: JoinSet::new(), names: HashMap::new() };
        let app = || Arc::clone(app);
        all.spawn("budget_sums", stop, budget_sums::run(app()));
        all.spawn("changes", stop, changes::run(app(), baseline));
        all.spawn("last_used", stop, last_used::run(app()));
        all.spawn("login_failures", stop, login_failures::run(app()));
        all.spawn("model_refresh", stop, model_refresh::run(app()));
        all.spawn("reconcile", stop, reconcile::run(app()));
        all.spawn("reseed", stop, reseed::run(app()));
        all.spawn("retention", stop, retention::run(app()));
        all
    }

    fn spawn(&mut self, name: &'static str, stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        let stop = stop.clone();
        let until_stopped = async move {
            stop.run_until_cancelled(task).await;
        };
        let spawned = self.tasks.spawn_on(until_stopped, &self.app.control);
        self.names.insert(spawned.id(), name);
    }

    /// Waits until every task has ended, and writes down what they have left.
    ///
    /// # Errors
    /// The name of a task that panicked. `stop` is cancelled then: a server that no longer follows changes or drops old
    /// rows must not go on as if it did.
    pub(crate) async fn ended(mut self, stop: &CancellationToken) -> Result<(), &'static str> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Err(panicked) = ended {
                let task = self.names.get(&panicked.id()).copied().unwrap_or("unknown");
                tracing::error!(task, "a background task panicked: the server stops");
                outcome = Err(task);
                stop.cancel();
            }
        }
        self.app.write_last_used().await;
        self.app.write_login_failures(true).await;
        outcome
    }
}
