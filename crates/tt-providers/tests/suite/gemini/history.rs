//! Gemini requests of conversations that go on: calls, results, signatures (MAPPING.md, History).

use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{Image, Media, Message, Part, Role, ToolCall, ToolResult};

use super::support::{Recording, assistant, body, call, message, refused_for, result, signed, talk, user};
use crate::api::origin;

const OLD: &str = "gemini-2.5-flash";
const NEW: &str = "gemini-3.5-flash";
const SKIP: &str = "skip_thought_signature_validator";

fn contents(messages: Vec<Message>, model: &str) -> Value {
    body(&talk(messages), model)["contents"].clone()
}

fn text_result(id: &str, text: &str) -> Message {
    result(id, vec![Part::text(text)])
}

#[test]
fn arguments_are_an_object_or_refused() {
    let with = |arguments: &str| {
        talk(vec![
            user("q"),
            assistant(vec![Part::text(""), call("call_1", "f", arguments)]),
            text_result("call_1", "r"),
        ])
    };
    let args = |arguments: &str| body(&with(arguments), OLD)["contents"][1]["parts"].clone();
    assert_eq!(args(""), json!([{"functionCall": {"name": "f", "args": {}}}]));
    assert_eq!(args(" {\"a\": [1]} "), json!([{"functionCall": {"name": "f", "args": {"a": [1]}}}]));
    assert_eq!(args("null"), json!([{"functionCall": {"name": "f", "args": {}}}]));
    for wrong in ["[]", "1", "{", "{} {}"] {
        assert_eq!(refused_for(&with(wrong), OLD), "messages[1].tool_calls[0].function.arguments", "{wrong}");
    }
}

#[test]
fn numbers_in_arguments_keep_their_digits() {
    let digits = r#"{"n":12345678901234567890123,"x":1.50}"#;
    let conversation = talk(vec![user("q"), assistant(vec![call("call_1", "f", digits)]), text_result("call_1", "r")]);
    let sent = String::from_utf8(super::support::encode(&conversation, OLD).unwrap().body).unwrap();
    assert!(sent.contains(digits), "{sent}");
}

#[test]
fn ids_go_back_only_if_gemini_gave_them() {
    let history = |id: &str| {
        let said = contents(vec![user("q"), assistant(vec![call(id, "f", "{}")]), text_result(id, "r")], OLD);
        let part = |content: usize, field: &str| said[content]["parts"][0][field]["id"].clone();
        (part(1, "functionCall"), part(2, "functionResponse"))
    };
    assert_eq!(history("gjl2yj5t"), (json!("gjl2yj5t"), json!("gjl2yj5t")));
    assert_eq!(history("call_0198c0de"), (Value::Null, Value::Null));
    assert_eq!(history("toolu_01VLwCjyU7u928EqHmMRvow8"), (Value::Null, Value::Null));
}

#[test]
fn parallel_results_become_one_content_in_the_order_of_the_calls() {
    // Three calls of one name and without ids; the client answers them out of order.
    let recording = Recording::of(
        "gemini-vertex-generate-chat-function-calling-vertexai-gemini-2-5-flash-can-handle-multi-7222a1be",
    );
    let parts = recording.reply().choices.remove(0).parts;
    let ids: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.id.clone()),
            _ => None,
        })
        .collect();
    let results = [2, 0, 1].map(|i| text_result(&ids[i], &i.to_string()));
    let messages = [user("Roll three dice"), assistant(parts)].into_iter().chain(results).collect();
    let said = contents(messages, OLD);
    let response = |n: &str| json!({"functionResponse": {"name": "dice_roll", "response": {"output": n}}});
    assert_eq!(said.as_array().unwrap().len(), 3);
    assert_eq!(said[2], json!({"role": "user", "parts": [response("0"), response("1"), response("2")]}));
    // The signature is back on the first call, and on no other.
    let sent = &recording.json["response"]["body"]["candidates"][0]["content"]["parts"];
    assert_eq!(said[1]["parts"], *sent);
}

#[test]
fn a_response_is_an_object_a_text_or_an_error() {
    let response = |text: &str, is_error: bool| {
        let content = vec![Part::text(text)];
        let failed =
            Part::ToolResult(ToolResult { id: "call_1".to_owned(), content, is_error, ..ToolResult::default() });
        let said = vec![user("q"), assistant(vec![call("call_1", "f", "{}")]), message(Role::Tool, vec![failed])];
        contents(said, OLD)[2]["parts"][0]["functionResponse"]["response"].clone()
    };
    assert_eq!(response(" {\"a\": 1}\n", false), json!({"a": 1}));
    assert_eq!(response("[1]", false), json!({"output": "[1]"}));
    assert_eq!(response("{oops", false), json!({"output": "{oops"}));
    assert_eq!(response("", false), json!({"output": ""}));
    assert_eq!(response("no such city", true), json!({"error": "no such city"}));
}

#[test]
fn a_call_without_result_and_a_result_without_call_are_refused() {
    let calls = || assistant(vec![call("a", "f", "{}"), call("b", "f", "{}")]);
    let unanswered = vec![user("q"), calls(), text_result("a", "1"), user("go on")];
    assert_eq!(refused_for(&talk(unanswered), NEW), "messages[1].tool_calls");
    let at_the_end = vec![user("q"), calls(), text_result("a", "1")];
    assert_eq!(refused_for(&talk(at_the_end), NEW), "messages[1].tool_calls");
    let foreign = vec![user("q"), calls(), text_result("c", "1")];
    assert_eq!(refused_for(&talk(foreign), NEW), "messages[2].tool_call_id");
    let twice = vec![user("q"), calls(), text_result("a", "1"), text_result("a", "2")];
    assert_eq!(refused_for(&talk(twice), NEW), "messages[3].tool_call_id");
}

/// As recorded in gemini-generate-cross-provider-capability-replay-google-gemini-3-flash-preview-a-60817d9f: text
/// after a result is a content of its own.
#[test]
fn text_after_results_does_not_merge_into_them() {
    let said = contents(
        vec![
            user("q"),
            assistant(vec![call("call_1", "f", "{}")]),
            text_result("call_1", "r"),
            user("and?"),
            user("so?"),
        ],
        OLD,
    );
    assert_eq!(said.as_array().unwrap().len(), 4);
    assert_eq!(said[3], json!({"role": "user", "parts": [{"text": "and?"}, {"text": "so?"}]}));
}

#[test]
fn pictures_of_results_stand_inside_them_on_3_and_behind_them_before() {
    let picture = Part::Image(Image::new(Media::Inline { mime: "image/png".to_owned(), data: "QUJD".to_owned() }));
    let messages = || {
        let content = vec![Part::text("a"), picture.clone(), Part::text("b")];
        vec![user("q"), assistant(vec![call("call_1", "f", "{}")]), result("call_1", content)]
    };
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "QUJD"}});
    let response = json!({"output": "a\nb"});
    assert_eq!(
        contents(messages(), NEW)[2]["parts"],
        json!([{"functionResponse": {"name": "f", "response": response, "parts": [blob]}}])
    );
    let before = contents(messages(), OLD);
    assert_eq!(before[2]["parts"], json!([{"functionResponse": {"name": "f", "response": response}}]));
    assert_eq!(before[3], json!({"role": "user", "parts": [blob]}));
}

#[test]
fn media_that_gemini_takes_in_no_result_stand_behind_it() {
    let inline = |mime: &str| Part::Image(Image::new(Media::Inline { mime: mime.to_owned(), data: "QUJD".to_owned() }));
    let content = vec![inline("image/gif"), inline("image/jpg"), inline("image/webp"), inline("image/heic")];
    let said = contents(vec![user("q"), assistant(vec![call("call_1", "f", "{}")]), result("call_1", content)], NEW);
    let blob = |mime: &str| json!({"inlineData": {"mimeType": mime, "data": "QUJD"}});
    assert_eq!(said[2]["parts"][0]["functionResponse"]["parts"], json!([blob("image/jpeg"), blob("image/webp")]));
    assert_eq!(said[3]["parts"], json!([blob("image/gif"), blob("image/heic")]));
}

#[test]
fn a_result_that_gemini_would_read_as_a_reference_is_text() {
    for (given, sent) in [
        (r##"{"a": {"$ref": "#/x"}}"##, json!({"output": r##"{"a": {"$ref": "#/x"}}"##})),
        (r#"{"\u0024ref": "x"}"#, json!({"output": r#"{"\u0024ref": "x"}"#})),
        (r#"{"ref": "$ref is a word"}"#, json!({"ref": "$ref is a word"})),
    ] {
        let said =
            contents(vec![user("q"), assistant(vec![call("call_1", "f", "{}")]), text_result("call_1", given)], NEW);
        assert_eq!(said[2]["parts"][0]["functionResponse"]["response"], sent, "{given}");
    }
}

#[test]
fn signatures_go_back_on_exactly_their_part() {
    let said = contents(
        vec![
            user("q"),
            assistant(vec![
                signed(Part::thinking("hm"), "s0", Provider::Gemini),
                signed(Part::text(""), "s1", Provider::Gemini),
                Part::text("Let me see."),
                signed(call("x", "f", "{}"), "s2", Provider::Gemini),
                call("y", "f", "{}"),
            ]),
            text_result("x", "1"),
            text_result("y", "2"),
        ],
        NEW,
    );
    assert_eq!(
        said[1]["parts"],
        json!([
            {"text": "hm", "thought": true, "thoughtSignature": "s0"},
            {"text": "", "thoughtSignature": "s1"},
            {"text": "Let me see."},
            {"functionCall": {"id": "x", "name": "f", "args": {}}, "thoughtSignature": "s2"},
            {"functionCall": {"id": "y", "name": "f", "args": {}}},
        ])
    );
}

#[test]
fn a_foreign_signature_and_thinking_are_never_sent() {
    let messages = || {
        vec![
            user("q"),
            assistant(vec![
                signed(Part::thinking("hm"), "anthropic", Provider::Anthropic),
                Part::thinking("unsigned"),
                Part::Redacted { data: "opaque".to_owned(), of: origin(Provider::Anthropic) },
                signed(Part::text(""), "foreign", Provider::OpenAi),
                signed(call("call_1", "f", "{}"), "foreign", Provider::Anthropic),
            ]),
            text_result("call_1", "r"),
        ]
    };
    let call = json!({"name": "f", "args": {}});
    assert_eq!(contents(messages(), OLD)[1]["parts"], json!([{"functionCall": call}]));
    assert_eq!(contents(messages(), NEW)[1]["parts"], json!([{"functionCall": call, "thoughtSignature": SKIP}]));
}

#[test]
fn a_lost_signature_is_replaced_on_the_first_call_of_each_step_of_the_current_turn() {
    let step = |a: &str, b: &str| {
        vec![
            assistant(vec![Part::text("ok"), call(a, "f", "{}"), call(b, "f", "{}")]),
            text_result(a, "1"),
            text_result(b, "2"),
        ]
    };
    let mut messages = vec![user("first")];
    messages.extend(step("a", "b"));
    messages.push(assistant(vec![Part::text("done")]));
    messages.push(user("second"));
    messages.extend(step("c", "d"));
    messages.extend(step("e", "f"));
    let said = contents(messages, NEW);
    let signatures = |content: usize| {
        let parts = said[content]["parts"].as_array().unwrap().iter();
        parts.map(|part| part["thoughtSignature"].as_str()).collect::<Vec<_>>()
    };
    // first · calls · results · done · second · calls · results · calls · results
    assert_eq!(said.as_array().unwrap().len(), 9);
    assert_eq!(signatures(1), [None, None, None]);
    assert_eq!(signatures(5), [None, Some(SKIP), None]);
    assert_eq!(signatures(7), [None, Some(SKIP), None]);
}

#[test]
fn names_in_the_history_get_the_same_alias_and_free_form_input_is_wrapped() {
    let free = Part::ToolCall(ToolCall {
        id: "call_1".to_owned(),
        name: "my tool".to_owned(),
        arguments: "raw \"text\"".to_owned(),
        custom: true,
        ..ToolCall::default()
    });
    let said = contents(vec![user("q"), assistant(vec![free]), text_result("call_1", "r")], OLD);
    let call = json!({"name": "my_tool", "args": {"input": "raw \"text\""}});
    assert_eq!(said[1]["parts"], json!([{"functionCall": call}]));
    assert_eq!(said[2]["parts"][0]["functionResponse"]["name"], "my_tool");
}
