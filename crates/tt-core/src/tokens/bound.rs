//! The most tokens that a request's input can be, whichever model reads it. A budget holds money for so many.
//!
//! No vocabulary has tokens for less than a byte, so a text has at most as many tokens as bytes. Vocabularies differ most
//! in scripts other than Latin, so only ASCII is counted: with o200k_base, twice, because other vocabularies take more
//! tokens for the same text.

use super::count::count;
use super::pieces;

/// The shortest run of one character that counts for more than its tokens. A vocabulary has single tokens for the runs
/// that its makers met often (o200k_base: up to 128 spaces), and another one has not.
const LONG_RUN: usize = 32;

/// The bytes of a long run that count as a token beside those of o200k_base.
const LONG_RUN_BYTES_PER_TOKEN: u64 = 8;

/// The most tokens that `text` can be for any model: twice the tokens of its words of ASCII alone, and the bytes of its
/// other words; at most its length in bytes. Takes about 10 ms for 100 KB: long texts belong on the blocking pool.
pub fn most_of_text(text: &str) -> u64 {
    let mut most = 0_u64;
    let mut ascii = 0..0;
    let mut at = 0;
    // Tokens never cross the ends of these words, so the sum over the words is that of the text.
    for word in pieces::words(text) {
        let end = at + word.len();
        if word.is_ascii() {
            ascii.end = end;
        } else {
            most = most.saturating_add(most_of_ascii(text.get(ascii).unwrap_or_default())).saturating_add(bytes(word));
            ascii = end..end;
        }
        at = end;
    }
    most.saturating_add(most_of_ascii(text.get(ascii).unwrap_or_default())).min(bytes(text))
}

fn most_of_ascii(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let runs = text.as_bytes().chunk_by(|a, b| a == b).filter(|run| run.len() >= LONG_RUN);
    let in_runs = runs.fold(0, |sum: u64, run| sum.saturating_add(run.len() as u64 / LONG_RUN_BYTES_PER_TOKEN));
    count(text).saturating_add(in_runs).saturating_mul(2).min(bytes(text))
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_ascii_count_twice_and_others_by_their_bytes() {
        for (text, tokens) in [
            ("", 0),
            // Two tokens.
            ("hello world", 4),
            ("größe", 7),
            // "hello" is a token; " größe" has eight bytes, and " hello" is a token.
            ("hello größe hello", 2 + 8 + 2),
            // A word cannot be more tokens than bytes.
            ("a", 1),
            ("中文", 6),
        ] {
            assert_eq!(most_of_text(text), tokens, "{text}");
        }
        let english = "The quick brown fox jumps over the lazy dog. ".repeat(2_000);
        assert_eq!(most_of_text(&english), 2 * count(&english));
    }

    #[test]
    fn a_long_run_is_not_taken_for_a_few_tokens() {
        let spaces = " ".repeat(128_000);
        assert_eq!(count(&spaces), 1_000);
        assert_eq!(most_of_text(&spaces), 2 * (1_000 + 16_000));
        let indented = "    if x:\n        return y\n".repeat(100);
        assert_eq!(most_of_text(&indented), 2 * count(&indented));
    }

    fn any_text() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "the",
            "International",
            "it's",
            "ein",
            "größe",
            "naïve",
            "東京",
            "🦀",
            "नमस्ते",
            "1234",
            "\u{301}",
            "\\n",
            "{\"a\":",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "/",
            "’s",
            "é",
            "\u{3000}",
            "ΔΣ",
            "ABCdef",
        ]);
        prop_oneof![any::<String>(), ".{0,200}", prop::collection::vec(words, 0..60).prop_map(|words| words.concat())]
    }

    proptest! {
        #[test]
        fn no_text_has_more_tokens_than_its_bound(text in any_text()) {
            let most = most_of_text(&text);
            prop_assert!((count(&text)..=bytes(&text)).contains(&most), "{most} for {}", count(&text));
        }

        #[test]
        fn escaped_in_json_a_text_has_no_smaller_bound_than_tokens(text in any_text()) {
            let escaped = serde_json::to_string(&text).unwrap();
            prop_assert!(most_of_text(&escaped) >= count(&text));
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert!(most_of_text(&ascii) >= count(&text), "{text}");
        }
    }
}
