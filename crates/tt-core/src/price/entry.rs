//! One model of the table: its price sheet, the prices an administrator set over it, and the cost of an answer by them.

use super::exact_line::{ExactLine, Part};
use super::fees::Charge;
use super::sheet::{self, Class, Prices, STANDARD, Sheet};
use super::unit::PicoPerToken;
use crate::fee::Fee;
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
    /// Sorted by `effective_from`, earliest first.
    pub(super) overrides: Vec<Override>,
}

/// The kind of requests that a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Chat,
    Responses,
    Embedding,
}

/// Prices that an administrator set for a model, in pico-dollars per token. From a moment on they replace the listed
/// prices of every tier, context length, place and speed; fees keep their listed prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The provider of the model.
    pub provider: Provider,
    /// The model's name, listed or not. The prices hold for requests that name it, and for answers from it.
    pub model: String,
    /// The price of input that is neither read from nor written to a cache.
    pub input: PicoPerToken,
    /// The price of output, thinking included.
    pub output: PicoPerToken,
    /// The price of input read from a cache; `None`: the price of `input`.
    pub cache_read: Option<PicoPerToken>,
    /// The price of input written to a cache for five minutes; `None`: the price of `input`.
    pub cache_write_5m: Option<PicoPerToken>,
    /// The price of input written to a cache for an hour; `None`: the price of `input`.
    pub cache_write_1h: Option<PicoPerToken>,
    /// The moment from which the prices hold. It may lie in the past.
    pub effective_from: Timestamp,
}

/// A line of the price list: the prices of one model in the standard tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The provider of the model.
    pub provider: Provider,
    /// The model's name.
    pub model: &'a str,
    /// The price of uncached input; `None` when it is not known.
    pub input: Option<PicoPerToken>,
    /// The price of output; `None` when it is not known.
    pub output: Option<PicoPerToken>,
    /// The price that input read from a cache is charged at.
    pub cache_read: Option<PicoPerToken>,
    /// The price that input written to a cache for five minutes is charged at.
    pub cache_write_5m: Option<PicoPerToken>,
    /// The price that input written to a cache for an hour is charged at.
    pub cache_write_1h: Option<PicoPerToken>,
    /// The moment from which the override behind this line holds, past or future; `None`: the shipped table's prices.
    pub effective_from: Option<Timestamp>,
}

impl ModelEntry {
    /// The provider of the model.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Its name in the table.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The model's sizes and abilities.
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

    /// The override in force at `at`: the last one that took effect.
    pub(super) fn override_at(&self, at: Timestamp) -> Option<&Override> {
        self.overrides.iter().rev().find(|set| set.effective_from <= at)
    }

    /// The cost of the tokens of one pass of an answer, in atto-dollars, which hold it exactly even where a multiple in
    /// thousandths applies. `None` when tokens have no price.
    pub(super) fn atto(&self, usage: &Usage, answer: &Reported, at: Timestamp) -> Option<u128> {
        let (prices, millionths) = self.in_force(usage, answer, at)?;
        Some(prices.charge(usage)?.saturating_mul(millionths))
    }

    /// The prices of one pass of an answer, and the multiple of them in millionths; `None` when the multiple is not known.
    fn in_force(&self, usage: &Usage, answer: &Reported, at: Timestamp) -> Option<(Prices, u128)> {
        match self.override_at(at) {
            Some(set) => Some((set.prices(), sheet::ONCE)),
            None => {
                let tier = self.sheet.tier(answer.service_tier.as_deref());
                let prices = self.sheet.prices(tier, usage.total_input(), at);
                Some((prices, self.sheet.millionths(answer.modifiers.iter().map(String::as_str))?))
            }
        }
    }

    /// The lines of what [`Self::atto`] sums up.
    pub(super) fn lines(&self, usage: &Usage, answer: &Reported, at: Timestamp) -> Option<Vec<ExactLine>> {
        let (prices, millionths) = self.in_force(usage, answer, at)?;
        let used = sheet::parts(usage).into_iter().filter(|(count, _)| *count > 0);
        let line = |(count, class): (u64, Class)| {
            let per_unit = u128::from(prices.charged(class)?).saturating_mul(millionths);
            Some(ExactLine { class: class.shown(), part: class.part(), count, per_unit })
        };
        used.map(line).collect()
    }

    /// The lines of what [`Self::fees`] sums up.
    pub(super) fn fee_lines(&self, fees: &[Fee]) -> Option<Vec<ExactLine>> {
        let line = |charge: Charge| {
            let per_unit = u128::from(charge.price).saturating_mul(sheet::ONCE);
            ExactLine { class: charge.class, part: Part::Fees, count: charge.count, per_unit }
        };
        let charges = self.charges(fees).filter(|charge| charge.is_none_or(|charge| charge.count > 0));
        charges.map(|charge| charge.map(line)).collect()
    }

    /// The cost of the fees beside tokens, in atto-dollars; `None` when one of them has no price.
    pub(super) fn fees(&self, fees: &[Fee]) -> Option<u128> {
        self.charges(fees).try_fold(0_u128, |sum, charge| {
            let Charge { count, price, .. } = charge?;
            let pico = u128::from(count) * u128::from(price);
            Some(sum.saturating_add(pico.saturating_mul(sheet::ONCE)))
        })
    }

    /// The charges for `fees`, and the charge for every answer of the model. A fee is `None` when it has no price.
    fn charges<'a>(&'a self, fees: &'a [Fee]) -> impl Iterator<Item = Option<Charge>> + 'a {
        let of_every_answer = self.sheet.fees.of_every_answer().map(Some);
        fees.iter().map(|fee| self.sheet.fees.charge(fee)).chain(of_every_answer)
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
        // Sound and pictures cost as text does: their listed prices belong to the listed price of text, which the
        // override replaces.
        let mut prices = Prices::default();
        for (class, price) in [
            (Class::Input, Some(self.input.0)),
            (Class::Output, Some(self.output.0)),
            (Class::CacheRead, read),
            (Class::CacheWrite5m, short),
            (Class::CacheWrite1h, long),
        ] {
            prices.0[class as usize] = price;
        }
        prices
    }
}
