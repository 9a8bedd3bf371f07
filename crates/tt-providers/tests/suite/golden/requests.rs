//! Every Chat Completions request, for every model of [`Model::all`].

use std::fmt::Write as _;

use serde_json::Value;
use tt_core::Dialect;

use super::Golden;
use super::text::{body, snapshot};
use crate::fixtures::{Recording, made, name};
use crate::support::{Model, decode_request, encode_for, pass_through};

/// Encodes one request for every model. Where only the model's name differs from the one above, that is said instead.
fn shown(request: &Value) -> String {
    let bytes = request.to_string().into_bytes();
    let mut text = String::new();
    if let Err(why) = pass_through(&bytes, "gpt-5.4") {
        writeln!(text, "--- passed through\n{why}").unwrap();
    }
    let conversation = match decode_request(&bytes) {
        Ok(conversation) => conversation,
        Err(why) => return format!("{text}--- read\n{why}\n"),
    };
    let mut before: Option<(&'static str, String)> = None;
    for model in Model::all() {
        writeln!(text, "--- {} ({})", name(model.dialect), model.name).unwrap();
        let found = match encode_for(&model, &conversation) {
            Ok(sent) => format!("{}{}", sent.notes, body(&sent.body)),
            Err(why) => format!("{why}\n"),
        };
        let nameless = |text: &str| {
            let text = text.replace(&format!("\"model\": \"{}\"", model.name), "");
            text.split_once(" bytes\n").map_or_else(|| text.clone(), |(_, rest)| rest.to_owned())
        };
        let nameless = nameless(&found);
        match before {
            Some((above, ref same)) if *same == nameless => {
                writeln!(text, "as for {above}").unwrap();
            }
            _ => text.push_str(&found),
        }
        before = Some((model.name, nameless));
    }
    text
}

#[test]
fn golden_requests_recorded() {
    let mut golden = Golden::new("requests_recorded");
    for recording in Recording::all() {
        if recording.dialect() == Some(Dialect::OpenAiChat) {
            golden.check(&recording.id, &snapshot(&shown(&recording.request())));
        }
    }
    golden.finish();
}

#[test]
fn golden_requests_made() {
    let mut golden = Golden::new("requests_made");
    for (name, request) in made(Dialect::OpenAiChat, "requests") {
        golden.check(&name, &snapshot(&shown(&request)));
    }
    golden.finish();
}

/// The bytes that pass to a provider that speaks the client's dialect, however the client spaces them.
#[test]
fn golden_requests_passed_through() {
    let mut golden = Golden::new("requests_passed_through");
    let mut text = String::new();
    let wide = " {\n  \"messages\" : [ ] ,\r\n\t\"model\":\"alias\" , \"x\": 1.50 } \n";
    for (name, request) in [
        ("plain", r#"{"model":"alias","messages":[{"role":"user","content":"Hi"}]}"#),
        ("wide", wide),
        ("stream", r#"{"model":"alias","messages":[],"stream":true}"#),
        ("stream-with-options", r#"{"stream":true,"stream_options":{"include_obfuscation":false},"model":"alias"}"#),
        ("stream-with-usage", r#"{"stream":true,"stream_options":{"include_usage":true},"model":"alias"}"#),
        ("stream-without-usage", r#"{"stream":true,"stream_options":{"include_usage":false},"model":"alias"}"#),
        ("stream-with-null-options", r#"{"stream":true,"stream_options":null,"model":"alias"}"#),
        ("model-twice", r#"{"model":"a","model":"b"}"#),
        ("model-escaped", r#"{"mod\u0065l":"\u0061lias","messages":[]}"#),
        ("no-model", r#"{"messages":[]}"#),
        ("model-of-another-type", r#"{"model":5}"#),
        ("stream-of-another-type", r#"{"model":"a","stream":"yes"}"#),
        ("not-json", r#"{"model":"#),
        ("a-list", "[]"),
        ("empty", ""),
    ] {
        let found = match pass_through(request.as_bytes(), "gpt-5.4") {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(why) => why,
        };
        writeln!(text, "{name}\n    {request:?}\n    {found:?}").unwrap();
    }
    golden.check("made", &text);
    golden.finish();
}
