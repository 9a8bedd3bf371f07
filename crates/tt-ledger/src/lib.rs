//! The ledger: it accounts for every admitted request exactly once, whatever happens to the client, the task, the process
//! or the store.
//!
//! [`Ledger::open`] admits a request and gives a [`Guard`]. The response body owns the guard, records each attempt with it,
//! and settles it; a guard that is dropped before settles as cancelled. The [`Drain`] hands settlements in batches to a
//! [`Sink`], in the order in which they settled, and offers a batch again until the sink stores it. A
//! [`SettlementObserver`] sees every settlement, for metrics that equal the ledger.
//!
//! With a journal ([`Ledger::journaled`]), the intent and the start of an attempt are on disk before anything is sent
//! upstream, and the settlement before the client gets the end of the answer. A process that dies leaves its journal
//! behind: an orphan. The next process on the same volume stores what it holds, with outcome `interrupted` for requests
//! that had not settled. The [`Flusher`] makes the journal durable and deletes what is stored.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use tt_core::Timestamp;
//! use tt_core::record::{AttemptEnded, JournalCursor, Outcome, Settled, Settlement};
//! use tt_ledger::{Batch, Disk, JournalConfig, Ledger, Sink};
//! # use tt_core::{Dialect, Provider, plan::Route, record::{AttemptStarted, Intent}};
//! # fn from_json<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T { serde_json::from_value(json).unwrap() }
//! # fn intent() -> Intent {
//! #     from_json(serde_json::json!({
//! #         "request_id": "019abc00-0000-7000-8000-000000000001", "created_at": "2026-11-25T10:00:00.000Z", "user_id": 1,
//! #         "api_key_id": null, "alias": "fast", "dialect": Dialect::OpenAiChat, "stream": false, "route_reason": "",
//! #         "chain": [], "tags": {},
//! #     }))
//! # }
//! # fn attempt() -> AttemptStarted {
//! #     from_json(serde_json::json!({
//! #         "alias": "fast", "route": Route::Primary, "provider": Provider::OpenAi, "provider_key_id": 1, "model": "m",
//! #         "started_at": "2026-11-25T10:00:00.100Z",
//! #     }))
//! # }
//!
//! /// A store whose tables are vectors. A real one writes a batch in one transaction.
//! #[derive(Default)]
//! struct Tables {
//!     rows: Arc<std::sync::Mutex<Vec<Settlement>>>,
//!     cursors: Vec<JournalCursor>,
//! }
//!
//! impl Sink for Tables {
//!     type Error = Infallible;
//!
//!     async fn record(&mut self, batch: Batch) -> Result<(), Infallible> {
//!         self.rows.lock().unwrap().extend(batch.settlements.iter().cloned());
//!         for cursor in batch.cursors.iter() {
//!             self.cursors.retain(|known| known.journal != cursor.journal);
//!             self.cursors.push(cursor.clone());
//!         }
//!         Ok(())
//!     }
//!
//!     async fn cursor(&mut self, journal: String) -> Result<Option<JournalCursor>, Infallible> {
//!         Ok(self.cursors.iter().find(|known| known.journal == journal).cloned())
//!     }
//!
//!     async fn forget(&mut self, journal: String) -> Result<(), Infallible> {
//!         self.cursors.retain(|known| known.journal != journal);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let served = Arc::new(AtomicU64::new(0));
//! let metric = Arc::clone(&served);
//! let (ledger, drain, flusher) = Ledger::builder(|| Timestamp::from_millis(1_764_064_800_000))
//!     .observer(Arc::new(move |settlement: &Settlement| {
//!         metric.fetch_add(u64::from(settlement.settled.outcome == Outcome::Ok), Ordering::Relaxed);
//!     }))
//!     .journaled(JournalConfig::new(dir.path(), "a-name-used-once"), Arc::new(Disk))?;
//! let flushing = std::thread::spawn(move || flusher.run());
//! let tables = Tables::default();
//! let rows = Arc::clone(&tables.rows);
//!
//! // A request: admitted, sent upstream, answered.
//! let mut guard = ledger.open(intent())?;
//! guard.attempt_started(attempt())?;
//! guard.last_attempt_ended(AttemptEnded { error: None, ..AttemptEnded::unbilled(Some(200), "", 5) });
//! let settled =
//!     Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 105, first_token_ms: None };
//! guard.settle(settled).await?;
//! // The client may get the end of the answer now.
//!
//! // Another one, whose client leaves.
//! drop(ledger.open(intent())?);
//!
//! // The drain runs until the ledger and all guards are dropped. A service spawns it.
//! drop(ledger);
//! let drained = drain.run_into(tables, std::future::pending()).await;
//! flushing.join().unwrap();
//! assert_eq!((drained.delivered, drained.lost), (2, 0));
//! assert_eq!(served.load(Ordering::Relaxed), 1);
//! assert_eq!(rows.lock().unwrap()[1].settled.outcome, Outcome::Cancelled);
//! # Ok(())
//! # }
//! ```
//!
//! # Files of a journal
//!
//! Each worker thread writes a chain of segments of its own, so that threads do not wait for one another.
//!
//! | file | content |
//! |---|---|
//! | `<dir>/<instance>/lock` | locked as long as the process lives |
//! | `<dir>/<instance>/<worker>-<number>.seg` | a segment of a worker's chain |
//! | `<dir>/<instance>/….seg.corrupt` | a segment that could not be read to its end; it is kept and never read again |
//!
//! # Invariants
//!
//! - The room for a settlement is reserved when the request is admitted. So settling never fails and never waits for the
//!   store; when there is no room, new requests are refused, and running ones are still accounted for.
//! - The crate starts no thread or task. Files are read back on the runtime's blocking threads, and the drain waits for
//!   them.
//! - It reads no clock but the one it is given, and it knows no store.

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

pub use drain::batch::{BATCH, BATCH_BYTES, WINDOW};
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
