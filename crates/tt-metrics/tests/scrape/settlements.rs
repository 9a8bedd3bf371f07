//! Each settlement counts once, and adds what its row has.

use tt_core::plan::Route;
use tt_core::record::{AttemptEnded, Outcome, Totals};
use tt_core::usage::{BilledBeside, Usage};
use tt_core::{NanoUsd, Provider, ProviderKeyId, UsageSource};

use crate::fixtures::{after, answered, attempt, ended, mini, served};

#[test]
fn a_request_counts_under_its_target_and_its_end() {
    let mut streamed = served(vec![mini()]);
    streamed.settled.first_token_ms = Some(300);
    let read = after(&[served(vec![mini()]), streamed, ended(vec![mini()], Outcome::Cancelled, Some(499))]);
    let fast = [("alias", "fast"), ("provider", "openai"), ("model", "gpt-4o-mini"), ("route", "primary")];
    assert_eq!(read.sum("tokentracer_requests_total", &fast), 3);
    let ok = [("outcome", "ok"), ("dialect", "openai_chat")];
    assert_eq!(read.sum("tokentracer_requests_total", &ok), 2);
    assert_eq!(read.sum("tokentracer_requests_total", &[("outcome", "cancelled")]), 1);
    assert_eq!(read.sum("tokentracer_request_duration_seconds_count", &[("model", "gpt-4o-mini")]), 3);
    assert!((read.total("tokentracer_request_duration_seconds_sum") - 4.5).abs() < 1e-9);
    assert_eq!(read.sum("tokentracer_time_to_first_token_seconds_count", &[]), 1);
    assert_eq!(read.sum("tokentracer_time_to_first_token_seconds_bucket", &[("le", "0.2")]), 0);
    assert_eq!(read.sum("tokentracer_time_to_first_token_seconds_bucket", &[("le", "0.35")]), 1);
}

#[test]
fn tokens_and_money_are_those_of_the_row() {
    let dear = Usage {
        input: 11,
        cache_write_5m: 1,
        cache_write_30m: 2,
        cache_write_1h: 4,
        cache_write_12h: 8,
        output: 5,
        reasoning: Some(900),
        ..Usage::default()
    };
    let mut opus =
        attempt(Provider::Anthropic, "claude-opus-4-5", answered(dear, UsageSource::Partial, Some(999_999_999)));
    let beside = BilledBeside { model: None, usage: Usage { input: 100, output: 20, ..Usage::default() } };
    opus.ended.as_mut().unwrap().usage.beside.push(beside);
    let all = [served(vec![opus.clone(), mini()]), served(vec![mini()])];
    let read = after(&all);
    let attempts: Vec<_> = all.iter().flat_map(|settlement| settlement.attempts.clone()).collect();
    let Totals { usage, cost, .. } = Totals::of(&attempts);
    let tokens = |class: &str| u64::try_from(read.sum("tokentracer_tokens_total", &[("class", class)])).unwrap();
    assert_eq!((tokens("input"), tokens("cache_read")), (usage.input, usage.cache_read));
    let written = ["5m", "30m", "1h", "12h"].map(|term| tokens(&format!("cache_write_{term}")));
    assert_eq!((written, written.iter().sum()), ([1, 2, 4, 8], usage.cache_write()));
    // Of the second answer, no more can have been thinking than there was output.
    assert_eq!(tokens("output") + tokens("reasoning"), usage.output);
    assert_eq!(read.sum("tokentracer_tokens_total", &[]).unsigned_abs(), usage.total());
    assert_eq!(Some(NanoUsd(read.nanos("tokentracer_cost_usd_total", &[]))), cost);
    let partial = [("model", "claude-opus-4-5"), ("provenance", "partial")];
    assert_eq!(read.nanos("tokentracer_cost_usd_total", &partial), 999_999_999);
    assert_eq!(read.sum("tokentracer_price_lookups_total", &[("status", "found")]), 3);
}

#[test]
fn money_that_a_light_model_lost_counts_apart() {
    let with_saving = |saved| {
        let mut attempt = mini();
        attempt.ended.as_mut().unwrap().saved = Some(NanoUsd(saved));
        attempt.started.route = Route::Light;
        served(vec![attempt])
    };
    let read = after(&[with_saving(500), with_saving(-80), with_saving(7)]);
    assert_eq!(read.nanos("tokentracer_saved_usd_total", &[("sign", "positive")]), 507);
    assert_eq!(read.nanos("tokentracer_saved_usd_total", &[("sign", "negative")]), 80);
    assert_eq!(read.sum("tokentracer_requests_total", &[("route", "light")]), 3);
}

#[test]
fn attempts_say_why_they_were_made_and_how_they_ended() {
    let unanswered = |source, error: &str| AttemptEnded { source, ..AttemptEnded::unanswered(error, 5) };
    let refused = |status| AttemptEnded::unbilled(Some(status), "no", 5);
    let at = |ended| attempt(Provider::OpenAi, "gpt-4o-mini", ended);
    let mut other_key = at(refused(404));
    other_key.started.provider_key_id = ProviderKeyId(2);
    let read = after(&[
        served(vec![at(refused(500)), at(refused(429)), other_key, mini()]),
        ended(vec![at(refused(401)), at(unanswered(UsageSource::Unknown, "timed out"))], Outcome::Error, Some(504)),
        ended(vec![at(unanswered(UsageSource::Unknown, "the client left"))], Outcome::Cancelled, Some(499)),
        ended(
            vec![at(AttemptEnded {
                error: Some("broke".to_owned()),
                ..answered(Usage::default(), UsageSource::Partial, Some(0))
            })],
            Outcome::Error,
            Some(200),
        ),
    ]);
    let count = |cause, outcome| {
        read.sum("tokentracer_attempts_total", &[("cause", cause), ("outcome", outcome), ("model", "gpt-4o-mini")])
    };
    assert_eq!(count("first", "server_error"), 1);
    assert_eq!(count("retry", "rate_limited"), 1);
    assert_eq!(count("fallback", "refused"), 1);
    assert_eq!(count("fallback", "ok"), 1);
    assert_eq!(count("first", "denied"), 1);
    assert_eq!(count("retry", "unanswered"), 1);
    assert_eq!(count("first", "cancelled"), 1);
    assert_eq!(count("first", "broken"), 1);
    assert_eq!(read.sum("tokentracer_attempts_total", &[]), 8);
}

#[test]
fn what_rows_leave_out_is_counted_once_a_request() {
    let unpriced = || {
        attempt(
            Provider::OpenAi,
            "mock-small",
            answered(Usage { input: 5, ..Usage::default() }, UsageSource::Provider, None),
        )
    };
    let unknown = || attempt(Provider::OpenAi, "gpt-4o-mini", AttemptEnded::unanswered("timed out", 5));
    let mut cut = ended(vec![unknown(), mini()], Outcome::Interrupted, None);
    cut.attempts[1].ended = None;
    let read = after(&[
        served(vec![unpriced(), unpriced()]),
        served(vec![unknown(), unknown(), mini()]),
        cut,
        served(vec![mini()]),
    ]);
    let gaps = |kind| read.sum("tokentracer_ledger_gaps", &[("kind", kind)]);
    assert_eq!((gaps("unpriced"), gaps("unknown_usage"), gaps("interrupted")), (1, 2, 1));
    let lookups = |status| read.sum("tokentracer_price_lookups_total", &[("status", status)]);
    assert_eq!((lookups("missing"), lookups("found")), (2, 2));
    // A request that was interrupted has no duration: nobody knows when it ended.
    assert_eq!(read.sum("tokentracer_request_duration_seconds_count", &[]), 3);
    assert_eq!(read.sum("tokentracer_attempts_total", &[("outcome", "interrupted")]), 1);
}

#[test]
fn a_request_without_an_attempt_has_no_target() {
    let read = after(&[ended(Vec::new(), Outcome::Error, Some(400))]);
    let none = [("route", "none"), ("provider", "none"), ("model", "none"), ("alias", "fast"), ("outcome", "error")];
    assert_eq!(read.sum("tokentracer_requests_total", &none), 1);
    assert_eq!(read.sum("tokentracer_attempts_total", &[]), 0);
    assert_eq!(read.sum("tokentracer_request_duration_seconds_count", &[("provider", "none")]), 1);
}
