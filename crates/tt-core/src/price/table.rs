//! The price table: look-ups by a model's name, the cost of an attempt, and overrides laid over the shipped prices.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::dated;
use super::entry::{Listed, Mode, ModelEntry, Override};
use super::exact_line::ExactLine;
use crate::model::ModelFacts;
use crate::usage::{Reported, Usage};
use crate::{NanoUsd, Provider, Timestamp};

/// All prices: the shipped table with the overrides of one moment. It is immutable; a change makes a new table.
#[derive(Debug, Clone)]
pub struct PriceTable {
    pub(super) version: String,
    pub(super) as_of: String,
    pub(super) models: BTreeMap<Provider, BTreeMap<Box<str>, Arc<ModelEntry>>>,
}

/// The name of the model that an attempt is priced as: the model that answered, if it is the model asked for by the
/// provider's dated-name rule (in either direction: `gpt-4o` answered by `gpt-4o-2024-08-06`), else the one asked for.
pub fn canonical<'a>(provider: Provider, asked: &'a str, served: Option<&'a str>) -> &'a str {
    served.filter(|served| *served != asked && dated::same(provider, asked, served)).unwrap_or(asked)
}

/// The name of a model as prices are set for it: without a prefix that says only where it was listed (`models/` of
/// Gemini).
pub fn bare(provider: Provider, name: &str) -> &str {
    dated::bare(provider, name)
}

impl PriceTable {
    /// The version that records are stamped with: date and fingerprint of the table, and of the overrides where there
    /// are any, for example `2026-11-23.5f1d22c0` or `2026-11-23.5f1d22c0+07ab4e91`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The day the list prices were taken, for example `2026-11-23`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// The entry of a model: by its exact name, else by the dated-name rule, nearest first. An undated name that is not
    /// listed finds its newest listed snapshot if all its snapshots have the same prices. `None`: the model has no
    /// price.
    pub fn lookup(&self, provider: Provider, model: &str) -> Option<&ModelEntry> {
        let models = self.models.get(&provider)?;
        let name = dated::bare(provider, model);
        // Most names are listed themselves, so the rule is rarely needed.
        models
            .get(name)
            .or_else(|| dated::stems(provider, name).skip(1).find_map(|stem| models.get(stem)))
            .or_else(|| snapshot(models, dated::without_latest(provider, name), provider))
            .map(Arc::as_ref)
    }

    /// The sizes and abilities of a model, found as [`Self::lookup`] finds it; `None` when the table does not list it.
    pub fn facts(&self, provider: Provider, model: &str) -> Option<&ModelFacts> {
        self.lookup(provider, model).map(|entry| &entry.facts)
    }

    /// True if the table lists the model as one that makes embeddings.
    pub fn makes_embeddings(&self, provider: Provider, model: &str) -> bool {
        self.lookup(provider, model).is_some_and(|entry| entry.mode == Mode::Embedding)
    }

    /// The provider's chat models, in alphabetical order: the model list until the provider's own is known. Models that
    /// exist only to be fine-tuned are left out, since they cannot be called.
    pub fn models(&self, provider: Provider) -> impl Iterator<Item = &str> {
        let models = self.models.get(&provider).into_iter().flat_map(BTreeMap::values);
        models.filter(|entry| entry.mode == Mode::Chat && !entry.id.starts_with("ft:")).map(|entry| &*entry.id)
    }

    /// The cost of an attempt that was sent at `at`, where `served` is the model that the answer names. `None`: no
    /// price is known.
    pub fn price(
        &self,
        provider: Provider,
        asked: &str,
        served: Option<&str>,
        reported: &Reported,
        at: Timestamp,
    ) -> Option<NanoUsd> {
        self.cost(self.billed(provider, asked, served, at)?, reported, at)
    }

    /// The money saved against `instead_of`: the cost of the same tokens there, less what was `paid`. It is negative
    /// where the other model would have been cheaper, and `None` where its price is unknown.
    pub fn saved(
        &self,
        provider: Provider,
        instead_of: &str,
        reported: &Reported,
        at: Timestamp,
        paid: NanoUsd,
    ) -> Option<NanoUsd> {
        Some(self.price(provider, instead_of, None, reported, at)?.minus(paid))
    }

    /// The cost of `reported` at the prices of `entry`, with passes billed beside it at their own. It is rounded once.
    pub fn cost(&self, entry: &ModelEntry, reported: &Reported, at: Timestamp) -> Option<NanoUsd> {
        let atto = i128::try_from(self.atto(entry, reported, at)?).unwrap_or(i128::MAX);
        Some(NanoUsd::from_atto(atto))
    }

    fn atto(&self, entry: &ModelEntry, reported: &Reported, at: Timestamp) -> Option<u128> {
        self.passes(entry, reported).try_fold(entry.fees(&reported.fees)?, |sum, pass| {
            let (entry, usage) = pass?;
            Some(sum.saturating_add(entry.atto(usage, reported, at)?))
        })
    }

    /// The lines of what [`Self::cost`] sums up.
    pub(super) fn exact_lines(&self, entry: &ModelEntry, reported: &Reported, at: Timestamp) -> Option<Vec<ExactLine>> {
        let mut lines = Vec::new();
        for pass in self.passes(entry, reported) {
            let (entry, usage) = pass?;
            lines.extend(entry.lines(usage, reported, at)?);
        }
        lines.extend(entry.fee_lines(&reported.fees)?);
        Some(lines)
    }

    /// The passes of an answer, each with the entry that prices it: first the model's own, then those billed beside it.
    /// A pass is `None` if the table does not list its model.
    fn passes<'a>(
        &'a self,
        entry: &'a ModelEntry,
        reported: &'a Reported,
    ) -> impl Iterator<Item = Option<(&'a ModelEntry, &'a Usage)>> {
        let beside = reported.beside.iter().map(move |pass| {
            let entry = match pass.model.as_deref() {
                Some(model) => self.lookup(entry.provider, model)?,
                None => entry,
            };
            Some((entry, &pass.usage))
        });
        std::iter::once(Some((entry, &reported.usage))).chain(beside)
    }

    /// The entry that a request is billed by. An override of either name goes before the shipped table: one for
    /// `gpt-4o` must hold although every answer names a snapshot of it.
    pub(super) fn billed(
        &self,
        provider: Provider,
        asked: &str,
        served: Option<&str>,
        at: Timestamp,
    ) -> Option<&ModelEntry> {
        let name = canonical(provider, asked, served);
        let served = self.lookup(provider, name);
        if name == asked {
            return served;
        }
        let asked = self.lookup(provider, asked);
        let mut both = [served, asked].into_iter().flatten();
        both.find(|entry| entry.override_at(at).is_some()).or(served).or(asked)
    }

    /// This table with `overrides` over it, instead of any it had before. Of several for one model the one that took
    /// effect last holds (of two at the same moment, the later in the list).
    #[must_use]
    pub fn with_overrides(&self, overrides: impl IntoIterator<Item = Override>) -> Self {
        let mut table = self.clone();
        for entry in table.models.values_mut().flat_map(BTreeMap::values_mut) {
            if !entry.overrides.is_empty() {
                Arc::make_mut(entry).overrides.clear();
            }
        }
        let mut print = FINGERPRINT_START;
        let mut any = false;
        for new in overrides {
            any = true;
            print = fingerprint(print, format!("{new:?}").as_bytes());
            let id = dated::bare(new.provider, &new.model).to_owned();
            let entry = table.models.entry(new.provider).or_default().entry(id.as_str().into()).or_insert_with(|| {
                // Until the override takes effect, a name that is not listed keeps the prices that the rule finds for
                // it.
                let known = self.lookup(new.provider, &id).cloned();
                let mut entry = known.unwrap_or_else(|| ModelEntry::unlisted(new.provider));
                entry.overrides.clear();
                Arc::new(ModelEntry { id: id.as_str().into(), ..entry })
            });
            let entry = Arc::make_mut(entry);
            let place = entry.overrides.partition_point(|old| old.effective_from <= new.effective_from);
            entry.overrides.insert(place, new);
        }
        let shipped = table.version.split_once('+').map_or(table.version.as_str(), |(shipped, _)| shipped);
        table.version = if any { format!("{shipped}+{:08x}", print >> 32) } else { shipped.to_owned() };
        table
    }

    /// The price list at `at`: a line for each model with the prices in force, then one for each override that is not
    /// yet in force. Both are sorted by provider and model.
    pub fn listed(&self, at: Timestamp) -> impl Iterator<Item = Listed<'_>> {
        let entries = self.models.values().flat_map(BTreeMap::values);
        entries.flat_map(move |entry| {
            let in_force = std::iter::once(entry.override_at(at));
            let to_come = entry.overrides.iter().filter(move |set| set.effective_from > at).map(Some);
            in_force.chain(to_come).map(move |set| entry.listed(set, at))
        })
    }
}

/// The newest listed snapshot of `name`, if all snapshots cost the same. Providers do not publish which of them the
/// name stands for today.
fn snapshot<'a>(
    models: &'a BTreeMap<Box<str>, Arc<ModelEntry>>,
    name: &str,
    provider: Provider,
) -> Option<&'a Arc<ModelEntry>> {
    let dated = |id: &str| {
        id.strip_prefix(name).is_some_and(|date| date.bytes().all(|b| b == b'-' || b.is_ascii_digit()))
            && dated::stems(provider, id).skip(1).any(|stem| stem == name)
    };
    let behind =
        models.range::<str, _>((Bound::Included(name), Bound::Unbounded)).take_while(|(id, _)| id.starts_with(name));
    let mut snapshots = behind.filter(|(id, _)| dated(id)).map(|(_, entry)| entry);
    let first = snapshots.next()?;
    snapshots.try_fold(first, |older, newer| (older.sheet == newer.sheet).then_some(newer))
}

pub(super) const FINGERPRINT_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The FNV-1a hash, which tells two tables apart and is the same on every machine.
pub(super) fn fingerprint(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
