//! Requests and answers as clients of Anthropic Messages send and get them.

use tt_core::Dialect;

use super::Golden;
use super::client_side::{check_answers, check_streams, for_each_model};
use super::text::snapshot;
use crate::anthropic_messages::client::{Client, answered, streamed};
use crate::fixtures::{Recording, made};

fn sent(request: &[u8]) -> String {
    for_each_model(Dialect::AnthropicMessages, |model| Client::asking(request).and_then(|client| client.to(model)))
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
    check_answers("messages_answers", answered);
}

#[test]
fn golden_streams_to_messages() {
    check_streams("messages_streams", streamed);
}
