//! Halves of surrogate pairs in JSON strings of providers (`"\ud83d"`), which no UTF-8 text can hold. A strict reader fails on
//! one, and the answer would be lost for the sake of a character; U+FFFD takes its place.

use std::borrow::Cow;

use memchr::memchr;

/// `json` with U+FFFD in the place of each half of a surrogate pair that stands alone. Anything else stays as it is, and is
/// not copied where there is none.
pub(crate) fn mended(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        at += match (half(json, at), half(json, at + ESCAPE)) {
            (Some(Half::High), Some(Half::Low)) => 2 * ESCAPE,
            (Some(_), _) => {
                if let Some(digits) = mended.to_mut().get_mut(at + 2..at + ESCAPE) {
                    digits.copy_from_slice(b"fffd");
                }
                ESCAPE
            }
            // Another escape: a backslash and a character, which may be a backslash.
            (None, _) => 2,
        };
    }
    mended
}

/// The length of an escape such as `\ud83d`, in bytes.
const ESCAPE: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// The half of a surrogate pair whose escape begins at `at`; `None` where no such escape does.
fn half(json: &[u8], at: usize) -> Option<Half> {
    match json.get(at..at.checked_add(ESCAPE)?)? {
        [b'\\', b'u', b'd' | b'D', third, rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit) => match third {
            b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
            b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str) -> String {
        String::from_utf8(mended(json.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn halves_are_replaced_and_pairs_stay() {
        for (json, expected) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#""\uD83D\uDE00""#, r#""\uD83D\uDE00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83dx\u00e9\n""#, r#""\ufffdx\u00e9\n""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d""#, r#""\\\ufffd""#),
            (r#""\ud83"#, r#""\ud83"#),
            (r#""\ud8zz""#, r#""\ud8zz""#),
            ("\\", "\\"),
        ] {
            assert_eq!(text(json), expected);
        }
        assert!(matches!(mended(br#""\ud83d\ude00 plain""#), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn whatever_escapes_a_string_has_it_can_be_read(
            units in prop::collection::vec(prop_oneof![0xd7ff_u16..=0xe000, any::<u16>()], 0..12)
        ) {
            let json: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = serde_json::from_str(&text(&format!("\"{json}\""))).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
