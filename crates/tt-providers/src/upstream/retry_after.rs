//! The wait that a provider asks for after an error. All dialects read it by the same rule.

use std::time::Duration;

use http::HeaderMap;

/// The longest wait that is believed: a day. A longer one is ignored.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait that the headers name: `retry-after-ms`, else `retry-after` in seconds. Fractions are rounded up to a
/// millisecond. A date is ignored, since this crate has no clock; so is more than a day.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("retry-after-ms").and_then(|text| decimal(text, 0)).or_else(|| seconds(text("retry-after")?))
}

/// A wait written as a decimal number of seconds, with or without an `s` behind it (`34.4s`).
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    decimal(text.strip_suffix('s').unwrap_or(text), 3)
}

/// `text`, a decimal number, times 10 to `exponent` (at most 3), in milliseconds, rounded up.
fn decimal(text: &str, exponent: u32) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut value: u64 = whole.parse().ok()?;
    let mut rest = fraction.bytes();
    for _ in 0..exponent {
        value = value * 10 + u64::from(rest.next().map_or(0, |b| b - b'0'));
    }
    value += u64::from(rest.any(|b| b != b'0'));
    let wait = Duration::from_millis(value);
    (wait <= LONGEST).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, http::HeaderValue::from_static(value));
        }
        retry_after(&headers)
    }

    #[test]
    fn milliseconds_win_over_seconds() {
        assert_eq!(asked(&[("retry-after", "2"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
        assert_eq!(asked(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(asked(&[("retry-after-ms", "12.3")]), Some(Duration::from_millis(13)));
        assert_eq!(seconds("34.4s"), Some(Duration::from_millis(34_400)));
    }

    #[test]
    fn text_that_is_no_number_of_seconds_is_no_wait() {
        for bad in ["", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "99999999999999999999", "90000", "NaN", "soon"] {
            assert_eq!(asked(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
    }
}
