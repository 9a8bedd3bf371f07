//! The metrics of a process: what they are made of, and what is noted beside settlements.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tt_core::Provider;
use tt_core::budget::BudgetKind;
use tt_core::limits::RuleKind;
use tt_core::price::PriceTable;

use crate::families::Families;
use crate::known::{Known, ModelName};
use crate::labels::{Decided, Rule};
use crate::names::Aliases;

/// The metrics of one process. They begin at 0 with it.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) families: Families,
    pub(crate) aliases: Aliases,
    /// The targets that were seen, by the price table in force.
    pub(crate) known: ArcSwap<Known>,
}

impl Metrics {
    /// Metrics of a process of the version `version`, in which nothing has happened. `prices` are the models that have
    /// labels of their own.
    pub fn new(prices: Arc<PriceTable>, version: &'static str) -> Self {
        Self {
            families: Families::new(version),
            aliases: Aliases::default(),
            known: ArcSwap::from_pointee(Known::new(prices)),
        }
    }

    /// Notes that other prices are in force, which may list other models.
    pub fn set_prices(&self, prices: &Arc<PriceTable>) {
        if !self.known.load().is_by(prices) {
            self.known.store(Arc::new(Known::new(Arc::clone(prices))));
        }
    }

    /// The label of a model of a provider: the name under which the prices in force list it, or `other`.
    pub fn model_label(&self, provider: Provider, model: &str) -> Arc<str> {
        self.known.load().label(ModelName { provider, model })
    }

    /// Notes our own share of a request that was answered: the time from its arrival to its settlement, less the time in
    /// which the server waited for the client's body, for a provider, or before another attempt.
    pub fn overhead(&self, own: Duration) {
        self.families.overhead.observe(own.as_secs_f64());
    }

    /// Notes what a rule of request limits has decided about a request.
    pub fn limited(&self, rule: RuleKind, decided: Decided) {
        self.families.limits.note(Rule::from(rule), decided);
    }

    /// Notes what a budget has decided about an attempt.
    pub fn budgeted(&self, budget: BudgetKind, decided: Decided) {
        self.families.limits.note(Rule::from(budget), decided);
    }
}
