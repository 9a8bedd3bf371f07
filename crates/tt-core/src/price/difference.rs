//! The difference between two price tables, model by model.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::{Listed, ModelEntry};
use super::table::PriceTable;
use crate::{Provider, Timestamp};

/// The change of one model from a table to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChange<'a> {
    /// Only the new table lists the model.
    Added(Listed<'a>),
    /// Only the old table lists the model.
    Removed(Listed<'a>),
    /// The prices of the standard tier differ: the old ones, and the new ones.
    Repriced(Listed<'a>, Listed<'a>),
    /// The prices of the standard tier are the same, and something else differs: other tiers, fees, sizes or abilities.
    Other(Listed<'a>),
}

impl PriceTable {
    /// The changes from this table to `new`, by provider and model, at the prices of the moment `at`. Overrides count as
    /// the prices of their models.
    pub fn changes_to<'a>(&'a self, new: &'a Self, at: Timestamp) -> Vec<ModelChange<'a>> {
        let mut changes = Vec::new();
        let listed = |entry: &'a ModelEntry| entry.listed(entry.override_at(at), at);
        for provider in Provider::ALL {
            let (old, new) = (self.of(provider), new.of(provider));
            for (id, before) in old.iter().flat_map(|models| models.iter()) {
                let before = before.as_ref();
                let Some(after) = new.and_then(|models| models.get(id)) else {
                    changes.push(ModelChange::Removed(listed(before)));
                    continue;
                };
                let (was, is) = (listed(before), listed(after));
                if was != is {
                    changes.push(ModelChange::Repriced(was, is));
                } else if before.sheet != after.sheet || before.facts != after.facts {
                    changes.push(ModelChange::Other(is));
                }
            }
            let added = new
                .iter()
                .flat_map(|models| models.iter())
                .filter(|(id, _)| old.is_none_or(|models| !models.contains_key(*id)));
            changes.extend(added.map(|(_, entry)| ModelChange::Added(listed(entry))));
        }
        changes
    }

    fn of(&self, provider: Provider) -> Option<&BTreeMap<Box<str>, Arc<ModelEntry>>> {
        self.models.get(&provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(models: &[(&str, u64, u64)]) -> PriceTable {
        let models: Vec<String> = models
            .iter()
            .map(|(id, input, batch)| {
                format!(
                    r#"{{"id":"{id}","provider":"openai","mode":"chat",
                        "prices":{{"standard":{{"input":{input}}},"batch":{{"input":{batch}}}}}}}"#
                )
            })
            .collect();
        let header = r#"{"as_of":"2026-11-23","unit_scale":12}"#;
        PriceTable::parse(&format!(r#"{{"header":{header},"models":[{}]}}"#, models.join(","))).unwrap()
    }

    #[test]
    fn each_model_that_differs_is_named_with_what_it_was_and_is() {
        let old = table(&[("gone", 1, 1), ("kept", 2, 2), ("dearer", 3, 3), ("batch", 4, 4)]);
        let new = table(&[("kept", 2, 2), ("dearer", 5, 3), ("batch", 4, 1), ("new", 6, 6)]);
        let changes = old.changes_to(&new, Timestamp::from_millis(0));
        let named: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| match change {
                ModelChange::Added(listed) => ("added", listed.model),
                ModelChange::Removed(listed) => ("removed", listed.model),
                ModelChange::Repriced(_, listed) => ("repriced", listed.model),
                ModelChange::Other(listed) => ("other", listed.model),
            })
            .collect();
        assert_eq!(named, [("other", "batch"), ("repriced", "dearer"), ("removed", "gone"), ("added", "new")]);
        assert_eq!(old.changes_to(&old, Timestamp::from_millis(0)), []);
    }
}
