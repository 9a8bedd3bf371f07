//! Money: whole nano-US-dollars, printed and read as exact decimal numbers, never as a float.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Invalid;

/// An amount in nano-US-dollars (10⁻⁹ USD). In JSON an exact decimal number of dollars, `0.000012345`, in
/// binary formats the integer.
///
/// Of the text formats only `serde_json` works, since the exact number needs its raw values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, held at the type's ends instead of wrapping (±9.2 billion dollars).
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the type's ends instead of wrapping.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Rounds an exact amount in pico-dollars (10⁻¹² USD), once, half to even.
    ///
    /// An amount beyond the type's range is held at its end.
    pub fn from_pico(pico: i128) -> Self {
        Self::rounded(pico, 1000)
    }

    /// As [`NanoUsd::from_pico`], of an amount in atto-dollars (10⁻¹⁸ USD).
    pub fn from_atto(atto: i128) -> Self {
        Self::rounded(atto, 1_000_000_000)
    }

    fn rounded(amount: i128, per_nano: i128) -> Self {
        Self(i64::try_from(div_half_even(amount, per_nano)).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The amount as an exact decimal number of dollars.
    fn decimal(self) -> Decimal {
        Decimal::scaled(self.0.unsigned_abs(), 9, self.0 < 0)
    }

    /// Reads a decimal number of dollars as JSON writes it (`1`, `0.25`, `1e-6`); digits below a nano-dollar are
    /// refused unless they are zeros.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse_scaled(text, 9).map(Self).ok_or_else(|| {
            Invalid::new("usd", "must be a decimal number of dollars with at most 9 digits after the point")
        })
    }
}

/// `a / b` rounded to the nearest whole number, halves to the even one. `b` is positive.
pub(crate) fn div_half_even(a: i128, b: i128) -> i128 {
    let (quotient, rest) = (a.div_euclid(b), a.rem_euclid(b));
    match (rest * 2).cmp(&b) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + (quotient & 1),
    }
}

/// Reads a JSON decimal as an integer of `10^-scale` units; `None` when it is malformed, too precise or too large.
pub(crate) fn parse_scaled(text: &str, scale: i32) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |m| (true, m));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let mut shift = scale.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let trimmed = digits.trim_end_matches('0');
    shift = shift.checked_add(i32::try_from(digits.len() - trimmed.len()).ok()?)?;
    if trimmed.is_empty() {
        return Some(0);
    }
    if !(0..=18).contains(&shift) {
        return None;
    }
    let value = trimmed.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(u32::try_from(shift).ok()?)?)?;
    Some(if negative { -value } else { value })
}

/// The most bytes of a [`Decimal`]: a sign, 20 digits and a point.
const LONGEST: usize = 22;

/// A decimal number as text. It is made digit by digit: every record holds some, and the formatting machinery costs many
/// times as much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    /// The text, at the end.
    bytes: [u8; LONGEST],
    start: usize,
}

impl Decimal {
    /// `units` of `10^-scale` as the shortest exact decimal. `scale` is at most 18.
    pub(crate) fn scaled(mut units: u64, scale: u32, negative: bool) -> Self {
        let mut decimal = Self { bytes: [0; LONGEST], start: LONGEST };
        let mut places = scale;
        while places > 0 && units.is_multiple_of(10) {
            (units, places) = (units / 10, places - 1);
        }
        let has_fraction = places > 0;
        while places > 0 {
            decimal.push_digit(units % 10);
            (units, places) = (units / 10, places - 1);
        }
        if has_fraction {
            decimal.push(b'.');
        }
        loop {
            decimal.push_digit(units % 10);
            units /= 10;
            if units == 0 {
                break;
            }
        }
        if negative {
            decimal.push(b'-');
        }
        decimal
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(self.start..).and_then(|ascii| str::from_utf8(ascii).ok()).unwrap_or_default()
    }

    fn push_digit(&mut self, digit: u64) {
        self.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }

    /// Puts `byte` before the text.
    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        self.bytes[self.start] = byte;
    }
}

impl std::fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.decimal().as_str())
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_i64(self.0);
        }
        serde_json::from_str::<&RawValue>(self.decimal().as_str())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(|e| D::Error::custom(e.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exact_decimals() {
        for (nano, text) in [
            (12_345, "0.000012345"),
            (0, "0"),
            (1_000_000_000, "1"),
            (-1_500_000_000, "-1.5"),
            (1, "0.000000001"),
            (i64::MAX, "9223372036.854775807"),
            (-i64::MAX, "-9223372036.854775807"),
            (10, "0.00000001"),
        ] {
            assert_eq!(NanoUsd(nano).to_string(), text);
            assert_eq!(serde_json::to_string(&NanoUsd(nano)).unwrap(), text);
            assert_eq!(NanoUsd::parse(text), Ok(NanoUsd(nano)));
        }
    }

    #[test]
    fn reads_every_json_notation_and_refuses_what_it_cannot_hold() {
        assert_eq!(NanoUsd::parse("1e-9"), Ok(NanoUsd(1)));
        assert_eq!(NanoUsd::parse("1.50E1"), Ok(NanoUsd(15_000_000_000)));
        assert_eq!(NanoUsd::parse("0.0000000010"), Ok(NanoUsd(1)));
        for bad in ["0.0000000001", "1e30", "", "-", "abc", "1.2.3", "NaN", "\"1\"", "1e999999999999"] {
            assert!(NanoUsd::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rounds_half_to_even_once() {
        for (pico, nano) in [(499, 0), (500, 0), (501, 1), (1500, 2), (2500, 2), (-500, 0), (-1500, -2), (-1501, -2)] {
            assert_eq!(NanoUsd::from_pico(pico), NanoUsd(nano), "{pico}");
            assert_eq!(NanoUsd::from_atto(pico * 1_000_000), NanoUsd(nano), "{pico}");
        }
    }
}
