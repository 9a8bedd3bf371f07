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
            sent_at,
            sent: Instant::now(),
        }
    }

    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        millis(self.sent)
    }

    /// The record of an attempt that billed tokens, priced by the table as it stood when it was sent.
    pub(crate) fn ended(&self, measured: Measured) -> AttemptEnded {
        let Measured { status, error, source, usage, served_model } = measured;
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
