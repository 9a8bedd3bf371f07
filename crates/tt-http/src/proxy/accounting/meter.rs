//! The price of one attempt: the provider's numbers become the record's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tt_core::plan::Step;
use tt_core::price::PriceTable;
use tt_core::record::AttemptEnded;
use tt_core::usage::Reported;
use tt_core::{ModelName, Provider, Timestamp, UsageSource};

/// Prices one attempt by the table as it was when the attempt was sent, and times it from then on.
#[derive(Debug)]
pub(super) struct Meter {
    prices: Arc<PriceTable>,
    provider: Provider,
    model: ModelName,
    instead_of: Option<ModelName>,
    /// The region of the provider's address, where that region has prices of its own.
    region: Option<&'static str>,
    sent_at: Timestamp,
    sent: Instant,
}

/// An answer that billed tokens, with the source of its numbers.
#[derive(Debug)]
pub(super) struct Billed {
    pub(super) error: Option<String>,
    pub(super) source: UsageSource,
    pub(super) usage: Reported,
    pub(super) served_model: Option<String>,
    /// The time from sending the request to the end of the answer.
    pub(super) latency_ms: u64,
}

impl Meter {
    /// Starts the clock of an attempt that is sent now, to a provider in `region`.
    pub(super) fn start(
        prices: Arc<PriceTable>,
        step: &Step,
        region: Option<&'static str>,
        sent_at: Timestamp,
    ) -> Self {
        Self {
            prices,
            provider: step.provider,
            model: step.model.clone(),
            instead_of: step.instead_of.clone(),
            region,
            sent_at,
            sent: Instant::now(),
        }
    }

    pub(super) fn provider(&self) -> Provider {
        self.provider
    }

    pub(super) const fn model(&self) -> &ModelName {
        &self.model
    }

    /// The time since the attempt was sent.
    pub(super) fn elapsed(&self) -> Duration {
        self.sent.elapsed()
    }

    /// Milliseconds since the attempt was sent.
    pub(super) fn elapsed_ms(&self) -> u64 {
        millis(self.elapsed())
    }

    /// The record of an attempt that answered with 200 and billed tokens.
    pub(super) fn ended(&self, billed: Billed) -> AttemptEnded {
        let Billed { error, source, mut usage, served_model, latency_ms } = billed;
        usage.modifiers.extend(self.region.map(str::to_owned));
        let served = served_model.as_deref();
        let priced = self.prices.priced(self.provider, self.model.as_str(), served, &usage, self.sent_at);
        let cost = priced.map(|priced| priced.cost);
        let saved =
            self.instead_of.as_ref().zip(cost).and_then(|(target, cost)| {
                self.prices.saved(self.provider, target.as_str(), &usage, self.sent_at, cost)
            });
        AttemptEnded {
            status: Some(200),
            error,
            latency_ms,
            source,
            saved,
            instead_of: self.instead_of.as_ref().map(ToString::to_string),
            cost,
            cost_by_class: priced.and_then(|priced| priced.by_class),
            price_version: Some(self.prices.version().to_owned()),
            usage,
            served_model,
        }
    }
}

/// A time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
        let ended = |region| {
            let usage = Reported { usage: Usage { input: 1000, ..Usage::default() }, ..Reported::default() };
            let source = UsageSource::Provider;
            let billed = Billed { error: None, source, usage, served_model: None, latency_ms: 1 };
            Meter::start(PriceTable::builtin().unwrap(), &step, region, at).ended(billed)
        };
        // 1000 × 2.50, and a tenth more.
        let (home, eu) = (ended(None), ended(Some("region_eu")));
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
