//! The template by itself; `comparison` holds it against the parsers of the dialects.

use serde_json::Value as Json;

use super::*;

const NUMBERS: &str = r#"{"a": 0, "b": [12, -3, 4.5, 6e7, "8 \" 9"], "c": {}, "d": null}"#;

/// An event with each kind of value.
fn event(text: &str, padding: &str, number: &str, counts: &str) -> String {
    format!(r#"{{"delta":"{text}","pad":"{padding}","number":{number}, "usage":{counts},"end":[]}}"#)
}

fn inside<'a>(event: &'a str, after: &str, until: &str) -> &'a str {
    let (_, rest) = event.split_once(after).unwrap();
    rest.split_once(until).unwrap().0
}

fn learned(event: &str) -> Template {
    let mut template = Template::default();
    let others = [
        Value::Padding(inside(event, r#""pad":""#, r#"","number"#)),
        Value::Number(inside(event, r#""number":"#, ",")),
        Value::Counts(inside(event, r#""usage":"#, r#","end"#)),
    ];
    // They may come in any order.
    let text = Cow::Borrowed(inside(event, r#""delta":""#, "\""));
    template.learn(event.as_bytes(), Some(&text), others.into_iter().rev());
    template
}

fn text(template: &Template, event: &str) -> Option<String> {
    template.read(event.as_bytes()).map(|found| found.text.into_owned())
}

#[test]
fn the_values_of_a_later_event_are_found() {
    let template = learned(&event("Hello", "aB3", "7", NUMBERS));
    let (first, later) = (NUMBERS, NUMBERS.replace("12", "345").replace(" 0", " 1234567890123456789"));
    for (written, said, padding, number, counts) in [
        ("x", "x", "", "0", first),
        (" wörld €", " wörld €", "zzzzzzzz", "1234567890123456789", later.as_str()),
        ("{}", "{}", r"\u0041\\", "10", first),
        (r#"\"a\"\n\ud83d\ude00\\"#, "\"a\"\n\u{1f600}\\", "1", "9", later.as_str()),
    ] {
        let data = event(written, padding, number, counts);
        let found = template.read(data.as_bytes()).unwrap();
        assert_eq!((found.text.as_ref(), found.counts), (said, Some(counts.as_bytes())), "{data}");
        assert_eq!(found.number.map(|number| number.to_string()).as_deref(), Some(number), "{data}");
    }
}

#[test]
fn spaces_around_the_last_brace_may_change() {
    let data = event("a", "p", "1", "{}");
    let padded = data.strip_suffix('}').unwrap().to_owned() + "    }  ";
    for first in [&data, &padded] {
        for later in [&data, &padded] {
            assert_eq!(text(&learned(first), later).as_deref(), Some("a"), "{later}");
        }
    }
    for other in [data.clone() + "\t", data.clone() + "\u{c}", data.replace(r#"[]}"#, "[]\n}"), data.clone() + "}"] {
        assert_eq!(text(&learned(&data), &other), None, "{other}");
    }
}

#[test]
fn an_event_that_differs_in_anything_else_is_parsed() {
    let first = event("Hello", "aB3", "7", NUMBERS);
    let template = learned(&first);
    let with = |text: &str, number: &str| event(text, "p", number, NUMBERS);
    let mut others = vec![
        with("", "7"),
        with(r#"","refusal":"x"#, "7"),
        with("\u{1}", "7"),
        with("a\nb", "7"),
        with(r"\x", "7"),
        with(r"\ud800", "7"),
        with(r"\", "7"),
        event("x", r"\q", "7", NUMBERS),
        event("x", "p", "7", &NUMBERS.replace("null", "{}")),
        event("x", "p", "7", &NUMBERS.replace("-3", "-4")),
        event("x", "p", "7", &NUMBERS.replace("4.5", "4.6")),
        event("x", "p", "7", &NUMBERS.replace("12", "\"12\"")),
        event("x", "p", "7", &NUMBERS.replace("\"a\"", "\"A\"")),
        event("x", "p", "7", &NUMBERS.replace("8 ", "9 ")),
        first.replace("delta", "Delta"),
        first.replace("delta", r"d\u0065lta"),
        first.replace("{\"delta", "{ \"delta"),
        first.replace("[]", "[ ]"),
        first.replace("[]", "[],\"error\":{}"),
        String::new(),
        "{}".to_owned(),
    ];
    let numbers = ["", "07", "-7", "+7", "7.0", "7e1", "7 7", "null", "\"7\"", "12345678901234567890"];
    others.extend(numbers.map(|number| with("x", number)));
    others.extend(numbers.map(|number| event("x", "p", "7", &NUMBERS.replace("12", number))));
    others.extend((0..first.len()).map(|cut| first.get(..cut).unwrap().to_owned()));
    for other in others {
        assert_eq!(text(&template, &other), None, "{other}");
    }
    let mut broken = with("xy", "7").into_bytes();
    let at = broken.iter().position(|byte| *byte == b'y').unwrap();
    for byte in [0xff, 0xc3, 0x80] {
        broken[at] = byte;
        assert_eq!(template.read(&broken), None);
    }
}

#[test]
fn only_an_event_with_one_text_is_kept() {
    let learn = |data: &str, text: Option<&str>| {
        let mut template = learned(&event("before", "p", "1", "{}"));
        template.learn(data.as_bytes(), text.map(Cow::Borrowed).as_ref(), None);
        template
    };
    let data = r#"{"delta":"a"}"#;
    assert!(learn(data, data.get(10..11)).read(data.as_bytes()).is_some());
    let long = format!(r#"{{"delta":"a","more":"{}"}}"#, "x".repeat(LONGEST));
    let list = r#"[{"delta":"a"}]"#;
    let elsewhere = "a".to_owned();
    for (data, text) in [
        (data, None),
        (data, data.get(10..10)),
        (data, Some(elsewhere.as_str())),
        (long.as_str(), long.get(10..11)),
        (list, list.get(11..12)),
    ] {
        let template = learn(data, text);
        assert_eq!((template.read(data.as_bytes()), template.held_bytes()), (None, 0), "{data}");
    }
}

#[test]
fn an_escaped_text_is_found_if_it_stands_there_once() {
    let learn = |data: &str, text: &str| {
        let mut template = Template::default();
        template.learn(data.as_bytes(), Some(&Cow::Owned(text.to_owned())), None);
        template
    };
    let data = r#"{"a":"b\n","delta":"a\n","c":"a"}"#;
    let template = learn(data, "a\n");
    for (other, said) in [
        (data.to_owned(), Some("a\n")),
        (data.replace(r#""a\n""#, r#""x""#), Some("x")),
        (data.replace(r#""b\n""#, r#""x""#), None),
    ] {
        assert_eq!(text(&template, &other).as_deref(), said, "{other}");
    }
    let twice = data.replace(r#""b\n""#, r#""a\u000a""#);
    for (data, text) in [(twice.as_str(), "a\n"), (data, "c\n"), (data, "a")] {
        assert_eq!(learn(data, text).held_bytes(), 0, "{data}");
    }
}

#[test]
fn an_event_with_very_many_counts_is_not_kept() {
    let counts = |number: usize| Json::from(vec![1; number]).to_string();
    let most = MOST_VALUES - 5;
    assert!(learned(&event("a", "p", "1", &counts(most))).held_bytes() > 0);
    for number in [most + 1, 2 * MOST_VALUES, LONGEST / 2 - 50] {
        let template = learned(&event("a", "p", "1", &counts(number)));
        assert_eq!(template.held_bytes(), 0);
        assert!(template.values.capacity() <= 4 * MOST_VALUES);
    }
}

#[test]
fn what_is_forgotten_recognises_nothing() {
    let data = event("a", "p", "1", "{}");
    let mut template = learned(&data);
    template.forget();
    assert_eq!(text(&template, &data), None);
}
