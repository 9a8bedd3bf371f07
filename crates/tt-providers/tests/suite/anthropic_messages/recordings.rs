//! Every public recording of Anthropic Messages, read as an answer, a stream or an error, against what its
//! `expected` and `derived` say.

use serde_json::{Value, json};
use tt_core::call::conversation::{Part, Text, Thinking};
use tt_core::call::event::Event;
use tt_core::call::finish::FinishReason;
use tt_core::usage::{BilledBeside, Reported};
use tt_core::{Provider, Usage};

use crate::api::anthropic::{decode_reply, decoder, refused};
use crate::api::{Undo, UpstreamError, reason};
use crate::fixtures::Recording;
use crate::told::Told;

mod arbitrary;

/// All recordings of `POST /v1/messages`.
fn recordings() -> Vec<Value> {
    let recordings = Recording::of(Provider::Anthropic).into_iter().filter(|recording| recording.api == "messages");
    recordings.map(|recording| recording.json).collect()
}

fn recording(id: &str) -> Value {
    recordings().into_iter().find(|recording| recording["id"] == id).unwrap_or_else(|| panic!("no recording {id}"))
}

/// The data of each event of a recorded stream.
fn data(sse: &str) -> Vec<String> {
    let sse = sse.replace("\r\n", "\n");
    let events = sse.split("\n\n").map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    });
    events.filter(|data| !data.is_empty()).collect()
}

fn decode_stream(sse: &str, undo: Undo) -> Result<Vec<Event>, UpstreamError> {
    let mut decoder = decoder(undo);
    let mut out = Vec::new();
    for event in data(sse) {
        decoder.data(event.as_bytes(), &mut out)?;
    }
    decoder.end(&mut out)?;
    Ok(out)
}

/// An answer, plain or streamed, in one shape.
#[derive(Debug, Default)]
struct Heard {
    id: String,
    model: String,
    text: String,
    thinking: String,
    signatures: usize,
    redacted: usize,
    calls: Vec<(String, String, String)>,
    finish: Option<FinishReason>,
    usage: Option<Reported>,
}

fn of_reply(recording: &Value) -> Heard {
    let body = serde_json::to_vec(&recording["response"]["body"]).unwrap();
    let reply = decode_reply(&body, &Undo::default()).unwrap();
    assert_eq!(reply.choices.len(), 1);
    let choice = &reply.choices[0];
    let mut told =
        Heard { id: reply.id, model: reply.model, finish: reason(choice), usage: reply.usage, ..Heard::default() };
    for part in &choice.parts {
        match part {
            Part::Text(Text { text, .. }) => told.text.push_str(text),
            Part::Thinking(Thinking { text, signature, .. }) => {
                told.thinking.push_str(text);
                assert!(signature.iter().all(|signature| signature.of.provider == Provider::Anthropic));
                told.signatures += signature.iter().count();
            }
            Part::Redacted { .. } => told.redacted += 1,
            Part::WebSearch { query } => assert!(!query.is_empty()),
            Part::ToolCall(call) => told.calls.push((call.id.clone(), call.name.clone(), call.arguments.clone())),
            other => panic!("{other:?} in an answer"),
        }
    }
    told
}

fn of_stream(recording: &Value) -> Heard {
    let events = decode_stream(recording["response"]["sse"].as_str().unwrap(), Undo::default()).unwrap();
    let mut told = Heard::default();
    let (mut starts, mut finishes) = (0, 0);
    for event in &crate::told::told(&events) {
        match event {
            Told::Start { id, model, created } => {
                starts += 1;
                assert_eq!(*created, None);
                (told.id, told.model) = (id.clone(), model.clone());
            }
            Told::Text { choice: 0, text, signature: None } => told.text.push_str(text),
            Told::Thinking { choice: 0, text } => told.thinking.push_str(text),
            Told::ThinkingSigned { choice: 0, signature } => {
                assert_eq!(signature.of.provider, Provider::Anthropic);
                told.signatures += 1;
            }
            Told::Redacted { choice: 0 } => told.redacted += 1,
            Told::ToolCall { choice: 0, call, id, name, custom: false, signature: None } => {
                assert_eq!(usize::try_from(*call).unwrap(), told.calls.len(), "calls count from 0 without gaps");
                told.calls.push((id.clone(), name.clone(), String::new()));
            }
            Told::ToolArguments { choice: 0, call, json } => {
                told.calls[usize::try_from(*call).unwrap()].2.push_str(json);
            }
            Told::Finish { choice: 0, reason } => {
                finishes += 1;
                told.finish = Some(*reason);
            }
            Told::Usage(usage) => told.usage = Some(usage.clone()),
            Told::Ping | Told::Done => {}
            other => panic!("{other:?} in a stream"),
        }
    }
    assert_eq!((starts, finishes), (1, 1));
    assert!(matches!(events[0], Event::Start { .. }));
    assert!(matches!(events[events.len() - 3..], [Event::Finish { .. }, Event::Usage(_), Event::Done]));
    told
}

fn usage_as_openai(reported: &Reported) -> Value {
    let usage = &reported.usage;
    json!({
        "prompt_tokens": usage.total_input(),
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write(),
        "reasoning_tokens": usage.reasoning,
    })
}

/// A length; 0 where the recording names none.
fn length(said: &Value) -> usize {
    said.as_u64().map_or(0, |length| usize::try_from(length).unwrap())
}

fn check(recording: &Value, told: &Heard) {
    let id = recording["id"].as_str().unwrap();
    let (expected, derived) = (&recording["expected"], &recording["derived"]);
    let usage = told.usage.as_ref().unwrap_or_else(|| panic!("{id}: no usage"));
    assert_eq!(told.id, expected["response_id"], "{id}");
    assert_eq!(told.model, expected["model"], "{id}");
    assert!(told.text.starts_with(expected["text_prefix"].as_str().unwrap_or_default()), "{id}: {}", told.text);
    assert_eq!(told.text.chars().count(), length(&expected["text_chars"]), "{id}");
    assert_eq!(told.thinking.chars().count(), length(&expected["thinking_chars"]), "{id}");
    let calls: Vec<Value> = told
        .calls
        .iter()
        .map(|(id, name, arguments)| {
            json!({"id": id, "name": name, "arguments": serde_json::from_str::<Value>(arguments).unwrap()})
        })
        .collect();
    assert_eq!(Value::from(calls), expected["tool_calls"], "{id}");
    assert_eq!(told.finish.map(crate::api::finish_word), derived["openai_finish_reason"].as_str(), "{id}");

    assert_eq!(usage_as_openai(usage), derived["openai_usage"], "{id}");
    assert_eq!(usage.service_tier.as_deref(), expected["service_tier"].as_str(), "{id}");
    let said = ["inference_geo", "speed"].iter().filter_map(|word| expected["usage_raw"][*word].as_str());
    assert_eq!(usage.modifiers, said.collect::<Vec<_>>(), "{id}");
    assert_eq!(serde_json::from_str::<Value>(&usage.raw).unwrap(), expected["usage_raw"], "{id}");
    assert_eq!(usage.usage.input, expected["input_tokens"].as_u64().unwrap(), "{id}");
    assert_eq!(usage.usage.cache_write_1h, expected["cache_write_1h_tokens"].as_u64().unwrap_or(0), "{id}");
    let searches = expected["usage_raw"]["server_tool_use"]["web_search_requests"].as_u64();
    assert_eq!(tt_core::fee::web_searches(&usage.fees), searches.unwrap_or(0), "{id}");
    let beside = derived["billed_beside_openai_usage"].as_array().map_or(0, Vec::len);
    assert_eq!(usage.beside.len(), beside, "{id}");
}

#[test]
fn every_recorded_answer_reads_as_expected() {
    let mut read = 0;
    for recording in recordings() {
        if recording["response"]["status"] == 200 && recording["response"]["body"].is_object() {
            check(&recording, &of_reply(&recording));
            read += 1;
        }
    }
    assert_eq!(read, 38);
}

#[test]
fn every_recorded_stream_reads_as_expected_one_event_at_a_time() {
    let mut read = 0;
    for recording in recordings() {
        if recording["response"]["status"] == 200 && recording["response"]["sse"].is_string() {
            check(&recording, &of_stream(&recording));
            read += 1;
        }
    }
    assert_eq!(read, 26);
}

#[test]
fn every_recorded_error_keeps_its_status_and_words() {
    let mut read = 0;
    for recording in recordings() {
        let status = u16::try_from(recording["response"]["status"].as_u64().unwrap()).unwrap();
        if status == 200 {
            continue;
        }
        let body = recording["response"]["body"].to_string();
        let refused = refused(status, &http::HeaderMap::new(), body.as_bytes());
        let expected = &recording["expected"]["error"];
        assert_eq!(u64::from(refused.status), expected["status"].as_u64().unwrap(), "{}", recording["id"]);
        assert!(refused.message.starts_with(expected["message_prefix"].as_str().unwrap()), "{}", recording["id"]);
        read += 1;
    }
    assert_eq!(read, 9);
}

/// `input_tokens` excludes what was written to and read from the cache.
#[test]
fn total_input_is_input_plus_both_caches() {
    let id = "anthropic-messages-anthropic-code-execution-files-cache-prefix-stable-automatic-son-55783f9e";
    let usage = of_reply(&recording(id)).usage.unwrap().usage;
    let expected = Usage { input: 4, cache_read: 9116, cache_write_5m: 219, output: 156, ..Usage::default() };
    assert_eq!(usage, expected);
    assert_eq!(usage.total_input(), 9339);
}

/// The last report replaces what it names (702 → 1591), keeps what it does not (the tier), and is not added.
#[test]
fn a_later_report_replaces_the_first_estimate() {
    let recording = recording("anthropic-messages-anthropic-native-tool-search-streaming-ef29b6d5");
    let events = decode_stream(recording["response"]["sse"].as_str().unwrap(), Undo::default()).unwrap();
    let reports: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Usage(usage) => Some((usage.usage.input, usage.usage.output, usage.service_tier.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(reports, [(702, 1, Some("standard")), (1591, 175, Some("standard")), (1591, 175, Some("standard"))]);
}

/// A `message_delta` that names no input keeps the start's.
#[test]
fn a_report_without_input_keeps_the_first() {
    let mut seen = 0;
    for recording in recordings() {
        let Some(sse) = recording["response"]["sse"].as_str() else { continue };
        let last: Value = data(sse)
            .iter()
            .map(|data| serde_json::from_str(data).unwrap())
            .rfind(|event: &Value| event["type"] == "message_delta")
            .unwrap();
        if last["usage"].get("input_tokens").is_none() {
            let usage = of_stream(&recording).usage.unwrap().usage;
            assert_eq!(usage.input, recording["expected"]["input_tokens"].as_u64().unwrap());
            assert!(usage.input > 0);
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
}

/// The split of written tokens comes with the start only; what the later total holds beyond it is five-minute.
#[test]
fn writes_the_split_does_not_explain_are_five_minute_ones() {
    for (id, written) in [
        ("anthropic-messages-web-search-tool-stream-anthropic-claude-sonnet-4-0-729a42e6", 23_258),
        ("anthropic-messages-web-search-tool-stream-anthropic-beta-claude-sonnet-4-0-9fffea16", 14_789),
    ] {
        let reported = of_stream(&recording(id)).usage.unwrap();
        assert_eq!((reported.usage.cache_write_5m, reported.usage.cache_write_1h), (written, 0), "{id}");
        assert!(reported.raw.contains("ephemeral_5m_input_tokens"), "{id}: the split stays in what was sent");
    }
}

/// The same with an hour's part, built by hand: no recording has one whose total moves.
#[test]
fn an_hours_part_is_kept_and_never_exceeds_the_total() {
    for (total, five_minutes, hour) in [(0, 0, 0), (40, 0, 40), (100, 40, 60), (130, 70, 60)] {
        let body = json!({"type": "message", "id": "m", "model": "c", "content": [], "stop_reason": "end_turn", "usage": {
            "input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": total,
            "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60}}});
        let usage = decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap().usage.unwrap().usage;
        assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (five_minutes, hour));
    }
}

/// Compaction stands beside the top level.
#[test]
fn compaction_is_billed_beside_the_top_level() {
    let reported =
        of_reply(&recording("anthropic-messages-anthropic-compaction-usage-with-cache-2ff8f5e6")).usage.unwrap();
    assert_eq!((reported.usage.input, reported.usage.output), (229, 5));
    let pass = Usage { input: 100, cache_write_5m: 55_096, output: 131, ..Usage::default() };
    assert_eq!(reported.beside, [BilledBeside { model: None, usage: pass }]);
    assert_eq!(reported.total().total(), 229 + 5 + 100 + 131 + 55_096);
}

/// Built by hand, since no recording has one: an advisor is billed as its own model, a fallback only kept.
#[test]
fn an_advisor_names_its_model() {
    let body = json!({"type": "message", "id": "m", "model": "c", "content": [], "stop_reason": "end_turn", "usage": {
        "input_tokens": 10, "output_tokens": 2, "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 2},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 7, "output_tokens": 3},
            {"type": "fallback_message", "model": "claude-x", "input_tokens": 9, "output_tokens": 9}]}});
    let reported = decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap().usage.unwrap();
    let pass = Usage { input: 7, output: 3, ..Usage::default() };
    assert_eq!(reported.beside, [BilledBeside { model: Some("claude-opus-4-8".into()), usage: pass }]);
    assert!(reported.raw.contains("fallback_message"));
}

/// Searches are counted apart from tokens.
#[test]
fn web_searches_are_counted() {
    let id = "anthropic-messages-web-search-tool-stream-anthropic-beta-claude-sonnet-4-0-9fffea16";
    assert_eq!(of_stream(&recording(id)).usage.unwrap().fees, [tt_core::fee::Fee::web_searches(4)]);
}

/// A tool call without arguments streams no JSON: `{}` is shown.
#[test]
fn a_call_without_json_has_an_empty_object() {
    let id = "anthropic-messages-fixed-version-tool-chain-with-thinking-display-regression-c8757d2f";
    let told = of_stream(&recording(id));
    assert_eq!(told.calls.iter().map(|call| call.2.as_str()).collect::<Vec<_>>(), ["{}"]);
    assert_eq!(told.signatures, 1);
}

/// The provider's own tools are shown neither as calls nor as text.
#[test]
fn server_tools_are_not_shown() {
    for recording in recordings() {
        let types = recording["expected"]["content_types"].as_array().cloned().unwrap_or_default();
        if !types.iter().any(|kind| kind == "server_tool_use") {
            continue;
        }
        let told = if recording["stream"] == true { of_stream(&recording) } else { of_reply(&recording) };
        assert!(told.calls.iter().all(|(id, ..)| !id.starts_with("srvtoolu_")), "{}", recording["id"]);
    }
}

#[test]
fn encrypted_thinking_is_kept() {
    let told = of_reply(&recording("anthropic-messages-anthropic-model-thinking-part-redacted-c2a02356"));
    assert!(told.redacted > 0);
}

/// Every prefix of a stream is an error at its end, and its last usage is what was known by then.
#[test]
fn a_stream_cut_anywhere_is_no_answer_and_keeps_the_usage_so_far() {
    let recording = recording("anthropic-messages-anthropic-native-tool-search-streaming-ef29b6d5");
    let events = data(recording["response"]["sse"].as_str().unwrap());
    for cut in 0..events.len() {
        let mut decoder = decoder(Undo::default());
        let mut out = Vec::new();
        for event in &events[..cut] {
            decoder.data(event.as_bytes(), &mut out).unwrap();
        }
        assert!(matches!(decoder.end(&mut out), Err(UpstreamError::Protocol(_))), "cut after {cut}");
        assert!(!out.contains(&Event::Done));
        let last = out.iter().rev().find_map(|event| match event {
            Event::Usage(usage) => Some(usage.usage.input),
            _ => None,
        });
        let known = match cut {
            0 => None,
            // The last but one is the message_delta.
            _ if cut < events.len() - 1 => Some(702),
            _ => Some(1591),
        };
        assert_eq!(last, known, "cut after {cut}");
    }
}
