//! Types that the store takes and gives and tt-core has none for: users, keys and sessions as rows, changes to them.

use secrecy::SecretString;
use tt_core::budget::{Budget, UserBudgets};
use tt_core::caller::RequestLimits;
use tt_core::fee::Fee;
use tt_core::routing::{Alias, KeyRef};
use tt_core::{
    AliasId, AliasName, ApiKeyId, BaseUrl, Email, KeyHash, Label, ModelName, NanoUsd, Provider, ProviderKeyId,
    RequestId, Role, Scope, SealId, Sealed, Timestamp, Usage, UsageSource, UserId,
};

/// A user without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address.
    pub email: Email,
    /// Their role.
    pub role: Role,
    /// May they do nothing at all?
    pub disabled: bool,
    /// Their own limits, 0: the server's default.
    pub limits: RequestLimits,
    /// Their own budget, and an administrator's for them.
    pub budgets: UserBudgets,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// The part of a user that a login needs.
#[derive(Debug)]
pub struct Login {
    /// The user who would be signed in.
    pub id: UserId,
    /// The password's hash as stored (a PHC string).
    pub password_hash: SecretString,
    /// Their role.
    pub role: Role,
    /// May they do nothing at all? A login is refused then.
    pub disabled: bool,
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserPatch {
    /// Their role.
    pub role: Option<Role>,
    /// May they do nothing at all?
    pub disabled: Option<bool>,
    /// Requests a minute, 0: the server's default.
    pub rate_limit_minute: Option<u64>,
    /// Requests a UTC day, 0: the server's default.
    pub rate_limit_daily: Option<u64>,
    /// An administrator's budget for them; `Some(None)` takes it away.
    pub budget: Option<Option<Budget>>,
}

/// An API key to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its hash.
    pub key_hash: KeyHash,
    /// A name its owner chose.
    pub name: Option<Label>,
    /// Its first characters, by which its owner knows it.
    pub prefix: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// The aliases it may name; `None`: all of the user's.
    pub allowed_aliases: Option<Vec<AliasName>>,
    /// Its own limits, 0: none.
    pub limits: RequestLimits,
    /// Its own budget.
    pub budget: Option<Budget>,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// An API key as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyInfo {
    /// Its id.
    pub id: ApiKeyId,
    /// A name its owner chose.
    pub name: Option<Label>,
    /// Its first characters.
    pub prefix: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// The aliases it may name; `None`: all of the user's.
    pub allowed_aliases: Option<Vec<AliasName>>,
    /// Its own limits, 0: none.
    pub limits: RequestLimits,
    /// Its own budget.
    pub budget: Option<Budget>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A provider key to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProviderKey {
    /// Whose API it opens.
    pub provider: Provider,
    /// A name its owner chose.
    pub label: Option<Label>,
    /// The address to call instead of the operator's.
    pub base_url: Option<BaseUrl>,
    /// The name its ciphertext is bound to.
    pub seal_id: SealId,
    /// The key, sealed.
    pub sealed: Sealed,
}

/// A provider key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderKeyInfo {
    /// The part that routing needs: id, provider, address.
    pub key: KeyRef,
    /// A name its owner chose.
    pub label: Option<Label>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Changes to a provider key; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderKeyPatch {
    /// A name its owner chose.
    pub label: Option<Option<Label>>,
    /// The address to call. That it changes together with the key only is the caller's rule.
    pub base_url: Option<Option<BaseUrl>>,
    /// Another key.
    pub secret: Option<(SealId, Sealed)>,
}

/// A provider key with its sealed secret, for the directory to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// The part that routing needs.
    pub key: KeyRef,
    /// The name its ciphertext is bound to.
    pub seal_id: SealId,
    /// The key, sealed.
    pub sealed: Sealed,
}

/// Everything routing needs of one user, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// Their aliases, by id.
    pub aliases: Vec<Alias>,
    /// Their provider keys, by id.
    pub keys: Vec<SealedKey>,
}

/// The models a provider lists for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList {
    /// The key.
    pub provider_key_id: ProviderKeyId,
    /// Whose API it opens.
    pub provider: Provider,
    /// The names as the provider sent them.
    pub models: Vec<String>,
    /// When they were fetched.
    pub fetched_at: Timestamp,
}

/// An alias to make or to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlias {
    /// Its name.
    pub name: AliasName,
    /// The model to call.
    pub target_model: ModelName,
    /// The key to call it with: one of the user's.
    pub provider_key_id: ProviderKeyId,
    /// The alias to try when it fails: another of the user's.
    pub fallback_alias_id: Option<AliasId>,
    /// Is the light model to be used for small prompts?
    pub use_light_model: bool,
    /// Small is: fewer input tokens than this.
    pub light_model_threshold: u64,
    /// The model for small prompts.
    pub light_model: Option<ModelName>,
}

/// Changes to an alias; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasPatch {
    /// Another name.
    pub name: Option<AliasName>,
    /// The model to call.
    pub target_model: Option<ModelName>,
    /// The key to call it with.
    pub provider_key_id: Option<ProviderKeyId>,
    /// The alias to try when it fails.
    pub fallback_alias_id: Option<Option<AliasId>>,
    /// Is the light model to be used for small prompts?
    pub use_light_model: Option<bool>,
    /// Small is: fewer input tokens than this.
    pub light_model_threshold: Option<u64>,
    /// The model for small prompts.
    pub light_model: Option<Option<ModelName>>,
}

/// Somebody may do something else than before: what is remembered of this user is to be forgotten. Or the prices have
/// changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Rising, but not in the order of commit.
    pub id: i64,
    /// Whose.
    pub user_id: UserId,
    /// When, by the clock of the process that wrote it.
    pub created_at: Timestamp,
}

impl Change {
    /// Whose change it is that the prices are others: nobody's, ids begin at 1.
    pub(crate) const PRICES: UserId = UserId(0);

    /// Is it that the prices have changed?
    pub fn of_prices(&self) -> bool {
        self.user_id == Self::PRICES
    }
}

/// A sealed secret on its way to another encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Whose: with the rest, what the ciphertext is bound to.
    pub user_id: UserId,
    /// The key.
    pub key: SealedKey,
}

/// The piece of the log that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// There was nothing left to drop.
    Nothing,
    /// So many rows (SQLite).
    Rows(usize),
    /// All rows of the UTC day that begins then (PostgreSQL).
    Day(Timestamp),
}

/// Requests by one credential since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// Whose.
    pub user_id: UserId,
    /// The API key; `None`: by session.
    pub api_key_id: Option<ApiKeyId>,
    /// The number of requests.
    pub requests: u64,
}

/// A choice of a user's recorded requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageScope {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// Only this alias.
    pub alias: Option<String>,
}

/// Use and cost of one request, as its row has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedUsage {
    /// When it arrived.
    pub created_at: Timestamp,
    /// Its id.
    pub request_id: RequestId,
    /// Tokens over all attempts.
    pub usage: Usage,
    /// Fees beside tokens, over all attempts.
    pub fees: Vec<Fee>,
    /// The source of the numbers.
    pub source: UsageSource,
    /// The known cost.
    pub cost: Option<NanoUsd>,
    /// Does the cost leave something out?
    pub unpriced: bool,
}
