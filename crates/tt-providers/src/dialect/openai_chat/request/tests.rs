//! Cases that no recording holds: the path of every field in errors, legacy fields, signatures, and fields that cannot
//! be translated.

use serde_json::{Value, json};
use tt_core::call::conversation::{
    Audio, CachePlan, CacheTtl, Conversation, CustomTool, Document, Effort, Function, HostedTool, Image, Media,
    Message, Opaque, Origin, Part, Role, Signature, State, StateField, Text, Thinking, ThinkingConfig, Tool, ToolCall,
    ToolChoice, ToolResult, Video,
};
use tt_core::model::ModelFacts;
use tt_core::record::Change;
use tt_core::{Dialect, Provider};

use super::super::field;
use super::*;
use crate::codec::{Encoded, Target};
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
    Part::ToolResult(ToolResult { id: id.into(), content, is_error, ..ToolResult::default() })
}

/// A message of the model that calls a tool once for each id.
fn calling(ids: &[&str]) -> Message {
    let call = |id: &&str| Part::ToolCall(ToolCall { id: (*id).into(), name: "f".into(), ..ToolCall::default() });
    message(Role::Assistant, ids.iter().map(call).collect())
}

/// The messages of an encoded conversation behind the first.
fn later(conversation: &Conversation) -> Value {
    encode(conversation)["messages"].as_array().unwrap()[1..].into()
}

/// The notes of an encoding: what became of which field.
fn notes(encoded: &Encoded) -> Vec<(String, Change)> {
    encoded.notes.iter().map(|note| (field::name(&note.field), note.what)).collect()
}

fn dropped(name: &str) -> (String, Change) {
    (name.to_owned(), Change::Dropped)
}

const CLAUDE: Origin = Origin::of(Dialect::AnthropicMessages, Provider::Anthropic);
const GEMINI: Origin = Origin::of(Dialect::Gemini, Provider::Gemini);

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
        (with("stop", json!([1])), "stop[0]"),
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
            Part::Image(Image { detail: Some("low".into()), ..Image::new(inline("image/png", "AABB==")) }),
            Part::Document(Document { title: Some("a.txt".into()), ..Document::new(inline("text/plain", "QUJD")) }),
            Part::Document(Document::new(Media::FileId { provider: Provider::OpenAi, id: "file-1".into() })),
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
            Part::ToolResult(result) => Some(result.id.as_str()),
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
    let signed = |of, value: &str| Some(Signature { of, value: value.into() });
    assert_eq!(
        found[0].parts,
        [
            Part::Thinking(Thinking { text: "ab".into(), signature: signed(CLAUDE, "s"), ..Thinking::default() }),
            Part::Redacted { data: "d".into(), of: CLAUDE },
            Part::Text(Text { text: "hi".into(), signature: signed(GEMINI, "g1"), ..Text::default() }),
            Part::ToolCall(ToolCall {
                id: "c".into(),
                name: "f".into(),
                signature: signed(GEMINI, "g2"),
                ..ToolCall::default()
            }),
        ]
    );
    let plain = said(json!([{"role": "assistant", "content": null, "reasoning_content": "t"}]));
    assert_eq!(plain[0].parts, [Part::thinking("t")]);
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
    let caches: Vec<Option<CacheTtl>> =
        found.messages.iter().flat_map(|message| &message.parts).map(Part::cache).collect();
    assert_eq!(caches, [Some(CacheTtl::FiveMinutes), Some(CacheTtl::ThirtyMinutes), None, Some(CacheTtl::OneHour)]);
    assert_eq!(found.tools[0].cache(), Some(CacheTtl::OneHour));
    let encoded = encode_request(&found, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), [dropped("cache_control")]);
    assert!(!String::from_utf8(encoded.body).unwrap().contains("cache"));
}

#[test]
fn marks_are_sent_to_models_that_take_them() {
    let mut facts = ModelFacts::default();
    facts.capabilities.prompt_cache_breakpoint = Some(true);
    let part = |text: &str, mark: Value| json!({"type": "text", "text": text, "cache_control": mark});
    let found = decode(json!({"model": "m", "messages": [{"role": "user", "content": [
        part("a", json!({"type": "ephemeral", "ttl": "1h"})),
        {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
    ]}]}));
    let encoded = encode_request(&found, Target { model: "gpt-5.6", facts: Some(&facts) }).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let ttl = |at: usize| &sent["messages"][0]["content"][at]["prompt_cache_breakpoint"]["ttl"];
    assert_eq!((ttl(0), ttl(1)), (&json!("30m"), &json!("12h")));
    assert_eq!(notes(&encoded), [("cache_control".to_owned(), Change::Changed)]);
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
        assert_eq!(found.thinking.effort, Some(effort));
        assert_eq!(encode(&found), body);
    }
}

#[test]
fn unknown_fields_are_kept_and_only_known_ones_go_up() {
    let found = decode(json!({"model": "up", "messages": [{"role": "user", "content": "x"}],
        "stream": true, "stream_options": {"include_obfuscation": false}, "verbosity": "low", "odd": 1, "user": "u"}));
    assert_eq!((found.extra.fields["verbosity"].as_str(), found.extra.fields["odd"].as_u64()), (Some("low"), Some(1)));
    let encoded = encode_request(&found, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), [dropped("unknown fields")]);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["stream_options"], json!({"include_obfuscation": false, "include_usage": true}));
    assert_eq!((body.get("odd"), &body["safety_identifier"]), (None, &json!("u")));
}

#[test]
fn what_is_kept_and_cached_has_a_place_where_it_is_well_formed() {
    let user = json!([{"role": "user", "content": "x"}]);
    let body = json!({"model": "up", "messages": user, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "store": true});
    let found = decode(body.clone());
    assert_eq!((found.cache.key.as_deref(), found.cache.retention.as_deref()), (Some("k"), Some("24h")));
    assert_eq!((found.state.store, found.extra.fields.len()), (Some(true), 0));
    assert_eq!(encode(&found), body);
    // OpenAI reports the faults of the rest.
    let odd = json!({"model": "up", "messages": user, "prompt_cache_key": 5, "store": "yes"});
    let found = decode(odd.clone());
    assert_eq!((&found.cache.key, found.state.store, found.extra.fields.len()), (&None, None, 2));
    assert_eq!(encode(&found), odd);
}

#[test]
fn tool_results_stay_together_and_their_pictures_follow() {
    let picture = Part::Image(Image::new(Media::url("https://x")));
    let conversation = Conversation {
        messages: vec![
            calling(&["a", "b"]),
            message(Role::Tool, vec![result("a", vec![Part::text("t"), picture], true)]),
            message(Role::Tool, vec![result("b", vec![], false)]),
            message(Role::User, vec![Part::text("x")]),
        ],
        ..Conversation::default()
    };
    assert_eq!(
        later(&conversation),
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
            calling(&["a", "b"]),
            message(Role::User, vec![Part::text("x"), result("a", vec![Part::text("r")], false)]),
            message(Role::User, vec![result("b", vec![Part::text("r")], false)]),
        ],
        ..Conversation::default()
    };
    assert_eq!(
        later(&conversation),
        json!([{"role": "tool", "tool_call_id": "a", "content": "r"}, {"role": "user", "content": "x"},
            {"role": "tool", "tool_call_id": "b", "content": "r"}])
    );
}

#[test]
fn a_call_without_a_result_and_a_result_without_a_call_are_named() {
    let fault = |messages: Vec<Message>| {
        let conversation = Conversation { messages, ..Conversation::default() };
        match encode_request(&conversation, Target { model: "up", facts: None }) {
            Err(RequestError::Malformed { field, .. }) => Some(field::name(&field)),
            Ok(_) => None,
            other => panic!("{other:?}"),
        }
    };
    let answer = |id: &str| message(Role::Tool, vec![result(id, vec![], false)]);
    let says = |role| message(role, vec![Part::text("x")]);
    for (messages, named) in [
        (vec![calling(&["a", "b"]), answer("b"), answer("a"), says(Role::Assistant)], None),
        (vec![calling(&["a"]), calling(&["b"])], Some("messages[0].tool_calls[0]")),
        (vec![calling(&["a", "b"]), answer("a"), says(Role::Assistant)], Some("messages[0].tool_calls[1]")),
        (vec![calling(&["a"])], Some("messages[0].tool_calls[0]")),
        (vec![says(Role::User), answer("a")], Some("messages[1].tool_call_id")),
        (vec![calling(&["a"]), answer("a"), answer("a")], Some("messages[2].tool_call_id")),
    ] {
        assert_eq!(fault(messages).as_deref(), named);
    }
}

#[test]
fn pictures_of_an_answer_come_back_with_their_signatures() {
    let url = "data:image/png;base64,QUJD";
    let picture = json!({"type": "image_url", "image_url": {"url": url}, "index": 0,
        "extra_content": {"google": {"thought_signature": "s"}}});
    let said =
        said(json!([{"role": "assistant", "content": "Here.", "images": [picture]}, {"role": "user", "content": "x"}]));
    let [Part::Text(_), Part::Image(image)] = &said[0].parts[..] else { panic!("{:?}", said[0]) };
    assert_eq!(image.signature, Some(Signature { of: GEMINI, value: "s".into() }));
    assert!(said[0].extra.is_empty());
    let conversation = Conversation { messages: said, ..Conversation::default() };
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), [dropped("messages[0].content[1]")]);
    // Hosts may write the field in another way: it is left where it was.
    let odd = decode(json!({"model": "m", "messages": [{"role": "assistant", "content": "x", "images": ["a"]}]}));
    assert!(odd.messages[0].extra.contains_key("images"));
}

#[test]
fn the_most_detail_of_others_is_sent_as_high() {
    let picture = Image { detail: Some("original".into()), ..Image::new(Media::url("https://x")) };
    let conversation =
        Conversation { messages: vec![message(Role::User, vec![Part::Image(picture)])], ..Conversation::default() };
    assert_eq!(encode(&conversation)["messages"][0]["content"][0]["image_url"]["detail"], "high");
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), [("detail".to_owned(), Change::Changed)]);
}

#[test]
fn marks_without_a_time_have_that_of_the_request() {
    let with = |options: Value| {
        decode(json!({"model": "m", "prompt_cache_options": options, "messages": [{"role": "user", "content": [
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "b", "prompt_cache_breakpoint": {"ttl": "30m"}},
        ]}]}))
        .cache_marks()
        .collect::<Vec<_>>()
    };
    assert_eq!(with(json!({"ttl": "12h"})), [CacheTtl::TwelveHours, CacheTtl::ThirtyMinutes]);
    assert_eq!(with(json!({})), [CacheTtl::ThirtyMinutes, CacheTtl::ThirtyMinutes]);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let with = |part: Part| Conversation { messages: vec![message(Role::User, vec![part])], ..Conversation::default() };
    let mut stops = Conversation::default();
    stops.sampling.stop = vec![String::from("x"); 5];
    let file = Part::Document(Document::new(Media::url("https://x")));
    let id = |provider| Media::FileId { provider, id: "f".into() };
    let picture = Part::Image(Image::new(id(Provider::OpenAi)));
    let foreign = Part::Document(Document::new(id(Provider::Anthropic)));
    let sound = Part::Audio(Audio::new(id(Provider::OpenAi)));
    let film = Part::Video(Video { media: Media::url("https://x"), metadata: None });
    let pending = Opaque { of: CLAUDE, kind: "server_tool_use".into(), raw: "{}".into(), text: None, pending: true };
    for (conversation, field) in [(stops, "stop")].into_iter().chain(
        [file, picture, foreign, sound, film, Part::Opaque(pending)].map(|part| (with(part), "messages[0].content")),
    ) {
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

#[test]
fn results_of_custom_calls_are_known_by_the_call() {
    let found = said(json!([
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "x"}},
            {"id": "f", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "f", "content": "2"},
    ]));
    let custom = |at: usize| matches!(&found[at].parts[..], [Part::ToolResult(result)] if result.custom);
    assert_eq!((custom(1), custom(2)), (true, false));
}

#[test]
fn what_only_others_can_read_is_left_out_and_named() {
    let signature = || Some(Signature { of: GEMINI, value: "s".into() });
    let opaque = Opaque { of: CLAUDE, kind: "compaction".into(), raw: "{}".into(), text: None, pending: false };
    let call = ToolCall { id: "c".into(), name: "f".into(), signature: signature(), ..ToolCall::default() };
    let parts = vec![
        Part::thinking("hm"),
        Part::Redacted { data: "d".into(), of: CLAUDE },
        Part::Opaque(opaque),
        Part::Text(Text { text: "hi".into(), signature: signature(), ..Text::default() }),
        Part::ToolCall(call),
    ];
    let messages = vec![message(Role::Assistant, parts), message(Role::Tool, vec![result("c", vec![], false)])];
    let conversation = Conversation { messages, ..Conversation::default() };
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    let expected = ["thinking", "messages[0].content", "extra_content"].map(dropped);
    assert_eq!(notes(&encoded), expected);
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}});
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["messages"][0], json!({"role": "assistant", "content": "hi", "tool_calls": [call]}));
}

#[test]
fn thinking_in_other_words_becomes_an_effort() {
    let thinking = ThinkingConfig { budget: Some(8192), ..ThinkingConfig::default() };
    let conversation = Conversation { thinking, ..Conversation::default() };
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), [("reasoning_effort".to_owned(), Change::Changed)]);
    assert_eq!(encode(&conversation)["reasoning_effort"], "medium");
}

#[test]
fn tools_and_state_of_another_dialect_are_left_out_or_refused() {
    let of = Dialect::AnthropicMessages;
    let hosted = || Tool::Hosted(HostedTool { of, kind: "web_search".into(), raw: json!({"type": "web_search"}) });
    let tools = vec![hosted(), Tool::Custom(CustomTool { name: "c".into(), ..CustomTool::default() })];
    let mut conversation = Conversation { tools, ..Conversation::default() };
    let state = |field| State { of: Some(of), store: None, fields: vec![(field, json!("x"))] };
    conversation.state = state(StateField::Betas);
    let encoded = encode_request(&conversation, Target { model: "up", facts: None }).unwrap();
    assert_eq!(notes(&encoded), ["web_search_options", "betas"].map(dropped));
    assert_eq!(encode(&conversation)["tools"], json!([{"type": "custom", "custom": {"name": "c"}}]));
    conversation.state = state(StateField::Container);
    let alone = Conversation { tools: vec![hosted()], ..Conversation::default() };
    for (conversation, name) in [(conversation, "container"), (alone, "web_search_options")] {
        let found = encode_request(&conversation, Target { model: "up", facts: None });
        assert!(matches!(found, Err(RequestError::Unsupported { field: at, .. }) if field::name(&at) == name));
    }
}

#[test]
fn sound_goes_by_the_words_of_chat_completions() {
    for (mime, format) in [("audio/wav", "wav"), ("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("audio/odd", "odd")] {
        let media = Media::Inline { mime: mime.into(), data: "QUJD".into() };
        let messages = vec![message(Role::User, vec![Part::Audio(Audio::new(media))])];
        let sent = encode(&Conversation { messages, ..Conversation::default() });
        assert_eq!(sent["messages"][0]["content"][0]["input_audio"], json!({"data": "QUJD", "format": format}));
    }
}

mod round_trip {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "two words", "größer\n\"x\"", " "]).prop_map(str::to_owned)
    }

    fn some_words() -> impl Strategy<Value = Option<String>> {
        prop::option::of(words())
    }

    /// A part of a user message.
    fn part() -> impl Strategy<Value = Part> {
        let inline = |mime: &str| Media::Inline { mime: mime.into(), data: "QUJD".into() };
        let media = prop::sample::select(vec![inline("image/png"), Media::url("https://example.org/x")]);
        let file = prop::sample::select(vec![
            inline("application/pdf"),
            Media::FileId { provider: Provider::OpenAi, id: "file-1".into() },
        ]);
        let sound = prop::sample::select(vec![inline("audio/wav"), inline("audio/mp3")]);
        prop_oneof![
            words().prop_map(Part::text),
            (media, some_words()).prop_map(|(media, detail)| Part::Image(Image { detail, ..Image::new(media) })),
            (file, some_words()).prop_map(|(media, title)| Part::Document(Document { title, ..Document::new(media) })),
            sound.prop_map(|media| Part::Audio(Audio::new(media))),
        ]
    }

    fn call(id: &str, custom: bool) -> Part {
        let (name, arguments) = if custom { ("free", "any text") } else { ("fixed", "{\"n\":1.50}") };
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Part::ToolCall(ToolCall { id, name, arguments, custom, ..ToolCall::default() })
    }

    /// Messages that stand together: one, or calls with their results.
    fn turn() -> impl Strategy<Value = Vec<Message>> {
        let role = prop::sample::select(vec![Role::System, Role::Developer]);
        let instruction = (role, words()).prop_map(|(role, text)| vec![message(role, vec![Part::text(text)])]);
        let user = (prop::collection::vec(part(), 1..4), some_words())
            .prop_map(|(parts, name)| vec![Message { name, ..message(Role::User, parts) }]);
        let refusal = words().prop_map(|text| vec![message(Role::Assistant, vec![Part::Refusal { text }])]);
        let calls = (some_words(), words(), any::<bool>()).prop_map(|(said, answer, custom)| {
            let parts = said.map(Part::text).into_iter().chain([call("a", custom), call("b", false)]).collect();
            let result = |id: &str, custom| {
                let content = vec![Part::text(answer.clone())];
                let result = ToolResult { id: id.into(), content, custom, ..ToolResult::default() };
                message(Role::Tool, vec![Part::ToolResult(result)])
            };
            vec![message(Role::Assistant, parts), result("b", false), result("a", custom)]
        });
        prop_oneof![instruction, user, refusal, calls]
    }

    fn conversation() -> impl Strategy<Value = Conversation> {
        let parameters = json!({"type": "object", "properties": {"n": {"type": "number"}}});
        let function = Function { name: "fixed".into(), parameters: Some(parameters), ..Function::default() };
        let custom = CustomTool { name: "free".into(), format: Some(json!({"type": "text"})), ..CustomTool::default() };
        let tools = (prop::option::of(any::<bool>()), some_words()).prop_map(move |(strict, description)| {
            vec![
                Tool::Function(Function { strict, ..function.clone() }),
                Tool::Custom(CustomTool { description, ..custom.clone() }),
            ]
        });
        let choice = prop::sample::select(vec![
            None,
            Some(ToolChoice::Auto),
            Some(ToolChoice::None),
            Some(ToolChoice::Required),
            Some(ToolChoice::Named("free".into())),
            Some(ToolChoice::Allowed { names: vec!["fixed".into(), "free".into()], required: true, search: true }),
        ]);
        let effort = prop::sample::select(vec![None, Some(Effort::None), Some(Effort::High), Some(Effort::Max)]);
        let rest = (some_words(), any::<bool>(), prop::option::of(1..9_u64), prop::option::of(any::<i64>()));
        (prop::collection::vec(turn(), 1..5), tools, choice, effort, rest).prop_map(
            |(turns, tools, tool_choice, effort, (end_user, stream, max_output_tokens, seed))| {
                let mut call = Conversation {
                    model: "up".into(),
                    messages: turns.concat(),
                    tools,
                    tool_choice,
                    thinking: ThinkingConfig { effort, ..ThinkingConfig::default() },
                    cache: CachePlan { automatic: None, key: end_user.clone(), retention: None },
                    state: State { store: Some(stream), ..State::default() },
                    end_user,
                    stream,
                    ..decode(json!({"model": "up", "messages": [{"role": "user", "content": "x"}]}))
                };
                (call.sampling.max_output_tokens, call.sampling.seed) = (max_output_tokens, seed);
                call
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// All that Chat Completions has words for goes out and comes back as it was.
        #[test]
        fn what_is_written_is_read_as_it_was(call in conversation()) {
            let encoded = encode_request(&call, Target { model: "up", facts: None }).unwrap();
            prop_assert!(encoded.notes.is_empty(), "{:?}", encoded.notes);
            prop_assert_eq!(decode_request(&encoded.body).unwrap(), call);
        }
    }
}

#[test]
fn a_model_that_fixes_its_sampling_while_it_thinks_gets_none_from_clients_of_other_dialects() {
    let mut facts = ModelFacts::default();
    facts.capabilities.reasoning = Some(true);
    facts.capabilities.none_reasoning_effort = Some(true);
    facts.capabilities.sampling_params_with_thinking = Some(false);
    let hi = json!([{"role": "user", "content": "hi"}]);
    let mut asked = decode(json!({"model": "m", "messages": hi, "temperature": 0.5, "top_p": 1}));
    let sent = |asked: &Conversation| {
        let encoded = encode_request(asked, Target { model: "gpt-5.4", facts: Some(&facts) }).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        (body.get("temperature").cloned(), body.get("top_p").cloned(), notes(&encoded))
    };
    let (half, one) = (Some(json!(0.5)), Some(json!(1)));
    assert_eq!(sent(&asked), (half.clone(), one.clone(), vec![]), "a client of OpenAI knows its models");
    asked.extra.of = Some(Dialect::AnthropicMessages);
    assert_eq!(sent(&asked), (None, one.clone(), vec![dropped("temperature")]));
    asked.thinking.effort = Some(Effort::None);
    assert_eq!(sent(&asked), (half, one, vec![]));
}
