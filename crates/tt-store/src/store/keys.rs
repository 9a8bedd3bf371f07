//! The store's functions for TokenTracer's own API keys, and for sealed keys of providers.

use tt_core::{ApiKeyId, Caller, KeyHash, ProviderKeyId, Sealed, Timestamp, UserId};

use super::{Store, StoreCall};
use crate::audit::Author;
use crate::view::{
    ApiKeyInfo, ModelList, NewApiKey, NewProviderKey, ProviderKeyInfo, ProviderKeyPatch, Rotation, SealedKey,
    StoredSecret,
};

impl Store {
    /// Stores an API key. `Conflict(QuotaExceeded)`.
    pub fn create_api_key(&self, user: UserId, new: NewApiKey, by: Author) -> StoreCall<ApiKeyId> {
        call!(self, write, api_keys::create(user, new, by))
    }

    /// The user's API keys by id, revoked and expired ones too.
    pub fn api_keys(&self, user: UserId) -> StoreCall<Vec<ApiKeyInfo>> {
        call!(self, read, api_keys::list(user))
    }

    /// One of the user's API keys.
    pub fn api_key(&self, user: UserId, key: ApiKeyId) -> StoreCall<Option<ApiKeyInfo>> {
        call!(self, read, api_keys::one(user, key))
    }

    /// Puts a new API key in the place of `key`, which works until its grace is over; returns the new one. It has the name,
    /// scopes, aliases, limits and budget of the old one, and is valid for as long as that was made for.
    /// `NotFound(ApiKey)`, also for one that has ended; `Conflict(QuotaExceeded)`.
    pub fn rotate_api_key(&self, user: UserId, key: ApiKeyId, new: Rotation, by: Author) -> StoreCall<ApiKeyInfo> {
        call!(self, write, api_keys::rotate(user, key, new, by))
    }

    /// Revokes an API key. One that is revoked already stays so. `NotFound(ApiKey)`.
    pub fn revoke_api_key(&self, user: UserId, key: ApiKeyId, by: Author) -> StoreCall<()> {
        call!(self, write, api_keys::revoke(user, key, by))
    }

    /// The caller that the API key belongs to; `None` when there is no such key, it was revoked, or its user is
    /// disabled. The caller of this function must check with every request whether the key has expired.
    pub fn caller_by_key(&self, key_hash: KeyHash) -> StoreCall<Option<Caller>> {
        call!(self, read, api_keys::caller(key_hash))
    }

    /// Records when API keys were last used. An earlier time than the recorded one, or an unknown key, changes nothing.
    pub fn touch_last_used(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> StoreCall<()> {
        call!(self, write, api_keys::touch(uses))
    }

    /// Stores a provider key. `Conflict(QuotaExceeded)`.
    pub fn create_provider_key(&self, user: UserId, new: NewProviderKey, by: Author) -> StoreCall<ProviderKeyInfo> {
        call!(self, write, provider_keys::create(user, new, by))
    }

    /// The user's provider keys, by id.
    pub fn provider_keys(&self, user: UserId) -> StoreCall<Vec<ProviderKeyInfo>> {
        call!(self, read, provider_keys::list(user))
    }

    /// One provider key with its sealed secret.
    pub fn sealed_key(&self, user: UserId, key: ProviderKeyId) -> StoreCall<Option<SealedKey>> {
        call!(self, read, provider_keys::sealed(user, key))
    }

    /// Changes a provider key. `NotFound(ProviderKey)`.
    pub fn update_provider_key(
        &self,
        user: UserId,
        key: ProviderKeyId,
        patch: ProviderKeyPatch,
        by: Author,
    ) -> StoreCall<ProviderKeyInfo> {
        call!(self, write, provider_keys::update(user, key, patch, by))
    }

    /// Deletes a provider key. `NotFound(ProviderKey)`, `Conflict(ProviderKeyInUse)`.
    pub fn delete_provider_key(&self, user: UserId, key: ProviderKeyId, by: Author) -> StoreCall<()> {
        call!(self, write, provider_keys::delete(user, key, by))
    }

    /// Sealed secrets of all users by id, at most `limit`, beginning after `after` (0: with the first). The rotation of
    /// the encryption key uses it.
    pub fn stored_secrets(&self, after: ProviderKeyId, limit: u32) -> StoreCall<Vec<StoredSecret>> {
        call!(self, read, provider_keys::secrets(after, limit))
    }

    /// Replaces a sealed secret by `new`, which must open to the same key, unless it has changed since it was read.
    /// Returns whether it was replaced.
    pub fn reseal(&self, old: StoredSecret, new: Sealed) -> StoreCall<bool> {
        call!(self, write, provider_keys::reseal(old, new))
    }

    /// The models of the user's provider keys, where they have been fetched, by key.
    pub fn model_lists(&self, user: UserId) -> StoreCall<Vec<ModelList>> {
        call!(self, read, provider_models::lists(user))
    }

    /// Asks for the right to fetch a key's models until `until`: given when the list is older than `stale` (or there
    /// is none) and nobody holds the right at `now`. `NotFound(ProviderKey)`.
    pub fn claim_model_refresh(
        &self,
        user: UserId,
        key: ProviderKeyId,
        stale: Timestamp,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreCall<bool> {
        call!(self, write, provider_models::claim(user, key, stale, now, until))
    }

    /// Stores the models fetched for a key, as the provider named them, and gives up the right.
    /// `NotFound(ProviderKey)`.
    pub fn save_models(&self, user: UserId, key: ProviderKeyId, models: Vec<String>, now: Timestamp) -> StoreCall<()> {
        call!(self, write, provider_models::save(user, key, models, now))
    }
}
