//! Answers of OpenAI that pass through, against recorded traffic.

use std::collections::BTreeSet;

use serde_json::Value;
use tt_core::Dialect;
use tt_providers::{AnswerStream, codec};

use super::client::{Client, answered, streamed};
use crate::client::frames;
use crate::fixtures::Recording;

/// The numbers that the recording expects: input, output, cached and reasoning tokens.
fn expected(recording: &Recording) -> [u64; 4] {
    ["input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"]
        .map(|name| recording.json["expected"][name].as_u64().unwrap_or(0))
}

fn found(usage: &tt_core::usage::Reported) -> [u64; 4] {
    let usage = usage.usage;
    [usage.total_input(), usage.output, usage.cache_read, usage.reasoning.unwrap_or(0)]
}

#[test]
fn every_recorded_request_decodes() {
    let mut seen = 0;
    for recording in Recording::of_responses() {
        let body = recording.json["request"]["body"].clone();
        let client = Client::asking(&body).unwrap_or_else(|why| panic!("{}: {why}", recording.id));
        match client.call() {
            Ok(call) => assert_eq!(call.model, body["model"].as_str().unwrap(), "{}", recording.id),
            // A request that OpenAI refused is refused here too.
            Err(why) => assert!(recording.status >= 400, "{}: {why}", recording.id),
        }
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn every_recorded_answer_passes_and_is_counted_as_expected() {
    let mut seen = BTreeSet::new();
    for recording in Recording::of_responses().into_iter().filter(|recording| recording.status == 200) {
        let expected = expected(&recording);
        let model = recording.json["expected"]["model"].as_str().unwrap().to_owned();
        let (usage, served) = if let Some(sse) = recording.stream() {
            let got = streamed(Dialect::OpenAiResponses, sse.as_bytes(), 4096);
            assert_eq!(got.error, None, "{}", recording.id);
            assert_eq!(got.text.trim_end(), sse.trim_end(), "{}", recording.id);
            let cut = streamed(Dialect::OpenAiResponses, sse.as_bytes(), 1);
            assert_eq!(cut.text, got.text, "{}", recording.id);
            let mut stream = Client::plainly(Dialect::OpenAiResponses, true).stream();
            watch(&mut stream, &sse);
            let tally = stream.tally().clone();
            let said = recording.json["expected"]["text_prefix"].as_str().unwrap_or_default();
            assert!(tally.output_text.contains(said), "{}: {}", recording.id, tally.output_text);
            (tally.usage, tally.served_model)
        } else {
            let body = recording.body().unwrap();
            let exchange = Client::plainly(Dialect::OpenAiResponses, false);
            let answer = exchange.reply(body.clone().into()).unwrap();
            assert_eq!(answer.body, body, "{}", recording.id);
            (answer.usage, answer.served_model)
        };
        assert_eq!(served, Some(model), "{}", recording.id);
        assert_eq!(usage.as_ref().map_or([0; 4], found), expected, "{}", recording.id);
        seen.insert(recording.id);
    }
    assert!(seen.len() >= 12, "{seen:?}");
}

fn watch(stream: &mut AnswerStream, sse: &str) {
    let mut out = bytes::BytesMut::new();
    for frame in frames(sse.as_bytes(), sse.len()) {
        stream.frame(&frame.unwrap(), &mut out).unwrap();
    }
}

#[test]
fn recorded_errors_keep_their_codes() {
    let mut seen = 0;
    for recording in Recording::of_responses().into_iter().filter(|recording| recording.status >= 400) {
        let body = recording.body().unwrap();
        let refused = codec(Dialect::OpenAiResponses).egress.refused(recording.status, &recording.headers(), &body);
        let expected = &recording.json["expected"]["error"];
        let prefix = expected["message_prefix"].as_str().unwrap_or_default();
        assert!(refused.message.starts_with(prefix.get(..50).unwrap_or(prefix)), "{}", recording.id);
        if let Some(code) = expected["code"].as_str() {
            assert_eq!(refused.code.as_deref(), Some(code), "{}", recording.id);
        }
        seen += 1;
    }
    assert!(seen > 0);
    // A failure without a status is one all the same.
    let failed: Value = serde_json::json!({"object": "response", "status": "failed", "output": [],
        "error": {"code": "server_is_overloaded", "message": "m"}});
    assert!(answered(Dialect::OpenAiResponses, failed.to_string()).unwrap_err().contains('m'));
}
