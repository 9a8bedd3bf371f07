//! Test tools: a mock upstream of every dialect, throw-away databases.

pub mod database;
pub mod redis;
