//! The state of the server at a scrape, and the two formats.

use std::time::Duration;

use tt_core::budget::BudgetKind;
use tt_core::health::{TargetSample, TargetState};
use tt_core::limits::RuleKind;
use tt_core::{NanoUsd, Period, Provider};
use tt_metrics::{BudgetSum, Decided, Format, Metrics, Readings};
use tt_testkit::exposition::Exposition;

use crate::fixtures::{metrics, mini, scrape, served};

/// Readings of a server on which everything is in use.
pub(crate) fn all() -> Readings {
    let target = |provider, model: &str, state| TargetSample { provider, model: model.to_owned(), state, keys: 1 };
    Readings {
        in_flight_requests: 3,
        buffered_bytes: 65_536,
        journal_bytes: 1_048_576,
        journal_lag: Duration::from_millis(2500),
        store_up: true,
        redis_up: Some(false),
        targets: vec![
            target(Provider::OpenAi, "gpt-4o", TargetState::Open),
            target(Provider::OpenAi, "gpt-4o", TargetState::Open),
            target(Provider::OpenAi, "gpt-4o", TargetState::Closed),
            target(Provider::Gemini, "made-up", TargetState::HalfOpen),
        ],
        budgets: vec![BudgetSum {
            kind: BudgetKind::UserAdmin,
            period: Period::Month,
            limit: NanoUsd(50_000_000_000),
            spent: NanoUsd(1_500_000_001),
            held: NanoUsd(0),
        }],
    }
}

/// Metrics in which everything has happened that makes a family appear.
pub(crate) fn busy() -> Metrics {
    let metrics = metrics();
    let mut settlement = served(vec![mini()]);
    settlement.settled.first_token_ms = Some(9);
    let ended = settlement.attempts[0].ended.as_mut().unwrap();
    ended.saved = Some(NanoUsd(1));
    metrics.settled(&settlement);
    metrics.overhead(Duration::from_micros(300));
    metrics
}

#[test]
fn a_scrape_shows_what_the_server_holds_and_depends_on() {
    let read = scrape(&metrics(), &all());
    let one = |name: &str| {
        let mut of = read.of(name, &[]);
        let value = of.next().unwrap_or_else(|| panic!("no {name}")).value.clone();
        assert!(of.next().is_none(), "{name} is there twice");
        value
    };
    assert_eq!(one("tokentracer_in_flight_requests"), "3");
    assert_eq!(one("tokentracer_buffered_bytes"), "65536");
    assert_eq!(one("tokentracer_journal_bytes"), "1048576");
    assert_eq!(one("tokentracer_journal_lag_seconds"), "2.5");
    assert_eq!((one("tokentracer_store_up"), one("tokentracer_redis_up")), ("1".to_owned(), "0".to_owned()));
    assert_eq!(read.sum("tokentracer_build_info", &[("version", "1.2.3")]), 1);
    let admin = [("kind", "user_admin"), ("period", "month")];
    assert_eq!(read.nanos("tokentracer_budget_limit_usd", &admin), 50_000_000_000);
    assert_eq!(read.nanos("tokentracer_budget_spent_usd", &admin), 1_500_000_001);
    assert_eq!(read.nanos("tokentracer_budget_held_usd", &admin), 0);
}

#[test]
fn a_target_has_all_its_states_with_the_number_of_keys_in_each() {
    let read = scrape(&metrics(), &all());
    let keys = |provider, model, state| {
        read.sum("tokentracer_target_state", &[("provider", provider), ("model", model), ("state", state)])
    };
    assert_eq!((keys("openai", "gpt-4o", "open"), keys("openai", "gpt-4o", "closed")), (2, 1));
    assert_eq!(keys("gemini", "other", "half_open"), 1);
    assert_eq!(read.of("tokentracer_target_state", &[]).count(), 6);
}

#[test]
fn what_is_not_there_has_no_series() {
    let read = scrape(&metrics(), &Readings::default());
    for name in ["tokentracer_redis_up", "tokentracer_budget_limit_usd", "tokentracer_target_state"] {
        assert_eq!(read.of(name, &[]).count(), 0, "{name}");
    }
}

#[test]
fn decisions_count_by_rule_from_zero_on() {
    let metrics = metrics();
    metrics.limited(RuleKind::KeyDay, Decided::Deny);
    metrics.limited(RuleKind::UserMinute, Decided::Admit);
    metrics.budgeted(BudgetKind::Key, Decided::Unavailable);
    let read = scrape(&metrics, &Readings::default());
    let count = |rule, decision| read.sum("tokentracer_limits_total", &[("rule", rule), ("decision", decision)]);
    assert_eq!(
        (count("key_day", "deny"), count("user_minute", "admit"), count("budget_key", "unavailable")),
        (1, 1, 1)
    );
    assert_eq!(read.of("tokentracer_limits_total", &[]).count(), 21, "every rule has each decision");
    assert_eq!(read.sum("tokentracer_limits_total", &[]), 3);
}

#[test]
fn the_formats_describe_the_same_families() {
    let described = |format| Exposition::parse(&busy().exposition(&all(), format).unwrap()).types;
    let (text, open) = (described(Format::Text), described(Format::OpenMetrics));
    assert_eq!(text["tokentracer_requests_total"], "counter");
    assert_eq!(text["tokentracer_cost_usd_total"], "counter");
    assert_eq!(open["tokentracer_requests"], "counter");
    assert_eq!(open["tokentracer_cost_usd"], "counter");
    assert_eq!(text.len(), open.len());
    for (name, kind) in &text {
        assert!(name.starts_with("tokentracer_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} {kind}");
    }
    let open = busy().exposition(&all(), Format::OpenMetrics).unwrap();
    assert!(open.ends_with("# EOF\n") && open.matches("# EOF").count() == 1);
    assert!(!busy().exposition(&all(), Format::Text).unwrap().contains("# EOF"));
}

#[test]
fn every_metric_is_in_the_table_of_the_readme_with_its_labels() {
    let readme = include_str!("../../README.md");
    let read = scrape(&busy(), &all());
    for (name, labels) in read.labels() {
        let short = name.trim_start_matches("tokentracer_");
        let short = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| short.strip_suffix(suffix)).unwrap_or(short);
        let row = readme.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{short}`")));
        let row = row.unwrap_or_else(|| panic!("{short} is not in the table"));
        let listed = row.split('|').nth(2).unwrap();
        for label in labels.into_iter().filter(|label| *label != "le") {
            assert!(listed.contains(&format!("`{label}`")), "{short}: {label} is not in {listed}");
        }
    }
}
