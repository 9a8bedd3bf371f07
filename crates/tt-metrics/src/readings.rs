//! The state at the moment of a scrape: what the server holds, and what it depends on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeGaugeValue;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use tt_core::budget::BudgetKind;
use tt_core::health::{TargetSample, TargetState};
use tt_core::{NanoUsd, Period, Provider};

use crate::families::PREFIX;
use crate::known::{Known, ModelName};
use crate::labels::{BudgetLabels, TargetLabels};

/// The sums over the budgets of one kind and period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSum {
    /// The kind of the budgets.
    pub kind: BudgetKind,
    /// Their period.
    pub period: Period,
    /// The amounts that may be spent.
    pub limit: NanoUsd,
    /// The amounts that are spent.
    pub spent: NanoUsd,
    /// The amounts that are held for attempts under way.
    pub held: NanoUsd,
}

/// The state at the moment of a scrape.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Requests that have an intent and no settlement.
    pub in_flight_requests: u64,
    /// The bytes of memory that requests hold.
    pub buffered_bytes: u64,
    /// The bytes that the journals take on disk.
    pub journal_bytes: u64,
    /// The time for which the longest-waiting settlement is not in the store; zero if none waits.
    pub journal_lag: Duration,
    /// True if the store answers.
    pub store_up: bool,
    /// True if Redis answers; `None` if the server has none.
    pub redis_up: Option<bool>,
    /// The targets whose state is known. Several samples may be of one model and state; they are added up.
    pub targets: Vec<TargetSample>,
    /// The sums over budgets, each kind and period at most once; empty if they are not asked for.
    pub budgets: Vec<BudgetSum>,
}

/// The families of budgets: name, help, and the amount of a sum.
pub(crate) type BudgetFamily = (&'static str, &'static str, fn(&BudgetSum) -> NanoUsd);

pub(crate) const BUDGET_FAMILIES: [BudgetFamily; 3] = [
    ("tokentracer_budget_limit_usd", "Sum of the limits of the budgets in use here, in US dollars.", |sum| sum.limit),
    ("tokentracer_budget_spent_usd", "Sum of what is spent of the budgets in use here, in US dollars.", |sum| {
        sum.spent
    }),
    ("tokentracer_budget_held_usd", "Sum of what is held of the budgets in use here, in US dollars.", |sum| sum.held),
];

impl BudgetSum {
    pub(crate) fn labels(&self) -> BudgetLabels {
        BudgetLabels { kind: self.kind.as_str(), period: self.period.as_str() }
    }
}

impl Readings {
    /// A registry of these readings, but for budgets.
    pub(crate) fn registry(&self, known: &Known) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let lag = self.journal_lag.as_secs_f64();
        gauge(&mut registry, "in_flight_requests", "Requests that are being served", self.in_flight_requests);
        gauge(&mut registry, "buffered_bytes", "Memory that requests hold, in bytes", self.buffered_bytes);
        gauge(&mut registry, "journal_bytes", "Size of the journals on disk, in bytes", self.journal_bytes);
        let help = "Time for which the longest-waiting settlement is not in the store";
        registry.register_with_unit("journal_lag", help, Unit::Seconds, ConstGauge::new(lag));
        gauge(&mut registry, "store_up", "1 if the store answers", u64::from(self.store_up));
        if let Some(up) = self.redis_up {
            gauge(&mut registry, "redis_up", "1 if Redis answers", u64::from(up));
        }
        let help = "Provider keys whose breaker for a model is in this state";
        registry.register("target_state", help, self.targets(known));
        registry
    }

    fn targets(&self, known: &Known) -> Family<TargetLabels, Gauge> {
        let family = Family::<TargetLabels, Gauge>::default();
        let mut seen: BTreeMap<(Provider, Arc<str>), [u64; TargetState::ALL.len()]> = BTreeMap::new();
        for TargetSample { provider, model, state, keys } in &self.targets {
            let label = known.label(ModelName { provider: *provider, model });
            if let Some(sum) = seen.entry((*provider, label)).or_default().get_mut(*state as usize) {
                *sum += keys;
            }
        }
        // All states of a target are there, so that a state that ends is seen to end.
        for ((provider, model), keys) in seen {
            for (state, keys) in TargetState::ALL.iter().zip(keys) {
                let (provider, state) = (provider.as_str(), state.as_str());
                let labels = TargetLabels { provider, model: Arc::clone(&model), state };
                family.get_or_create(&labels).set(i64::try_from(keys).unwrap_or(i64::MAX));
            }
        }
        family
    }
}

fn gauge<N>(registry: &mut Registry, name: &str, help: &str, value: N)
where
    N: EncodeGaugeValue + std::fmt::Debug + Send + Sync + 'static,
{
    registry.register(name, help, ConstGauge::new(value));
}
