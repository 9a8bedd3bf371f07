//! The commands beside `serve`: what an operator does to a database, with a server running on it or without one.

pub(crate) mod budgets;
pub(crate) mod healthcheck;
pub(crate) mod rotate;
pub(crate) mod usage_export;
pub(crate) mod users;
