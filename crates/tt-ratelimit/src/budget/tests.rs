//! One suite for budgets in memory and in Redis, and what only Redis has to bear.

mod bench;

mod histories;

mod suite;
mod world;
