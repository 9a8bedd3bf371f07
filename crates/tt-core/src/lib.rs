#![doc = include_str!("../README.md")]

pub mod alert;
pub mod backoff;
pub mod budget;
pub mod call;
pub mod caller;
pub mod causes;
pub mod client;
pub mod cost;
pub mod credential;
pub mod fee;
pub mod filters;
pub mod health;
pub mod ids;
pub mod invalid;
pub mod limits;
pub mod model;
pub mod money;
pub mod names;
pub mod plan;
pub mod price;
pub mod provider;
pub mod query;
pub mod record;
pub mod routing;
#[cfg(feature = "schema")]
mod schema;
pub mod spreadsheet;
pub mod tags;
pub mod time;
pub mod tokens;
pub mod trace;
pub mod usage;
pub mod zone;

pub use budget::{Budget, Period};
pub use caller::{Caller, Role, Scope};
pub use causes::Causes;
pub use credential::{KeyHash, SealId, Sealed};
pub use ids::{AliasId, ApiKeyId, DeliveryId, ProviderKeyId, RequestId, SessionId, UserId, WebhookId};
pub use invalid::Invalid;
pub use money::NanoUsd;
pub use names::{AliasName, BaseUrl, Email, Label, ModelName, WebhookUrl};
pub use provider::{Dialect, Provider};
pub use tags::Tags;
pub use time::Timestamp;
pub use usage::{Usage, UsageSource};
pub use zone::Zone;
