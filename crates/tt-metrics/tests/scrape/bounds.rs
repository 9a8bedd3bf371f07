//! The number of series is bounded, whatever clients name, and no name of a person is among them.

use std::sync::Arc;

use tt_core::price::{Override, PicoPerToken, PriceTable};
use tt_core::record::{Outcome, Settlement};
use tt_core::{Dialect, Provider, Timestamp};
use tt_metrics::Readings;

use crate::fixtures::{after, metrics, mini, scrape, served};

fn of(alias: &str, provider: Provider, model: &str) -> Settlement {
    let mut settlement = served(vec![mini()]);
    settlement.intent.alias = alias.to_owned();
    settlement.attempts[0].started.provider = provider;
    settlement.attempts[0].started.model = model.to_owned();
    settlement
}

#[test]
fn models_that_the_table_lacks_are_one() {
    let all: Vec<_> = (0..50).map(|n| of("fast", Provider::OpenAi, &format!("made-up-{n}"))).collect();
    let read = after(&all);
    assert_eq!(read.sum("tokentracer_requests_total", &[("model", "other"), ("provider", "openai")]), 50);
    assert_eq!(read.of("tokentracer_requests_total", &[]).count(), 1);
    assert_eq!(read.of("tokentracer_cost_usd_total", &[]).count(), 1);
}

#[test]
fn a_request_for_a_model_by_its_provider_takes_no_alias() {
    let read = after(&[of("openai/gpt-4o-mini", Provider::OpenAi, "gpt-4o-mini")]);
    assert_eq!(read.sum("tokentracer_requests_total", &[("alias", "direct"), ("model", "gpt-4o-mini")]), 1);
}

#[test]
fn beyond_ten_thousand_series_of_requests_further_targets_share_theirs() {
    let metrics = metrics();
    let prices = PriceTable::builtin().unwrap();
    let models: Vec<_> = prices.models(Provider::OpenAi).collect();
    let mut settled = 0;
    // Each of 500 aliases for each of 40 models: 20,000 targets.
    for alias in 0..500 {
        for model in models.iter().take(40) {
            metrics.settled(&of(&format!("alias-{alias}"), Provider::OpenAi, model));
            settled += 1;
        }
    }
    let read = scrape(&metrics, &Readings::default());
    let own = read.of("tokentracer_requests_total", &[]).filter(|sample| sample.labels["alias"] != "other").count();
    assert_eq!(own, 10_000);
    assert_eq!(read.of("tokentracer_requests_total", &[]).count(), 10_001);
    assert_eq!(read.sum("tokentracer_requests_total", &[]), settled, "no request is left out");

    // Every other label of the further ones stays, and these are few.
    for dialect in Dialect::ALL {
        for outcome in [Outcome::Ok, Outcome::Error, Outcome::Cancelled, Outcome::Interrupted] {
            for provider in Provider::ALL {
                let mut late = of("alias-499", provider, "made-up");
                (late.intent.dialect, late.settled.outcome) = (dialect, outcome);
                metrics.settled(&late);
            }
        }
    }
    let read = scrape(&metrics, &Readings::default());
    assert_eq!(read.of("tokentracer_requests_total", &[]).count(), 10_000 + 5 * 4 * 3);
}

#[test]
fn no_label_names_a_user_a_key_or_a_session() {
    let mut settlement = served(vec![mini()]);
    settlement.intent.session = Some("session-of-ann".to_owned());
    let read = after(&[settlement]);
    for (name, labels) in read.labels() {
        for label in labels {
            assert!(
                !["user", "key", "session", "client", "agent", "tag"].iter().any(|word| label.contains(word)),
                "{name}: {label}"
            );
        }
    }
    let values = read.samples.iter().flat_map(|sample| sample.labels.values());
    assert!(values.into_iter().all(|value| !value.contains("4711") && !value.contains("session-of-ann")));
}

#[test]
fn a_model_that_gets_a_price_has_its_name_from_then_on() {
    let (metrics, prices) = (metrics(), PriceTable::builtin().unwrap());
    metrics.settled(&of("fast", Provider::OpenAi, "ours"));
    let price = Override {
        provider: Provider::OpenAi,
        model: "ours".to_owned(),
        input: PicoPerToken(1),
        output: PicoPerToken(1),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        effective_from: Timestamp::from_millis(0),
    };
    metrics.set_prices(&Arc::new(prices.with_overrides([price])));
    metrics.settled(&of("fast", Provider::OpenAi, "ours"));
    let read = scrape(&metrics, &Readings::default());
    assert_eq!(read.sum("tokentracer_requests_total", &[("model", "other")]), 1);
    assert_eq!(read.sum("tokentracer_requests_total", &[("model", "ours")]), 1);
}
