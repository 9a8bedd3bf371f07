//! Requests and answers as clients of Anthropic Messages send and get them.

use std::fmt::Write as _;

use tt_core::Dialect;

use super::Golden;
use super::text::{body, snapshot};
use crate::anthropic_messages::client::{Client, answered, streamed};
use crate::fixtures::{DIALECTS, Recording, made, name};
use crate::support::Model;

/// A request as each model gets it, the models of its own dialect left out: they get its bytes.
fn sent(request: &[u8]) -> String {
    let mut text = String::new();
    let mut before = String::new();
    for model in Model::all().iter().filter(|model| model.dialect != Dialect::AnthropicMessages) {
        writeln!(text, "--- {} ({})", name(model.dialect), model.name).unwrap();
        let found = match Client::asking(request).and_then(|client| client.to(model)) {
            Ok(exchange) => {
                let notes =
                    exchange.notes().iter().map(|note| format!("{:?} {}: {}\n", note.what, note.param, note.why));
                format!("{}{}", notes.collect::<String>(), body(&exchange.body().to_vec()))
            }
            Err(why) => format!("{why}\n"),
        };
        text.push_str(if found == before { "as above\n" } else { &found });
        before = found;
    }
    text
}

#[test]
fn golden_requests_of_messages() {
    let mut golden = Golden::new("messages_requests");
    for recording in Recording::all().iter().filter(|one| one.dialect() == Some(Dialect::AnthropicMessages)) {
        golden.check(&recording.id, &snapshot(&sent(recording.request().to_string().as_bytes())));
    }
    for (case, request) in made(Dialect::AnthropicMessages, "requests") {
        golden.check(&format!("made-{case}"), &snapshot(&sent(request.to_string().as_bytes())));
    }
    golden.finish();
}

#[test]
fn golden_answers_to_messages() {
    let mut golden = Golden::new("messages_answers");
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "answers") {
            let answer = answered(dialect, json["body"].to_string());
            let text = answer.map_or_else(|why| format!("{why}\n"), |answer| body(&answer));
            golden.check(&format!("{}-{case}", name(dialect)), &snapshot(&text));
        }
    }
    golden.finish();
}

#[test]
fn golden_streams_to_messages() {
    let mut golden = Golden::new("messages_streams");
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "streams") {
            let event = |event: &serde_json::Value| match event {
                serde_json::Value::String(text) => format!("data: {text}\n\n"),
                json => format!("data: {json}\n\n"),
            };
            let sse: String = json["events"].as_array().unwrap().iter().map(event).collect();
            let got = streamed(dialect, sse.as_bytes(), sse.len());
            let error = got.error.map(|why| format!("error: {why}\n")).unwrap_or_default();
            golden.check(&format!("{}-{case}", name(dialect)), &snapshot(&format!("{}{error}", got.text)));
        }
    }
    golden.finish();
}
