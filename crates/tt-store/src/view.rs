//! The types that the store takes and gives and for which tt-core has none: users, keys and sessions as rows, and
//! changes to them.

use secrecy::SecretString;
use tt_core::budget::{Budget, UserBudgets};
use tt_core::caller::RequestLimits;
use tt_core::fee::Fee;
use tt_core::filters::Filters;
use tt_core::routing::{Alias, KeyRef, TargetModel};
use tt_core::{
    AliasId, AliasName, ApiKeyId, BaseUrl, Email, KeyHash, Label, ModelName, NanoUsd, Provider, ProviderKeyId,
    RequestId, Role, Scope, SealId, Sealed, SessionId, Timestamp, Usage, UsageSource, UserId,
};

/// A user without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The e-mail address that the user logs in with.
    pub email: Email,
    /// The user's role.
    pub role: Role,
    /// True if the user may do nothing at all.
    pub disabled: bool,
    /// The user's own limits; 0 means that the server's default holds.
    pub limits: RequestLimits,
    /// The budget that the user set, and the one that an administrator set for them.
    pub budgets: UserBudgets,
    /// The time of the sign-up.
    pub created_at: Timestamp,
}

/// The part of a user that a login needs.
#[derive(Debug)]
pub struct Login {
    /// The user who would be signed in.
    pub id: UserId,
    /// The password's hash as stored (a PHC string).
    pub password_hash: SecretString,
    /// The user's role.
    pub role: Role,
    /// True if the user may do nothing at all. A login is then refused.
    pub disabled: bool,
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserPatch {
    /// The user's role.
    pub role: Option<Role>,
    /// True to let the user do nothing at all any more.
    pub disabled: Option<bool>,
    /// The requests a minute; 0 for the server's default.
    pub rate_limit_minute: Option<u64>,
    /// The requests a UTC day; 0 for the server's default.
    pub rate_limit_daily: Option<u64>,
    /// The budget that an administrator sets for the user; `Some(None)` removes it.
    pub budget: Option<Option<Budget>>,
}

/// An API key to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The hash of the key. The key itself is not stored.
    pub key_hash: KeyHash,
    /// The name that the owner chose.
    pub name: Option<Label>,
    /// The first characters of the key, by which the owner recognises it.
    pub prefix: String,
    /// The groups of paths that the key may be used for.
    pub scopes: Vec<Scope>,
    /// The aliases that the key may name; `None`: all of the user's.
    pub allowed_aliases: Option<Vec<AliasName>>,
    /// The key's own limits; 0 means none.
    pub limits: RequestLimits,
    /// The key's own budget.
    pub budget: Option<Budget>,
    /// The end of the key's validity; `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
}

/// An API key as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyInfo {
    /// The key's id.
    pub id: ApiKeyId,
    /// The name that the owner chose.
    pub name: Option<Label>,
    /// The first characters of the key, by which the owner recognises it.
    pub prefix: String,
    /// The groups of paths that the key may be used for.
    pub scopes: Vec<Scope>,
    /// The aliases that the key may name; `None`: all of the user's.
    pub allowed_aliases: Option<Vec<AliasName>>,
    /// The key's own limits; 0 means none.
    pub limits: RequestLimits,
    /// The key's own budget.
    pub budget: Option<Budget>,
    /// The creation time of the key.
    pub created_at: Timestamp,
    /// The end of the key's validity, or of the grace after it was replaced if that is earlier; `None`: it does not
    /// expire.
    pub expires_at: Option<Timestamp>,
    /// The time of the last use, to about a minute; `None`: never used.
    pub last_used_at: Option<Timestamp>,
    /// The time of the revocation; `None`: the key is not revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A new API key in the place of another one, which works for some time beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the new key.
    pub key_hash: KeyHash,
    /// The first characters of the new key.
    pub prefix: String,
    /// The time that the old key still works, in milliseconds; 0: it is revoked at once.
    pub grace_ms: i64,
}

/// A session that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSession {
    /// The session's id.
    pub id: SessionId,
    /// True if the oldest sessions of the user ended to make room for this one.
    pub ended_oldest: bool,
}

/// A session as its user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    /// The session's id.
    pub id: SessionId,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The time of the last use, to about a minute; `None`: never used.
    pub last_used_at: Option<Timestamp>,
    /// The time at which the session ends.
    pub expires_at: Timestamp,
}

/// A provider key to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProviderKey {
    /// The provider whose API the key is for.
    pub provider: Provider,
    /// The name that the owner chose.
    pub label: Option<Label>,
    /// The address to call instead of the operator's for that provider.
    pub base_url: Option<BaseUrl>,
    /// The random name that the ciphertext is bound to.
    pub seal_id: SealId,
    /// The sealed key.
    pub sealed: Sealed,
}

/// A provider key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderKeyInfo {
    /// The part that routing needs: id, provider, address.
    pub key: KeyRef,
    /// The name that the owner chose.
    pub label: Option<Label>,
    /// The time at which the key was stored.
    pub created_at: Timestamp,
}

/// Changes to a provider key; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderKeyPatch {
    /// The name that the owner chose.
    pub label: Option<Option<Label>>,
    /// The address to call. The store changes it alone too; the caller must refuse a change of the address without a
    /// new key.
    pub base_url: Option<Option<BaseUrl>>,
    /// The new key, sealed, with the random name that its ciphertext is bound to.
    pub secret: Option<(SealId, Sealed)>,
}

/// A provider key with its sealed secret, for the directory to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// The part that routing needs: id, provider, address.
    pub key: KeyRef,
    /// The random name that the ciphertext is bound to.
    pub seal_id: SealId,
    /// The sealed key.
    pub sealed: Sealed,
}

/// Everything that routing needs of one user, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// The user's aliases, by id.
    pub aliases: Vec<Alias>,
    /// The user's provider keys, by id.
    pub keys: Vec<SealedKey>,
}

/// The models a provider lists for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList {
    /// The key that the models were listed for.
    pub provider_key_id: ProviderKeyId,
    /// The provider whose API the key is for.
    pub provider: Provider,
    /// The names of the models, as the provider sent them.
    pub models: Vec<String>,
    /// The time at which the list was fetched.
    pub fetched_at: Timestamp,
}

/// An alias to make or to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlias {
    /// The alias's name, unique for the user.
    pub name: AliasName,
    /// The model that requests are sent to.
    pub target_model: TargetModel,
    /// The provider key that requests are sent with: one of the user's.
    pub provider_key_id: ProviderKeyId,
    /// The alias that is tried when this one fails: another of the user's.
    pub fallback_alias_id: Option<AliasId>,
    /// True if the light model is to be used for small prompts.
    pub use_light_model: bool,
    /// The number of input tokens from which on a prompt is no longer small.
    pub light_model_threshold: u64,
    /// The model for small prompts.
    pub light_model: Option<ModelName>,
}

/// Changes to an alias; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasPatch {
    /// The new name.
    pub name: Option<AliasName>,
    /// The model that requests are sent to.
    pub target_model: Option<TargetModel>,
    /// The provider key that requests are sent with: one of the user's.
    pub provider_key_id: Option<ProviderKeyId>,
    /// The alias that is tried when this one fails; `Some(None)` removes it.
    pub fallback_alias_id: Option<Option<AliasId>>,
    /// True if the light model is to be used for small prompts.
    pub use_light_model: Option<bool>,
    /// The number of input tokens from which on a prompt is no longer small.
    pub light_model_threshold: Option<u64>,
    /// The model for small prompts; `Some(None)` removes it.
    pub light_model: Option<Option<ModelName>>,
}

/// A note that a user's rights, keys or aliases have changed, so that processes must forget what they hold of this
/// user; or a note that prices have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The id of the note. Ids rise, but notes do not appear in the order of their ids.
    pub id: i64,
    /// The user whose rights, keys or aliases have changed.
    pub user_id: UserId,
    /// The time of the change, by the clock of the process that made it.
    pub created_at: Timestamp,
}

impl Change {
    /// The `user_id` of a note about prices. It is no user's id, since ids begin at 1.
    pub(crate) const PRICES: UserId = UserId(0);

    /// True if the note says that prices have changed.
    pub fn of_prices(&self) -> bool {
        self.user_id == Self::PRICES
    }
}

/// A sealed secret on its way to another encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The user who owns the key. The ciphertext is bound to the user, as it is to the provider, the address and the
    /// random name.
    pub user_id: UserId,
    /// The key with its sealed secret.
    pub key: SealedKey,
}

/// The part of the log that one step of pruning dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// No rows were left to drop.
    Nothing,
    /// This number of rows (SQLite).
    Rows(usize),
    /// All rows of the UTC day that begins at this moment (PostgreSQL).
    Day(Timestamp),
}

/// The number of requests with one credential since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The user who owns the credential.
    pub user_id: UserId,
    /// The API key; `None` for requests by session.
    pub api_key_id: Option<ApiKeyId>,
    /// The number of requests.
    pub requests: u64,
}

/// A selection of a user's recorded requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageScope {
    /// Only requests that arrived at this moment or later.
    pub from: Timestamp,
    /// Only requests that arrived before this moment.
    pub to: Timestamp,
    /// Only requests that pass these.
    pub filters: Filters,
}

/// Usage and cost of one request, read from its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedUsage {
    /// The arrival of the request.
    pub created_at: Timestamp,
    /// The id of the request.
    pub request_id: RequestId,
    /// Tokens over all attempts.
    pub usage: Usage,
    /// Fees beside tokens, over all attempts.
    pub fees: Vec<Fee>,
    /// The origin of the numbers in `usage`.
    pub source: UsageSource,
    /// The sum of the known costs; `None` where none is known.
    pub cost: Option<NanoUsd>,
    /// True if `cost` leaves something out, because a price or the usage of an attempt is unknown.
    pub unpriced: bool,
}
