//! The parts that the snapshots of each client's dialect have alike.

use std::fmt::Write as _;

use serde_json::Value;
use tt_core::Dialect;
use tt_providers::Exchange;

use super::Golden;
use super::text::{body, snapshot};
use crate::client::Got;
use crate::fixtures::{DIALECTS, made, name};
use crate::support::Model;

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
pub(crate) fn events(case: &Value) -> String {
    let event = |event: &Value| match event {
        Value::String(text) => format!("data: {text}\n\n"),
        json => format!("data: {json}\n\n"),
    };
    case["events"].as_array().unwrap().iter().map(event).collect()
}

/// The text of an answer as a client gets it, or of the reason why it gets none.
pub(super) fn whole(answer: Result<Vec<u8>, String>) -> String {
    snapshot(&answer.map_or_else(|why| format!("{why}\n"), |answer| body(&answer)))
}

/// The text of a stream as a client gets it, with the error that broke it.
pub(super) fn piecewise(got: Got) -> String {
    let error = got.error.map(|why| format!("error: {why}\n")).unwrap_or_default();
    snapshot(&format!("{}{error}", got.text))
}

/// Compares the answers made by hand, of every dialect, as `answered` writes them for the client.
pub(super) fn check_answers(folder: &'static str, answered: impl Fn(Dialect, String) -> Result<Vec<u8>, String>) {
    let mut golden = Golden::new(folder);
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "answers") {
            let answer = answered(dialect, json["body"].to_string());
            golden.check(&format!("{}-{case}", name(dialect)), &whole(answer));
        }
    }
    golden.finish();
}

/// Compares the streams made by hand, of every dialect, as `streamed` writes them for the client.
pub(super) fn check_streams(folder: &'static str, streamed: impl Fn(Dialect, &[u8], usize) -> Got) {
    let mut golden = Golden::new(folder);
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "streams") {
            let sse = events(&json);
            golden
                .check(&format!("{}-{case}", name(dialect)), &piecewise(streamed(dialect, sse.as_bytes(), sse.len())));
        }
    }
    golden.finish();
}
