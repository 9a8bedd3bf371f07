#![doc = include_str!("../README.md")]
//!
//! ## Invariants
//!
//! - What counts requests, attempts, tokens and money is fed by settlements alone ([`Metrics::settled`]), so that it
//!   equals the ledger.
//! - Money is added up in whole nano-dollars and written as an exact decimal.
//! - No label names a user, a key or a session, and the number of series is bounded whatever clients send.
//! - Nothing here reads a clock, waits, or knows HTTP.

mod exposition;
mod families;
mod handles;
mod known;
mod labels;
mod money;
mod names;
mod readings;
mod settled;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tt_core::budget::BudgetKind;
use tt_core::limits::RuleKind;
use tt_core::price::PriceTable;

use crate::families::Families;
use crate::known::Known;
use crate::labels::Rule;
use crate::names::Aliases;

pub use crate::exposition::Format;
pub use crate::labels::Decided;
pub use crate::readings::{BudgetSum, Readings};

/// The metrics of one process. They begin at 0 with it.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
    aliases: Aliases,
    /// The targets that were seen, by the price table in force.
    known: ArcSwap<Known>,
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
