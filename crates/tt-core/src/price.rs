//! What tokens cost: a dated table of list prices shipped in the binary, prices an administrator set over it, and
//! exact cost by both.
//!
//! Prices are whole pico-US-dollars per token; an attempt's cost is summed exactly and rounded once, half to even, to
//! nano-dollars. **Invariant:** what has no price costs `None`, never 0; a listed 0 is a price.
//!
//! A model is looked up by its exact name, then by its provider's dated-name rule ([`canonical`] and `price/dated.rs`).
//! The prices of a request are those of the service tier its *answer* names, at its date and its total input (see
//! `price/sheet.rs` for what stands in for a price that is not listed).
//!
//! Priced as the class they are a part of: cached audio, pictures and films in the input. Cache writes kept thirty
//! minutes cost as those kept five, writes kept twelve hours as those kept one. Output of models that also write
//! pictures or films at another price has no known cost. The table's `multipliers_milli` apply by
//! [`Reported::modifiers`]: Anthropic's fast mode and inference in the US, OpenAI's regions. Of the fees beside tokens
//! ([`Reported::fees`]) the table lists web searches by the query; an answer that was billed another one has no known
//! cost. Storage of explicit caches is not covered.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use crate::fee::{Fee, FeeKind, FeeUnit};
use crate::model::ModelFacts;
use crate::usage::{Reported, Usage};
use crate::{NanoUsd, Provider, Timestamp};

mod bound;
mod dated;
mod read;
mod reprice;
mod sheet;
mod unit;

pub use bound::CostBound;
pub use read::BadTable;
use sheet::{Class, Prices, STANDARD, Sheet};
pub use unit::PicoPerToken;

/// All prices: the shipped table with the overrides of one moment. Immutable; a change makes a new one.
#[derive(Debug, Clone)]
pub struct PriceTable {
    version: String,
    as_of: String,
    models: BTreeMap<Provider, BTreeMap<Box<str>, Arc<ModelEntry>>>,
}

/// One model of the table.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    provider: Provider,
    id: Box<str>,
    mode: Mode,
    facts: ModelFacts,
    sheet: Sheet,
    /// Earliest first.
    overrides: Vec<Override>,
}

/// What a model answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Chat,
    Responses,
    Embedding,
}

/// Prices an administrator set for a model, for every tier, context length, place and speed, from a moment on. Pico-dollars per
/// token. Web searches keep their listed price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Whose model.
    pub provider: Provider,
    /// Its name, listed or not. It holds for requests that name it, and for answers whose model is it.
    pub model: String,
    /// Uncached input.
    pub input: PicoPerToken,
    /// Output.
    pub output: PicoPerToken,
    /// Input read from a cache; `None`: as `input`.
    pub cache_read: Option<PicoPerToken>,
    /// Input written to a cache for five minutes; `None`: as `input`.
    pub cache_write_5m: Option<PicoPerToken>,
    /// Input written to a cache for an hour; `None`: as `input`.
    pub cache_write_1h: Option<PicoPerToken>,
    /// From when on.
    pub effective_from: Timestamp,
}

/// A line of the price list: standard-tier prices of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Whose model.
    pub provider: Provider,
    /// Its name.
    pub model: &'a str,
    /// Uncached input; `None`: no price is known.
    pub input: Option<PicoPerToken>,
    /// Output; `None`: no price is known.
    pub output: Option<PicoPerToken>,
    /// Input read from a cache, as charged.
    pub cache_read: Option<PicoPerToken>,
    /// Input written to a cache for five minutes, as charged.
    pub cache_write_5m: Option<PicoPerToken>,
    /// Input written to a cache for an hour, as charged.
    pub cache_write_1h: Option<PicoPerToken>,
    /// When the override they come from took or takes effect; `None`: they are the shipped table's.
    pub effective_from: Option<Timestamp>,
}

/// The model that is priced: the one that answered where it is the one asked for by the provider's dated-name rule (in
/// either direction: `gpt-4o` answered by `gpt-4o-2024-08-06`), else the one asked for.
pub fn canonical<'a>(provider: Provider, asked: &'a str, served: Option<&'a str>) -> &'a str {
    served.filter(|served| *served != asked && dated::same(provider, asked, served)).unwrap_or(asked)
}

/// The name of a model as prices are set for it: without what only says where it was found (`models/` of Gemini).
pub fn bare(provider: Provider, name: &str) -> &str {
    dated::bare(provider, name)
}

impl PriceTable {
    /// The table shipped in the binary, read once.
    pub fn builtin() -> Result<Arc<Self>, BadTable> {
        static BUILTIN: LazyLock<Result<Arc<PriceTable>, BadTable>> =
            LazyLock::new(|| PriceTable::parse(include_str!("../data/prices.json")).map(Arc::new));
        BUILTIN.clone()
    }

    /// Reads a table in the format of `data/prices.json`. A table with one wrong value is refused whole.
    pub fn parse(json: &str) -> Result<Self, BadTable> {
        read::table(json)
    }

    /// What a record is stamped with: date and fingerprint of the table, and of the overrides where there are any, for
    /// example `2026-11-23.5f1d22c0` or `2026-11-23.5f1d22c0+07ab4e91`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The day the list prices were taken, for example `2026-11-23`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// The entry of a model: by its exact name, else by the dated-name rule, nearest first; a name without a date that
    /// is not listed finds its newest listed snapshot if all of them have the same prices. `None`: unpriced.
    pub fn lookup(&self, provider: Provider, model: &str) -> Option<&ModelEntry> {
        let models = self.models.get(&provider)?;
        let name = dated::bare(provider, model);
        // Mostly the name itself is listed, and the rule needs no look.
        models
            .get(name)
            .or_else(|| dated::stems(provider, name).find_map(|stem| models.get(stem)))
            .or_else(|| snapshot(models, dated::without_latest(provider, name), provider))
            .map(Arc::as_ref)
    }

    /// Sizes and abilities of a model, by the same lookup.
    pub fn facts(&self, provider: Provider, model: &str) -> Option<&ModelFacts> {
        self.lookup(provider, model).map(|entry| &entry.facts)
    }

    /// The provider's chat models, in alphabetical order: the model list until the provider's own is known. Without
    /// fine-tuning bases, which nobody can call.
    pub fn models(&self, provider: Provider) -> impl Iterator<Item = &str> {
        let models = self.models.get(&provider).into_iter().flat_map(BTreeMap::values);
        models.filter(|entry| entry.mode == Mode::Chat && !entry.id.starts_with("ft:")).map(|entry| &*entry.id)
    }

    /// What an attempt at `at` cost: the one call of the proxy. `served` is the model the answer names. `None`: unpriced.
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

    /// What the same tokens would have cost on `instead_of`, less what was `paid`: negative when that was more. `None`
    /// when the other model's price is unknown.
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

    /// What `reported` cost at `entry`'s prices, with the passes billed beside it at theirs. Rounded once.
    pub fn cost(&self, entry: &ModelEntry, reported: &Reported, at: Timestamp) -> Option<NanoUsd> {
        let atto = i128::try_from(self.atto(entry, reported, at)?).unwrap_or(i128::MAX);
        Some(NanoUsd::from_atto(atto))
    }

    fn atto(&self, entry: &ModelEntry, reported: &Reported, at: Timestamp) -> Option<u128> {
        let own = entry.atto(&reported.usage, reported, at)?.saturating_add(entry.fees(&reported.fees)?);
        reported.beside.iter().try_fold(own, |sum, pass| {
            let entry = match pass.model.as_deref() {
                Some(model) => self.lookup(entry.provider, model)?,
                None => entry,
            };
            Some(sum.saturating_add(entry.atto(&pass.usage, reported, at)?))
        })
    }

    /// The entry a request is billed by. An override of either name goes before the shipped table: one for `gpt-4o`
    /// must hold although every answer names a snapshot of it.
    fn billed(&self, provider: Provider, asked: &str, served: Option<&str>, at: Timestamp) -> Option<&ModelEntry> {
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
                // A name that is not listed keeps what the rule finds for it until the override takes effect.
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

    /// The price list at `at`: a line for each model with the prices in force, then one for each override still to
    /// come. Providers and models in order.
    pub fn listed(&self, at: Timestamp) -> impl Iterator<Item = Listed<'_>> {
        let entries = self.models.values().flat_map(BTreeMap::values);
        entries.flat_map(move |entry| {
            let in_force = std::iter::once(entry.override_at(at));
            let to_come = entry.overrides.iter().filter(move |set| set.effective_from > at).map(Some);
            in_force.chain(to_come).map(move |set| entry.listed(set, at))
        })
    }
}

impl ModelEntry {
    /// Whose model.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Its name in the table.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its sizes and abilities.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn unlisted(provider: Provider) -> Self {
        Self {
            provider,
            id: "".into(),
            mode: Mode::Chat,
            facts: ModelFacts::default(),
            sheet: Sheet::default(),
            overrides: Vec::new(),
        }
    }

    /// The override in force.
    fn override_at(&self, at: Timestamp) -> Option<&Override> {
        self.overrides.iter().rev().find(|set| set.effective_from <= at)
    }

    /// What the tokens of one pass of an answer cost, in atto-dollars: exact, also where the tokens cost a multiple in thousandths.
    fn atto(&self, usage: &Usage, answer: &Reported, at: Timestamp) -> Option<u128> {
        let (prices, millionths) = match self.override_at(at) {
            Some(set) => (set.prices(), sheet::ONCE),
            None => {
                let tier = self.sheet.tier(answer.service_tier.as_deref());
                (self.sheet.prices(tier, usage.total_input(), at), self.sheet.millionths(&answer.modifiers))
            }
        };
        Some(prices.charge(usage)?.saturating_mul(millionths))
    }

    /// What is billed beside tokens, in atto-dollars: `None` when there is a fee without a price.
    fn fees(&self, fees: &[Fee]) -> Option<u128> {
        fees.iter().try_fold(0_u128, |sum, fee| {
            let price = match (fee.kind, fee.unit) {
                (FeeKind::WebSearch, FeeUnit::Query) => self.sheet.web_search,
                _ => None,
            };
            Some(sum.saturating_add(sheet::times(fee.count, price)?.saturating_mul(sheet::ONCE)))
        })
    }

    fn listed(&self, set: Option<&Override>, at: Timestamp) -> Listed<'_> {
        let prices = set.map_or_else(|| self.sheet.prices(STANDARD, 0, at), Override::prices);
        let price = |class| prices.charged(class).map(PicoPerToken);
        Listed {
            provider: self.provider,
            model: &self.id,
            input: price(Class::Input),
            output: price(Class::Output),
            cache_read: price(Class::CacheRead),
            cache_write_5m: price(Class::CacheWrite5m),
            cache_write_1h: price(Class::CacheWrite1h),
            effective_from: set.map(|set| set.effective_from),
        }
    }
}

impl Override {
    fn prices(&self) -> Prices {
        let cache = |price: Option<PicoPerToken>| Some(price.unwrap_or(self.input).0);
        let (read, short, long) = (cache(self.cache_read), cache(self.cache_write_5m), cache(self.cache_write_1h));
        // Audio at the prices of text: the list's would be another deal.
        Prices([Some(self.input.0), Some(self.output.0), read, short, long, None, None])
    }
}

/// The newest listed snapshot of `name`, if all of them cost the same: which of them the name stands for today is the
/// provider's secret.
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

const FINGERPRINT_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: tells two tables apart, and is the same on every machine.
fn fingerprint(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
