//! One model of the table: its sheet, the prices an administrator set over it, and what an answer costs by them.

use super::sheet::{self, Class, Prices, STANDARD, Sheet};
use super::unit::PicoPerToken;
use crate::fee::{Fee, FeeKind, FeeUnit};
use crate::model::ModelFacts;
use crate::usage::{Reported, Usage};
use crate::{Provider, Timestamp};

/// One model of the table.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    pub(super) provider: Provider,
    pub(super) id: Box<str>,
    pub(super) mode: Mode,
    pub(super) facts: ModelFacts,
    pub(super) sheet: Sheet,
    /// Earliest first.
    pub(super) overrides: Vec<Override>,
}

/// What a model answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
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

    pub(super) fn unlisted(provider: Provider) -> Self {
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
    pub(super) fn override_at(&self, at: Timestamp) -> Option<&Override> {
        self.overrides.iter().rev().find(|set| set.effective_from <= at)
    }

    /// What the tokens of one pass of an answer cost, in atto-dollars: exact, also where the tokens cost a multiple in thousandths.
    pub(super) fn atto(&self, usage: &Usage, answer: &Reported, at: Timestamp) -> Option<u128> {
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
    pub(super) fn fees(&self, fees: &[Fee]) -> Option<u128> {
        fees.iter().try_fold(0_u128, |sum, fee| {
            let price = match (fee.kind, fee.unit) {
                (FeeKind::WebSearch, FeeUnit::Query) => self.sheet.web_search,
                _ => None,
            };
            Some(sum.saturating_add(sheet::times(fee.count, price)?.saturating_mul(sheet::ONCE)))
        })
    }

    pub(super) fn listed(&self, set: Option<&Override>, at: Timestamp) -> Listed<'_> {
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
    pub(super) fn prices(&self) -> Prices {
        let cache = |price: Option<PicoPerToken>| Some(price.unwrap_or(self.input).0);
        let (read, short, long) = (cache(self.cache_read), cache(self.cache_write_5m), cache(self.cache_write_1h));
        // Audio at the prices of text: the list's would be another deal.
        Prices([Some(self.input.0), Some(self.output.0), read, short, long, None, None])
    }
}
