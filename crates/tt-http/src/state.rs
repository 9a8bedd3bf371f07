//! The state that requests share, below the HTTP edge: it knows no status and answers with errors of its own.

pub(crate) mod alerts;
pub(crate) mod app;
pub(crate) mod budget_accounts;
pub(crate) mod budget_sums;
pub(crate) mod call_limit;
pub(crate) mod compute;
pub(crate) mod directory;
pub(crate) mod last_used;
pub(crate) mod login_failures;
pub(crate) mod login_throttle;
pub(crate) mod memory_limit;
pub(crate) mod model_refresh_queue;
pub(crate) mod network;
pub(crate) mod prices;
pub(crate) mod sealing;
pub(crate) mod target_health;
pub(crate) mod unknown_credentials;
pub(crate) mod worker;
pub(crate) mod worker_load;
