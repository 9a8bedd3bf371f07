//! The store's functions for aliases, and for everything that routing needs.

use tt_core::routing::Alias;
use tt_core::{AliasName, UserId};

use super::{Store, StoreCall};
use crate::audit::Author;
use crate::view::{AliasPatch, NewAlias, Routing};

impl Store {
    /// The user's aliases and sealed provider keys, read at one moment, each by id.
    pub fn routing(&self, user: UserId) -> StoreCall<Routing> {
        call!(self, read, aliases::routing(user))
    }

    /// The user's aliases, by id.
    pub fn aliases(&self, user: UserId) -> StoreCall<Vec<Alias>> {
        call!(self, read, aliases::list(user))
    }

    /// Makes an alias, or replaces the one of that name, which keeps its id and `created_at`.
    ///
    /// `NotFound(ProviderKey)` and `NotFound(Alias)` (the fallback) when those are not the user's; `Invalid` when the
    /// fallback leads back to the alias; `Conflict(QuotaExceeded)`.
    pub fn upsert_alias(&self, user: UserId, new: NewAlias, by: Author) -> StoreCall<Alias> {
        call!(self, write, aliases::upsert(user, new, by))
    }

    /// Changes the alias of this name. Errors as of [`Store::upsert_alias`]; also `NotFound(Alias)` when there is no
    /// alias of this name, and `Conflict(AliasTaken)` when there is one of the new name.
    pub fn patch_alias(&self, user: UserId, name: AliasName, patch: AliasPatch, by: Author) -> StoreCall<Alias> {
        call!(self, write, aliases::patch(user, name, patch, by))
    }

    /// Deletes an alias. `NotFound(Alias)`; `Conflict(AliasInUse)` when another falls back to it.
    pub fn delete_alias(&self, user: UserId, name: AliasName, by: Author) -> StoreCall<()> {
        call!(self, write, aliases::delete(user, name, by))
    }
}
