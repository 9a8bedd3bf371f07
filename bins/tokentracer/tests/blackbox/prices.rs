//! The cost of tokens by the shipped price table, computed independently of the code under test.

use std::sync::LazyLock;

use serde_json::Value;
use tt_core::{Provider, Usage};

static TABLE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../crates/tt-core/data/prices.json")).unwrap());

/// The cost of `usage` in nano-dollars at the standard tier: exact in pico-dollars, rounded once, half to even.
pub(crate) fn cost(provider: Provider, model: &str, usage: &Usage) -> i64 {
    let models = TABLE["models"].as_array().unwrap();
    let entry = models.iter().find(|entry| entry["id"] == model && entry["provider"] == provider.as_str()).unwrap();
    let prices = &entry["prices"]["standard"];
    let price = |class: &str| prices[class].as_u64().or(prices["input"].as_u64()).unwrap();
    let classes = [
        (usage.input, price("input")),
        (usage.cache_read, price("cache_read")),
        (usage.cache_write_5m, price("cache_write")),
        (usage.cache_write_1h, price("cache_write_1h")),
        (usage.output, price("output")),
    ];
    let pico: u64 = classes.iter().map(|(tokens, price)| tokens * price).sum();
    let (whole, rest) = (pico / 1000, pico % 1000);
    let up = rest > 500 || (rest == 500 && whole % 2 == 1);
    i64::try_from(whole + u64::from(up)).unwrap()
}

/// An amount of dollars as JSON or a header prints it, in nano-dollars; it must have no more digits than that.
#[track_caller]
pub(crate) fn nano(text: &str) -> i64 {
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = 9 + exponent.parse::<i32>().unwrap() - i32::try_from(fraction.len()).unwrap();
    let digits: i64 = format!("{whole}{fraction}").parse().unwrap_or_else(|_| panic!("no amount: {text}"));
    let scale = u32::try_from(places).unwrap_or_else(|_| panic!("finer than a nano-dollar: {text}"));
    let value = digits * 10_i64.pow(scale);
    if negative { -value } else { value }
}

/// As [`nano`], of a JSON number.
#[track_caller]
pub(crate) fn nano_of(value: &Value) -> i64 {
    assert!(value.is_number(), "no amount: {value}");
    nano(&value.to_string())
}

#[test]
fn amounts_are_read_to_the_last_digit() {
    for (text, amount) in
        [("0", 0), ("0.000012345", 12_345), ("1.2345e-5", 12_345), ("-2.5", -2_500_000_000), ("3", 3_000_000_000)]
    {
        assert_eq!(nano(text), amount, "{text}");
    }
}
