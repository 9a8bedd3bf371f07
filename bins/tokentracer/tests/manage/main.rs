//! Management against the built program, from outside: routing decisions, lists of models, users, the command line,
//! sums and logs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;
mod cli;
mod export;
mod models;
mod route;
mod setup;
mod usage;
mod users;
