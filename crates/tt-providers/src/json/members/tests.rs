//! The members that are found, held against those of `serde_json`.

use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::*;

type Found<'a> = Vec<(&'a str, &'a str)>;

fn found(text: &str) -> Option<Found<'_>> {
    let mut found = Vec::new();
    members(text, |name, value| {
        found.push((name, value));
        Some(())
    })?;
    Some(found)
}

/// The members as `serde_json` finds them, where no name has escapes.
struct Expected<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de> Deserialize<'de> for Expected<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Expected<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<&'de str, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Expected(members))
            }
        }

        deserializer.deserialize_map(Walk)
    }
}

/// Compares the two readers. Returns true if the text was not given up.
fn compare(text: &str) -> bool {
    let expected = serde_json::from_str::<Expected<'_>>(text);
    let Some(found) = found(text) else { return false };
    let expected = expected.unwrap_or_else(|error| panic!("{text:?} was read, but {error}"));
    let expected: Found<'_> = expected.0.iter().map(|(name, value)| (*name, value.get())).collect();
    assert_eq!(found, expected, "{text:?}");
    true
}

#[test]
fn members_are_found_with_their_texts() {
    let text = "\t{ \"a\" : [1, {\"b\":\"}\"}] ,\n\"\":-0.5e+3, \"é\":\"\\u00e9\\\"\" }\r\n";
    let expected = [("a", "[1, {\"b\":\"}\"}]"), ("", "-0.5e+3"), ("é", "\"\\u00e9\\\"\"")];
    assert_eq!(found(text).unwrap(), expected);
    assert_eq!(found("{}"), Some(Vec::new()));
}

#[test]
fn every_form_of_a_value_is_read_as_serde_json_reads_it() {
    let long = "x".repeat(100);
    for value in [
        "0",
        "-0",
        "10",
        "1.5",
        "1e5",
        "1E-05",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[[],[{}],{\"a\":[]}]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\"",
        "\"\u{7f}é\u{1f600}\"",
        &format!("\"{long}\""),
        &format!("\"{long}\\n{long}\""),
        &format!("{}{}", "[".repeat(64), "]".repeat(64)),
    ] {
        assert!(compare(&format!("{{\"a\":{value}}}")), "{value} was given up");
        assert!(
            compare(&format!("{{\"a\" : [ {value} , {value} ] , \"b\":{{\"c\":{value}}}}}"))
                || value.starts_with("[[[[")
        );
    }
}

#[test]
fn what_serde_json_refuses_is_given_up() {
    let long = "x".repeat(100);
    for value in [
        "",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "tru",
        "nul",
        "True",
        "NaN",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{,}",
        "[}",
        "{]",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\n\"",
        "\"\u{1f}\"",
        "'a'",
        "1 2",
        &format!("\"{long}\n{long}\""),
        &format!("\"{long}"),
        &format!("\"{long}\\"),
    ] {
        let text = format!("{{\"a\":{value}}}");
        assert_eq!(found(&text), None, "{text}");
        assert!(serde_json::from_str::<Expected<'_>>(&text).is_err(), "{text}");
    }
    for text in
        ["", " ", "[]", "\"a\"", "{", "{}}", "{} x", "{\"a\":1}{", "{\"a\":1", "{\"a\" 1}", "{1:1}", "\u{feff}{}"]
    {
        assert_eq!(found(text), None, "{text}");
        assert!(serde_json::from_str::<Expected<'_>>(text).is_err(), "{text}");
    }
}

#[test]
fn escaped_names_and_deep_nesting_are_left_to_serde_json() {
    for text in [r#"{"\u0061":1}"#.to_owned(), format!("{{\"a\":{}{}}}", "[".repeat(66), "]".repeat(66))] {
        assert_eq!(found(&text), None);
        assert!(serde_json::from_str::<&RawValue>(&text).is_ok());
    }
    let gave_up = members(r#"{"a":1,"b":2}"#, |name, _| (name == "a").then_some(()));
    assert_eq!(gave_up, None);
}

#[test]
fn each_byte_is_read_at_each_place_of_a_string_as_serde_json_reads_it() {
    for byte in (0..=u8::MAX).filter(u8::is_ascii) {
        for before in [0, 1, SHORT - 1, SHORT, SHORT + 1, SHORT + 40] {
            let text = format!("{{\"a\":\"{}{}{}\"}}", "x".repeat(before), char::from(byte), "\u{e9}".repeat(20));
            assert_eq!(compare(&text), serde_json::from_str::<&RawValue>(&text).is_ok(), "{text:?}");
        }
    }
}

#[test]
fn each_byte_is_special_or_not_at_each_place_of_a_word() {
    for byte in 0..=u8::MAX {
        for (place, filler) in (0..8).flat_map(|place| b"x !#]\x80\xff".map(|filler| (place, filler))) {
            let mut word = [filler; 8];
            word[place] = byte;
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            let first = special(u64::from_le_bytes(word)).trailing_zeros() as usize / 8;
            assert_eq!(first, if is_special { place } else { 8 }, "{byte:#x} among {filler:#x}");
        }
    }
}

/// Pieces of which texts are put together that are nearly JSON.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "00e9",
        "\\\"",
        "\"a\"",
        "\"b\":",
        "1",
        "-",
        "0",
        ".",
        "e5",
        "true",
        "null",
        " ",
        "\n",
        "\u{1}",
        "é",
        "{}",
        "[]",
        "\"a\":{\"b\":[1,\"x\"]}",
    ]);
    prop_oneof![
        8 => fixed.prop_map(str::to_owned),
        1 => (0..70_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,80}".prop_map(Into::into),
        "[\\x00-\\x7f]{0,80}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into);
        let object = prop::collection::btree_map("[a-z\"\\\\é]{0,20}", inner, 0..6);
        prop_oneof![list, object.prop_map(|object| object.into_iter().collect::<serde_json::Map<_, _>>().into())]
    })
}

proptest! {
    #[test]
    fn nothing_is_read_that_serde_json_does_not_read(pieces in prop::collection::vec(piece(), 0..24)) {
        compare(&pieces.concat());
        compare(&format!("{{\"a\":{}}}", pieces.concat()));
    }

    #[test]
    fn objects_are_read_compact_and_laid_out(value in value(), cut in any::<prop::sample::Index>()) {
        let object = serde_json::json!({"a": value, "b": [value]});
        for text in [object.to_string(), serde_json::to_string_pretty(&object).unwrap()] {
            prop_assert!(compare(&text), "{text:?} was given up");
            // Of a part nothing is read.
            let cut = cut.index(text.len());
            if text.is_char_boundary(cut) {
                prop_assert_eq!(found(&text[..cut]), None);
            }
        }
    }
}
