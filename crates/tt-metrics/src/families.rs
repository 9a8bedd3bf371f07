//! The families that count what happens: their names, their help and their labels.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::labels::{
    AttemptLabels, BuildLabels, CostLabels, Decided, Gap, GapLabels, LimitLabels, ModelLabels, OTHER, PriceStatus,
    RequestLabels, Rule, SavedLabels, StatusLabels, TokenLabels,
};
use crate::money::MoneyFamily;

/// The prefix of every name.
pub(crate) const PREFIX: &str = "tokentracer";

/// The most series of requests. A request that would make a further one counts under the alias and the model `other`.
pub(crate) const MOST_REQUEST_SERIES: usize = 10_000;

const DURATION_BUCKETS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const FIRST_TOKEN_BUCKETS: &[f64] = &[0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
const OVERHEAD_BUCKETS: &[f64] =
    &[0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Makes histograms with these buckets.
#[derive(Debug, Clone)]
pub(crate) struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

type Histograms = Family<ModelLabels, Histogram, Buckets>;

/// The families, and the registry that writes them.
#[derive(Debug)]
pub(crate) struct Families {
    /// All families but those of money.
    pub(crate) registry: Registry,
    requests: Family<RequestLabels, Counter>,
    /// The number of series of `requests`, and the lock under which it grows.
    request_series: Mutex<usize>,
    pub(crate) attempts: Family<AttemptLabels, Counter>,
    pub(crate) tokens: Family<TokenLabels, Counter>,
    pub(crate) cost: MoneyFamily<CostLabels>,
    pub(crate) saved: MoneyFamily<SavedLabels>,
    pub(crate) durations: Histograms,
    pub(crate) first_tokens: Histograms,
    pub(crate) overhead: Histogram,
    pub(crate) limits: Limits,
    prices: Vec<Counter>,
    gaps: Vec<Gauge>,
}

impl Families {
    /// Families without what is counted by names that clients choose; everything else begins at 0.
    pub(crate) fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = Info::new(BuildLabels { version });
        registry.register("build", "The version of the program", build);
        let requests = Family::default();
        registry.register("requests", "Requests that have settled, as the ledger records them", requests.clone());
        let attempts = Family::default();
        registry.register("attempts", "Attempts at providers, of requests that have settled", attempts.clone());
        let tokens = Family::default();
        registry.register("tokens", "Tokens that attempts have billed; no token is in two classes", tokens.clone());
        let durations = Family::new_with_constructor(Buckets(DURATION_BUCKETS));
        let help = "Time from the arrival of a request to its settlement; interrupted requests have none";
        registry.register_with_unit("request_duration", help, Unit::Seconds, durations.clone());
        let first_tokens = Family::new_with_constructor(Buckets(FIRST_TOKEN_BUCKETS));
        let help = "Time from the arrival of a streamed request to its first content";
        registry.register_with_unit("time_to_first_token", help, Unit::Seconds, first_tokens.clone());
        let overhead = Buckets(OVERHEAD_BUCKETS).new_metric();
        let help = "The server's own share of the duration of a request that was answered: without the waits for the \
                    client's body, for providers, and before another attempt";
        registry.register_with_unit("overhead", help, Unit::Seconds, overhead.clone());
        Self {
            limits: Limits::register(&mut registry),
            prices: price_lookups(&mut registry),
            gaps: ledger_gaps(&mut registry),
            cost: MoneyFamily::new(
                "tokentracer_cost_usd",
                "Cost in US dollars, exact to the nano-dollar; attempts whose cost is unknown are not in it.",
            ),
            saved: MoneyFamily::new(
                "tokentracer_saved_usd",
                "Money in US dollars that light models saved (positive) or lost (negative) against their target models.",
            ),
            registry,
            requests,
            request_series: Mutex::new(0),
            attempts,
            tokens,
            durations,
            first_tokens,
            overhead,
        }
    }

    /// The counter of requests with these labels, or, where there are too many series, that of other targets.
    pub(crate) fn requests(&self, labels: RequestLabels) -> Counter {
        let mut made = self.request_series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.requests.get(&labels) {
            return known.clone();
        }
        if *made < MOST_REQUEST_SERIES {
            *made += 1;
            return self.requests.get_or_create_owned(&labels);
        }
        let other: Arc<str> = OTHER.into();
        self.requests.get_or_create_owned(&RequestLabels { alias: Arc::clone(&other), model: other, ..labels })
    }

    pub(crate) fn price_looked_up(&self, status: PriceStatus) {
        if let Some(lookups) = self.prices.get(status as usize) {
            lookups.inc();
        }
    }

    pub(crate) fn gap(&self, kind: Gap) {
        if let Some(gaps) = self.gaps.get(kind as usize) {
            gaps.inc();
        }
    }
}

/// The decisions of every rule, each at its position.
#[derive(Debug)]
pub(crate) struct Limits(Vec<Counter>);

impl Limits {
    fn register(registry: &mut Registry) -> Self {
        let family = Family::<LimitLabels, Counter>::default();
        let help = "Decisions of request limits about requests, and of budgets about attempts, by rule";
        registry.register("limits", help, family.clone());
        let all = Rule::ALL.iter().flat_map(|rule| Decided::ALL.iter().map(move |decided| (rule, decided)));
        let labels = all.map(|(rule, decided)| LimitLabels { rule: rule.as_str(), decision: decided.as_str() });
        Self(labels.map(|labels| family.get_or_create_owned(&labels)).collect())
    }

    pub(crate) fn note(&self, rule: Rule, decided: Decided) {
        if let Some(counter) = self.0.get(rule as usize * Decided::ALL.len() + decided as usize) {
            counter.inc();
        }
    }
}

fn price_lookups(registry: &mut Registry) -> Vec<Counter> {
    let family = Family::<StatusLabels, Counter>::default();
    registry.register(
        "price_lookups",
        "Attempts that billed something, by whether all of it has a price",
        family.clone(),
    );
    let labels = PriceStatus::ALL.iter().map(|status| StatusLabels { status: status.as_str() });
    labels.map(|labels| family.get_or_create_owned(&labels)).collect()
}

fn ledger_gaps(registry: &mut Registry) -> Vec<Gauge> {
    let family = Family::<GapLabels, Gauge>::default();
    let help = "Requests settled since the start of the process whose rows leave something out, by kind";
    registry.register("ledger_gaps", help, family.clone());
    let labels = Gap::ALL.iter().map(|kind| GapLabels { kind: kind.as_str() });
    labels.map(|labels| family.get_or_create_owned(&labels)).collect()
}
