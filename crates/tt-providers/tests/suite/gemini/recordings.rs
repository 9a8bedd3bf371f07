//! Every recorded answer, plain and streamed, read as its recording says it must be.

use std::collections::BTreeMap;

use serde_json::Value;
use tt_core::Provider;
use tt_core::call::conversation::{Part, Text, Thinking};
use tt_core::call::finish::FinishReason;
use tt_core::usage::Reported;

use super::support::Recording;
use crate::api::reason;
use crate::told::Told;

/// An answer, plain or streamed, in one shape.
#[derive(Debug, Default)]
struct Read {
    id: String,
    model: String,
    text: String,
    thinking: String,
    signatures: usize,
    /// id, name, arguments.
    calls: Vec<(String, String, String)>,
    finish: Option<FinishReason>,
    usage: Option<Reported>,
}

fn read_reply(recording: &Recording) -> Read {
    let reply = recording.reply();
    let mut read = Read { id: reply.id, model: reply.model, usage: reply.usage, ..Read::default() };
    assert_eq!(reply.choices.len(), 1, "{}", recording.id);
    let choice = reply.choices.into_iter().next().unwrap();
    assert_eq!(choice.index, 0);
    read.finish = reason(&choice);
    for part in choice.parts {
        let signature = match part {
            Part::Text(Text { text, signature, .. }) => {
                read.text.push_str(&text);
                signature
            }
            Part::Thinking(Thinking { text, signature, .. }) => {
                read.thinking.push_str(&text);
                signature
            }
            Part::ToolCall(call) => {
                read.calls.push((call.id, call.name, call.arguments));
                call.signature
            }
            _ => None,
        };
        read.signatures += usize::from(signature.is_some());
    }
    read
}

fn read_stream(recording: &Recording) -> Read {
    let mut read = Read::default();
    let mut calls: BTreeMap<u32, (String, String, String)> = BTreeMap::new();
    let events = recording.stream();
    assert!(matches!(events.first(), Some(Told::Start { .. })), "{}", recording.id);
    assert_eq!(events.last(), Some(&Told::Done), "{}", recording.id);
    for event in events {
        match event {
            Told::Start { id, model, .. } => {
                assert_eq!(std::mem::replace(&mut read.id, id), "", "one start");
                read.model = model;
            }
            Told::Text { choice: 0, text, signature } => {
                assert!(!text.is_empty() || signature.is_some());
                read.text.push_str(&text);
                read.signatures += usize::from(signature.is_some());
            }
            Told::Thinking { choice: 0, text } => read.thinking.push_str(&text),
            Told::ThinkingSigned { choice: 0, .. } => read.signatures += 1,
            Told::ToolCall { choice: 0, call, id, name, signature, custom: false } => {
                read.signatures += usize::from(signature.is_some());
                assert!(calls.insert(call, (id, name, String::new())).is_none(), "an index stands for one call");
            }
            Told::ToolArguments { choice: 0, call, json } => calls.get_mut(&call).unwrap().2.push_str(&json),
            Told::Finish { choice: 0, reason } => assert!(read.finish.replace(reason).is_none(), "one finish"),
            Told::Usage(usage) => read.usage = Some(usage),
            Told::Done | Told::Media { .. } => {}
            other => panic!("{}: {other:?}", recording.id),
        }
    }
    assert!(calls.keys().copied().eq(0..u32::try_from(calls.len()).unwrap()), "calls count from 0");
    read.calls = calls.into_values().collect();
    read
}

fn check(recording: &Recording, read: &Read) {
    let id = &recording.id;
    let (expected, derived) = (&recording.json["expected"], &recording.json["derived"]);
    assert_eq!(read.id, expected["response_id"], "{id}");
    assert_eq!(read.model, expected["model"], "{id}");
    assert!(read.text.starts_with(expected["text_prefix"].as_str().unwrap()), "{id}: {}", read.text);
    assert_eq!(read.text.chars().count(), expected["text_chars"], "{id}");
    let thinking = u64::try_from(read.thinking.chars().count()).unwrap();
    assert_eq!(thinking, expected["thinking_chars"].as_u64().unwrap_or(0), "{id}");
    // Other signed parts (code that the model ran, pictures) have no place for the signature.
    let elsewhere = |kind: &Value| kind == "executableCode" || kind == "inlineData";
    if !expected["content_types"].as_array().unwrap().iter().any(elsewhere) {
        assert_eq!(read.signatures, expected["thought_signatures"], "{id}");
    }
    check_calls(id, read, expected["tool_calls"].as_array().unwrap());
    if !derived.is_null() {
        assert_eq!(read.finish.map(crate::api::finish_word), derived["openai_finish_reason"].as_str(), "{id}");
        check_usage(id, read.usage.as_ref().unwrap(), expected, &derived["openai_usage"]);
    }
}

fn check_calls(id: &str, read: &Read, expected: &[Value]) {
    assert_eq!(read.calls.len(), expected.len(), "{id}");
    for ((call, name, arguments), expected) in read.calls.iter().zip(expected) {
        match expected["id"].as_str() {
            Some(given) => assert_eq!(call, given, "{id}"),
            None => assert!(call.starts_with("call_"), "{id}: {call}"),
        }
        assert_eq!(name, expected["name"].as_str().unwrap(), "{id}");
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), expected["arguments"], "{id}");
        assert!(!arguments.contains('\n'), "{id}: {arguments}");
    }
    let ids: std::collections::HashSet<_> = read.calls.iter().map(|(call, ..)| call).collect();
    assert_eq!(ids.len(), read.calls.len(), "{id}: ids are unique");
}

fn check_usage(id: &str, reported: &Reported, expected: &Value, openai: &Value) {
    let usage = reported.usage;
    let native = |field: &str| expected[field].as_u64().unwrap_or(0);
    assert_eq!(usage.total_input(), openai["prompt_tokens"], "{id}");
    assert_eq!(usage.output, openai["completion_tokens"], "{id}");
    assert_eq!(usage.total(), openai["total_tokens"], "{id}");
    assert_eq!(usage.cache_read, openai["cached_tokens"], "{id}");
    assert_eq!(usage.reasoning.unwrap_or(0), openai["reasoning_tokens"], "{id}");
    // And against the provider's own numbers.
    assert_eq!(usage.total(), native("total_tokens"), "{id}");
    assert_eq!(usage.input, native("input_tokens") - native("cached_tokens") + native("tool_prompt_tokens"), "{id}");
    assert_eq!(usage.tool_prompt, native("tool_prompt_tokens"), "{id}");
    assert_eq!(usage.output, native("output_tokens") + native("reasoning_tokens"), "{id}");
    assert_eq!(usage.reasoning, expected["reasoning_tokens"].as_u64(), "{id}");
    assert_eq!(usage.cache_write(), 0, "{id}");
    let raw: Value = serde_json::from_str(&reported.raw).unwrap();
    assert_eq!(raw, expected["usage_raw"], "{id}");
    assert_eq!(reported.service_tier.as_deref(), raw["serviceTier"].as_str(), "{id}");
}

#[test]
fn every_recorded_reply_is_read_as_expected() {
    let recordings: Vec<_> = Recording::all("generateContent").into_iter().filter(|r| r.status() == 200).collect();
    assert!(recordings.len() >= 38, "{}", recordings.len());
    for recording in recordings {
        check(&recording, &read_reply(&recording));
    }
}

#[test]
fn every_recorded_stream_is_read_as_expected() {
    let recordings: Vec<_> =
        Recording::all("streamGenerateContent").into_iter().filter(|r| r.status() == 200).collect();
    assert!(recordings.len() >= 28, "{}", recordings.len());
    for recording in recordings {
        check(&recording, &read_stream(&recording));
    }
}

#[test]
fn thinking_is_output_beside_the_candidates() {
    let read = read_reply(&Recording::of("gemini-generate-cassettes-agent-run-async-a74cfa71"));
    let usage = read.usage.unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.total()), (194, 33 + 216, Some(216), 443));
}

#[test]
fn absent_candidates_count_as_zero() {
    let read = read_reply(&Recording::of("gemini-generate-gemma3-gemini-gemma-3-27b-it-52ad81a7"));
    let usage = read.usage.unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.total()), (8, 0, None, 8));
}

#[test]
fn the_prompt_includes_what_was_cached() {
    let read = read_reply(&Recording::of(
        "gemini-generate-cassettes-testagentmultimodalgemini-test-video-file-gemini-gemin-71c3f1df",
    ));
    let usage = read.usage.unwrap().usage;
    assert_eq!((usage.input, usage.cache_read, usage.total_input()), (1518 - 1122, 1122, 1518));
    assert_eq!(usage.audio_input, 160 - 118);
}

#[test]
fn what_tools_fed_back_is_input_and_has_a_column() {
    let read = read_reply(&Recording::of(
        "gemini-generate-chat-code-execution-with-gemini-gemini-3-5-flash-runs-code-serve-1e6dfc31",
    ));
    let usage = read.usage.unwrap().usage;
    assert_eq!((usage.input, usage.tool_prompt, usage.output, usage.total()), (85 + 149, 149, 122 + 87, 443));
}

#[test]
fn the_last_chunks_usage_replaces_the_others() {
    // The prompt falls from 145 to 85 while the stream runs.
    let recording = Recording::of("gemini-stream-generate-tool-use-stream-ada3d559");
    let usages = recording.stream().into_iter().filter_map(|event| match event {
        Told::Usage(reported) => Some((reported.usage.input, reported.usage.output)),
        _ => None,
    });
    assert_eq!(usages.collect::<Vec<_>>(), [(145, 0), (85, 15)]);
}

#[test]
fn the_tier_is_the_one_the_answer_names() {
    let read = read_reply(&Recording::of("gemini-generate-google-deferred-capability-announcement-live-7d359dc6"));
    assert_eq!(read.usage.unwrap().service_tier.as_deref(), Some("standard"));
}

#[test]
fn audio_output_is_counted_apart() {
    let read = read_reply(&Recording::of(
        "gemini-generate-vcr-cassettes-speech-basic-functionality-gemini-gemini-2-5-flash-38e67ac5",
    ));
    let usage = read.usage.unwrap().usage;
    assert!(usage.audio_output > 0 && usage.audio_output <= usage.output);
}

#[test]
fn a_picture_is_a_part_of_the_answer() {
    let reply = Recording::of("gemini-generate-google-image-gen-e06784e7").reply();
    assert!(reply.choices[0].parts.iter().any(|part| matches!(part, Part::Image(_))));
}

#[test]
fn a_blocked_prompt_is_a_filtered_answer_with_the_reason() {
    let recording =
        Recording::of("gemini-vertex-generate-google-model-armor-prompt-template-text-gets-blocked-cd81b0fc");
    let reply = recording.reply();
    assert_eq!(reply.choices.len(), 1);
    let [Part::Refusal { text }] = reply.choices[0].parts.as_slice() else { panic!("{reply:?}") };
    assert!(!text.is_empty());
    assert_eq!(reason(&reply.choices[0]), Some(FinishReason::ContentFilter));
    assert_eq!(reply.created, Some(1_779_900_825));
    // Its usage object names no count.
    assert_eq!((reply.usage.as_ref(), reply.output_text().as_str()), (None, ""));
}

#[test]
fn signatures_stay_on_the_part_they_came_on() {
    // Parallel calls: only the first is signed.
    let events = Recording::of("gemini-stream-generate-google-gemini-2-5-flash-async-stream-c6ede315").stream();
    let signed = events.iter().filter_map(|event| match event {
        Told::ToolCall { signature, .. } => Some(signature.is_some()),
        _ => None,
    });
    assert_eq!(signed.collect::<Vec<_>>(), [true, false]);
    // An empty text part that is signed is kept.
    let events = Recording::of("gemini-stream-generate-google-document-5ab420c5").stream();
    let last = events.iter().rfind(|event| matches!(event, Told::Text { .. })).unwrap();
    let Told::Text { text, signature: Some(signature), .. } = last else { panic!("{last:?}") };
    assert_eq!((text.as_str(), signature.of.provider), ("", Provider::Gemini));
    assert!(signature.value.starts_with("EpwICp"));
}

#[test]
fn a_call_then_empty_text_with_stop_ends_with_tool_calls() {
    let events = Recording::of("gemini-stream-generate-google-streaming-tool-call-thought-signature-8e03dc0c").stream();
    assert!(!events.iter().any(|event| matches!(event, Told::Text { .. })), "empty text is skipped");
    assert!(events.contains(&Told::Finish { choice: 0, reason: FinishReason::ToolCalls }));
}

#[test]
fn parallel_calls_in_chunks_of_their_own_count_on() {
    let recording = Recording::of("gemini-stream-generate-tools-parallel-5ee700c2");
    assert_eq!(recording.events().len(), 3);
    let calls = recording.stream().into_iter().filter_map(|event| match event {
        Told::ToolCall { call, id, .. } => Some((call, id)),
        _ => None,
    });
    assert_eq!(calls.collect::<Vec<_>>(), [(0, "0b3pdf3o".to_owned()), (1, "brynwdxm".to_owned())]);
}

#[test]
fn thoughts_are_thinking_not_text() {
    let read = read_stream(&Recording::of(
        "gemini-stream-generate-google-streams-thought-content-when-includethoughts-is-true-008b0257",
    ));
    assert!(!read.thinking.is_empty() && !read.text.contains(&read.thinking));
}
