//! A user's set-up for routing: aliases and provider keys, without secrets.

use std::collections::HashMap;

use serde::Serialize;

use crate::{AliasId, AliasName, BaseUrl, Invalid, ModelName, Provider, ProviderKeyId, Timestamp};

/// The default of `light_model_threshold`, in input tokens.
pub const DEFAULT_LIGHT_THRESHOLD: u64 = 100;

/// The model that an alias sends requests to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModel {
    /// Always this one.
    Named(ModelName),
    /// The one that the request names; written `*`.
    AsAsked,
}

impl TargetModel {
    /// The text in the API and the store.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(model) => model.as_str(),
            Self::AsAsked => "*",
        }
    }

    /// The model for a request that names `asked`. Fails if it is to be as asked and `asked` is no model's name.
    pub fn of(&self, asked: &str) -> Result<ModelName, Invalid> {
        match self {
            Self::Named(model) => Ok(model.clone()),
            Self::AsAsked => ModelName::try_from(asked.to_owned()),
        }
    }
}

impl TryFrom<String> for TargetModel {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        if text == "*" { Ok(Self::AsAsked) } else { ModelName::try_from(text).map(Self::Named) }
    }
}

impl Serialize for TargetModel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for TargetModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that stands for a provider key and a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The alias's id.
    pub id: AliasId,
    /// The alias's name, unique for the user.
    pub name: AliasName,
    /// The model that requests are sent to.
    pub target_model: TargetModel,
    /// The provider key that requests are sent with.
    pub provider_key_id: ProviderKeyId,
    /// The provider of that key.
    pub provider: Provider,
    /// The alias that is tried next when this one fails.
    pub fallback_alias_id: Option<AliasId>,
    /// True if the light model is to be used for small prompts.
    pub use_light_model: bool,
    /// The number of input tokens from which on a prompt is no longer small.
    pub light_model_threshold: u64,
    /// The model for small prompts.
    pub light_model: Option<ModelName>,
    /// The creation time of the alias.
    pub created_at: Timestamp,
}

impl Alias {
    /// The light model and the number of input tokens under which it serves; `None` where it is switched off or not
    /// set.
    pub fn light(&self) -> Option<(&ModelName, u64)> {
        if !self.use_light_model {
            return None;
        }
        Some((self.light_model.as_ref()?, self.light_model_threshold))
    }
}

/// A provider key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// Its id; a lower one is older.
    pub id: ProviderKeyId,
    /// The provider whose API the key is for.
    pub provider: Provider,
    /// The address to call instead of the operator's address for that provider.
    pub base_url: Option<BaseUrl>,
}

/// Everything routing may choose from for one user.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    by_name: HashMap<AliasName, Alias>,
    names: HashMap<AliasId, AliasName>,
    /// The names of the aliases that catch other names, the longest first.
    catching: Vec<AliasName>,
    keys: Vec<KeyRef>,
}

impl Routes {
    /// Collects the aliases and the keys of one user.
    pub fn new(aliases: impl IntoIterator<Item = Alias>, keys: impl IntoIterator<Item = KeyRef>) -> Self {
        let by_name: HashMap<_, _> = aliases.into_iter().map(|a| (a.name.clone(), a)).collect();
        let names = by_name.values().map(|a| (a.id, a.name.clone())).collect();
        let mut catching: Vec<_> = by_name.keys().filter(|name| name.catches().is_some()).cloned().collect();
        catching.sort_by_key(|name| std::cmp::Reverse(name.as_str().len()));
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_by_key(|k| k.id);
        Self { by_name, names, catching, keys }
    }

    /// The alias that serves requests for the model `asked`: the one of that name, else the longest that catches it. Only
    /// the names of models are caught.
    pub fn alias(&self, asked: &str) -> Option<&Alias> {
        self.by_name.get(asked).or_else(|| {
            let catches = |name: &&AliasName| name.catches().is_some_and(|beginning| asked.starts_with(beginning));
            let name = self.catching.iter().find(catches)?;
            ModelName::fits(asked).then(|| self.by_name.get(name))?
        })
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
