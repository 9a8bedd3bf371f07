//! The ledger: every admitted request is accounted for exactly once, whatever becomes of its client, its task or the
//! store.
//!
//! [`Ledger::open`] takes an intent and gives a [`Guard`], which the response body owns and which settles from `Drop` if
//! nobody settles it before. The [`Drain`] hands settlements in batches to a sink of the binary's choosing, in the order
//! in which they settled, and keeps what the sink cannot take.
//!
//! **Invariant:** room for a settlement is set aside when its intent is taken. So settling never fails, never blocks and
//! never waits for the store, and when there is no room, new requests stop, not the accounting of running ones.
//!
//! **Invariant:** it spawns nothing, reads no clock of its own and knows no store.

mod drain;
pub mod error;
#[cfg(test)]
mod fixtures;
mod guard;
#[cfg(test)]
mod interleavings;
mod ledger;
mod places;

pub use drain::{BATCH, Drain, Drained, WINDOW};
pub use error::LedgerError;
pub use guard::Guard;
pub use ledger::{Ledger, Pending};
