//! The unit of prices: whole pico-US-dollars per token, printed as US dollars per million tokens.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Invalid;
use crate::money::{Decimal, parse_scaled};

/// A price in pico-US-dollars (10⁻¹² USD) per token, which is the same number as micro-US-dollars per million tokens.
/// In JSON an exact decimal number of dollars per million tokens: 75 000 is `0.075`.
///
/// (De)serialises through `serde_json` only: the exact number needs its raw values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoPerToken(pub u64);

impl PicoPerToken {
    /// Reads a decimal number of dollars per million tokens as JSON writes it (`3`, `0.075`, `3e0`). Negative numbers
    /// and digits below a micro-dollar are refused, unless those digits are zeros.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let pico = parse_scaled(text, 6).and_then(|pico| u64::try_from(pico).ok());
        pico.map(Self).ok_or_else(|| {
            Invalid::new(
                "usd_per_million",
                "must be a decimal number of dollars, 0 or more, with at most 6 digits after the point",
            )
        })
    }
}

impl std::fmt::Display for PicoPerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Decimal::scaled(self.0, 6, false).as_str())
    }
}

impl Serialize for PicoPerToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PicoPerToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(|e| D::Error::custom(e.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_decimals_of_dollars_per_million() {
        for (pico, text) in [(3_000_000, "3"), (75_000, "0.075"), (0, "0"), (1, "0.000001"), (12_500_000, "12.5")] {
            let price = PicoPerToken(pico);
            assert_eq!(serde_json::to_string(&price).unwrap(), text);
            assert_eq!(serde_json::from_str::<PicoPerToken>(text).unwrap(), price);
        }
        assert_eq!(PicoPerToken(u64::MAX).to_string(), "18446744073709.551615");
        assert_eq!(PicoPerToken::parse("1.5e1"), Ok(PicoPerToken(15_000_000)));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for bad in ["-1", "0.0000001", "null", "\"3\"", "1e30", ""] {
            assert!(PicoPerToken::parse(bad).is_err(), "{bad}");
        }
    }
}
