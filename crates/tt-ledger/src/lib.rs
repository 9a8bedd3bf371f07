//! The ledger: every admitted request is accounted for exactly once, whatever becomes of its client, its task, its
//! process or the store.
//!
//! [`Ledger::open`] takes an intent and gives a [`Guard`], which the response body owns and which settles from `Drop` if
//! nobody settles it before. The [`Drain`] hands settlements in batches to a [`Sink`] of the binary's choosing, in the
//! order in which they settled, and keeps what the sink cannot take.
//!
//! With a journal ([`Ledger::journaled`]) everything is on disk before it counts: intent and attempt before anything is
//! sent upstream, the settlement before the client is given the end of the answer. A process that dies leaves its journal
//! behind, and the next one on its volume stores what it says: requests without a settlement as `interrupted`. The
//! [`Flusher`] makes what is written durable and deletes what is stored.
//!
//! | file | what it holds |
//! |---|---|
//! | `<dir>/<instance>/lock` | locked while the instance lives |
//! | `<dir>/<instance>/<worker>-<number>.seg` | a segment of a worker's chain |
//! | `<dir>/<instance>/….seg.corrupt` | a segment that could not be read to its end, kept aside |
//!
//! **Invariant:** room for a settlement is set aside when its intent is taken. So settling never fails, never waits for
//! the store, and when there is no room, new requests stop, not the accounting of running ones.
//!
//! **Invariant:** it starts no thread or task of its own (files are read back on the runtime's blocking threads, and
//! waited for), reads no clock of its own and knows no store.

mod drain;
pub mod error;
mod flusher;
mod guard;
mod in_flight;
mod journal;
mod ledger;
mod observer;
mod recorder;
#[cfg(test)]
mod sim;

pub use drain::batch::{BATCH, WINDOW};
pub use drain::sink::{Batch, Sink};
pub use drain::{Drain, Drained};
pub use error::LedgerError;
pub use flusher::Flusher;
pub use guard::{Guard, Watcher};
pub use journal::config::{Fsync, JournalConfig};
pub use journal::durable::Durable;
pub use journal::files::{self, Disk};
pub use ledger::{Backlog, Ledger, LedgerBuilder, LedgerStatus};
pub use observer::SettlementObserver;
