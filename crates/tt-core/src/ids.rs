//! Identifiers. Database ids are 64-bit and never reused; a request id is a UUIDv7 made when the request arrives.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// A user: the tenant everything else belongs to.
    UserId);
id!(/// An API key of TokenTracer's own (`tt-…`).
    ApiKeyId);
id!(/// A signed-in session.
    SessionId);
id!(/// A stored key of a provider.
    ProviderKeyId);
id!(/// An alias: a name that stands for a provider key and a model.
    AliasId);
id!(/// A webhook: an address that alerts are sent to.
    WebhookId);
id!(/// An alert on its way to a webhook.
    DeliveryId);

/// The id of one request: in the log, the ledger and `x-request-id`. UUIDv7, so it sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// The millisecond inside the UUIDv7, which is the row's `created_at`; `None` for a UUID of another version.
    pub fn created_at(&self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))?;
        Some(Timestamp::from_millis(millis))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RequestId {
    type Err = crate::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|_| crate::Invalid::new("request_id", "not a UUID"))
    }
}
