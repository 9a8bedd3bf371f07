//! What no recording shows: every field's path in errors, legacy words, signatures, and what cannot be said.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{
    CacheHint, Conversation, Effort, Media, Message, Part, Role, Signature, ToolCall, ToolChoice,
};

use super::super::field;
use super::*;
use crate::codec::Target;
use crate::error::RequestError;

fn decode(body: Value) -> Conversation {
    decode_request(body.to_string().as_bytes()).unwrap()
}

/// A request with these messages.
fn said(messages: Value) -> Vec<Message> {
    decode(json!({"model": "m", "messages": messages})).messages
}

/// The field at fault, with a `!` where it is missing.
fn fault(body: Value) -> String {
    match decode_request(body.to_string().as_bytes()) {
        Err(RequestError::Malformed { field, .. }) => field::name(&field),
        Err(RequestError::Missing { field }) => format!("{}!", field::name(&field)),
        other => panic!("{body}: {other:?}"),
    }
}

fn encode(conversation: &Conversation) -> Value {
    serde_json::from_slice(&encode_request(conversation, Target { model: "up", facts: None }).unwrap().body).unwrap()
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts, extra: serde_json::Map::new() }
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult { id: id.into(), content, is_error, cache: None }
}

#[test]
fn errors_name_the_field_exactly() {
    let user = json!([{"role": "user", "content": "x"}]);
    let with = |field: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": user});
        body[field] = value;
        body
    };
    let content = |part: Value| json!({"model": "m", "messages": [user[0], {"role": "user", "content": [part]}]});
    for (body, param) in [
        (json!({"messages": user}), "model!"),
        (json!({"model": "m"}), "messages!"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": "x"}), "messages"),
        (json!({"model": "m", "messages": [1]}), "messages[0]"),
        (json!({"model": "m", "messages": [{"content": "x"}]}), "messages[0].role!"),
        (json!({"model": "m", "messages": [{"role": "root", "content": "x"}]}), "messages[0].role"),
        (json!({"model": "m", "messages": [{"role": "user"}]}), "messages[0].content!"),
        (json!({"model": "m", "messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (json!({"model": "m", "messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id!"),
        (json!({"model": "m", "messages": [{"role": "function", "content": "x"}]}), "messages[0].name!"),
        (
            json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}]}),
            "messages[0].tool_calls[0].function.name!",
        ),
        (content(json!("x")), "messages[1].content[0]"),
        (content(json!({})), "messages[1].content[0].type!"),
        (content(json!({"type": "video"})), "messages[1].content[0].type"),
        (content(json!({"type": "text", "text": 1})), "messages[1].content[0].text"),
        (content(json!({"type": "image_url", "image_url": "x"})), "messages[1].content[0].image_url"),
        (content(json!({"type": "image_url", "image_url": {}})), "messages[1].content[0].image_url.url!"),
        (content(json!({"type": "image_url", "image_url": {"url": "ftp:x"}})), "messages[1].content[0].image_url.url"),
        (
            content(json!({"type": "image_url", "image_url": {"url": "data:image/png,x"}})),
            "messages[1].content[0].image_url.url",
        ),
        (
            content(json!({"type": "input_audio", "input_audio": {"data": ""}})),
            "messages[1].content[0].input_audio.format!",
        ),
        (content(json!({"type": "file", "file": {}})), "messages[1].content[0].file.file_data!"),
        (
            content(json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}})),
            "messages[1].content[0].cache_control.ttl",
        ),
        (with("tools", json!([{"type": "web"}])), "tools[0].type"),
        (with("tools", json!([{"type": "function", "function": {"name": ""}}])), "tools[0].function.name"),
        (
            with("tools", json!([{"type": "function", "function": {"name": "f", "parameters": 1}}])),
            "tools[0].function.parameters",
        ),
        (with("tool_choice", json!("any")), "tool_choice"),
        (with("tool_choice", json!({"type": "function", "function": {}})), "tool_choice.function.name!"),
        (
            with("tool_choice", json!({"type": "allowed_tools", "allowed_tools": {"mode": "x"}})),
            "tool_choice.allowed_tools.mode",
        ),
        (with("function_call", json!({})), "function_call.name!"),
        (with("response_format", json!({"type": "xml"})), "response_format.type"),
        (
            with("response_format", json!({"type": "json_schema", "json_schema": {}})),
            "response_format.json_schema.name!",
        ),
        (with("temperature", json!("1")), "temperature"),
        (with("max_tokens", json!(1.5)), "max_tokens"),
        (with("seed", json!(1.5)), "seed"),
        (with("stop", json!([1])), "stop"),
        (with("n", json!(-1)), "n"),
        (with("reasoning_effort", json!("hard")), "reasoning_effort"),
        (with("stream", json!("yes")), "stream"),
        (with("stream_options", json!({"include_usage": 1})), "stream_options.include_usage"),
        (with("parallel_tool_calls", json!(0)), "parallel_tool_calls"),
    ] {
        assert_eq!(fault(body.clone()), param, "{body}");
    }
}

#[test]
fn what_is_no_json_object_is_invalid_and_deep_nesting_is_refused() {
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    for body in ["", "[]", "3", "{", deep.as_str()] {
        assert!(matches!(decode_request(body.as_bytes()), Err(RequestError::InvalidJson { .. })));
    }
}

#[test]
fn data_addresses_lose_their_parameters_and_line_breaks() {
    let url = "data:image/PNG;charset=x;base64,AA\r\nBB==";
    let found = said(json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "QUJD"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]}]));
    let inline = |mime: &str, data: &str| Media::Inline { mime: mime.into(), data: data.into() };
    assert_eq!(
        found[0].parts,
        [
            Part::Image { media: inline("image/png", "AABB=="), detail: Some("low".into()), cache: None },
            Part::File { media: inline("text/plain", "QUJD"), filename: Some("a.txt".into()), cache: None },
            Part::File { media: Media::FileId { id: "file-1".into() }, filename: None, cache: None },
        ]
    );
}

#[test]
fn the_newer_token_limit_wins() {
    let user = json!([{"role": "user", "content": "x"}]);
    let both = decode(json!({"model": "m", "messages": user, "max_tokens": 1, "max_completion_tokens": 2})).sampling;
    assert_eq!(both.max_output_tokens, Some(2));
    let old = decode(json!({"model": "m", "messages": user, "max_tokens": 1}));
    assert_eq!(old.sampling.max_output_tokens, Some(1));
    assert_eq!(encode(&old)["max_completion_tokens"], 1);
}

#[test]
fn legacy_functions_become_tools() {
    let body = json!({"model": "up", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "2"},
    ], "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"}});
    let found = decode(body);
    assert_eq!(found.tool_choice, Some(ToolChoice::Named("f".into())));
    let ids: Vec<&str> = found
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.id.as_str()),
            Part::ToolResult { id, .. } => Some(id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!((ids[0], ids[2]), (ids[1], ids[3]));
    assert_ne!(ids[0], ids[2]);
    let encoded = encode(&found);
    assert_eq!((encoded.get("functions"), encoded["tools"][0]["function"]["name"].as_str()), (None, Some("f")));
}

#[test]
fn thinking_and_signatures_are_taken_back() {
    let found = said(json!([{"role": "assistant", "content": "hi", "reasoning_content": "ab",
        "thinking_blocks": [{"type": "thinking", "thinking": "ab", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}],
        "extra_content": {"google": {"thought_signature": "g1"}},
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "g2"}}}]}]));
    let signed = |provider, value: &str| Some(Signature { provider, value: value.into() });
    assert_eq!(
        found[0].parts,
        [
            Part::Thinking { text: "ab".into(), signature: signed(Provider::Anthropic, "s") },
            Part::RedactedThinking { data: "d".into() },
            Part::Text { text: "hi".into(), cache: None, signature: signed(Provider::Gemini, "g1") },
            Part::ToolCall(ToolCall {
                id: "c".into(),
                name: "f".into(),
                arguments: String::new(),
                custom: false,
                signature: signed(Provider::Gemini, "g2"),
            }),
        ]
    );
    let plain = said(json!([{"role": "assistant", "content": null, "reasoning_content": "t"}]));
    assert_eq!(plain[0].parts, [Part::Thinking { text: "t".into(), signature: None }]);
}

#[test]
fn cache_hints_are_taken_from_parts_messages_and_tools() {
    let hint = json!({"type": "ephemeral", "ttl": "1h"});
    let found = decode(json!({"model": "m", "tools": [
        {"type": "function", "function": {"name": "f"}, "cache_control": hint},
    ], "messages": [
        {"role": "system", "content": "s", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "b"}]},
        {"role": "tool", "tool_call_id": "c", "content": "r", "cache_control": hint},
    ]}));
    let caches: Vec<Option<CacheHint>> = found
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .map(|part| match part {
            Part::Text { cache, .. } | Part::ToolResult { cache, .. } => *cache,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(caches, [Some(CacheHint::FiveMinutes), Some(CacheHint::FiveMinutes), None, Some(CacheHint::OneHour)]);
    assert_eq!(found.tools[0].cache, Some(CacheHint::OneHour));
    let encoded = encode_request(&found, Target { model: "up", facts: None }).unwrap();
    assert_eq!(encoded.dropped, ["cache_control"]);
    assert!(!String::from_utf8(encoded.body).unwrap().contains("cache"));
}

#[test]
fn every_choice_of_tools_survives() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]);
    for choice in [
        json!("auto"),
        json!("none"),
        json!("required"),
        json!({"type": "function", "function": {"name": "f"}}),
        json!({"type": "custom", "custom": {"name": "c"}}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]}}),
    ] {
        let body = json!({"model": "up", "messages": [{"role": "user", "content": "x"}], "tools": tools, "tool_choice": choice});
        assert_eq!(encode(&decode(body.clone())), body);
    }
}

#[test]
fn every_effort_survives() {
    for (word, effort) in
        [("none", Effort::None), ("minimal", Effort::Minimal), ("xhigh", Effort::XHigh), ("max", Effort::Max)]
    {
        let body = json!({"model": "up", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": word});
        let found = decode(body.clone());
        assert_eq!(found.effort, Some(effort));
        assert_eq!(encode(&found), body);
    }
}

#[test]
fn unknown_fields_are_kept_and_only_known_ones_go_up() {
    let found = decode(json!({"model": "up", "messages": [{"role": "user", "content": "x"}],
        "stream": true, "stream_options": {"include_obfuscation": false}, "verbosity": "low", "odd": 1, "user": "u"}));
    assert_eq!((found.extra.fields["verbosity"].as_str(), found.extra.fields["odd"].as_u64()), (Some("low"), Some(1)));
    let encoded = encode_request(&found, Target { model: "up", facts: None }).unwrap();
    assert_eq!(encoded.dropped, ["unknown fields"]);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["stream_options"], json!({"include_obfuscation": false, "include_usage": true}));
    assert_eq!((body.get("odd"), &body["safety_identifier"]), (None, &json!("u")));
}

#[test]
fn tool_results_stay_together_and_their_pictures_follow() {
    let picture = Part::Image { media: Media::Url { url: "https://x".into() }, detail: None, cache: None };
    let conversation = Conversation {
        messages: vec![
            message(Role::Tool, vec![result("a", vec![Part::text("t"), picture], true)]),
            message(Role::Tool, vec![result("b", vec![], false)]),
            message(Role::User, vec![Part::text("x")]),
        ],
        ..Conversation::default()
    };
    assert_eq!(
        encode(&conversation)["messages"],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "Error: t"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
            {"role": "user", "content": "x"},
        ])
    );
}

#[test]
fn results_inside_a_user_message_come_before_its_text() {
    let conversation = Conversation {
        messages: vec![
            message(Role::User, vec![Part::text("x"), result("a", vec![Part::text("r")], false)]),
            message(Role::User, vec![result("b", vec![Part::text("r")], false)]),
        ],
        ..Conversation::default()
    };
    assert_eq!(
        encode(&conversation)["messages"],
        json!([{"role": "tool", "tool_call_id": "a", "content": "r"}, {"role": "user", "content": "x"},
            {"role": "tool", "tool_call_id": "b", "content": "r"}])
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let with = |part: Part| Conversation { messages: vec![message(Role::User, vec![part])], ..Conversation::default() };
    let mut stops = Conversation::default();
    stops.sampling.stop = vec![String::from("x"); 5];
    let file = Part::File { media: Media::Url { url: "https://x".into() }, filename: None, cache: None };
    let picture = Part::Image { media: Media::FileId { id: "f".into() }, detail: None, cache: None };
    for (conversation, field) in
        [(stops, "stop"), (with(file), "messages[0].content"), (with(picture), "messages[0].content")]
    {
        let found = encode_request(&conversation, Target { model: "up", facts: None });
        assert!(matches!(found, Err(RequestError::Unsupported { field: at, .. }) if field::name(&at) == field));
    }
}

#[test]
fn tool_names_that_do_not_fit_are_replaced_everywhere() {
    let conversation = decode(json!({"model": "m", "tools": [{"type": "function", "function": {"name": "a.b"}}],
        "tool_choice": {"type": "function", "function": {"name": "a.b"}}, "messages": [
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}]}]}));
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    assert!(!String::from_utf8(encoded.body).unwrap().contains("a.b"));
    assert_eq!(encoded.undo.tool_name("a_b"), "a.b");
}
