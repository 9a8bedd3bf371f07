//! Who is calling, as the directory remembers it.

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, UserBudgets};
use crate::{AliasName, ApiKeyId, Invalid, SessionId, Timestamp, UserId};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Their own objects only.
    User,
    /// Prices and users besides.
    Admin,
}

impl Role {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err(Invalid::new("role", "must be user or admin")),
        }
    }
}

/// What an API key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `/v1` and the other proxy paths.
    Proxy,
    /// `/manage`.
    Manage,
}

impl Scope {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Manage => "manage",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "proxy" => Ok(Self::Proxy),
            "manage" => Ok(Self::Manage),
            _ => Err(Invalid::new("scopes", "must be a list of proxy and manage")),
        }
    }
}

/// How somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A session token from login.
    Session(SessionId),
    /// An API key.
    ApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// What it may be used for.
        scopes: Vec<Scope>,
        /// The aliases it may name; `None`: all of the user's.
        allowed_aliases: Option<Vec<AliasName>>,
        /// Its own limits, 0: none.
        limits: RequestLimits,
        /// Its own budget.
        budget: Option<Budget>,
    },
}

/// Requests admitted per minute and per UTC day; 0: not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestLimits {
    /// In any 60 seconds.
    pub minute: u64,
    /// In a UTC day.
    pub day: u64,
}

/// An authenticated caller. Whether `expires_at` has passed is asked again with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// How they proved it.
    pub proof: Proof,
    /// When the credential ends; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The user's own limits, 0: the server's default.
    pub limits: RequestLimits,
    /// The user's budgets.
    pub budgets: UserBudgets,
}

impl Caller {
    /// The API key used, if it was one.
    pub fn api_key_id(&self) -> Option<ApiKeyId> {
        match self.proof {
            Proof::ApiKey { id, .. } => Some(id),
            Proof::Session(_) => None,
        }
    }

    /// May this caller use what `scope` stands for? A session may use everything.
    pub fn may(&self, scope: Scope) -> bool {
        match &self.proof {
            Proof::Session(_) => true,
            Proof::ApiKey { scopes, .. } => scopes.contains(&scope),
        }
    }

    /// May this caller name `model` in a request?
    pub fn may_name(&self, model: &str) -> bool {
        match &self.proof {
            Proof::ApiKey { allowed_aliases: Some(allowed), .. } => allowed.iter().any(|a| a.as_str() == model),
            _ => true,
        }
    }
}
