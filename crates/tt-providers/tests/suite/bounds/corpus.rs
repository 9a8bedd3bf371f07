//! A fixed corpus for the properties that `make fuzz` looks for counterexamples of: hostile shapes, recorded traffic,
//! and what fuzzing found.

use std::path::Path;

use super::decoded::hostile;
use super::{gemini_requests, properties};
use crate::fixtures::Recording;

/// The inputs under `fixtures/fuzz/` for one target, which a run of the fuzzer begins with too.
fn found(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let inputs: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!inputs.is_empty(), "{target} has inputs");
    inputs
}

/// `body` once for each dialect, whose number stands before it.
fn for_each_dialect(body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..5).map(move |kind| [&[kind], body].concat())
}

#[test]
fn requests() {
    gemini_requests::hostile(2000).iter().step_by(7).for_each(|body| properties::request(body.as_bytes()));
    found("requests").iter().for_each(|input| properties::request(input));
    hostile(4000).iter().for_each(|(_, body)| properties::request(body.as_bytes()));
    for element in ["1", "\"\"", "[1]", "{}", "{\"model\":\"m\"}", "{\"content\":{\"parts\":[{\"text\":\"\"}]}}"] {
        let list = format!("[{}]", vec![element; 2000].join(","));
        properties::request(format!("{{\"model\":\"m\",\"input\":{list},\"requests\":{list}}}").as_bytes());
    }
}

#[test]
fn schemas() {
    found("schemas").iter().for_each(|input| properties::schema(input));
}

#[test]
fn answers() {
    found("answers").iter().for_each(|input| properties::answer(input));
    for (_, body) in hostile(4000) {
        for_each_dialect(body.as_bytes()).for_each(|input| properties::answer(&input));
    }
}

#[test]
fn streams() {
    found("streams").iter().for_each(|input| properties::stream(input));
    for (_, body) in hostile(2000) {
        let event = format!("data: {body}\n\n");
        for_each_dialect(event.as_bytes()).for_each(|input| properties::stream(&input));
    }
}

#[test]
fn recorded_answers_and_streams() {
    for recording in Recording::all().iter().step_by(7) {
        if let Some(body) = recording.body() {
            for_each_dialect(&body).for_each(|input| properties::answer(&input));
        }
        if let Some(text) = recording.stream() {
            for_each_dialect(text.as_bytes()).for_each(|input| properties::stream(&input));
        }
    }
}

#[test]
fn framing() {
    found("framing").iter().for_each(|input| properties::framing(input));
    for piece in ["data:\n", "\n", "\r", "\r\n", "data: x\r\n\r\n", "x", ": c\n\n", "event: e\ndata: d\n\n"] {
        properties::framing(format!("\u{3}{}", piece.repeat(2000)).as_bytes());
    }
}

#[test]
fn texts() {
    found("texts").iter().for_each(|input| properties::text(input));
    for piece in ["0", ".", "9", "-", "a=b,", "/", ":", "https://", "[", "%", "é"] {
        properties::text(piece.repeat(1000).as_bytes());
    }
}

#[test]
#[should_panic(expected = "takes 401 bytes of memory, 400 are allowed")]
fn memory_beyond_the_bound_is_a_fault() {
    properties::bounded("a list", 10, 0, || vec![0_u8; 401]);
}
