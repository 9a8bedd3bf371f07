//! Settlements, and the metrics after them.

use tt_core::plan::Route;
use tt_core::price::PriceTable;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Operation, Outcome, Settled, Settlement};
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UsageSource, UserId};
use tt_metrics::{Format, Metrics, Readings};
use tt_testkit::exposition::Exposition;

/// Metrics in which nothing has happened.
pub(crate) fn metrics() -> Metrics {
    Metrics::new(PriceTable::builtin().unwrap(), "1.2.3")
}

/// The metrics as a scraper reads them, by both formats alike.
pub(crate) fn scrape(metrics: &Metrics, readings: &Readings) -> Exposition {
    let read = |format| Exposition::parse(&metrics.exposition(readings, format).unwrap());
    let (text, open) = (read(Format::Text), read(Format::OpenMetrics));
    // Whole numbers among the bounds of buckets are written 5 in one format and 5.0 in the other, and so are sums.
    let number = |text: &str| text.strip_suffix(".0").unwrap_or(text).to_owned();
    let sorted = |exposition: &Exposition| {
        let mut samples = exposition.samples.clone();
        for sample in &mut samples {
            sample.value = number(&sample.value);
            sample.labels.iter_mut().filter(|(label, _)| *label == "le").for_each(|(_, bound)| *bound = number(bound));
        }
        samples.sort_unstable_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
        samples
    };
    let (one, other) = (sorted(&text), sorted(&open));
    let different = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!((different, one.len()), (None, other.len()), "the formats differ in more than their descriptions");
    text
}

/// The metrics after `settlements`.
pub(crate) fn after(settlements: &[Settlement]) -> Exposition {
    let metrics = metrics();
    settlements.iter().for_each(|settlement| metrics.settled(settlement));
    scrape(&metrics, &Readings::default())
}

/// A request for the alias `fast` that was served by `attempts`, the last of which gave the answer.
pub(crate) fn served(attempts: Vec<Attempt>) -> Settlement {
    ended(attempts, Outcome::Ok, Some(200))
}

/// A request for the alias `fast` that ended so.
pub(crate) fn ended(attempts: Vec<Attempt>, outcome: Outcome, status: Option<u16>) -> Settlement {
    let intent = Intent {
        request_id: RequestId(uuid::Uuid::from_u128(1)),
        created_at: Timestamp::from_millis(0),
        user_id: UserId(4711),
        api_key_id: None,
        alias: "fast".to_owned(),
        dialect: Dialect::OpenAiChat,
        stream: false,
        route_reason: String::new(),
        chain: Vec::new(),
        tags: Tags::default(),
        client: None,
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    };
    let settled = Settled { status, outcome, error: None, latency_ms: 1500, first_token_ms: None };
    Settlement { intent, attempts, settled }
}

/// An attempt at `model` that ended so.
pub(crate) fn attempt(provider: Provider, model: &str, ended: AttemptEnded) -> Attempt {
    let started = AttemptStarted {
        alias: "fast".to_owned(),
        route: Route::Primary,
        provider,
        provider_key_id: ProviderKeyId(1),
        model: model.to_owned(),
        started_at: Timestamp::from_millis(0),
        notes: Vec::new(),
        held: None,
    };
    Attempt { started, ended: Some(ended) }
}

/// The end of an attempt that was answered, with this usage and cost.
pub(crate) fn answered(usage: Usage, source: UsageSource, cost: Option<i64>) -> AttemptEnded {
    AttemptEnded {
        error: None,
        source,
        usage: Reported { usage, ..Reported::default() },
        cost: cost.map(NanoUsd),
        ..AttemptEnded::unbilled(Some(200), "", 1000)
    }
}

/// An answer of gpt-4o-mini.
pub(crate) fn mini() -> Attempt {
    let usage = Usage { input: 7, cache_read: 3, output: 10, reasoning: Some(4), ..Usage::default() };
    attempt(Provider::OpenAi, "gpt-4o-mini", answered(usage, UsageSource::Provider, Some(12_345)))
}
