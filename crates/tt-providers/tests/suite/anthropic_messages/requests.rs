//! Conversations as Anthropic requests: one test for each row of the mapping.

use serde_json::{Number, Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{
    Audio, CacheTtl, Conversation, CustomTool, Document, Effort, Format, Function, Image, Media, Message, Part, Role,
    Signature, Text, Thinking, ThinkingConfig, Tool, ToolCall, ToolChoice, ToolResult, Video,
};
use tt_core::model::{Capabilities, ModelFacts};
use tt_core::record::Change::{self, Changed, Dropped};

use crate::api::anthropic::encode_request;
use crate::api::{Encoded, Target, add_field, changed, dropped, origin, refused_field};

mod history;
mod messages;
mod neutral;
mod reasoning;
mod structured_output;
mod tools;

/// A model without thinking budgets' or effort's flags, as the price table states Haiku 3.5.
fn plain() -> ModelFacts {
    ModelFacts { max_output: Some(8192), ..ModelFacts::default() }
}

/// As the price table states Sonnet 4.5.
fn sonnet_4_5() -> ModelFacts {
    let capabilities = Capabilities {
        assistant_prefill: Some(true),
        native_structured_output: Some(true),
        reasoning: Some(true),
        ..Capabilities::default()
    };
    ModelFacts { context_window: Some(200_000), max_output: Some(64_000), capabilities }
}

/// As the price table states Opus 4.8.
fn opus_4_8() -> ModelFacts {
    let capabilities = Capabilities {
        sampling_params: Some(false),
        assistant_prefill: Some(false),
        native_structured_output: Some(true),
        adaptive_thinking: Some(true),
        mid_conversation_system: Some(true),
        xhigh_reasoning_effort: Some(true),
        reasoning: Some(true),
        ..Capabilities::default()
    };
    ModelFacts { context_window: Some(1_000_000), max_output: Some(128_000), capabilities }
}

fn encode(conversation: &Conversation, facts: &ModelFacts) -> Encoded {
    let target = Target { model: "claude-test", facts: Some(facts) };
    encode_request(conversation, target).unwrap_or_else(|error| panic!("{error}"))
}

fn body(conversation: &Conversation, facts: &ModelFacts) -> Value {
    serde_json::from_slice(&encode(conversation, facts).body).unwrap()
}

/// The parameter a refusal names: `Unsupported` or `Malformed`.
fn refused(conversation: &Conversation, facts: &ModelFacts) -> String {
    refused_field(encode_request(conversation, Target { model: "claude-test", facts: Some(facts) }))
}

fn says(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts, extra: serde_json::Map::new() }
}

fn text(role: Role, text: &str) -> Message {
    says(role, vec![Part::text(text)])
}

fn user(words: &str) -> Message {
    text(Role::User, words)
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), ..ToolCall::default() })
}

fn result(id: &str, words: &str) -> Message {
    let content = vec![Part::text(words)];
    says(Role::Tool, vec![Part::ToolResult(ToolResult { id: id.into(), content, ..ToolResult::default() })])
}

fn thought(provider: Provider, words: &str) -> Part {
    let signature = Some(Signature { of: origin(provider), value: "sig".into() });
    Part::Thinking(Thinking { text: words.into(), signature, ..Thinking::default() })
}

fn talk(messages: Vec<Message>) -> Conversation {
    Conversation { model: "alias".into(), messages, ..Conversation::default() }
}

fn tool(name: &str) -> Tool {
    let parameters =
        Some(json!({"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "number"}}}));
    Tool::Function(Function { name: name.into(), parameters, ..Function::default() })
}

/// The function at that place among the tools.
fn function_at(conversation: &mut Conversation, at: usize) -> &mut Function {
    let Tool::Function(function) = &mut conversation.tools[at] else { panic!("no function") };
    function
}

fn with_tools(names: &[&str]) -> Conversation {
    Conversation { tools: names.iter().map(|name| tool(name)).collect(), ..talk(vec![user("hi")]) }
}

fn number(value: f64) -> Option<Number> {
    Number::from_f64(value)
}

#[test]
fn the_order_of_keys_is_fixed_and_schemas_keep_theirs() {
    let mut conversation = with_tools(&["get"]);
    conversation.messages.insert(0, text(Role::System, "Be brief."));
    conversation.sampling.stop = vec!["END".into()];
    conversation.sampling.temperature = number(0.5);
    conversation.service_tier = Some("default".into());
    conversation.stream = true;
    let expected = concat!(
        r#"{"model":"claude-test","max_tokens":8192,"system":"Be brief.","messages":[{"role":"user","content":"hi"}],"#,
        r#""tools":[{"name":"get","input_schema":{"type":"object","properties":{"zeta":{"type":"string"},"#,
        r#""alpha":{"type":"number"}}}}],"temperature":0.5,"stop_sequences":["END"],"#,
        r#""service_tier":"standard_only","stream":true}"#,
    );
    assert_eq!(String::from_utf8(encode(&conversation, &plain()).body).unwrap(), expected);
}

#[test]
fn max_tokens_is_the_clients_else_the_models_else_32000() {
    let mut conversation = talk(vec![user("hi")]);
    assert_eq!(body(&conversation, &plain())["max_tokens"], 8192);
    let unknown = encode_request(&conversation, Target { model: "claude-unknown", facts: None }).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&unknown.body).unwrap()["max_tokens"], 32_000);
    conversation.sampling.max_output_tokens = Some(17);
    assert_eq!(body(&conversation, &plain())["max_tokens"], 17);
}

#[test]
fn temperature_is_clamped_and_wins_over_top_p() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.sampling.temperature = number(1.7);
    conversation.sampling.top_p = number(0.9);
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!((&sent["temperature"], sent.get("top_p")), (&json!(1), None));
    assert_eq!(dropped(&encoded), ["top_p"]);
    conversation.sampling.temperature = None;
    assert_eq!(body(&conversation, &plain())["top_p"], 0.9);
}

#[test]
fn sampling_is_dropped_where_the_model_refuses_it_or_thinks() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.sampling.temperature = number(0.2);
    conversation.sampling.top_k = Some(4);
    let encoded = encode(&conversation, &opus_4_8());
    assert_eq!(dropped(&encoded), ["temperature", "top_k"]);
    conversation.thinking.effort = Some(Effort::Low);
    let sent = body(&conversation, &sonnet_4_5());
    assert_eq!((sent.get("temperature"), sent.get("top_k")), (None, None));
    assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
}

#[test]
fn what_changes_the_answers_meaning_is_refused_by_name() {
    let with = |change: fn(&mut Conversation)| {
        let mut conversation = talk(vec![user("hi")]);
        change(&mut conversation);
        refused(&conversation, &plain())
    };
    assert_eq!(with(|c| c.sampling.n = Some(2)), "n");
    assert_eq!(with(|c| c.sampling.logprobs = Some(true)), "logprobs");
    assert_eq!(with(|c| c.sampling.top_logprobs = Some(3)), "top_logprobs");
    assert_eq!(with(|c| c.sampling.logit_bias = Some(json!({"50256": -100}))), "logit_bias");
    assert_eq!(with(|c| add_field(c, "modalities", json!(["text", "audio"]))), "modalities");
}

#[test]
fn what_says_the_default_is_not_refused() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.sampling.n = Some(1);
    conversation.sampling.logprobs = Some(false);
    conversation.sampling.logit_bias = Some(json!({}));
    assert!(encode(&conversation, &plain()).notes.is_empty());
}

#[test]
fn what_has_no_equal_is_dropped_and_named() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.messages[0].name = Some("Ann".into());
    conversation.sampling.seed = Some(7);
    conversation.sampling.presence_penalty = number(0.1);
    conversation.sampling.stop = vec![" \n".into(), "END".into()];
    conversation.service_tier = Some("flex".into());
    for name in ["store", "verbosity", "logit_boost"] {
        add_field(&mut conversation, name, json!(true));
    }
    let encoded = encode(&conversation, &plain());
    let expected =
        ["store", "verbosity", "unknown fields", "messages[].name", "presence_penalty", "seed", "stop", "service_tier"];
    assert_eq!(dropped(&encoded), expected);
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let keys: Vec<_> = sent.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["model", "max_tokens", "messages", "stop_sequences"]);
    assert_eq!(sent["stop_sequences"], json!(["END"]));
}

#[test]
fn service_tiers_map() {
    for (theirs, ours) in [("auto", json!("auto")), ("priority", json!("auto")), ("default", json!("standard_only"))] {
        let conversation = Conversation { service_tier: Some(theirs.into()), ..talk(vec![user("hi")]) };
        assert_eq!(body(&conversation, &plain())["service_tier"], ours);
    }
}

#[test]
fn the_end_user_is_opaque_and_the_same_every_time() {
    let conversation = Conversation { end_user: Some("ann@example.org".into()), ..talk(vec![user("hi")]) };
    let id = body(&conversation, &plain())["metadata"]["user_id"].clone();
    // Fixed: another value would make every end user a stranger to Anthropic.
    assert_eq!(id, "33e86598-464d-5ab4-b5be-bdd1735a23a2");
    let other = Conversation { end_user: Some("bob@example.org".into()), ..talk(vec![user("hi")]) };
    assert_ne!(id, body(&other, &plain())["metadata"]["user_id"]);
}

#[test]
fn only_what_is_addressed_to_anthropic_is_forwarded_and_never_past_an_openai_field() {
    let mut conversation = talk(vec![user("hi")]);
    let given = json!({"thinking": {"type": "adaptive", "display": "summarized"}, "inference_geo": "us"});
    add_field(&mut conversation, "extra_body", json!({"anthropic": given, "google": {"x": 1}}));
    conversation.sampling.temperature = number(0.3);
    let sent = body(&conversation, &plain());
    assert_eq!(sent["inference_geo"], "us");
    assert_eq!(sent["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!((sent.get("x"), sent.get("temperature")), (None, None));
    add_field(&mut conversation, "extra_body", json!({"anthropic": {"max_tokens": 1_000_000}}));
    assert_eq!(refused(&conversation, &plain()), "extra_body.anthropic.max_tokens");
}
