//! The advice on another try that a provider gives with an error: the wait before it, and whether it makes sense. All
//! dialects read it by the same rule.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The longest wait that is believed: a day. A longer one is ignored.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait that the headers name: `retry-after-ms`, else `retry-after` as seconds or as a date. Fractions are rounded up
/// to a millisecond. A date counts from the answer's own `date`, so the clocks of both sides need not agree; it is
/// ignored where the answer has none. A wait of more than a day is ignored too.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds = headers.get("retry-after-ms").and_then(|value| decimal(value.to_str().ok()?, 0));
    milliseconds.or_else(|| seconds(headers.get(RETRY_AFTER)?.to_str().ok()?)).or_else(|| until_date(headers))
}

/// The provider's word (`x-should-retry`) on whether another try may succeed. The official SDKs obey it.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// The time from the answer's `date` to the date in its `retry-after`; none where that has passed.
fn until_date(headers: &HeaderMap) -> Option<Duration> {
    let date = |name| -> Option<SystemTime> { httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok() };
    date(RETRY_AFTER)?.duration_since(date(DATE)?).ok().filter(|wait| *wait <= LONGEST)
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

    #[test]
    fn a_date_counts_from_the_date_of_the_answer() {
        let until = |retry_after, date| asked(&[("retry-after", retry_after), ("date", date)]);
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(until("Wed, 21 Oct 2026 07:29:30 GMT", date), Some(Duration::from_secs(90)));
        assert_eq!(until(date, date), Some(Duration::ZERO));
        for bad in ["Wed, 21 Oct 2026 07:27:59 GMT", "Fri, 23 Oct 2026 07:28:00 GMT", "tomorrow"] {
            assert_eq!(until(bad, date), None, "{bad}");
        }
        assert_eq!(until(date, "today"), None);
    }

    #[test]
    fn only_true_and_false_say_whether_to_try_again() {
        let said = |value: &'static str| {
            should_retry(&HeaderMap::from_iter([(
                http::HeaderName::from_static("x-should-retry"),
                http::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!([said("true"), said("false"), said("maybe")], [Some(true), Some(false), None]);
        assert_eq!(should_retry(&HeaderMap::new()), None);
    }
}
