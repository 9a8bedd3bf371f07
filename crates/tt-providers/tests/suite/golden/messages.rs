//! Requests and answers as clients of Anthropic Messages send and get them.

use std::fmt::Write as _;

use serde_json::Value;
use tt_core::Dialect;
use tt_providers::Exchange;

use super::Golden;
use super::text::{body, snapshot};
use crate::anthropic_messages::client::{Client, answered, streamed};
use crate::fixtures::{DIALECTS, Recording, made, name};
use crate::support::Model;

fn sent(request: &[u8]) -> String {
    for_each_model(Dialect::AnthropicMessages, |model| Client::asking(request).and_then(|client| client.to(model)))
}

/// A request of a client of `own` as each model gets it, the models of that dialect left out: they get its bytes.
pub(super) fn for_each_model(own: Dialect, to: impl Fn(&Model) -> Result<Exchange, String>) -> String {
    let mut text = String::new();
    let mut before = String::new();
    for model in Model::all().iter().filter(|model| model.dialect != own) {
        writeln!(text, "--- {} ({})", name(model.dialect), model.name).unwrap();
        let found = match to(model) {
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

/// The event stream of a case made by hand.
pub(super) fn events(case: &Value) -> String {
    let event = |event: &Value| match event {
        Value::String(text) => format!("data: {text}\n\n"),
        json => format!("data: {json}\n\n"),
    };
    case["events"].as_array().unwrap().iter().map(event).collect()
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
            let sse = events(&json);
            let got = streamed(dialect, sse.as_bytes(), sse.len());
            let error = got.error.map(|why| format!("error: {why}\n")).unwrap_or_default();
            golden.check(&format!("{}-{case}", name(dialect)), &snapshot(&format!("{}{error}", got.text)));
        }
    }
    golden.finish();
}
