//! The names that clients choose, as label values of which there are only so many.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tt_core::Provider;
use tt_core::price::PriceTable;

use crate::labels::{DIRECT, OTHER};

/// The most aliases that have a label value of their own, over the life of the process: the first that requests name.
pub(crate) const MOST_ALIASES: usize = 500;

/// The aliases that have a label value of their own.
#[derive(Debug, Default)]
pub(crate) struct Aliases(Mutex<HashSet<Arc<str>>>);

impl Aliases {
    /// The label of the alias that a request is recorded under. A request that named `provider/model` has none: its
    /// target is in labels of its own.
    pub(crate) fn label(&self, alias: &str) -> Arc<str> {
        if alias.contains('/') {
            return DIRECT.into();
        }
        let mut aliases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = aliases.get(alias) {
            return Arc::clone(known);
        }
        if aliases.len() >= MOST_ALIASES {
            return OTHER.into();
        }
        let label: Arc<str> = alias.into();
        aliases.insert(Arc::clone(&label));
        label
    }
}

/// The label of a model: the name of the entry that prices it, so that dated names of one model share it; `other` for a
/// model that the table lacks.
pub(crate) fn model(prices: &PriceTable, provider: Provider, model: &str) -> Arc<str> {
    prices.lookup(provider, model).map_or(OTHER, |entry| entry.id()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_aliases_have_their_names_and_all_further_ones_share_one() {
        let aliases = Aliases::default();
        for n in 0..MOST_ALIASES + 100 {
            let label = aliases.label(&format!("alias-{n}"));
            assert_eq!(*label == *OTHER, n >= MOST_ALIASES, "{n}");
        }
        assert_eq!(&*aliases.label("alias-7"), "alias-7", "those that have a name keep it");
    }

    #[test]
    fn names_that_no_alias_stands_behind_take_no_place() {
        let aliases = Aliases::default();
        for n in 0..1000 {
            assert_eq!(&*aliases.label(&format!("openai/made-up-{n}")), DIRECT);
        }
        assert_eq!(&*aliases.label("mine"), "mine");
    }

    #[test]
    fn a_model_is_labelled_as_the_table_lists_it() {
        let prices = PriceTable::builtin().unwrap();
        assert_eq!(&*model(&prices, Provider::OpenAi, "gpt-4o-mini"), "gpt-4o-mini");
        for n in 0..28 {
            // However many dates clients make up, they are dates of a listed model.
            let made_up = format!("gpt-4o-mini-2031-01-{:02}", n + 1);
            assert_eq!(&*model(&prices, Provider::OpenAi, &made_up), "gpt-4o-mini");
        }
        assert_eq!(&*model(&prices, Provider::OpenAi, "made-up"), OTHER);
        assert_eq!(&*model(&prices, Provider::Gemini, "gpt-4o-mini"), OTHER);
    }
}
