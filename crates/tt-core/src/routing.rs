//! What a user has set up for routing: aliases and provider keys, without secrets.

use std::collections::HashMap;

use crate::{AliasId, AliasName, BaseUrl, ModelName, Provider, ProviderKeyId, Timestamp};

/// The default of `light_model_threshold`, in input tokens.
pub const DEFAULT_LIGHT_THRESHOLD: u64 = 100;

/// A name that stands for a provider key and a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Its id.
    pub id: AliasId,
    /// Its name, unique for the user.
    pub name: AliasName,
    /// The model to call.
    pub target_model: ModelName,
    /// The key to call it with.
    pub provider_key_id: ProviderKeyId,
    /// That key's provider.
    pub provider: Provider,
    /// Where to go when this one fails.
    pub fallback_alias_id: Option<AliasId>,
    /// Is the light model to be used for small prompts?
    pub use_light_model: bool,
    /// Small is: fewer input tokens than this.
    pub light_model_threshold: u64,
    /// The model for small prompts.
    pub light_model: Option<ModelName>,
    /// When it was first made.
    pub created_at: Timestamp,
}

impl Alias {
    /// The model for small prompts and the bound under which it serves, where it is switched on.
    pub fn light(&self) -> Option<(&ModelName, u64)> {
        if !self.use_light_model {
            return None;
        }
        Some((self.light_model.as_ref()?, self.light_model_threshold))
    }
}

/// A provider key's public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// Its id; a lower one is older.
    pub id: ProviderKeyId,
    /// Whose API it opens.
    pub provider: Provider,
    /// Where to call instead of the operator's address for that provider.
    pub base_url: Option<BaseUrl>,
}

/// Everything routing may choose from for one user.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    by_name: HashMap<AliasName, Alias>,
    names: HashMap<AliasId, AliasName>,
    keys: Vec<KeyRef>,
}

impl Routes {
    /// Collects a user's aliases and keys.
    pub fn new(aliases: impl IntoIterator<Item = Alias>, keys: impl IntoIterator<Item = KeyRef>) -> Self {
        let by_name: HashMap<_, _> = aliases.into_iter().map(|a| (a.name.clone(), a)).collect();
        let names = by_name.values().map(|a| (a.id, a.name.clone())).collect();
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_by_key(|k| k.id);
        Self { by_name, names, keys }
    }

    /// The alias of that name.
    pub fn alias(&self, name: &str) -> Option<&Alias> {
        self.by_name.get(name)
    }

    /// The alias of that id.
    pub fn alias_by_id(&self, id: AliasId) -> Option<&Alias> {
        self.by_name.get(self.names.get(&id)?)
    }

    /// All aliases, in no order.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.by_name.values()
    }

    /// The key of that id.
    pub fn key(&self, id: ProviderKeyId) -> Option<&KeyRef> {
        self.keys.iter().find(|k| k.id == id)
    }

    /// The user's oldest key (by id) of that provider.
    pub fn oldest_key(&self, provider: Provider) -> Option<&KeyRef> {
        self.keys.iter().find(|k| k.provider == provider)
    }
}
