//! The targets that settlements have named, by one price table, so that each is looked up by its labels once.

use std::sync::Arc;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use tt_core::Provider;
use tt_core::price::PriceTable;

use crate::handles::{ModelHandles, TargetHandles};
use crate::labels::NONE;
use crate::names::{self, Aliases};

/// The most names remembered of each kind. Names used least recently are forgotten first, and their labels are looked up
/// again: what they have counted stays.
const MOST_MODELS: usize = 1024;
const MOST_TARGETS: usize = 2048;

/// A model as it was asked for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ModelKey {
    provider: Provider,
    model: Box<str>,
}

/// A request's alias and the model that was asked last; no model if there was no attempt.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TargetKey {
    alias: Box<str>,
    model: Option<ModelKey>,
}

/// [`ModelKey`], borrowed. It hashes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ModelName<'a> {
    pub(crate) provider: Provider,
    pub(crate) model: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TargetName<'a> {
    alias: &'a str,
    model: Option<ModelName<'a>>,
}

impl ModelName<'_> {
    fn owned(self) -> ModelKey {
        ModelKey { provider: self.provider, model: self.model.into() }
    }
}

impl Equivalent<ModelKey> for ModelName<'_> {
    fn equivalent(&self, key: &ModelKey) -> bool {
        self.provider == key.provider && *self.model == *key.model
    }
}

impl Equivalent<TargetKey> for TargetName<'_> {
    fn equivalent(&self, key: &TargetKey) -> bool {
        let same_model = match (&self.model, &key.model) {
            (Some(name), Some(key)) => name.equivalent(key),
            (None, None) => true,
            _ => false,
        };
        same_model && *self.alias == *key.alias
    }
}

/// The handles of the targets seen. Its memory is bounded, however many names clients make up.
#[derive(Debug)]
pub(crate) struct Known {
    prices: Arc<PriceTable>,
    models: Cache<ModelKey, Arc<ModelHandles>>,
    targets: Cache<TargetKey, Arc<TargetHandles>>,
}

impl Known {
    /// No targets yet. The models that `prices` lists have labels of their own.
    pub(crate) fn new(prices: Arc<PriceTable>) -> Self {
        Self { prices, models: Cache::new(MOST_MODELS), targets: Cache::new(MOST_TARGETS) }
    }

    /// True if the labels follow this table.
    pub(crate) fn is_by(&self, prices: &Arc<PriceTable>) -> bool {
        Arc::ptr_eq(&self.prices, prices)
    }

    /// The label of a model.
    pub(crate) fn label(&self, name: ModelName<'_>) -> Arc<str> {
        names::model(&self.prices, name.provider, name.model)
    }

    /// The handles of a model.
    pub(crate) fn model(&self, name: ModelName<'_>) -> Arc<ModelHandles> {
        if let Some(known) = self.models.get(&name) {
            return known;
        }
        let handles = Arc::new(ModelHandles::new(name.provider.as_str(), self.label(name)));
        self.models.insert(name.owned(), Arc::clone(&handles));
        handles
    }

    /// The handles of a request's alias and of the model that was asked last.
    pub(crate) fn target(&self, aliases: &Aliases, alias: &str, model: Option<ModelName<'_>>) -> Arc<TargetHandles> {
        let name = TargetName { alias, model };
        if let Some(known) = self.targets.get(&name) {
            return known;
        }
        let handles = match model {
            Some(model) => self.model(model),
            None => Arc::new(ModelHandles::new(NONE, NONE.into())),
        };
        let handles = Arc::new(TargetHandles::new(aliases.label(alias), handles));
        let key = TargetKey { alias: alias.into(), model: model.map(ModelName::owned) };
        self.targets.insert(key, Arc::clone(&handles));
        handles
    }
}
