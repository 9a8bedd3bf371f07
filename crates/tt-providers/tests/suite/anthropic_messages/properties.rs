//! Properties of every conversation that can be encoded for Anthropic.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{
    Audio, CacheTtl, Conversation, Document, Effort, Format, Function, Image, Media, Message, Part, Role, Signature,
    Text, Thinking, ThinkingConfig, Tool, ToolCall, ToolChoice, ToolResult,
};
use tt_core::model::{Capabilities, ModelFacts};

use crate::api::anthropic::encode_request;
use crate::api::{Encoded, RequestError, Target, origin, refused_field};

fn words() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zäß ]{0,6}", 1 => Just(String::new()), 1 => Just(" \n".to_owned())]
}

fn hint() -> impl Strategy<Value = Option<CacheTtl>> {
    prop::sample::select(vec![None, None, Some(CacheTtl::FiveMinutes), Some(CacheTtl::OneHour)])
}

fn id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "toolu_1", "call|2", ""]).prop_map(str::to_owned)
}

fn media() -> impl Strategy<Value = Media> {
    let mime = prop::sample::select(vec!["image/png", "application/pdf", "text/plain", "audio/wav", ""]);
    prop_oneof![
        (mime, "[A-Za-z0-9+/]{0,8}={0,2}").prop_map(|(mime, data)| Media::Inline { mime: mime.into(), data }),
        Just(Media::url("https://example.com/x")),
        Just(Media::FileId { provider: Provider::OpenAi, id: "file-1".into() }),
    ]
}

fn signature() -> impl Strategy<Value = Option<Signature>> {
    let provider = prop::sample::select(Provider::ALL.to_vec());
    prop::option::of(provider.prop_map(|provider| Signature { of: origin(provider), value: "sig".into() }))
}

/// Any part; `odd`: also those that seldom fit.
fn part(odd: u32) -> impl Strategy<Value = Part> {
    let text = (words(), hint(), signature())
        .prop_map(|(text, cache, signature)| Part::Text(Text { text, cache, signature, ..Text::default() }));
    let arguments = prop::sample::select(vec!["{}", "", "{\"a\": 1}", "[1]", "{"]);
    let name = prop::sample::select(vec!["get", "files.read"]);
    let call = (id(), name, arguments, any::<bool>()).prop_map(|(id, name, arguments, custom)| {
        Part::ToolCall(ToolCall { id, name: name.into(), arguments: arguments.into(), custom, ..ToolCall::default() })
    });
    let result = (id(), words(), hint(), any::<bool>()).prop_map(|(id, text, cache, is_error)| {
        Part::ToolResult(ToolResult { id, content: vec![Part::text(text)], is_error, cache, custom: false })
    });
    let image = (media(), hint()).prop_map(|(media, cache)| Part::Image(Image { cache, ..Image::new(media) }));
    let file = (media(), hint()).prop_map(|(media, cache)| Part::Document(Document { cache, ..Document::new(media) }));
    let thinking = (words(), signature())
        .prop_map(|(text, signature)| Part::Thinking(Thinking { text, signature, ..Thinking::default() }));
    let audio = Just(Part::Audio(Audio::new(Media::Inline { mime: "audio/wav".into(), data: "AAAA".into() })));
    prop_oneof![8 => text, 2 => thinking, odd => call, odd => result, odd => image, odd => file, odd => audio]
}

fn message(odd: u32) -> impl Strategy<Value = Message> {
    let role = prop::sample::select(vec![Role::System, Role::User, Role::User, Role::Assistant, Role::Assistant]);
    (role, prop::collection::vec(part(odd), 0..4)).prop_map(move |(role, mut parts)| {
        if odd == 0 {
            match role {
                Role::System => parts.retain(|part| matches!(part, Part::Text(_))),
                Role::User => parts.push(Part::text("more")),
                _ => {}
            }
        }
        Message { role, name: None, parts, extra: Map::new() }
    })
}

/// One step of a tool loop: calls and all their results, results in any order.
fn step() -> impl Strategy<Value = Vec<Message>> {
    (prop::collection::btree_set("[a-z|]{1,6}", 1..4), any::<bool>(), signature()).prop_map(
        |(ids, reverse, signature)| {
            let call = |id: &String| {
                Part::ToolCall(ToolCall {
                    id: id.clone(),
                    name: "files.read".into(),
                    arguments: "{}".into(),
                    ..ToolCall::default()
                })
            };
            let mut parts: Vec<_> = ids.iter().map(call).collect();
            parts.push(Part::Thinking(Thinking { text: "hm".into(), signature, ..Thinking::default() }));
            let mut messages: Vec<_> = ids
                .iter()
                .map(|id| Message {
                    role: Role::Tool,
                    name: None,
                    parts: vec![Part::ToolResult(ToolResult {
                        id: id.clone(),
                        content: vec![Part::text("done")],
                        ..ToolResult::default()
                    })],
                    extra: Map::new(),
                })
                .collect();
            if reverse {
                messages.reverse();
            }
            messages.insert(0, Message { role: Role::Assistant, name: None, parts, extra: Map::new() });
            messages
        },
    )
}

fn conversation(odd: u32) -> impl Strategy<Value = Conversation> {
    let turns = prop_oneof![4 => message(odd).prop_map(|message| vec![message]), 2 => step()];
    let tool = |name: &str| {
        Tool::Function(Function {
            name: name.into(),
            parameters: Some(json!({"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}})),
            strict: Some(true),
            cache: Some(CacheTtl::FiveMinutes),
            ..Function::default()
        })
    };
    let tools = prop::sample::select(vec![vec![], vec![tool("get")], vec![tool("get"), tool("files.read")]]);
    let choice = prop::sample::select(vec![
        None,
        Some(ToolChoice::Auto),
        Some(ToolChoice::Required),
        Some(ToolChoice::Named("files.read".into())),
        Some(ToolChoice::Allowed { names: vec!["get".into()], required: true, search: true }),
    ]);
    let format = prop::sample::select(vec![
        Format::Text,
        Format::Text,
        Format::JsonObject,
        Format::JsonSchema {
            name: "answer".into(),
            description: None,
            schema: Some(json!({"type": "object", "properties": {}})),
            strict: None,
        },
    ]);
    let effort = prop::sample::select(vec![None, Some(Effort::None), Some(Effort::Low), Some(Effort::Max)]);
    (prop::collection::vec(turns, 0..8), tools, choice, format, effort, prop::option::of(0..3000_u64)).prop_map(
        |(turns, tools, tool_choice, format, effort, max_output_tokens)| {
            let mut conversation = Conversation {
                messages: turns.concat(),
                tools,
                tool_choice,
                format,
                thinking: ThinkingConfig { effort, ..ThinkingConfig::default() },
                ..Conversation::default()
            };
            conversation.sampling.max_output_tokens = max_output_tokens;
            conversation
        },
    )
}

fn facts() -> impl Strategy<Value = Option<ModelFacts>> {
    let flag = || prop::option::of(any::<bool>());
    let flags = (flag(), flag(), flag(), flag(), flag(), flag(), flag());
    prop::option::of(flags.prop_map(|(sampling, prefill, native, adaptive, mid, reasoning, forced)| ModelFacts {
        context_window: None,
        max_output: Some(8192),
        capabilities: Capabilities {
            sampling_params: sampling,
            assistant_prefill: prefill,
            native_structured_output: native,
            adaptive_thinking: adaptive,
            mid_conversation_system: mid,
            reasoning,
            forced_tool_use: forced,
            ..Capabilities::default()
        },
    }))
}

fn encode(conversation: &Conversation, facts: Option<&ModelFacts>) -> Result<(Encoded, Value), RequestError> {
    let encoded = encode_request(conversation, Target { model: "claude-test", facts })?;
    let body = serde_json::from_slice(&encoded.body).unwrap();
    Ok((encoded, body))
}

fn blocks(turn: &Value) -> Vec<Value> {
    match &turn["content"] {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        content => content.as_array().unwrap().clone(),
    }
}

fn ids(turn: &Value, kind: &str, field: &str) -> Vec<String> {
    let mut ids: Vec<_> = blocks(turn)
        .iter()
        .filter(|block| block["type"] == kind)
        .map(|block| block[field].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Panics where Anthropic would answer 400.
fn keeps_the_rules(body: &Value, facts: Option<&ModelFacts>) {
    let turns = body["messages"].as_array().unwrap();
    assert!(!turns.is_empty());
    let roles: Vec<_> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    for (at, turn) in turns.iter().enumerate() {
        let blocks = blocks(turn);
        assert!(!blocks.is_empty());
        for block in blocks.iter().filter(|block| block["type"] == "text") {
            assert!(!block["text"].as_str().unwrap().trim().is_empty());
        }
        let next = roles.get(at + 1);
        assert_ne!(Some(&roles[at]), next, "neighbours are merged");
        if roles[at] == "system" {
            assert_eq!(roles[at - 1], "user");
            assert!(matches!(next, None | Some(&"assistant")));
        }
        let calls = ids(turn, "tool_use", "id");
        let answers = turns.get(at + 1).map_or_else(Vec::new, |turn| ids(turn, "tool_result", "tool_use_id"));
        assert_eq!(calls, answers, "every call of a turn is answered in the next");
        let first_other = blocks.iter().position(|block| block["type"] != "tool_result").unwrap_or(blocks.len());
        assert!(blocks.iter().skip(first_other).all(|block| block["type"] != "tool_result"), "results stand first");
    }
    let calls: Vec<_> = turns.iter().flat_map(|turn| ids(turn, "tool_use", "id")).collect();
    let told_apart: std::collections::BTreeSet<_> = calls.iter().collect();
    assert_eq!(told_apart.len(), calls.len(), "no id is repeated");
    if facts.and_then(|facts| facts.capabilities.forced_tool_use) == Some(false) {
        assert!(!matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool")));
    }
    assert!(ids(&turns[0], "tool_result", "tool_use_id").is_empty());
    if let Some(last) = turns.last().filter(|turn| turn["role"] == "assistant") {
        assert_ne!(facts.and_then(|facts| facts.capabilities.assistant_prefill), Some(false));
        let text = blocks(last).pop().and_then(|block| block["text"].as_str().map(str::to_owned)).unwrap_or_default();
        assert_eq!(text.trim_end(), text);
    }
    if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
        assert!(budget >= 1024 && budget < body["max_tokens"].as_u64().unwrap());
        assert!(!matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool")));
    }
    assert!(body.to_string().matches("\"cache_control\"").count() <= 4);
    assert!(body.get("tool_choice").is_none() || !body["tools"].as_array().unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_conversation_is_refused_by_name_or_keeps_the_rules(
        conversation in prop_oneof![conversation(0), conversation(1)],
        facts in facts(),
    ) {
        match encode(&conversation, facts.as_ref()) {
            Ok((_, body)) => keeps_the_rules(&body, facts.as_ref()),
            refused => prop_assert!(!refused_field(refused).is_empty()),
        }
    }

    #[test]
    fn the_same_conversation_gives_the_same_bytes(conversation in conversation(0), facts in facts()) {
        let (first, again) = (encode(&conversation, facts.as_ref()), encode(&conversation.clone(), facts.as_ref()));
        match (first, again) {
            (Ok((first, _)), Ok((again, _))) => prop_assert_eq!(first, again),
            (Err(first), Err(again)) => prop_assert_eq!(first.to_string(), again.to_string()),
            _ => prop_assert!(false, "encoded once and refused once"),
        }
    }

    /// A request is the beginning of the request of the next turn; otherwise the cached prefix is lost.
    #[test]
    fn a_longer_conversation_begins_with_the_shorter(
        conversation in conversation(0),
        more in prop::collection::vec(step(), 1..3),
    ) {
        let mut conversation = conversation;
        // Marks move by intent, a last assistant message loses its blanks, and steps need their own ids.
        conversation.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text("go")], extra: Map::new() });
        let mut longer = conversation.clone();
        longer.messages.extend(more.concat());
        if let (Ok((_, short)), Ok((_, long))) = (encode(&conversation, None), encode(&longer, None)) {
            let bare = |body: &Value| {
                let turns = body["messages"].as_array().unwrap();
                turns.iter().map(|turn| (turn["role"].clone(), blocks(turn))).map(|(role, mut blocks)| {
                    for block in &mut blocks {
                        block.as_object_mut().unwrap().shift_remove("cache_control");
                    }
                    (role, blocks)
                }).collect::<Vec<_>>()
            };
            prop_assert_eq!(&short["system"], &long["system"]);
            let (short, long) = (bare(&short), bare(&long));
            prop_assert_eq!(&short[..], &long[..short.len()]);
        }
    }
}
