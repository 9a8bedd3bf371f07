//! Every streamed answer as a client of Chat Completions gets it, and its account.

use serde_json::Value;
use tt_core::Dialect;

use super::Golden;
use super::text::snapshot;
use crate::fixtures::{DIALECTS, Recording, made, name};
use crate::support::{Asked, Got, observe_stream, translate_stream};

fn shown(dialect: Dialect, sse: &str, asked: &Asked) -> String {
    let part = |title: &str, got: Got| {
        let error = got.error.map(|why| format!("error: {why}\n")).unwrap_or_default();
        let text = String::from_utf8(got.body).unwrap();
        format!("--- {title}\n{}{error}{} bytes\n{text}", got.facts, text.len())
    };
    let mut text = part("translated", translate_stream(dialect, sse, asked));
    if dialect == Dialect::OpenAiChat {
        text.push_str(&part("passed through", observe_stream(sse)));
    }
    snapshot(&text)
}

#[test]
fn golden_streams_recorded() {
    let mut golden = Golden::new("streams_recorded");
    for recording in Recording::all() {
        let (Some(dialect), Some(sse), 200) = (recording.dialect(), recording.stream(), recording.status) else {
            continue;
        };
        golden.check(&recording.id, &shown(dialect, &sse, &Asked::plainly()));
    }
    golden.finish();
}

#[test]
fn golden_streams_made() {
    let mut golden = Golden::new("streams_made");
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "streams") {
            let event = |event: &Value| match event {
                Value::String(text) => format!("data: {text}\n\n"),
                json => format!("data: {json}\n\n"),
            };
            let sse: String = json["events"].as_array().unwrap().iter().map(event).collect();
            let name = format!("{}-{case}", name(dialect));
            golden.check(&name, &shown(dialect, &sse, &Asked::of(&json)));
        }
    }
    golden.finish();
}
