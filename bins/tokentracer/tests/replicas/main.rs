//! Several processes of the built program on one PostgreSQL database and one Redis: what holds across them, and what
//! happens when Redis goes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what was measured is worth reading where a test fails")]

mod anew;
mod budgets;
mod changes;
mod day;
mod limits;
mod logins;
mod main_path;
mod prices;
mod redis_away;
mod redis_tls;
mod rolling;
mod setup;
mod start;
mod storm;
mod unknown_keys;
