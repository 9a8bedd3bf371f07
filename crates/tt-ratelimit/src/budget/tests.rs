//! One suite for budgets in memory and in Redis, and what only Redis has to bear.

mod bench;
mod concurrency;
mod histories;
mod losses;
mod suite;
mod world;
