//! The state that the requests of one worker thread share.

use std::sync::Arc;

use tt_ledger::Ledger;

use crate::state::worker_load::WorkerLoad;

/// The worker's connections to providers and to Redis, and its part of the journal.
pub(crate) struct Worker {
    pub(crate) client: tt_providers::Client,
    pub(crate) limits: tt_ratelimit::LimitWorker,
    pub(crate) budgets: tt_ratelimit::BudgetWorker,
    /// Bound to the worker's own chain of the journal.
    pub(crate) ledger: Ledger,
    pub(crate) load: Arc<WorkerLoad>,
}
