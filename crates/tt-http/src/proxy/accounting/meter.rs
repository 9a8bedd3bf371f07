//! What an attempt cost: from the provider's numbers to the record's.

use std::sync::Arc;
use std::time::Instant;

use tt_core::plan::Step;
use tt_core::price::PriceTable;
use tt_core::record::AttemptEnded;
use tt_core::usage::Reported;
use tt_core::{ModelName, Provider, Timestamp, UsageSource};

/// Prices one attempt, from the moment it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    prices: Arc<PriceTable>,
    provider: Provider,
    model: ModelName,
    instead_of: Option<ModelName>,
    /// The word for a regional address with prices of its own.
    region: Option<&'static str>,
    sent_at: Timestamp,
    sent: Instant,
}

/// What came back of an attempt that was sent.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) source: UsageSource,
    pub(crate) usage: Reported,
    pub(crate) served_model: Option<String>,
}

impl Meter {
    pub(crate) fn start(prices: Arc<PriceTable>, step: &Step, sent_at: Timestamp) -> Self {
        Self {
            prices,
            provider: step.provider,
            model: step.model.clone(),
            instead_of: step.instead_of.clone(),
            region: None,
            sent_at,
            sent: Instant::now(),
        }
    }

    /// Where it is sent to.
    pub(crate) fn at(self, base_url: &str) -> Self {
        Self { region: tt_providers::provider::api(self.provider).region(base_url), ..self }
    }

    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        millis(self.sent)
    }

    /// The record of an attempt that billed tokens, priced by the table as it stood when it was sent.
    pub(crate) fn ended(&self, measured: Measured) -> AttemptEnded {
        let Measured { status, error, source, mut usage, served_model } = measured;
        usage.modifiers.extend(self.region.map(str::to_owned));
        let served = served_model.as_deref();
        let (cost, saved) = if source == UsageSource::Unknown {
            (None, None)
        } else {
            let cost = self.prices.price(self.provider, self.model.as_str(), served, &usage, self.sent_at);
            let saved = self.instead_of.as_ref().zip(cost).and_then(|(target, cost)| {
                self.prices.saved(self.provider, target.as_str(), &usage, self.sent_at, cost)
            });
            (cost, saved)
        };
        AttemptEnded {
            status,
            error,
            latency_ms: self.elapsed_ms(),
            source,
            saved,
            instead_of: self.instead_of.as_ref().map(ToString::to_string),
            cost,
            price_version: Some(self.prices.version().to_owned()),
            usage,
            served_model,
        }
    }
}

/// Whole milliseconds since `since`.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tt_core::plan::Route;
    use tt_core::{NanoUsd, ProviderKeyId, Usage};

    use super::*;

    #[test]
    fn a_regional_address_has_its_price_and_stays_in_the_record() {
        let step = Step {
            alias: "a".to_owned(),
            route: Route::Light,
            provider: Provider::OpenAi,
            key: ProviderKeyId(1),
            model: ModelName::try_from("gpt-5.4".to_owned()).unwrap(),
            instead_of: Some(ModelName::try_from("gpt-4o".to_owned()).unwrap()),
            reason: String::new(),
        };
        let at = Timestamp::parse("t", "2026-11-23T12:00:00Z").unwrap();
        let ended = |base_url: &str| {
            let usage = Reported { usage: Usage { input: 1000, ..Usage::default() }, ..Reported::default() };
            let measured =
                Measured { status: Some(200), error: None, source: UsageSource::Provider, usage, served_model: None };
            Meter::start(PriceTable::builtin().unwrap(), &step, at).at(base_url).ended(measured)
        };
        // 1000 × 2.50, and a tenth more.
        let (home, eu) = (ended("https://api.openai.com/v1"), ended("https://eu.api.openai.com/v1"));
        assert_eq!((home.cost, home.usage.modifiers.len()), (Some(NanoUsd(2_500_000)), 0));
        assert_eq!(
            (eu.cost, eu.usage.modifiers.as_slice()),
            (Some(NanoUsd(2_750_000)), ["region_eu".to_owned()].as_slice())
        );
        assert_eq!(eu.instead_of.as_deref(), Some("gpt-4o"));
        // gpt-4o costs 2.50 and lists no region.
        assert_eq!(eu.saved, Some(NanoUsd(-250_000)));
    }
}
