//! Gemini streams that no recording shows, built by hand after the API reference and MAPPING.md, Streams of Gemini.

use serde_json::{Value, json};
use tt_core::call::finish::FinishReason;

use super::support::{Recording, decode};
use crate::api::gemini::{self, decoder};
use crate::api::{Disposition, RefusedKind, Undo, UpstreamError, reason};
use crate::told::{Told, told};

fn chunks(chunks: &[Value]) -> Vec<Vec<u8>> {
    chunks.iter().map(|chunk| chunk.to_string().into_bytes()).collect()
}

fn text(text: &str) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": text}]}, "index": 0}]})
}

fn finish(reason: &str) -> Value {
    json!({"candidates": [{"finishReason": reason}], "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}})
}

#[test]
fn a_stream_cut_before_its_finish_is_no_success() {
    let data = chunks(&[text("Hel")]);
    assert!(matches!(decode(&data), Err(UpstreamError::Protocol(_))));
    assert!(matches!(decode(&[]), Err(UpstreamError::Protocol(_))));
    let mut cut = Recording::of("gemini-stream-generate-async-streaming-text-content-a835dccb").events();
    cut.pop();
    assert!(matches!(decode(&cut), Err(UpstreamError::Protocol(_))));
}

#[test]
fn usage_may_follow_the_finish() {
    let data = chunks(&[text("Hi"), finish("STOP"), json!({"usageMetadata": {"promptTokenCount": 7}})]);
    let events = decode(&data).unwrap();
    let at = |wanted: &dyn Fn(&Told) -> bool| events.iter().rposition(wanted).unwrap();
    assert!(at(&|e| matches!(e, Told::Usage(_))) > at(&|e| matches!(e, Told::Finish { .. })));
    assert_eq!(events.iter().filter(|e| matches!(e, Told::Finish { .. })).count(), 1);
}

#[test]
fn a_finish_said_twice_is_told_once() {
    let events = decode(&chunks(&[finish("STOP"), finish("STOP")])).unwrap();
    assert_eq!(events.iter().filter(|e| matches!(e, Told::Finish { .. })).count(), 1);
}

#[test]
fn candidates_are_told_apart_and_all_must_finish() {
    let both = json!({"candidates": [
        {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
        {"content": {"parts": [{"functionCall": {"name": "f"}}]}, "index": 1},
    ]});
    assert!(matches!(decode(&chunks(std::slice::from_ref(&both))), Err(UpstreamError::Protocol(_))));
    let rest = json!({"candidates": [{"index": 1, "finishReason": "STOP"}]});
    let events = decode(&chunks(&[both, rest])).unwrap();
    assert!(events.contains(&Told::Finish { choice: 0, reason: FinishReason::Stop }));
    assert!(events.contains(&Told::Finish { choice: 1, reason: FinishReason::ToolCalls }));
    assert!(events.contains(&Told::ToolArguments { choice: 1, call: 0, json: "{}".to_owned() }));
}

#[test]
fn a_blocked_prompt_ends_the_stream_filtered() {
    let events = decode(&chunks(&[json!({"promptFeedback": {"blockReason": "SAFETY"}})])).unwrap();
    let text = "the prompt was blocked: SAFETY".to_owned();
    let finish = Told::Finish { choice: 0, reason: FinishReason::ContentFilter };
    assert_eq!(events[1..], [Told::Refusal { choice: 0, text }, finish, Told::Done]);
}

#[test]
fn a_broken_call_before_any_content_is_a_billed_failure() {
    match decode(&chunks(&[finish("MALFORMED_FUNCTION_CALL")])) {
        Err(error @ UpstreamError::BadAnswer { .. }) => {
            assert_eq!(error.disposition(), Disposition::FallBack);
            let UpstreamError::BadAnswer { reason, usage } = error else { unreachable!() };
            assert_eq!((reason.as_str(), usage.usage.input), ("MALFORMED_FUNCTION_CALL", 5));
        }
        other => panic!("{other:?}"),
    }
    let reply = gemini::decode_reply(finish("MALFORMED_FUNCTION_CALL").to_string().as_bytes(), &Undo::default());
    let Err(UpstreamError::BadAnswer { usage, .. }) = reply else { panic!("{reply:?}") };
    assert_eq!(usage.raw, r#"{"promptTokenCount":5,"totalTokenCount":5}"#);
}

#[test]
fn a_broken_call_after_content_breaks_the_answer_off() {
    let events = decode(&chunks(&[text("Let me see"), finish("MALFORMED_FUNCTION_CALL")])).unwrap();
    assert!(events.contains(&Told::Finish { choice: 0, reason: FinishReason::Incomplete }));
}

#[test]
fn one_usable_candidate_makes_an_answer() {
    let (stop, broken) = (("STOP", FinishReason::Stop), ("MALFORMED_RESPONSE", FinishReason::Incomplete));
    for order in [[stop, broken], [broken, stop]] {
        let body = json!({"candidates": order.map(|(word, _)| json!({"finishReason": word}))}).to_string();
        let reply = gemini::decode_reply(body.as_bytes(), &Undo::default()).unwrap();
        assert_eq!(
            reply.choices.iter().map(|c| (c.index, reason(c))).collect::<Vec<_>>(),
            [(0, Some(order[0].1)), (1, Some(order[1].1))]
        );
    }
}

#[test]
fn length_and_filter_win_over_a_call() {
    let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}}]});
    for (reason, want) in [("MAX_TOKENS", FinishReason::Length), ("SAFETY", FinishReason::ContentFilter)] {
        let events = decode(&chunks(&[call.clone(), finish(reason)])).unwrap();
        assert!(events.contains(&Told::Finish { choice: 0, reason: want }), "{reason}");
    }
}

#[test]
fn an_error_object_in_a_stream_is_a_refusal() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let pretty = serde_json::to_vec_pretty(&error).unwrap();
    let wrapped = serde_json::to_vec_pretty(&json!([error])).unwrap();
    for data in [pretty, wrapped] {
        let Err(UpstreamError::Refused(refused)) = decoder(Undo::default()).data(&data, &mut Vec::new()) else {
            panic!("not refused")
        };
        assert_eq!((refused.status, refused.kind), (503, RefusedKind::Server));
        assert_eq!(refused.message, "The model is overloaded.");
    }
    let body = error.to_string();
    assert!(matches!(gemini::decode_reply(body.as_bytes(), &Undo::default()), Err(UpstreamError::Refused(_))));
}

#[test]
fn an_answer_without_candidates_is_billed_where_usage_was_sent() {
    let read = |body: &[u8]| gemini::decode_reply(body, &Undo::default());
    assert!(matches!(read(br#"{"usageMetadata":{"promptTokenCount":5}}"#), Err(UpstreamError::BadAnswer { .. })));
    assert!(matches!(read(b"{}"), Err(UpstreamError::Protocol(_))));
}

#[test]
fn what_cannot_be_read_is_a_protocol_error() {
    for data in ["<html>", "[1", "42", "{\"candidates\": 3}", "[[[{\"finishReason\": \"STOP\"}]]]"] {
        let read = decoder(Undo::default()).data(data.as_bytes(), &mut Vec::new());
        assert!(matches!(read, Err(UpstreamError::Protocol(_))), "{data}: {read:?}");
        assert!(matches!(gemini::decode_reply(data.as_bytes(), &Undo::default()), Err(UpstreamError::Protocol(_))));
    }
    assert!(decoder(Undo::default()).data(b" \r\n", &mut Vec::new()).is_ok());
}

#[test]
fn names_and_free_form_input_come_back_as_the_client_knows_them() {
    let undo = Undo {
        tool_names: [("_1_patch".to_owned(), "1 patch".to_owned())].into(),
        custom_tools: ["1 patch".to_owned()].into(),
        ..Undo::default()
    };
    let call = json!({"name": "_1_patch", "args": {"input": "*** Begin\n\"x\""}});
    let body = json!({"candidates": [{"content": {"parts": [{"functionCall": call}]}, "finishReason": "STOP"}]});
    let mut out = Vec::new();
    decoder(undo.clone()).data(body.to_string().as_bytes(), &mut out).unwrap();
    let out = told(&out);
    let input = Told::ToolArguments { choice: 0, call: 0, json: "*** Begin\n\"x\"".to_owned() };
    assert!(out.contains(&input));
    assert!(out.iter().any(|e| matches!(e, Told::ToolCall { name, custom: true, .. } if name == "1 patch")));
    let reply = gemini::decode_reply(body.to_string().as_bytes(), &undo).unwrap();
    let tt_core::call::conversation::Part::ToolCall(call) = &reply.choices[0].parts[0] else { panic!("{reply:?}") };
    assert_eq!((call.name.as_str(), call.custom), ("1 patch", true));
}
