//! The store: users, keys, aliases, the request log and its sums, on SQLite or PostgreSQL.
//!
//! ```
//! use tt_core::{Email, Timestamp};
//! use tt_store::{Author, Store, StoreConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let url = format!("sqlite://{}", folder.path().join("example.db").display());
//! let runtime = tokio::runtime::Runtime::new()?;
//! let store = Store::open(StoreConfig::new(url.into(), runtime.handle().clone()))?;
//! let user = runtime.block_on(async {
//!     store.migrate().await?;
//!     let email = Email::parse("ann@example.org")?;
//!     let id = store.create_user(email, "a hash made elsewhere".into(), Author::operator(Timestamp::from_millis(0))).await?;
//!     store.user(id).await
//! })?;
//! assert_eq!(user.map(|user| user.email.to_string()).as_deref(), Some("ann@example.org"));
//! # Ok(())
//! # }
//! ```
//!
//! Each function of [`Store`] takes owned arguments, runs on the runtime that the store was opened
//! with, and may be awaited from any other or dropped: what was begun is finished. Every function takes the user whose
//! objects it touches, except credential look-up, administration and the drain. Another user's object is answered as
//! one that does not exist.
//!
//! A query is written once, in `repo/<table>.rs`, against `super::Conn` and `super::native`. `pg.rs` and `sqlite.rs`
//! each compile those files with their own connection and their own `native`, which holds the statements that differ.
//! Columns have types that both databases have.
//!
//! **Invariant:** nothing here reads a clock, opens a sealed secret or knows a status code.

#[macro_use]
mod transaction;

mod alert_id;
mod audit;
mod batch;
mod classes;
mod config;
mod decode;
mod details;
mod error;
mod json;
mod location;
mod migrate;
#[cfg(feature = "postgres")]
mod pg;
mod pool;
mod rerate;
mod rollup;
mod schema;
mod sqlite;
mod store;
mod stored_attempts;
mod sums;
#[cfg(feature = "postgres")]
mod tls;
mod usage_filters;
mod usage_range;
mod usage_sql;
mod view;
mod webhook;

pub use audit::{Action, Actor, AuditEntry, AuditQuery, Author, Failures};
pub use config::StoreConfig;
pub use error::{Conflict, Object, Quota, Result, Source, StoreError};
pub use rerate::{Place, Repriced, Rerate, Rerated};
pub use store::{Store, StoreCall};
pub use view::{
    AliasPatch, ApiKeyInfo, Change, Login, ModelList, NewAlias, NewApiKey, NewProviderKey, NewSession, ProviderKeyInfo,
    ProviderKeyPatch, Pruned, RecordedUsage, RequestCount, Rotation, Routing, SealedKey, SessionInfo, StoredSecret,
    UsageScope, User, UserPatch,
};
pub use webhook::{Attempted, ClaimedDelivery, Delivery, NewWebhook, Webhook, WebhookPatch, WebhookSecret};
