//! Conversations that no Chat Completions client can send. They are built by hand, as clients of other dialects will
//! send them.

use serde_json::value::to_raw_value;
use tt_core::Dialect;
use tt_core::call::conversation::{HostedTool, Opaque, Origin, State, StateField, ThinkingDisplay, ThinkingMode};

use super::*;
use crate::api::changed;

fn history(parts: Vec<Part>) -> Conversation {
    talk(vec![user("x"), says(Role::Assistant, parts), user("y")])
}

fn opaque(provider: Provider, raw: &Value, pending: bool) -> Part {
    let raw = to_raw_value(raw).unwrap().get().to_owned();
    Part::Opaque(Opaque { of: origin(provider), kind: "server_tool_use".into(), raw, text: None, pending })
}

#[test]
fn documents_say_what_is_known_of_them() {
    let document = Document {
        title: Some("Notes".into()),
        context: Some("from 2020".into()),
        citations: true,
        cache: Some(CacheTtl::TwelveHours),
        ..Document::new(Media::Text("some text".into()))
    };
    let sent = body(&talk(vec![says(Role::User, vec![Part::Document(document)])]), &plain());
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "some text"},
            "title": "Notes", "context": "from 2020", "citations": {"enabled": true},
            "cache_control": {"type": "ephemeral", "ttl": "1h"}}])
    );
}

#[test]
fn blocks_of_its_own_tools_go_back_as_they_came_and_others_stay_behind() {
    let block = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}});
    let conversation = history(vec![
        Part::text("a"),
        opaque(Provider::Anthropic, &block, false),
        opaque(Provider::Gemini, &json!({"executableCode": {}}), false),
        Part::text("b"),
    ]);
    let encoded = encode(&conversation, &plain());
    assert_eq!(dropped(&encoded), ["messages[1].content[2]"]);
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(body(&conversation, &plain())["messages"][1]["content"], json!([text("a"), block.clone(), text("b")]));
    // Only its maker can continue a pending block.
    let pending = history(vec![opaque(Provider::OpenAi, &json!({}), true)]);
    assert_eq!(refused(&pending, &plain()), "messages[1].content[0]");
    let own = history(vec![opaque(Provider::Anthropic, &block, true)]);
    assert_eq!(body(&own, &plain())["messages"][1]["content"], json!([block]));
}

#[test]
fn a_signature_goes_back_to_the_model_that_made_it() {
    let signed = |model: &str| {
        let of = Origin::with_model(Dialect::AnthropicMessages, Provider::Anthropic, model);
        let signature = Some(Signature { of, value: "sig".into() });
        Part::Thinking(Thinking { text: "hm".into(), signature, ..Thinking::default() })
    };
    let own = history(vec![signed("claude-test-20260101"), Part::text("a")]);
    assert!(encode(&own, &plain()).notes.is_empty());
    assert_eq!(body(&own, &plain())["messages"][1]["content"][0]["signature"], "sig");
    let others = history(vec![signed("claude-other"), Part::text("a")]);
    assert_eq!(dropped(&encode(&others, &plain())), ["thinking"]);
    assert_eq!(body(&others, &plain())["messages"][1]["content"], "a");
}

#[test]
fn signatures_of_others_stay_behind_and_a_call_keeps_its_mark() {
    let signature = || Some(Signature { of: origin(Provider::Gemini), value: "g".into() });
    let call = ToolCall {
        id: "c".into(),
        name: "get".into(),
        signature: signature(),
        cache: Some(CacheTtl::OneHour),
        ..ToolCall::default()
    };
    let said = Part::Text(Text { text: "a".into(), signature: signature(), ..Text::default() });
    let mut conversation = talk(vec![user("x"), says(Role::Assistant, vec![said, Part::ToolCall(call)])]);
    conversation.messages.push(result("c", "1"));
    assert_eq!(dropped(&encode(&conversation, &plain())), ["extra_content"]);
    assert_eq!(
        body(&conversation, &plain())["messages"][1]["content"][1]["cache_control"],
        json!({"type": "ephemeral", "ttl": "1h"})
    );
}

#[test]
fn tools_keep_what_only_anthropic_knows() {
    let hosted = |of, raw: &Value| Tool::Hosted(HostedTool { of, kind: "web_search".into(), raw: raw.clone() });
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3});
    let function = Function {
        name: "get".into(),
        defer_loading: true,
        allowed_callers: vec!["code_execution_20250825".into()],
        input_examples: vec![json!({"x": 1})],
        ..Function::default()
    };
    let mut conversation = talk(vec![user("x")]);
    conversation.tools = vec![
        hosted(Dialect::AnthropicMessages, &search),
        hosted(Dialect::Gemini, &json!({"googleMaps": {}})),
        Tool::Function(function),
    ];
    let raw = json!({"type": "tool", "name": "web_search"});
    conversation.tool_choice = Some(ToolChoice::Hosted { of: Dialect::AnthropicMessages, raw: raw.clone() });
    let encoded = encode(&conversation, &plain());
    assert_eq!(dropped(&encoded), ["web_search_options"]);
    let sent = body(&conversation, &plain());
    assert_eq!(
        sent["tools"],
        json!([search, {"name": "get", "input_schema": {"type": "object", "properties": {}}, "defer_loading": true,
            "allowed_callers": ["code_execution_20250825"], "input_examples": [{"x": 1}]}])
    );
    assert_eq!(sent["tool_choice"], raw);
    conversation.tool_choice = Some(ToolChoice::Hosted { of: Dialect::Gemini, raw });
    assert_eq!(refused(&conversation, &plain()), "tool_choice");
}

#[test]
fn its_own_state_is_sent_and_anothers_refused() {
    let mut conversation = talk(vec![user("x")]);
    conversation.cache.automatic = Some(CacheTtl::FiveMinutes);
    let fields = vec![(StateField::Container, json!("c_1")), (StateField::Betas, json!(["b"]))];
    conversation.state = State { of: Some(Dialect::AnthropicMessages), store: None, fields: fields.clone() };
    let sent = body(&conversation, &plain());
    assert_eq!((&sent["container"], sent.get("betas")), (&json!("c_1"), None));
    assert_eq!(sent["cache_control"], json!({"type": "ephemeral", "ttl": "5m"}));
    conversation.state.of = Some(Dialect::Gemini);
    assert_eq!(refused(&conversation, &plain()), "container");
}

#[test]
fn thinking_is_asked_for_in_its_own_words_where_the_model_has_them() {
    let asked = |thinking: ThinkingConfig, facts: &ModelFacts| {
        let mut conversation = Conversation { thinking, ..talk(vec![user("x")]) };
        conversation.sampling.max_output_tokens = Some(20_000);
        let encoded = encode(&conversation, facts);
        let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
        (sent["thinking"].clone(), sent["output_config"]["effort"].clone(), changed(&encoded))
    };
    let budget = |tokens| ThinkingConfig { budget: Some(tokens), ..ThinkingConfig::default() };
    let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(asked(budget(5000), &sonnet_4_5()), (enabled(5000), Value::Null, vec![]));
    assert_eq!(asked(budget(5), &sonnet_4_5()), (enabled(1024), Value::Null, vec!["reasoning_effort".to_owned()]));
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    let near = (adaptive.clone(), json!("medium"), vec!["reasoning_effort".to_owned()]);
    assert_eq!(asked(budget(5000), &opus_4_8()), near);
    let mode = ThinkingConfig { mode: Some(ThinkingMode::Adaptive), ..ThinkingConfig::default() };
    assert_eq!(asked(mode.clone(), &opus_4_8()), (adaptive, Value::Null, vec![]));
    let hidden = ThinkingConfig { display: Some(ThinkingDisplay::None), ..mode };
    assert_eq!(asked(hidden, &opus_4_8()).0, json!({"type": "adaptive", "display": "omitted"}));
    let off = ThinkingConfig { mode: Some(ThinkingMode::Disabled), ..ThinkingConfig::default() };
    assert_eq!(asked(off, &opus_4_8()).0, json!({"type": "disabled"}));
}
