//! Bounds against the cost of whatever they are to bound.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::price::{Override, PicoPerToken};
use crate::usage::{Reported, Usage};
use Provider::{Anthropic, Gemini, OpenAi};

fn table() -> Arc<PriceTable> {
    PriceTable::builtin().unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("now", "2026-11-23T12:00:00Z").unwrap()
}

const fn bound(input_tokens: u64, output_tokens: u64) -> CostBound<'static> {
    CostBound {
        input_tokens,
        output_tokens,
        choices: 1,
        service_tier: None,
        cache_write: None,
        audio_input: false,
        image_input: false,
        audio_output: false,
        region: None,
    }
}

fn worst(provider: Provider, model: &str, bound: CostBound<'_>) -> Option<i64> {
    table().worst_case(provider, model, &bound, now()).map(|cost| cost.0)
}

#[test]
fn the_dearest_class_and_the_dearest_tier_that_may_be_billed_are_held() {
    // no tier named: a project's default may be priority, 4.25 and 17 dollars a million
    assert_eq!(worst(OpenAi, "gpt-4o", bound(1000, 100)), Some(4_250_000 + 1_700_000));
    let tier = |word| CostBound { service_tier: Some(word), ..bound(1000, 100) };
    assert_eq!(worst(OpenAi, "gpt-4o", tier("default")), Some(2_500_000 + 1_000_000));
    assert_eq!(worst(OpenAi, "gpt-4o", tier("auto")), worst(OpenAi, "gpt-4o", tier("priority")));
    // what was asked for at half the price may be served at the full one
    assert_eq!(worst(OpenAi, "gpt-4o", tier("batch")), worst(OpenAi, "gpt-4o", tier("default")));
    // Google has no default tier but the standard one
    assert_eq!(worst(Gemini, "gemini-2.5-flash", bound(1000, 100)), Some(300_000 + 250_000));
    assert_eq!(worst(Gemini, "gemini-2.5-flash", tier("priority")), Some(540_000 + 450_000));
    // a cache write of five minutes is 3.75 dollars, and of an hour 6 dollars, where it is asked for
    let cached = |cache_write| CostBound { cache_write, ..bound(1000, 100) };
    for (cache_write, input) in [
        (None, 3_000_000),
        (Some(CacheTtl::FiveMinutes), 3_750_000),
        (Some(CacheTtl::ThirtyMinutes), 3_750_000),
        (Some(CacheTtl::OneHour), 6_000_000),
        (Some(CacheTtl::TwelveHours), 6_000_000),
    ] {
        assert_eq!(worst(Anthropic, "claude-sonnet-4-5", cached(cache_write)), Some(input + 1_500_000));
    }
    // sound is 32 and 64 dollars, where there is some
    assert_eq!(worst(OpenAi, "gpt-audio", bound(1000, 100)), Some(2_500_000 + 1_000_000));
    let sound = CostBound { audio_input: true, ..bound(1000, 100) };
    assert_eq!(worst(OpenAi, "gpt-audio", sound), Some(32_000_000 + 1_000_000));
    let spoken = CostBound { audio_output: true, ..sound };
    assert_eq!(worst(OpenAi, "gpt-audio", spoken), Some(32_000_000 + 6_400_000));
    // a tenth more in a region, and at Anthropic where a workspace may have chosen it
    let europe = CostBound { region: Some("region_eu"), service_tier: Some("default"), ..bound(1000, 100) };
    assert_eq!(worst(OpenAi, "gpt-5.4", europe), Some(2_750_000 + 1_650_000));
    assert_eq!(worst(OpenAi, "gpt-4o", europe), Some(2_500_000 + 1_000_000), "which lists no region");
    assert_eq!(worst(Anthropic, "claude-opus-4-6", bound(1000, 100)), Some(5_500_000 + 2_750_000));
    assert_eq!(worst(OpenAi, "gpt-unknown", bound(1, 1)), None);
}

#[test]
fn the_input_is_paid_once_and_the_output_of_each_choice() {
    let three = CostBound { choices: 3, service_tier: Some("default"), ..bound(1000, 100) };
    assert_eq!(worst(OpenAi, "gpt-4o", three), Some(2_500_000 + 3 * 1_000_000));
}

#[test]
fn a_context_that_may_be_long_is_held_at_its_price() {
    let standard = |input| CostBound { service_tier: Some("default"), ..bound(input, 0) };
    assert_eq!(worst(Gemini, "gemini-2.5-pro", standard(200_000)), Some(250_000_000));
    assert_eq!(worst(Gemini, "gemini-2.5-pro", standard(200_001)), Some(500_002_500));
}

#[test]
fn a_part_of_a_nano_dollar_is_rounded_up() {
    // 0.075 dollars a million are 75 pico-dollars a token
    let flash = CostBound { service_tier: Some("default"), ..bound(1, 0) };
    let price = PriceTable::parse(
        r#"{"header":{"as_of":"2026-11-23","unit_scale":12},
            "models":[{"id":"m","provider":"openai","mode":"chat","prices":{"standard":{"input":1,"output":1}}}]}"#,
    )
    .unwrap();
    assert_eq!(price.worst_case(OpenAi, "m", &flash, now()), Some(NanoUsd(1)));
    assert_eq!(price.worst_case(OpenAi, "m", &bound(0, 0), now()), Some(NanoUsd(0)));
    let most = CostBound { choices: u64::MAX, ..bound(u64::MAX, u64::MAX) };
    assert_eq!(price.worst_case(OpenAi, "m", &most, now()), Some(NanoUsd(i64::MAX)));
}

#[test]
fn an_override_holds_for_every_tier_and_length() {
    let set = Override {
        provider: Gemini,
        model: "gemini-2.5-pro".into(),
        input: PicoPerToken(1000),
        output: PicoPerToken(2000),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: Some(PicoPerToken(3000)),
        effective_from: now(),
    };
    let table = table().with_overrides([set]);
    let bound = CostBound { cache_write: Some(CacheTtl::OneHour), ..bound(300_000, 10) };
    assert_eq!(table.worst_case(Gemini, "gemini-2.5-pro", &bound, now()), Some(NanoUsd(900_000 + 20)));
    assert_ne!(table.worst_case(Gemini, "gemini-2.5-pro", &bound, now().plus_millis(-1)), Some(NanoUsd(900_020)));
}

#[test]
fn a_hold_pays_for_so_many_tokens_of_output() {
    let bound = CostBound { service_tier: Some("default"), choices: 2, ..bound(1000, 100) };
    let tokens = |nano| table().output_tokens_for(OpenAi, "gpt-4o", &bound, NanoUsd(nano), now());
    assert_eq!(tokens(2_499_999), Some(0));
    assert_eq!(tokens(2_500_000), Some(0));
    assert_eq!(tokens(2_500_000 + 7 * 20_000), Some(7));
    assert_eq!(tokens(2_500_000 + 8 * 20_000 - 1), Some(7));
    assert_eq!(tokens(i64::MAX), Some(100));
    assert_eq!(tokens(-1), Some(0));
    let europe = CostBound { region: Some("region_eu"), ..bound };
    let tokens = |nano| table().output_tokens_for(OpenAi, "gpt-5.4", &europe, NanoUsd(nano), now());
    assert_eq!(tokens(2_750_000 + 7 * 33_000), Some(7));
    assert_eq!(tokens(2_750_000 + 7 * 33_000 - 1), Some(6));
    assert_eq!(table().output_tokens_for(OpenAi, "gpt-unknown", &bound, NanoUsd(1), now()), None);
}

proptest! {
    #[test]
    fn no_cost_is_above_its_bound(
        parts in proptest::array::uniform7(0_u64..300_000), slack in 0_u64..1000,
        (provider, model) in prop::sample::select(vec![
            (OpenAi, "gpt-4o"), (OpenAi, "gpt-5.4"), (OpenAi, "gpt-audio"), (OpenAi, "o3-mini"),
            (Anthropic, "claude-sonnet-4-5"), (Anthropic, "claude-haiku-5-5"), (Anthropic, "claude-opus-4-6"),
            (Gemini, "gemini-2.5-pro"), (Gemini, "gemini-2.5-flash"), (Gemini, "gemini-3.1-pro-preview"),
        ]),
        (asked, billed) in prop::sample::select(vec![
            (None, "default"), (None, "priority"), (Some("auto"), "priority"), (Some("auto"), "flex"),
            (Some("priority"), "default"), (Some("priority"), "priority"), (Some("flex"), "flex"),
            (Some("flex"), "default"), (Some("default"), "default"), (Some("whatever"), "priority"),
        ]),
        cache_write in prop::sample::select(vec![None, Some(CacheTtl::FiveMinutes), Some(CacheTtl::OneHour)]),
        (audio_input, audio_output) in any::<(bool, bool)>(),
        region in prop::sample::select(vec![None, Some("region_eu")]),
    ) {
        prop_assume!(!(provider == Gemini && asked.is_none() && billed == "priority"));
        let [a, b, c, d, e, f, g] = parts;
        let (sound, speech) = (if audio_input { f } else { 0 }, if audio_output { g } else { 0 });
        let short = if cache_write.is_some() || provider == OpenAi { c } else { 0 };
        let long = if cache_write == Some(CacheTtl::OneHour) { d } else { 0 };
        let usage = Usage {
            input: a + sound, cache_read: b, cache_write_5m: short, cache_write_1h: long, output: e + speech,
            audio_input: sound, audio_output: speech, ..Usage::default()
        };
        let bound = CostBound {
            input_tokens: usage.total_input() + slack, output_tokens: usage.output + slack, choices: 1,
            service_tier: asked, cache_write, audio_input, image_input: true, audio_output, region,
        };
        let place = if provider == Anthropic { Some("us") } else { region };
        let modifiers = place.into_iter().map(str::to_owned).collect();
        let reported = Reported { usage, service_tier: Some(billed.into()), modifiers, ..Reported::default() };
        let cost = table().price(provider, model, None, &reported, now()).unwrap();
        let worst = table().worst_case(provider, model, &bound, now()).unwrap();
        prop_assert!(cost <= worst, "{} of {}", cost.0, worst.0);

        // A call capped to what a hold pays for costs no more than the hold.
        let capped = table().output_tokens_for(provider, model, &bound, cost, now()).unwrap();
        let fits = table().worst_case(provider, model, &CostBound { output_tokens: capped, ..bound }, now()).unwrap();
        prop_assert!(capped == 0 || fits <= cost, "{capped} tokens cost {}, not {}", fits.0, cost.0);
    }
}

#[test]
fn the_fee_that_every_answer_is_billed_is_held_too() {
    // 1000 × 2.50 + 100 × 10.00, and a search for 0.025
    let search = CostBound { service_tier: Some("default"), ..bound(1000, 100) };
    assert_eq!(worst(OpenAi, "gpt-4o-search-preview", search), Some(2_500_000 + 1_000_000 + 25_000_000));
    let tokens = |nano| table().output_tokens_for(OpenAi, "gpt-4o-search-preview", &search, NanoUsd(nano), now());
    assert_eq!((tokens(24_999_999), tokens(27_500_000), tokens(27_570_000)), (Some(0), Some(0), Some(7)));
}

#[test]
fn a_model_with_a_price_of_input_alone_is_bounded_by_it() {
    let json = r#"{"header": {"as_of": "2026-11-26", "unit_scale": 12}, "models": [
        {"id": "e", "provider": "openai", "mode": "embedding", "prices": {"standard": {"input": 20000}}}]}"#;
    let table = PriceTable::parse(json).unwrap();
    assert_eq!(table.worst_case(Provider::OpenAi, "e", &bound(100, 0), now()), Some(NanoUsd(2000)));
}
