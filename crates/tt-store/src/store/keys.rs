//! API keys of our own, and sealed keys of providers.

use tt_core::{ApiKeyId, Caller, KeyHash, ProviderKeyId, Sealed, Timestamp, UserId};

use super::{Call, Store};
use crate::view::{
    ApiKeyInfo, ModelList, NewApiKey, NewProviderKey, ProviderKeyInfo, ProviderKeyPatch, SealedKey, StoredSecret,
};

impl Store {
    /// Stores an API key.
    pub fn create_api_key(&self, user: UserId, new: NewApiKey, now: Timestamp) -> Call<ApiKeyId> {
        call!(self, write, api_keys::create(user, new, now))
    }

    /// The user's API keys by id, revoked and expired ones too.
    pub fn api_keys(&self, user: UserId) -> Call<Vec<ApiKeyInfo>> {
        call!(self, read, api_keys::list(user))
    }

    /// Revokes an API key; one that is revoked stays so. `NotFound(ApiKey)`.
    pub fn revoke_api_key(&self, user: UserId, key: ApiKeyId, now: Timestamp) -> Call<()> {
        call!(self, write, api_keys::revoke(user, key, now))
    }

    /// Who holds the API key; `None` when there is none, it was revoked, or its user is disabled. Whether it has
    /// expired is the caller's to ask, with every request.
    pub fn caller_by_key(&self, key_hash: KeyHash) -> Call<Option<Caller>> {
        call!(self, read, api_keys::caller(key_hash))
    }

    /// Notes when API keys were last used; a later time stands. Unknown keys are passed over.
    pub fn touch_last_used(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> Call<()> {
        call!(self, write, api_keys::touch(uses))
    }

    /// Stores a provider key.
    pub fn create_provider_key(&self, user: UserId, new: NewProviderKey, now: Timestamp) -> Call<ProviderKeyInfo> {
        call!(self, write, provider_keys::create(user, new, now))
    }

    /// The user's provider keys, by id.
    pub fn provider_keys(&self, user: UserId) -> Call<Vec<ProviderKeyInfo>> {
        call!(self, read, provider_keys::list(user))
    }

    /// One provider key with its sealed secret.
    pub fn sealed_key(&self, user: UserId, key: ProviderKeyId) -> Call<Option<SealedKey>> {
        call!(self, read, provider_keys::sealed(user, key))
    }

    /// Changes a provider key. `NotFound(ProviderKey)`.
    pub fn update_provider_key(
        &self,
        user: UserId,
        key: ProviderKeyId,
        patch: ProviderKeyPatch,
        now: Timestamp,
    ) -> Call<ProviderKeyInfo> {
        call!(self, write, provider_keys::update(user, key, patch, now))
    }

    /// Deletes a provider key. `NotFound(ProviderKey)`, `Conflict(ProviderKeyInUse)`.
    pub fn delete_provider_key(&self, user: UserId, key: ProviderKeyId, now: Timestamp) -> Call<()> {
        call!(self, write, provider_keys::delete(user, key, now))
    }

    /// Sealed secrets of all users by id, at most `limit`, from the one after `after` on (0: from the first). For the
    /// rotation of the encryption key.
    pub fn stored_secrets(&self, after: ProviderKeyId, limit: u32) -> Call<Vec<StoredSecret>> {
        call!(self, read, provider_keys::secrets(after, limit))
    }

    /// Replaces a sealed secret by `new`, which opens to the same, unless it is no longer as it was read; whether it
    /// did.
    pub fn reseal(&self, old: StoredSecret, new: Sealed) -> Call<bool> {
        call!(self, write, provider_keys::reseal(old, new))
    }

    /// The models of the user's provider keys, where they have been fetched, by key.
    pub fn model_lists(&self, user: UserId) -> Call<Vec<ModelList>> {
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
    ) -> Call<bool> {
        call!(self, write, provider_models::claim(user, key, stale, now, until))
    }

    /// Keeps the models fetched for a key, as the provider named them, and gives up the right. `NotFound(ProviderKey)`.
    pub fn save_models(&self, user: UserId, key: ProviderKeyId, models: Vec<String>, now: Timestamp) -> Call<()> {
        call!(self, write, provider_models::save(user, key, models, now))
    }
}
