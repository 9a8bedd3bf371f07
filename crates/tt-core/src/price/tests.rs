//! The shipped table against sums made by hand, the rules against small tables made here, and properties that hold for
//! every usage.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Provider::{self, Anthropic, Gemini, OpenAi};
use crate::fee::{Fee, FeeKind, FeeUnit};
use crate::usage::{BilledBeside, Reported, Usage};
use crate::{NanoUsd, Timestamp};

fn table() -> Arc<PriceTable> {
    PriceTable::builtin().unwrap()
}

/// The day of the shipped table.
fn now() -> Timestamp {
    Timestamp::parse("now", "2026-11-23T12:00:00Z").unwrap()
}

fn reported(usage: Usage) -> Reported {
    Reported { usage, ..Reported::default() }
}

fn in_tier(usage: Usage, tier: &str) -> Reported {
    Reported { usage, service_tier: Some(tier.into()), ..Reported::default() }
}

fn price(provider: Provider, model: &str, reported: &Reported) -> Option<i64> {
    table().price(provider, model, None, reported, now()).map(|cost| cost.0)
}

fn cost(provider: Provider, model: &str, usage: Usage) -> Option<i64> {
    price(provider, model, &reported(usage))
}

#[test]
fn gpt_4o_costs_what_its_price_page_says() {
    // 1000 × 2.50 + 500 × 1.25 + 300 × 10.00 dollars a million = 0.006125 dollars
    let usage = Usage { input: 1000, cache_read: 500, output: 300, reasoning: Some(200), ..Usage::default() };
    assert_eq!(cost(OpenAi, "gpt-4o", usage), Some(6_125_000));
    // priority: 4.25, 2.125, 17.00
    assert_eq!(price(OpenAi, "gpt-4o", &in_tier(usage, "priority")), Some(10_412_500));
}

#[test]
fn claude_sonnet_4_5_costs_its_cache_writes_by_their_hour() {
    // 100 × 3.00 + 2000 × 0.30 + 400 × 3.75 + 50 × 6.00 + 10 × 15.00 = 2850 dollars a million tokens' worth
    let usage =
        Usage { input: 100, cache_read: 2000, cache_write_5m: 400, cache_write_1h: 50, output: 10, ..Usage::default() };
    assert_eq!(cost(Anthropic, "claude-sonnet-4-5", usage), Some(2_850_000));
    // batch is half of each
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &in_tier(usage, "batch")), Some(1_425_000));
    // three searches at a cent
    let searched = Reported { fees: vec![Fee::web_searches(3)], ..reported(usage) };
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &searched), Some(2_850_000 + 30_000_000));
}

#[test]
fn classes_without_a_price_of_their_own_cost_as_what_they_are_a_part_of() {
    // 100 × 3.75 for half an hour as for five minutes, 50 × 6.00 for twelve hours as for one, which is the longest listed
    let kept = Usage { cache_write_30m: 100, cache_write_12h: 50, ..Usage::default() };
    assert_eq!(cost(Anthropic, "claude-sonnet-4-5", kept), Some(375_000 + 300_000));
    let whole = Usage { input: 100, cache_read: 100, output: 100, ..Usage::default() };
    let parts = Usage { cached_audio: 60, image_input: 30, video_input: 20, image_output: 70, ..whole };
    assert_eq!(cost(Gemini, "gemini-2.5-pro", parts), cost(Gemini, "gemini-2.5-pro", whole));
    assert!(cost(Gemini, "gemini-2.5-pro", whole).is_some());
}

#[test]
fn classes_with_a_price_of_their_own_cost_that() {
    // gpt-5.6: 5.00 for a write kept half an hour, 10.00 for one kept twelve
    let kept = Usage { cache_write_30m: 100, cache_write_12h: 50, ..Usage::default() };
    assert_eq!(cost(OpenAi, "gpt-5.6", kept), Some(500_000 + 500_000));
    // gemini-3-flash-preview: 0.50 in, 1.00 for sound, 0.05 cached, 0.10 for cached sound
    let heard = Usage { input: 100, audio_input: 40, cache_read: 100, cached_audio: 30, ..Usage::default() };
    assert_eq!(cost(Gemini, "gemini-3-flash-preview", heard), Some(30_000 + 40_000 + 3_500 + 3_000));
}

#[test]
fn cached_sound_and_pictures_have_prices_of_their_own() {
    let usage = Usage { input: 100, cache_read: 100, output: 100, ..Usage::default() };
    // 100 × 0.30 + 40 × 0.03 + 60 × 0.10 + 100 × 2.50
    assert_eq!(cost(Gemini, "gemini-2.5-flash", Usage { cached_audio: 60, ..usage }), Some(287_200));
    // 100 × 0.30 + 100 × 0.03 + 30 × 2.50 + 70 × 30
    assert_eq!(cost(Gemini, "gemini-2.5-flash-image", Usage { image_output: 70, ..usage }), Some(2_208_000));
    // No part is more than the whole.
    let much = Usage { image_output: 1000, cached_audio: 1000, ..usage };
    assert_eq!(cost(Gemini, "gemini-2.5-flash-image", much), Some(3_033_000));
    // 40 × 0.20 + 30 × 0.45 + 20 × 12 + 10 × 6.50
    let media = Usage { input: 100, image_input: 30, video_input: 20, audio_input: 10, ..Usage::default() };
    assert_eq!(cost(Gemini, "gemini-embedding-2", media), Some(326_500));
}

#[test]
fn embeddings_cost_what_was_read() {
    let input = |input| Usage { input, ..Usage::default() };
    assert_eq!(cost(OpenAi, "text-embedding-3-small", input(2)), Some(40));
    assert_eq!(cost(OpenAi, "text-embedding-3-large", input(1000)), Some(130_000));
    assert_eq!(cost(OpenAi, "text-embedding-ada-002", input(10)), Some(1000));
    assert_eq!(cost(Gemini, "gemini-embedding-001", input(10)), Some(1500));
    assert_eq!(cost(Gemini, "gemini-embedding-2", input(10)), Some(2000));
    let table = PriceTable::builtin().unwrap();
    assert!(table.makes_embeddings(Gemini, "gemini-embedding-001"));
    assert!(table.makes_embeddings(OpenAi, "text-embedding-3-small"));
    assert!(!table.makes_embeddings(OpenAi, "gpt-4o") && !table.makes_embeddings(OpenAi, "unknown"));
}

#[test]
fn a_model_with_a_price_of_input_alone_prices_input() {
    let json = r#"{"header": {"as_of": "2026-11-26", "unit_scale": 12}, "models": [
        {"id": "e", "provider": "openai", "mode": "embedding", "prices": {"standard": {"input": 20000}}}]}"#;
    let table = PriceTable::parse(json).unwrap();
    let answer = reported(Usage { input: 100, ..Usage::default() });
    assert_eq!(table.price(OpenAi, "e", None, &answer, now()), Some(NanoUsd(2000)));
}

#[test]
fn fees_are_charged_as_the_model_lists_them() {
    let usage = Usage { input: 1000, ..Usage::default() };
    let with = |kind, unit, count| Reported { fees: vec![Fee { kind, count, unit }], ..reported(usage) };
    let searched = |count| with(FeeKind::WebSearch, FeeUnit::Query, count);
    let beside_tokens = |provider, model, answer: Reported| {
        let tokens = price(provider, model, &reported(usage)).unwrap();
        price(provider, model, &answer).map(|cost| cost - tokens)
    };
    // Gemini 3 bills each query 0.014, Gemini 2.5 each prompt 0.035
    assert_eq!(beside_tokens(Gemini, "gemini-3-flash-preview", searched(3)), Some(42_000_000));
    assert_eq!(beside_tokens(Gemini, "gemini-2.5-flash", searched(3)), Some(35_000_000));
    assert_eq!(beside_tokens(OpenAi, "gpt-5.6", with(FeeKind::FileSearch, FeeUnit::Query, 2)), Some(5_000_000));
    assert_eq!(beside_tokens(OpenAi, "gpt-4o", with(FeeKind::CodeSession, FeeUnit::Session, 2)), Some(60_000_000));
    assert_eq!(beside_tokens(Anthropic, "claude-sonnet-4-5", with(FeeKind::Fetch, FeeUnit::Query, 2)), Some(0));
    // A search model is billed a search for every answer, and reports none: 1000 × 2.50 + 0.025.
    assert_eq!(cost(OpenAi, "gpt-4o-search-preview", usage), Some(2_500_000 + 25_000_000));
    assert_eq!(beside_tokens(OpenAi, "gpt-4o-search-preview", searched(2)), Some(0));
}

#[test]
fn gemini_2_5_pro_costs_more_above_its_threshold_and_not_at_it() {
    let at = Usage { input: 150_000, cache_read: 50_000, output: 1000, ..Usage::default() };
    // 150 000 × 1.25 + 50 000 × 0.125 + 1000 × 10
    assert_eq!(cost(Gemini, "gemini-2.5-pro", at), Some(203_750_000));
    // one token more: 150 000 × 2.50 + 50 001 × 0.25 + 1000 × 15, the whole request
    let above = Usage { cache_read: 50_001, ..at };
    assert_eq!(cost(Gemini, "gemini-2.5-pro", above), Some(402_500_250));
    // output does not count towards it
    let wordy = Usage { output: 1001, ..at };
    assert_eq!(cost(Gemini, "gemini-2.5-pro", wordy), Some(203_760_000));
    // priority has long prices of its own: 4.50, 0.45, 27.00
    assert_eq!(price(Gemini, "gemini-2.5-pro", &in_tier(above, "PRIORITY")), Some(724_500_450));
}

#[test]
fn above_a_threshold_a_tier_without_long_prices_pays_the_higher_of_the_two_that_are_known() {
    let long = Usage { input: 200_001, ..Usage::default() };
    // flex is 1.00 below the threshold; standard is 4.00 above it
    assert_eq!(price(Gemini, "gemini-pro-latest", &in_tier(long, "flex")), Some(800_004_000));
    // priority output is 30.00 below the threshold; standard is 22.50 above it
    let long = Usage { input: 272_001, output: 1_000_000, ..Usage::default() };
    assert_eq!(price(OpenAi, "gpt-5.4", &in_tier(long, "priority")), Some(1_360_005_000 + 30_000_000_000));
}

#[test]
fn providers_words_for_tiers_find_the_listed_tier() {
    let usage = Usage { input: 1_000_000, ..Usage::default() };
    for (provider, model, word, dollars_milli) in [
        (OpenAi, "gpt-5.4", "default", 5000),
        (OpenAi, "gpt-5.4", "auto", 5000),
        (OpenAi, "gpt-5.4", "scale", 5000),
        (OpenAi, "gpt-5.4", "no such tier", 5000),
        (OpenAi, "gpt-5.4", "flex", 2500),
        (Anthropic, "claude-sonnet-4-5", "standard", 3000),
        (Anthropic, "claude-sonnet-4-5", "priority", 3000),
        (Anthropic, "claude-sonnet-4-5", "batch", 1500),
        (Gemini, "gemini-3.6-flash", "standard", 750),
        (Gemini, "gemini-3.6-flash", "SERVICE_TIER_STANDARD", 750),
        (Gemini, "gemini-3.6-flash", "SERVICE_TIER_FLEX", 375),
        (Gemini, "gemini-3.6-flash", "Priority", 1350),
    ] {
        assert_eq!(price(provider, model, &in_tier(usage, word)), Some(dollars_milli * 1_000_000), "{model} {word}");
    }
}

#[test]
fn a_price_missing_in_a_tier_is_the_standard_tiers() {
    // gpt-4o lists no cached price for batch: 1.25 as in standard; its own input is 1.25, output 5.00
    let usage = Usage { input: 1000, cache_read: 1000, output: 1000, ..Usage::default() };
    assert_eq!(price(OpenAi, "gpt-4o", &in_tier(usage, "batch")), Some(1_250_000 + 1_250_000 + 5_000_000));
}

#[test]
fn a_scheduled_price_holds_from_its_day_on() {
    let usage = reported(Usage { input: 1_000_000, ..Usage::default() });
    let at =
        |time| table().price(Gemini, "gemini-4-argon", None, &usage, Timestamp::parse("t", time).unwrap()).map(|c| c.0);
    assert_eq!(at("2026-11-30T23:59:59.999Z"), Some(2_000_000_000));
    assert_eq!(at("2026-12-01T00:00:00Z"), Some(4_000_000_000));
}

#[test]
fn audio_is_priced_apart_from_the_text_it_is_counted_with() {
    // gpt-audio-mini: text 0.60 and 2.40, audio 10.00 and 20.00
    let usage = Usage { input: 100, audio_input: 40, output: 50, audio_output: 30, ..Usage::default() };
    assert_eq!(cost(OpenAi, "gpt-audio-mini", usage), Some(36_000 + 400_000 + 48_000 + 600_000));
    // gpt-4o lists no audio prices: as text
    assert_eq!(cost(OpenAi, "gpt-4o", usage), Some(250_000 + 500_000));
    // more audio than input is all of it, and no panic
    let odd = Usage { audio_input: 400, ..usage };
    assert_eq!(cost(OpenAi, "gpt-audio-mini", odd), Some(1_000_000 + 48_000 + 600_000));
}

#[test]
fn where_and_how_fast_an_answer_was_made_multiplies_its_tokens_prices() {
    let usage = Usage { input: 1000, cache_read: 100, output: 3, ..Usage::default() };
    let made = |words: &[&str]| {
        let modifiers = words.iter().map(|word| (*word).to_owned()).collect();
        Reported { modifiers, fees: vec![Fee::web_searches(1)], ..reported(usage) }
    };
    let opus = |words: &[&str]| price(Anthropic, "claude-opus-5", &made(words)).unwrap();
    // 1000 × 5.00 + 100 × 0.50 + 3 × 25.00 = 5 125 000 nano-dollars; the search is a cent whatever the rest costs
    let search = 10_000_000;
    assert_eq!(opus(&[]), 5_125_000 + search);
    assert_eq!(opus(&["global", "standard"]), 5_125_000 + search);
    assert_eq!(opus(&["us"]), 5_637_500 + search);
    assert_eq!(opus(&["fast"]), 10_250_000 + search);
    assert_eq!(opus(&["us", "fast"]), 11_275_000 + search);
    // Sonnet lists no fast mode: what it costs there is not known.
    assert_eq!(price(Anthropic, "claude-sonnet-5", &made(&["us", "fast"])), None);
    let sonnet = price(Anthropic, "claude-sonnet-5", &made(&["us", "standard"])).unwrap() - search;
    let plain = price(Anthropic, "claude-sonnet-5", &made(&[])).unwrap() - search;
    assert_eq!(sonnet * 10, plain * 11);
}

#[test]
fn a_multiple_is_rounded_with_the_rest_once() {
    let table = |multiple: &str| {
        let prices = made(r#"{"standard":{"input":1,"output":1}}"#);
        PriceTable::parse(&prices.replacen(r#""prices""#, &format!(r#""multipliers_milli":{multiple},"prices""#), 1))
    };
    let cost = |input| {
        let modifiers = vec!["a".to_owned(), "B".to_owned()];
        let report = Reported { modifiers, ..reported(Usage { input, ..Usage::default() }) };
        table(r#"{"a":1001,"b":1500}"#).unwrap().price(OpenAi, "m", None, &report, now()).map(|cost| cost.0)
    };
    // 1 pico-dollar × 1.5015: 333 of them are 499.9995, 334 are 501.501.
    assert_eq!((cost(333), cost(334), cost(998), cost(1000)), (Some(0), Some(1), Some(1), Some(2)));
    for bad in ["7", r#"{"a":0}"#, r#"{"a":1.1}"#, r#"{"a":-1}"#, r#"{"a":1000001}"#] {
        assert!(table(bad).unwrap_err().field.starts_with("multipliers_milli"), "{bad}");
    }
}

#[test]
fn passes_beside_are_priced_at_their_own_model() {
    let pass = |model: Option<&str>| BilledBeside {
        model: model.map(Into::into),
        usage: Usage { input: 1000, output: 100, ..Usage::default() },
    };
    let with = |beside| Reported { beside, ..reported(Usage { input: 10, ..Usage::default() }) };
    // 10 × 3.00 on top; 1000 × 3.00 + 100 × 15.00, or haiku's 1.00 and 5.00
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &with(vec![pass(None)])), Some(30_000 + 4_500_000));
    let both = with(vec![pass(None), pass(Some("claude-haiku-4-5-20251001"))]);
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &both), Some(30_000 + 4_500_000 + 1_500_000));
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &with(vec![pass(Some("claude-new"))])), None);
}

#[test]
fn the_sum_is_rounded_once_half_to_even() {
    let table = |input: u64| {
        PriceTable::parse(&made(&format!(r#"{{"standard":{{"input":{input},"output":0,"cache_read":{input}}}}}"#)))
            .unwrap()
    };
    let nano = |input, usage| table(input).price(OpenAi, "m", None, &reported(usage), now()).unwrap().0;
    let one = Usage { input: 1, ..Usage::default() };
    for (pico, expected) in [(499, 0), (500, 0), (501, 1), (1499, 1), (1500, 2), (2500, 2), (2501, 3)] {
        assert_eq!(nano(pico, one), expected, "{pico}");
    }
    // 500 + 500 is 1000, not 0 + 0: classes are summed before rounding
    assert_eq!(nano(500, Usage { input: 1, cache_read: 1, ..Usage::default() }), 1);
}

#[test]
fn what_has_no_price_costs_nobody_knows_what() {
    let usage = Usage { input: 1, ..Usage::default() };
    assert_eq!(cost(OpenAi, "gpt-35-turbo", usage), None);
    assert_eq!(cost(Anthropic, "gpt-4o", usage), None);
    // a listed 0 is a price
    assert_eq!(cost(Gemini, "gemma-3-27b-it", usage), Some(0));
    // gemma lists no search price
    let searched = Reported { fees: vec![Fee::web_searches(1)], ..reported(usage) };
    assert_eq!(price(Gemini, "gemma-3-27b-it", &searched), None);
    // a search by the prompt and an hour of a container have no price at Anthropic, whatever a query costs
    let fee = |kind, unit, count| Reported { fees: vec![Fee { kind, count, unit }], ..reported(usage) };
    let by_prompt = fee(FeeKind::WebSearch, FeeUnit::Prompt, 1);
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &by_prompt), None);
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &fee(FeeKind::Container, FeeUnit::Hour, 1)), None);
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &fee(FeeKind::Container, FeeUnit::Hour, 0)), Some(3000));
    // text and films in one count, at prices that differ
    assert!(cost(Gemini, "gemini-omni-1.1-flash", usage).is_some());
    assert_eq!(cost(Gemini, "gemini-omni-1.1-flash", Usage { output: 1, ..usage }), None);
}

#[test]
fn a_missing_input_or_output_price_is_not_zero_and_a_missing_cache_price_is_at_least_the_inputs() {
    let price = |prices: &str, usage| {
        PriceTable::parse(&made(prices)).unwrap().price(OpenAi, "m", None, &reported(usage), now()).map(|c| c.0)
    };
    let input = Usage { input: 1, ..Usage::default() };
    let output = Usage { output: 1, ..Usage::default() };
    assert_eq!(price(r#"{"standard":{"input":1000}}"#, input), Some(1));
    assert_eq!(price(r#"{"standard":{"input":1000}}"#, output), None);
    assert_eq!(price(r#"{"standard":{"output":1000}}"#, input), None);
    assert_eq!(price(r#"{"standard":{"output":1000}}"#, output), Some(1));
    let read = Usage { cache_read: 1, ..Usage::default() };
    let short = Usage { cache_write_5m: 1, ..Usage::default() };
    let long = Usage { cache_write_1h: 1, ..Usage::default() };
    for usage in [read, short, long] {
        assert_eq!(price(r#"{"standard":{"input":3000}}"#, usage), Some(3), "{usage:?}");
        assert_eq!(price(r#"{"standard":{"output":3000}}"#, usage), None, "{usage:?}");
    }
    assert_eq!(price(r#"{"standard":{"input":3000,"cache_write":4000}}"#, long), Some(4));
    assert_eq!(price(r#"{"standard":{"input":3000,"cache_write":2000}}"#, long), Some(3));
}

#[test]
fn dated_names_find_their_model_both_ways_and_never_another() {
    let table = table();
    let id = |provider, name: &str| table.lookup(provider, name).map(ModelEntry::id);
    for (provider, name, found) in [
        (OpenAi, "gpt-4o", Some("gpt-4o")),
        (OpenAi, "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
        (OpenAi, "gpt-4o-2031-01-01", Some("gpt-4o")),
        (OpenAi, "gpt-4o-mini-2031-01-01", Some("gpt-4o-mini")),
        (OpenAi, "gpt-4o-mini-2031-01-01-preview", None),
        (OpenAi, "gpt-4o-new", None),
        (OpenAi, "gpt-4o-mini-audio-preview", Some("gpt-4o-mini-audio-preview-2024-12-17")),
        (OpenAi, "ft:gpt-4o-2024-08-06:acme::9xYz", Some("ft:gpt-4o-2024-08-06")),
        (OpenAi, "ft:gpt-5-2025-08-07:acme::9xYz", None),
        (Anthropic, "claude-sonnet-4-5-20311231", Some("claude-sonnet-4-5")),
        (Anthropic, "claude-opus-4-1", Some("claude-opus-4-1-20250805")),
        (Anthropic, "claude-3-7-sonnet-latest", Some("claude-3-7-sonnet-20250219")),
        (Anthropic, "claude-sonnet-4", Some("claude-sonnet-4-20250514")),
        (Anthropic, "claude-sonnet", None),
        (Anthropic, "claude-opus-9", None),
        (Gemini, "models/gemini-2.5-pro", Some("gemini-2.5-pro")),
        (Gemini, "gemini-2.5-pro-preview-05-06", Some("gemini-2.5-pro")),
        (Gemini, "gemini-2.5-flash-lite-preview-09-2025", Some("gemini-2.5-flash-lite")),
        (Gemini, "gemini-3-pro-preview-11-2025", Some("gemini-3-pro-preview")),
        (Gemini, "gemini-2.5-flash-002", Some("gemini-2.5-flash")),
        (Gemini, "gemini-pro", None),
        (Gemini, "gemini-3-pro", None),
        (Gemini, "gemini-2.5-flash-native-audio", None),
    ] {
        assert_eq!(id(provider, name), found, "{name}");
    }
}

#[test]
fn a_name_whose_snapshots_differ_in_price_is_unpriced() {
    let models = |second: u64| {
        let model = |id: &str, input: u64| {
            format!(r#"{{"id":"{id}","provider":"openai","mode":"chat","prices":{{"standard":{{"input":{input}}}}}}}"#)
        };
        let (a, b) = (model("m-2030-01-01", 1000), model("m-2030-02-02", second));
        PriceTable::parse(&format!(r#"{{"header":{{"as_of":"2026-11-23","unit_scale":12}},"models":[{a},{b}]}}"#))
            .unwrap()
    };
    assert_eq!(models(1000).lookup(OpenAi, "m").map(ModelEntry::id), Some("m-2030-02-02"));
    assert!(models(2000).lookup(OpenAi, "m").is_none());
    assert!(models(1000).lookup(OpenAi, "m-2030").is_none());
}

#[test]
fn the_answers_model_is_priced_where_it_is_the_one_asked_for() {
    for (provider, asked, served, priced) in [
        (OpenAi, "gpt-4o", Some("gpt-4o-2024-05-13"), "gpt-4o-2024-05-13"),
        (OpenAi, "gpt-4o-2024-05-13", Some("gpt-4o"), "gpt-4o"),
        (OpenAi, "gpt-4o", Some("gpt-4o-mini-2024-07-18"), "gpt-4o"),
        (OpenAi, "gpt-4o", None, "gpt-4o"),
        (Anthropic, "claude-3-5-haiku-latest", Some("claude-3-5-haiku-20241022"), "claude-3-5-haiku-20241022"),
        (Gemini, "gemini-flash-latest", Some("gemini-3.6-flash"), "gemini-flash-latest"),
    ] {
        assert_eq!(canonical(provider, asked, served), priced, "{asked}");
    }
    // gpt-4o-2024-05-13 costs 5.00, gpt-4o 2.50
    let usage = reported(Usage { input: 1000, ..Usage::default() });
    let price = |served| table().price(OpenAi, "gpt-4o", Some(served), &usage, now()).map(|c| c.0);
    assert_eq!(price("gpt-4o-2024-05-13"), Some(5_000_000));
    assert_eq!(price("gpt-4o-2024-08-06"), Some(2_500_000));
    assert_eq!(price("something else"), Some(2_500_000));
}

#[test]
fn saved_is_the_difference_to_the_target_model() {
    let usage = reported(Usage { input: 1000, output: 100, ..Usage::default() });
    let paid = NanoUsd(price(OpenAi, "gpt-4o-mini", &usage).unwrap());
    assert_eq!(paid, NanoUsd(210_000));
    assert_eq!(table().saved(OpenAi, "gpt-4o", &usage, now(), paid), Some(NanoUsd(3_500_000 - 210_000)));
    assert_eq!(table().saved(OpenAi, "gpt-unknown", &usage, now(), paid), None);
}

fn set(model: &str, input: u64, from: &str) -> Override {
    Override {
        provider: OpenAi,
        model: model.into(),
        input: PicoPerToken(input),
        output: PicoPerToken(2 * input),
        cache_read: None,
        cache_write_5m: Some(PicoPerToken(3 * input)),
        cache_write_1h: None,
        effective_from: Timestamp::parse("from", from).unwrap(),
    }
}

#[test]
fn the_override_that_took_effect_last_holds_for_names_and_answers() {
    let new = table().with_overrides([
        set("gpt-4o", 7_000_000, "2027-01-01"),
        set("gpt-4o", 1_000_000, "2026-11-01"),
        set("in-house", 5_000_000, "2026-11-01"),
        set("gpt-4.1-2031-01-01", 9_000_000, "2027-01-01"),
    ]);
    let usage = Usage { input: 1000, cache_read: 1000, cache_write_5m: 1000, output: 1000, ..Usage::default() };
    let price = |asked: &str, served: Option<&str>, at: &str| {
        let at = Timestamp::parse("t", at).unwrap();
        new.price(OpenAi, asked, served, &in_tier(usage, "priority"), at).map(|c| c.0)
    };
    let listed = price("gpt-4o-2024-08-06", None, "2026-11-23");
    assert_eq!(listed, Some(4_250_000 + 2_125_000 + 4_250_000 + 17_000_000));
    assert_eq!(price("gpt-4o", None, "2026-10-31"), listed);
    assert_eq!(price("gpt-4o", None, "2026-11-01"), Some(7_000_000));
    assert_eq!(price("gpt-4o", Some("gpt-4o-2024-08-06"), "2026-11-23"), Some(7_000_000));
    assert_eq!(price("gpt-4o", Some("gpt-4o-2024-08-06"), "2027-01-01"), Some(49_000_000));
    assert_eq!(price("in-house", None, "2026-10-31"), None);
    assert_eq!(price("in-house", None, "2026-11-01"), Some(35_000_000));
    // until it takes effect the name keeps what the rule finds, and its facts for ever
    assert_eq!(price("gpt-4.1-2031-01-01", None, "2026-11-23"), price("gpt-4.1", None, "2026-11-23"));
    assert_eq!(new.facts(OpenAi, "gpt-4.1-2031-01-01"), table().facts(OpenAi, "gpt-4.1"));
    // the version says so, and another set replaces the first
    assert!(new.version().starts_with(&format!("{}+", table().version())), "{}", new.version());
    assert_eq!(new.with_overrides([]).version(), table().version());
    assert_eq!(new.with_overrides([]).lookup(OpenAi, "gpt-4o").unwrap().override_at(now()), None);
}

#[test]
fn the_price_list_names_what_is_in_force_and_what_is_to_come() {
    let table =
        table().with_overrides([set("gpt-4o", 1_000_000, "2026-11-01"), set("gpt-4o", 7_000_000, "2027-01-01")]);
    let lines: Vec<_> = table.listed(now()).filter(|line| line.model == "gpt-4o").collect();
    let [in_force, to_come] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((in_force.input, in_force.cache_read), (Some(PicoPerToken(1_000_000)), Some(PicoPerToken(1_000_000))));
    assert_eq!(to_come.effective_from, Some(Timestamp::parse("t", "2027-01-01").unwrap()));
    let sonnet = table.listed(now()).find(|line| line.model == "claude-sonnet-4-5").unwrap();
    assert_eq!(serde_json::to_string(&sonnet.cache_write_5m).unwrap(), "3.75");
    assert_eq!((sonnet.cache_write_1h, sonnet.effective_from), (Some(PicoPerToken(6_000_000)), None));
    assert_eq!(table.listed(now()).count(), 221 + 1);
}

#[test]
fn facts_and_model_lists_come_from_the_table() {
    let facts = table();
    let facts = facts.facts(Anthropic, "claude-sonnet-4-5-20250929").unwrap();
    assert_eq!((facts.context_window, facts.max_output), (Some(200_000), Some(64_000)));
    assert_eq!((facts.capabilities.vision, facts.capabilities.audio_input), (Some(true), None));
    let table = table();
    let models: Vec<_> = table.models(OpenAi).collect();
    assert!(models.contains(&"gpt-4o") && models.is_sorted());
    assert!(!models.iter().any(|id| id.starts_with("ft:") || id.contains("embedding") || *id == "gpt-5-pro"));
    assert_eq!(table.models(Anthropic).count(), 35);
    assert_eq!(table.models(Gemini).count(), 45);
}

fn made(prices: &str) -> String {
    format!(
        r#"{{"header":{{"as_of":"2026-11-23","unit_scale":12}},
            "models":[{{"id":"m","provider":"openai","mode":"chat","prices":{prices}}}]}}"#
    )
}

#[test]
fn a_broken_table_is_refused_whole_and_names_model_and_field() {
    let good = include_str!("../../data/prices.json");
    let refused = |from: &str, to: &str| {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from}");
        let error = PriceTable::parse(&broken).unwrap_err();
        (error.model, error.field)
    };
    let pair = |model: &str, field: &str| (model.to_owned(), field.to_owned());
    assert_eq!(refused(r#""as_of": "2026"#, r#""as_of": "x026"#), pair("header", "as_of"));
    assert_eq!(refused(r#""unit_scale": 12"#, r#""unit_scale": 9"#), pair("header", "unit_scale"));
    for (prices, field) in [
        (r#"{"standard":{"input":1.5}}"#, "prices.standard.input"),
        (r#"{"standard":{"input":-1}}"#, "prices.standard.input"),
        (r#"{"standard":{"input":"1"}}"#, "prices.standard.input"),
        (r#"{"standard":{"inptu":1}}"#, "prices.standard.inptu"),
        (r#"{"standard":{"output":1,"reasoning_output":2}}"#, "prices.standard.reasoning_output"),
        (r#"{"batch":{"input":1}}"#, "prices.standard"),
        (r#"{"standard":[]}"#, "prices.standard"),
        ("3", "prices"),
        (r#"{"standard":{"input":1}},"long_context":[{"prices":{}}]"#, "long_context.0.when_input_tokens_above"),
        (r#"{"standard":{"input":1}},"scheduled":[{"from_date":"soon"}]"#, "scheduled.0.from_date"),
        (r#"{"standard":{"input":1}},"web_search_per_query":{"low":1}"#, "web_search_per_query.medium"),
        (r#"{"standard":{"input":1}},"fees":{"maps":{"per":"query","price":"1"}}"#, "fees.maps.price"),
        (r#"{"standard":{"input":1}},"max_output":"many""#, "max_output"),
        (r#"{"standard":{"input":1}},"capabilities":{"vision":1}"#, "capabilities"),
    ] {
        let error = PriceTable::parse(&made(prices)).unwrap_err();
        assert_eq!((error.model.as_str(), error.field.as_str()), ("m", field), "{prices}");
    }
    assert_eq!(PriceTable::parse("{").unwrap_err().reason, "is not JSON");
    let twice = made(r#"{"standard":{}}"#)
        .replace("}}]", r#"}},{"id":"m","provider":"openai","mode":"chat","prices":{"standard":{}}}]"#);
    assert_eq!(PriceTable::parse(&twice).unwrap_err().reason, "is listed twice");
}

#[test]
fn the_version_follows_the_content() {
    let (a, b) = (made(r#"{"standard":{"input":1}}"#), made(r#"{"standard":{"input":2}}"#));
    let version = |json: &str| PriceTable::parse(json).unwrap().version().to_owned();
    assert_eq!(version(&a), version(&a));
    assert_ne!(version(&a), version(&b));
    assert!(version(&a).starts_with("2026-11-23."));
    assert_eq!(table().as_of(), "2026-11-25");
}

#[test]
fn the_largest_counts_are_held_and_do_not_panic() {
    let most = u64::MAX;
    let usage = Usage {
        input: most,
        cache_read: most,
        cache_write_5m: most,
        cache_write_1h: most,
        output: most,
        reasoning: Some(most),
        audio_input: most,
        audio_output: most,
        tool_prompt: most,
        cache_write_30m: most,
        cache_write_12h: most,
        cached_audio: most,
        image_input: most,
        image_output: most,
        video_input: most,
    };
    let searched = Reported { fees: vec![Fee::web_searches(most)], ..reported(usage) };
    assert_eq!(price(Anthropic, "claude-sonnet-4-5", &searched), Some(i64::MAX));
    let dear = PriceTable::parse(&made(&format!(r#"{{"standard":{{"input":{most},"output":{most}}}}}"#))).unwrap();
    let report = Reported { beside: vec![BilledBeside { model: None, usage }; 3], ..reported(usage) };
    assert_eq!(dear.price(OpenAi, "m", None, &report, now()), Some(NanoUsd(i64::MAX)));
}

/// Azure's name of a model, which is not OpenAI's.
const UNPRICED_RECORDINGS: [&str; 1] = ["gpt-35-turbo"];

#[test]
fn every_successful_recording_names_a_priced_model() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tt-providers/fixtures/recordings");
    let table = table();
    let (mut seen, mut unpriced) = (0, std::collections::BTreeSet::new());
    for provider in Provider::ALL {
        let Ok(files) = std::fs::read_dir(format!("{root}/{provider}")) else { panic!("no recordings at {root}") };
        for file in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let ok = record.pointer("/response/status").and_then(serde_json::Value::as_u64) == Some(200);
            let model = record.pointer("/expected/model").and_then(serde_json::Value::as_str);
            if let (true, Some(model)) = (ok, model) {
                seen += 1;
                if table.lookup(provider, model).is_none() {
                    unpriced.insert(model.to_owned());
                }
            }
        }
    }
    assert!(seen > 200, "{seen} recordings");
    assert_eq!(unpriced.into_iter().collect::<Vec<_>>(), UNPRICED_RECORDINGS);
}

fn classes(most: u64) -> impl Strategy<Value = Usage> {
    proptest::array::uniform7(0..most).prop_map(|[a, b, c, d, e, f, g]| Usage {
        input: a + f,
        cache_read: b,
        cache_write_5m: c,
        cache_write_1h: d,
        output: e + g,
        audio_input: f,
        audio_output: g,
        ..Usage::default()
    })
}

proptest! {
    #[test]
    fn cost_is_additive_before_rounding_below_a_threshold(
        a in classes(5_000), b in classes(5_000),
        model in prop::sample::select(vec!["gemini-2.5-pro", "gemini-2.0-flash", "gemini-3.6-flash"]),
        tier in prop::sample::select(vec!["standard", "batch", "flex", "priority"]),
    ) {
        let table = table();
        let entry = table.lookup(Gemini, model).unwrap();
        let answer = in_tier(Usage::default(), tier);
        let atto = |usage: &Usage| entry.atto(usage, &answer, now()).unwrap();
        prop_assert_eq!(atto(&a) + atto(&b), atto(&a.plus(&b)));
    }

    #[test]
    fn more_tokens_never_cost_less(
        usage in classes(300_000), more in classes(300_000),
        model in prop::sample::select(vec!["gpt-4o", "gpt-5.4", "gpt-5.6-sol", "gpt-audio", "o3-mini"]),
        tier in prop::sample::select(vec!["default", "batch", "flex", "priority"]),
    ) {
        let table = table();
        let entry = table.lookup(OpenAi, model).unwrap();
        let answer = in_tier(Usage::default(), tier);
        let atto = |usage: &Usage| entry.atto(usage, &answer, now()).unwrap();
        prop_assert!(atto(&usage.plus(&more)) >= atto(&usage));
    }

    #[test]
    fn any_name_is_looked_up_without_a_panic(name in "(models/)?(ft:)?[a-z0-9.:é-]{0,30}(-latest|-[0-9]{2,8}|-preview|-exp)*") {
        for provider in Provider::ALL {
            let found = table().lookup(provider, &name).is_some();
            prop_assert!(!found || !name.is_empty());
        }
    }
}
