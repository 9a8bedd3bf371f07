//! What the providers' error answers have in common: their words cut to size, and how long they ask to wait.

use std::time::Duration;

use http::HeaderMap;
use http::StatusCode;

/// The most characters of a provider's message that are kept.
const MESSAGE_CHARS: usize = 300;

/// The longest wait believed: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A provider's message, cut to 300 characters.
pub(crate) fn cut(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS).collect()
}

/// What is wrong with JSON, and where, without quoting any of it: it may be a prompt or an answer.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("a value of the wrong type at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// The longest beginning of `text` of at most `bytes` bytes that ends between characters.
pub(crate) fn cut_bytes(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes.min(text.len()))).unwrap_or_default()
}

/// The status line in words, for an error whose body says nothing that can be read.
pub(crate) fn status_line(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| format!("HTTP {status}"), |reason| format!("HTTP {status} {reason}"))
}

/// How long the provider asks to wait: `retry-after-ms`, else `retry-after` in seconds (fractions are rounded up to a
/// millisecond). A date says nothing without a clock and is left out, as is more than a day.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str, exponent: u32| {
        let text = headers.get(name)?.to_str().ok()?;
        millis(text.trim(), exponent)
    };
    number("retry-after-ms", 0).or_else(|| number("retry-after", 3))
}

/// `text`, a decimal number, times 10 to `exponent` (at most 3), in milliseconds, rounded up.
fn millis(text: &str, exponent: u32) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
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
    }

    #[test]
    fn what_is_no_number_of_seconds_is_no_wait() {
        for bad in ["", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "99999999999999999999", "90000", "NaN"] {
            assert_eq!(asked(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(cut(&"€".repeat(400)).chars().count(), 300);
        assert_eq!(cut_bytes("a€b", 3), "a");
        assert_eq!(cut_bytes("a€b", 4), "a€");
        assert_eq!(cut_bytes("a€b", 99), "a€b");
    }

    #[test]
    fn a_json_error_quotes_nothing() {
        let wrong_type = serde_json::from_str::<u32>("\"secret\"").unwrap_err();
        let syntax = serde_json::from_str::<u32>("secret").unwrap_err();
        assert!(wrong_type.to_string().contains("secret"));
        assert_eq!(json_error(&wrong_type), "a value of the wrong type at line 1 column 8");
        assert!(!json_error(&syntax).contains("secret"));
    }

    #[test]
    fn a_status_line_names_the_status() {
        assert_eq!(status_line(502), "HTTP 502 Bad Gateway");
        assert_eq!(status_line(529), "HTTP 529");
    }
}
