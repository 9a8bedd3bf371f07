//! The audit trail: who signed in, or failed to, and who changed what. An entry is written in the transaction of the
//! change that it is about, so that neither is there without the other.

use std::net::IpAddr;

use tt_core::{ApiKeyId, Timestamp, UserId};

/// The most characters of an entry's object and of its detail.
pub(crate) const LONGEST: usize = 300;

/// The author of a change, with the address and the time of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The person or the command that makes the change.
    pub actor: Actor,
    /// The address that the change was asked for from; `None`: from the command line.
    pub address: Option<IpAddr>,
    /// The time of the change.
    pub at: Timestamp,
}

impl Author {
    /// The operator, by a command of the program.
    pub const fn operator(at: Timestamp) -> Self {
        Self { actor: Actor::Operator, address: None, at }
    }
}

/// The person or the command that makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A user, with a session or with an API key.
    User(UserId, Option<ApiKeyId>),
    /// The operator, by a command of the program.
    Operator,
    /// Somebody who signs up, and is a user only afterwards.
    Newcomer,
}

/// The word for what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A user signed up.
    SignedUp,
    /// A session began.
    LoggedIn,
    /// A password was wrong at a login.
    LoginFailed,
    /// A session was ended.
    SessionEnded,
    /// A password was changed.
    PasswordChanged,
    /// The current password was wrong when it was to be changed.
    PasswordChangeFailed,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was replaced.
    ApiKeyRotated,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// A provider key was stored.
    ProviderKeyCreated,
    /// A provider key was changed.
    ProviderKeyUpdated,
    /// A provider key was deleted.
    ProviderKeyDeleted,
    /// All provider keys were sealed with another encryption key.
    SecretsRotated,
    /// An alias was made or replaced.
    AliasSaved,
    /// An alias was changed.
    AliasUpdated,
    /// An alias was deleted.
    AliasDeleted,
    /// A user set their own budget, or removed it.
    BudgetSet,
    /// The operator made a user.
    UserCreated,
    /// A user's role, limits or budget were changed, or a user was disabled or enabled.
    UserUpdated,
    /// A user was deleted.
    UserDeleted,
    /// An administrator set prices.
    PriceSet,
    /// Recorded requests were priced anew.
    PricesRerated,
    /// A webhook was made.
    WebhookCreated,
    /// A webhook was changed.
    WebhookUpdated,
    /// The secret of a webhook was replaced.
    WebhookRotated,
    /// A webhook was deleted.
    WebhookDeleted,
}

impl Action {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "user.signed_up",
            Self::LoggedIn => "login",
            Self::LoginFailed => "login.failed",
            Self::SessionEnded => "session.ended",
            Self::PasswordChanged => "password.changed",
            Self::PasswordChangeFailed => "password.change_failed",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyRotated => "api_key.rotated",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::ProviderKeyCreated => "provider_key.created",
            Self::ProviderKeyUpdated => "provider_key.updated",
            Self::ProviderKeyDeleted => "provider_key.deleted",
            Self::SecretsRotated => "provider_key.resealed",
            Self::AliasSaved => "alias.saved",
            Self::AliasUpdated => "alias.updated",
            Self::AliasDeleted => "alias.deleted",
            Self::BudgetSet => "budget.set",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDeleted => "user.deleted",
            Self::PriceSet => "price.set",
            Self::PricesRerated => "price.rerated",
            Self::WebhookCreated => "webhook.created",
            Self::WebhookUpdated => "webhook.updated",
            Self::WebhookRotated => "webhook.rotated",
            Self::WebhookDeleted => "webhook.deleted",
        }
    }
}

/// Failed tries of one kind, from one address, at one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// The user whose account it is; `None`: no user has the email address that was given.
    pub user: Option<UserId>,
    /// The address that tried; `None`: many addresses, of which each is no entry of its own any more.
    pub address: Option<IpAddr>,
    /// The action that failed.
    pub action: Action,
    /// The number of tries.
    pub count: u32,
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The entry's id. Of two entries of one moment the later one has the higher id.
    pub id: i64,
    /// The time of the change.
    pub at: Timestamp,
    /// The email address that the user had then, or `cli`; `None` where nobody knows.
    pub actor: Option<String>,
    /// The word of an [`Action`].
    pub action: String,
    /// The object that was changed, such as `api_key 7`.
    pub object: String,
    /// More about the change. It holds no secret.
    pub detail: String,
    /// The address that the change was asked for from.
    pub address: Option<String>,
}

/// A question for entries, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only entries of this user's own; `None`: everybody's.
    pub user: Option<UserId>,
    /// Only entries older than this one (its time and id).
    pub before: Option<(Timestamp, i64)>,
    /// Only entries of this moment or later.
    pub from: Option<Timestamp>,
    /// Only entries before this moment.
    pub to: Option<Timestamp>,
    /// The largest number of entries to return.
    pub limit: u32,
}
