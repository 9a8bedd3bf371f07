//! Management against the built program, from outside: routing decisions, lists of models, users, the command line,
//! sums and logs.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::string_slice, reason = "a test that cannot go on fails")]

mod cli;
mod models;
mod route;
mod setup;
mod usage;
mod users;
