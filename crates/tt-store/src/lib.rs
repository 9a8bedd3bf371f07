//! The store: repositories written once, compiled for SQLite and for PostgreSQL.
//!
//! [`Store`] is the face. Each of its functions takes owned arguments, runs on the runtime that the store was opened
//! with, and may be awaited from any other or dropped: what was begun is finished. Every function takes the user whose
//! objects it touches, but those of credential look-up, of admins and of the drain; somebody else's object and one
//! that does not exist are told apart nowhere.
//!
//! `repo/<table>.rs` is ordinary code against `super::Conn`; `pg.rs` and `sqlite.rs` each compile it with their
//! own, and hold in `dialect` the little that differs. Columns keep to types both databases have.
//!
//! **Invariant:** nothing here reads a clock, opens a sealed secret or knows a status code.

#[macro_use]
mod transaction;

mod batch;
mod classes;
mod config;
mod decode;
mod error;
mod location;
mod migrate;
mod pg;
mod pool;
mod rerate;
mod rollup;
mod schema;
mod sqlite;
mod store;
mod tls;
mod view;

pub use config::StoreConfig;
pub use error::{Conflict, Object, Result, Source, StoreError};
pub use rerate::{Place, Repriced, Rerate, Rerated};
pub use store::{Call, Store};
pub use view::{
    AliasPatch, ApiKeyInfo, Change, Login, ModelList, NewAlias, NewApiKey, NewProviderKey, ProviderKeyInfo,
    ProviderKeyPatch, Pruned, RecordedUsage, RequestCount, Routing, SealedKey, StoredSecret, UsageScope, User,
    UserPatch,
};
