//! Every whole answer as a client of Chat Completions gets it, and its account.

use tt_core::Dialect;

use super::Golden;
use super::text::{body, snapshot};
use crate::fixtures::{DIALECTS, Recording, made, name};
use crate::support::{Asked, observe_reply, translate_reply};

fn shown(dialect: Dialect, bytes: &[u8], asked: &Asked) -> String {
    let got = translate_reply(dialect, bytes, asked);
    let mut text = match got.error {
        Some(why) => format!("--- translated\n{why}\n"),
        None => format!("--- translated\n{}{}", got.facts, body(&got.body)),
    };
    if dialect == Dialect::OpenAiChat {
        text.push_str("--- passed through\n");
        text.push_str(&observe_reply(bytes));
    }
    snapshot(&text)
}

#[test]
fn golden_answers_recorded() {
    let mut golden = Golden::new("answers_recorded");
    for recording in Recording::all() {
        let (Some(dialect), Some(bytes), 200) = (recording.dialect(), recording.body(), recording.status) else {
            continue;
        };
        if recording.stream().is_none() {
            golden.check(&recording.id, &shown(dialect, &bytes, &Asked::plainly()));
        }
    }
    golden.finish();
}

#[test]
fn golden_answers_made() {
    let mut golden = Golden::new("answers_made");
    for dialect in DIALECTS {
        for (case, json) in made(dialect, "answers") {
            let bytes = json["body"].to_string();
            let name = format!("{}-{case}", name(dialect));
            golden.check(&name, &shown(dialect, bytes.as_bytes(), &Asked::of(&json)));
        }
    }
    golden.finish();
}
