use super::*;
use crate::fee::{FeeKind, FeeUnit};

pub(super) fn attempt(ended: Option<AttemptEnded>) -> Attempt {
    Attempt {
        started: AttemptStarted {
            alias: "a".into(),
            route: Route::Primary,
            provider: Provider::OpenAi,
            provider_key_id: ProviderKeyId(1),
            model: "m".into(),
            started_at: Timestamp::from_millis(0),
            notes: Vec::new(),
            held: None,
        },
        ended,
    }
}

fn billed(source: UsageSource, output: u64, cost: Option<i64>) -> Option<AttemptEnded> {
    Some(AttemptEnded {
        status: Some(200),
        error: None,
        source,
        usage: Reported { usage: Usage { output, ..Usage::default() }, ..Reported::default() },
        cost: cost.map(NanoUsd),
        ..AttemptEnded::unbilled(None, "", 1)
    })
}

pub(super) fn settlement(attempts: Vec<Attempt>) -> Settlement {
    let intent = Intent {
        request_id: RequestId(uuid::Uuid::nil()),
        created_at: Timestamp::from_millis(0),
        user_id: UserId(1),
        api_key_id: None,
        alias: "a".into(),
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
    let settled = Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 1, first_token_ms: None };
    Settlement { intent, attempts, settled }
}

fn totals(attempts: Vec<Option<AttemptEnded>>) -> Totals {
    settlement(attempts.into_iter().map(attempt).collect()).totals()
}

#[test]
fn nothing_billed_costs_zero_and_says_none() {
    let t = totals(vec![Some(AttemptEnded::unbilled(Some(500), "x", 1))]);
    assert_eq!((t.source, t.cost, t.unpriced), (UsageSource::None, Some(NanoUsd::ZERO), false));
    assert_eq!(totals(vec![]).source, UsageSource::None);
}

#[test]
fn the_row_sums_billed_attempts_and_takes_the_weakest_source() {
    let t = totals(vec![
        Some(AttemptEnded::unbilled(Some(503), "x", 1)),
        billed(UsageSource::Partial, 3, Some(30)),
        billed(UsageSource::Provider, 5, Some(50)),
    ]);
    assert_eq!((t.source, t.usage.output, t.cost), (UsageSource::Partial, 8, Some(NanoUsd(80))));
}

#[test]
fn an_unknown_price_is_never_zero() {
    let t = totals(vec![Some(AttemptEnded::unbilled(Some(500), "x", 1)), billed(UsageSource::Provider, 5, None)]);
    assert_eq!((t.cost, t.unpriced), (None, true));
    let t = totals(vec![billed(UsageSource::Provider, 5, None), billed(UsageSource::Provider, 5, Some(7))]);
    assert_eq!((t.cost, t.unpriced), (Some(NanoUsd(7)), true));
}

#[test]
fn what_was_sent_and_not_answered_is_unknown() {
    let t = totals(vec![Some(AttemptEnded::unanswered("timeout", 9))]);
    assert_eq!((t.source, t.cost, t.unpriced), (UsageSource::Unknown, None, false));
    assert_eq!(totals(vec![None]).source, UsageSource::Unknown);
}

#[test]
fn budgets_are_charged_with_the_hold_where_the_cost_is_not_known() {
    let held = |ended: Option<AttemptEnded>| {
        let mut attempt = attempt(ended);
        attempt.started.held = Some(NanoUsd(1_000));
        attempt
    };
    for (ended, charged) in [
        (Some(AttemptEnded::unbilled(Some(500), "x", 1)), 0),
        (billed(UsageSource::Provider, 5, Some(30)), 30),
        (billed(UsageSource::Partial, 5, Some(30)), 30),
        // Answered, but the model that answered has no price.
        (billed(UsageSource::Provider, 5, None), 1_000),
        (Some(AttemptEnded::unanswered("timeout", 9)), 1_000),
        (None, 1_000),
    ] {
        assert_eq!(held(ended.clone()).charged(), NanoUsd(charged), "{ended:?}");
    }
    let two = [held(None), held(billed(UsageSource::Provider, 5, Some(30)))];
    assert_eq!(Totals::of(&two).charged, NanoUsd(1_030));
    assert_eq!(attempt(None).charged(), NanoUsd::ZERO, "nothing was held");
}

/// Bytes that version 0.1 wrote (rmp-serde, an array of the fields): an intent with tags, an attempt, its end with two
/// web searches.
const INTENT: &str = include_str!("fixtures/v0.1-intent.hex");
const STARTED: &str = include_str!("fixtures/v0.1-started.hex");
const ENDED: &str = include_str!("fixtures/v0.1-ended.hex");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read<T: serde::de::DeserializeOwned>(hex: &str) -> T {
    rmp_serde::from_slice(&bytes(hex)).unwrap()
}

/// Both forms that are kept: an array in the journal, an object in the store.
#[track_caller]
fn kept_in_both_forms<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&rmp_serde::from_slice::<T>(&rmp_serde::to_vec(value).unwrap()).unwrap(), value);
    assert_eq!(&serde_json::from_str::<T>(&serde_json::to_string(value).unwrap()).unwrap(), value);
}

#[test]
fn records_of_version_0_1_are_read() {
    let intent: Intent = read(INTENT);
    assert_eq!((intent.alias.as_str(), intent.user_id, intent.dialect), ("mini", UserId(1), Dialect::OpenAiChat));
    assert_eq!(intent.tags.iter().collect::<Vec<_>>(), [("feature", "summary"), ("team", "search")]);
    assert_eq!((&intent.client, &intent.session, &intent.agent, &intent.trace_id), (&None, &None, &None, &None));
    let started: AttemptStarted = read(STARTED);
    assert_eq!((started.model.as_str(), started.notes.len(), started.held), ("claude-sonnet-4-5", 0, None));
    let ended: AttemptEnded = read(ENDED);
    let usage =
        Usage { input: 210, cache_read: 30, cache_write_5m: 50, cache_write_1h: 20, output: 12, ..Usage::default() };
    assert_eq!((ended.usage.usage, ended.usage.fees.as_slice()), (usage, [Fee::web_searches(2)].as_slice()));
    assert_eq!((ended.cost, ended.price_version.is_some()), (Some(NanoUsd(21_126_500)), true));
    let at = Timestamp::parse("at", "2026-11-26T00:07:02Z").unwrap();
    let prices = crate::price::PriceTable::builtin().unwrap();
    let now = prices.price(started.provider, &started.model, ended.served_model.as_deref(), &ended.usage, at);
    assert_eq!(now, ended.cost, "the searches cost what they did");
    kept_in_both_forms(&intent);
    kept_in_both_forms(&started);
    kept_in_both_forms(&ended);
}

#[test]
fn attempts_that_version_0_1_stored_are_read() {
    let stored = r#"{"usage":{"input":9,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0,"output":3,"reasoning":null,
        "audio_input":0,"audio_output":0,"tool_prompt":0,"web_searches":4},"raw":"{}","service_tier":null,
        "beside":[{"model":"m","usage":{"input":1,"web_searches":1}}],"modifiers":["us"]}"#;
    let read: Reported = serde_json::from_str(stored).unwrap();
    assert_eq!((read.usage.input, read.usage.output, read.beside[0].usage.input), (9, 3, 1));
    assert_eq!(read.fees, [Fee::web_searches(5)]);
}

#[test]
fn every_field_of_today_is_kept() {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write_5m: 3,
        cache_write_1h: 4,
        output: 5,
        reasoning: Some(6),
        audio_input: 7,
        audio_output: 8,
        tool_prompt: 9,
        cache_write_30m: 10,
        cache_write_12h: 11,
        cached_audio: 12,
        image_input: 13,
        image_output: 14,
        video_input: 15,
    };
    kept_in_both_forms(&usage);
    assert_eq!((usage.cache_write(), usage.total_input()), (28, 31));
    let fees = vec![Fee::web_searches(2), Fee { kind: FeeKind::Container, count: 1, unit: FeeUnit::Hour }];
    kept_in_both_forms(&Reported { usage, fees, ..Reported::default() });
    let note = Note { param: "top_k".into(), what: Change::Dropped, why: String::new() };
    kept_in_both_forms(&AttemptStarted { notes: vec![note], held: Some(NanoUsd(7)), ..attempt(None).started });
}

#[test]
fn fees_of_all_billed_attempts_are_added_up() {
    let searched = |count| {
        billed(UsageSource::Provider, 1, Some(1)).map(|ended| AttemptEnded {
            usage: Reported { fees: vec![Fee::web_searches(count)], ..ended.usage },
            ..ended
        })
    };
    assert_eq!(totals(vec![searched(2), searched(3)]).fees, [Fee::web_searches(5)]);
    assert_eq!(totals(vec![billed(UsageSource::Provider, 1, Some(1))]).fees, []);
}
