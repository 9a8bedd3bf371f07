//! One suite for budgets in memory and in Redis, and tests of losses, which only Redis has.

mod concurrency;
mod harness;
mod histories;
mod losses;
mod suite;
mod turns;
mod world;
