//! The words for the health of a target: its failures, its rests and its states.

use std::time::Duration;

use serde::Serialize;

use crate::Provider;

/// A failure of a target that counts towards its rest. Failures of other kinds say nothing about the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The provider does not take the stored key, or its account cannot pay: 401 or 402. It opens the key's breaker.
    Key(u16),
    /// The stored key may not do this: 403. It opens the breaker of the model.
    Forbidden,
    /// No connection could be opened, or it broke.
    Connection,
    /// No answer in time, or the provider reports so (408, 504).
    TimeOut,
    /// A 429, with the wait that the provider asks for.
    RateLimited(Option<Duration>),
    /// The provider failed with this status: 5xx.
    Server(u16),
}

impl Fault {
    /// True if one of these opens a breaker.
    pub(super) const fn opens_at_once(self) -> bool {
        matches!(self, Self::Key(_) | Self::Forbidden)
    }

    /// The wait that the provider asks for.
    pub(super) const fn asked(self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) => wait,
            _ => None,
        }
    }
}

/// The word in the API: the status, or `connection` or `timeout`.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(status) | Self::Server(status) => write!(f, "{status}"),
            Self::Forbidden => f.write_str("403"),
            Self::Connection => f.write_str("connection"),
            Self::TimeOut => f.write_str("timeout"),
            Self::RateLimited(_) => f.write_str("429"),
        }
    }
}

/// The state of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// It is used.
    Closed,
    /// It rests.
    Open,
    /// Its rest is over. One request at a time tries it; the others pass it over until one has been served.
    HalfOpen,
}

impl TargetState {
    /// All states, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Targets in one state: the provider keys of all users for which a model is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSample {
    /// The provider.
    pub provider: Provider,
    /// The upstream model.
    pub model: String,
    /// The state.
    pub state: TargetState,
    /// The number of provider keys.
    pub keys: u64,
}

/// A rest of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The end of the rest. If it has passed, another request tries the target just now.
    pub until_ms: u64,
    /// The failure that it rests for, which is the last of several where one does not suffice.
    pub cause: Fault,
}

/// The standing of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: TargetState,
    /// Its rest; `None` if it is closed.
    pub rest: Option<Rest>,
}
