//! Management against the built program, from outside: routing decisions, lists of models, users, the command line,
//! sums and logs, prices.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod backup;
mod bodies;
mod budgets;
mod call_limit;
mod cli;
mod embeddings;
mod export;
mod hanging_up;
mod holds;
mod key;
mod lost_key;
mod models;
mod prices;
mod quotas;
mod route;
mod setup;
mod spending;
mod stage;
mod usage;
mod users;
mod whatif;
