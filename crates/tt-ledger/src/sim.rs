//! The ledger under test: on a simulated machine whose processes are killed and whose disk fails, and in any order of
//! events.

pub(crate) mod crashes;
mod faults;
pub(crate) mod fixtures;
mod interleavings;
mod journal_v1;
mod lifecycle;
mod observers;
mod refusals;
pub(crate) mod simulated;
mod together;
