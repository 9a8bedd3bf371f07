//! The handles of a target's metrics. Each is looked up by its labels when it is first used, and then found by its
//! position, so that counting hashes no label.

use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tt_core::plan::Route;
use tt_core::record::Outcome;
use tt_core::{Dialect, UsageSource};

use crate::families::Families;
use crate::labels::{
    AttemptLabels, AttemptOutcome, Cause, Class, CostLabels, ModelLabels, NONE, RequestLabels, SavedLabels, Sign,
    TokenLabels,
};
use crate::money::Money;

/// The words that tt-core gives labels, by their number: routes and none, outcomes, sources.
const ROUTES: usize = 4;
const OUTCOMES: usize = 4;
const SOURCES: usize = 5;

/// Handles by position.
#[derive(Debug)]
struct Slots<M, const N: usize>([OnceLock<M>; N]);

impl<M, const N: usize> Slots<M, N> {
    const fn new() -> Self {
        Self([const { OnceLock::new() }; N])
    }

    /// The handle at `position`, made by `look_up` if it is the first use. `None` beyond the last position.
    fn at(&self, position: usize, look_up: impl FnOnce() -> M) -> Option<&M> {
        self.0.get(position).map(|slot| slot.get_or_init(look_up))
    }
}

/// The handles of a model of a provider.
#[derive(Debug)]
pub(crate) struct ModelHandles {
    provider: &'static str,
    model: Arc<str>,
    attempts: Slots<Counter, { Cause::ALL.len() * AttemptOutcome::ALL.len() }>,
    tokens: Slots<Counter, { SOURCES * Class::ALL.len() }>,
    cost: Slots<Money, SOURCES>,
    saved: Slots<Money, { Sign::ALL.len() }>,
    duration: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
}

impl ModelHandles {
    /// The handles of the model labelled `model`.
    pub(crate) fn new(provider: &'static str, model: Arc<str>) -> Self {
        Self {
            provider,
            model,
            attempts: Slots::new(),
            tokens: Slots::new(),
            cost: Slots::new(),
            saved: Slots::new(),
            duration: OnceLock::new(),
            first_token: OnceLock::new(),
        }
    }

    fn labels(&self) -> ModelLabels {
        ModelLabels { provider: self.provider, model: Arc::clone(&self.model) }
    }

    pub(crate) fn attempt(&self, families: &Families, cause: Cause, outcome: AttemptOutcome) {
        let position = cause as usize * AttemptOutcome::ALL.len() + outcome as usize;
        let attempts = self.attempts.at(position, || {
            let ModelLabels { provider, model } = self.labels();
            let labels = AttemptLabels { provider, model, cause: cause.as_str(), outcome: outcome.as_str() };
            families.attempts.get_or_create_owned(&labels)
        });
        if let Some(attempts) = attempts {
            attempts.inc();
        }
    }

    pub(crate) fn tokens(&self, families: &Families, class: Class, source: UsageSource, tokens: u64) {
        let counter = self.tokens.at(source as usize * Class::ALL.len() + class as usize, || {
            let ModelLabels { provider, model } = self.labels();
            let labels = TokenLabels { provider, model, class: class.as_str(), provenance: source.as_str() };
            families.tokens.get_or_create_owned(&labels)
        });
        if let Some(counter) = counter {
            counter.inc_by(tokens);
        }
    }

    pub(crate) fn cost(&self, families: &Families, source: UsageSource, nanos: u64) {
        let money = self.cost.at(source as usize, || {
            let ModelLabels { provider, model } = self.labels();
            families.cost.of(CostLabels { provider, model, provenance: source.as_str() })
        });
        if let Some(money) = money {
            money.add(nanos);
        }
    }

    pub(crate) fn saved(&self, families: &Families, nanos: i64) {
        let sign = if nanos < 0 { Sign::Negative } else { Sign::Positive };
        let money = self.saved.at(sign as usize, || {
            let ModelLabels { provider, model } = self.labels();
            families.saved.of(SavedLabels { provider, model, sign: sign.as_str() })
        });
        if let Some(money) = money {
            money.add(nanos.unsigned_abs());
        }
    }

    pub(crate) fn duration(&self, families: &Families, seconds: f64) {
        self.duration.get_or_init(|| families.durations.get_or_create_owned(&self.labels())).observe(seconds);
    }

    pub(crate) fn first_token(&self, families: &Families, seconds: f64) {
        self.first_token.get_or_init(|| families.first_tokens.get_or_create_owned(&self.labels())).observe(seconds);
    }
}

/// The handles of a target: of an alias and the model that was asked last.
#[derive(Debug)]
pub(crate) struct TargetHandles {
    alias: Arc<str>,
    pub(crate) model: Arc<ModelHandles>,
    requests: Slots<Counter, { ROUTES * Dialect::ALL.len() * OUTCOMES }>,
}

impl TargetHandles {
    /// The handles of the alias labelled `alias`.
    pub(crate) fn new(alias: Arc<str>, model: Arc<ModelHandles>) -> Self {
        Self { alias, model, requests: Slots::new() }
    }

    /// Counts a request that came by `route`: `None` if it had no attempt.
    pub(crate) fn request(&self, families: &Families, route: Option<Route>, dialect: Dialect, outcome: Outcome) {
        let row = route.map_or(ROUTES - 1, |route| route as usize) * Dialect::ALL.len() + dialect as usize;
        let requests = self.requests.at(row * OUTCOMES + outcome as usize, || {
            let ModelLabels { provider, model } = self.model.labels();
            families.requests(RequestLabels {
                route: route.map_or(NONE, Route::as_str),
                alias: Arc::clone(&self.alias),
                provider,
                model,
                dialect: dialect.as_str(),
                outcome: outcome.as_str(),
            })
        });
        if let Some(requests) = requests {
            requests.inc();
        }
    }
}
