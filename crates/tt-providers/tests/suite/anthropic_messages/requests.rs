//! Conversations as Anthropic requests: one test for each row of the mapping.

use crate::api::anthropic::encode_request;
use crate::api::{Encoded, ProviderError, Target};
use serde_json::{Number, Value, json};
use tt_core::Provider;
use tt_core::conversation::{
    CacheHint, Conversation, CustomTool, Effort, Format, Media, Message, Part, Role, Signature, Tool, ToolCall,
    ToolChoice,
};
use tt_core::model::{Capabilities, ModelFacts};

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
    match encode_request(conversation, Target { model: "claude-test", facts: Some(facts) }) {
        Err(ProviderError::Unsupported { param, .. } | ProviderError::Malformed { param, .. }) => param,
        other => panic!("{other:?} is no refusal"),
    }
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
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        custom: false,
        signature: None,
    })
}

fn result(id: &str, words: &str) -> Message {
    let content = vec![Part::text(words)];
    says(Role::Tool, vec![Part::ToolResult { id: id.into(), content, is_error: false, cache: None }])
}

fn thought(provider: Provider, words: &str) -> Part {
    Part::Thinking { text: words.into(), signature: Some(Signature { provider, value: "sig".into() }) }
}

fn talk(messages: Vec<Message>) -> Conversation {
    Conversation { model: "alias".into(), messages, ..Conversation::default() }
}

fn tool(name: &str) -> Tool {
    let parameters =
        Some(json!({"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "number"}}}));
    Tool { name: name.into(), description: None, parameters, strict: None, custom: None, cache: None }
}

fn with_tools(names: &[&str]) -> Conversation {
    Conversation { tools: names.iter().map(|name| tool(name)).collect(), ..talk(vec![user("hi")]) }
}

fn number(value: f64) -> Option<Number> {
    Number::from_f64(value)
}

// Top level

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
fn max_tokens_is_the_clients_else_the_models_else_4096() {
    let mut conversation = talk(vec![user("hi")]);
    assert_eq!(body(&conversation, &plain())["max_tokens"], 8192);
    let unknown = encode_request(&conversation, Target { model: "claude-unknown", facts: None }).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&unknown.body).unwrap()["max_tokens"], 4096);
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
    assert_eq!(encoded.dropped, ["top_p"]);
    conversation.sampling.temperature = None;
    assert_eq!(body(&conversation, &plain())["top_p"], 0.9);
}

#[test]
fn sampling_is_dropped_where_the_model_refuses_it_or_thinks() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.sampling.temperature = number(0.2);
    conversation.sampling.top_k = Some(4);
    let encoded = encode(&conversation, &opus_4_8());
    assert_eq!(encoded.dropped, ["temperature", "top_k"]);
    conversation.effort = Some(Effort::Low);
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
    assert_eq!(with(|c| drop(c.extra.insert("modalities".into(), json!(["text", "audio"])))), "modalities");
}

#[test]
fn what_says_the_default_is_not_refused() {
    let mut conversation = talk(vec![user("hi")]);
    conversation.sampling.n = Some(1);
    conversation.sampling.logprobs = Some(false);
    conversation.sampling.logit_bias = Some(json!({}));
    assert!(encode(&conversation, &plain()).dropped.is_empty());
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
        conversation.extra.insert(name.into(), json!(true));
    }
    let encoded = encode(&conversation, &plain());
    let expected = ["store", "verbosity", "unknown fields", "name", "presence_penalty", "seed", "stop", "service_tier"];
    assert_eq!(encoded.dropped, expected);
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
    conversation.extra.insert("extra_body".into(), json!({"anthropic": given, "google": {"x": 1}}));
    conversation.sampling.temperature = number(0.3);
    let sent = body(&conversation, &plain());
    assert_eq!(sent["inference_geo"], "us");
    assert_eq!(sent["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!((sent.get("x"), sent.get("temperature")), (None, None));
    conversation.extra.insert("extra_body".into(), json!({"anthropic": {"max_tokens": 1_000_000}}));
    assert_eq!(refused(&conversation, &plain()), "extra_body.anthropic.max_tokens");
}

// Messages

#[test]
fn system_messages_at_the_start_are_one_string_or_blocks() {
    let one = talk(vec![text(Role::Developer, "A"), user("hi")]);
    assert_eq!(body(&one, &plain())["system"], "A");
    let two = talk(vec![text(Role::System, "A"), text(Role::Developer, "B"), user("hi")]);
    assert_eq!(body(&two, &plain())["system"], json!([{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]));
}

#[test]
fn a_later_system_message_stays_where_the_model_takes_it_and_is_hoisted_where_not() {
    let conversation = talk(vec![
        text(Role::System, "A"),
        user("1"),
        text(Role::Assistant, "2"),
        text(Role::System, "B"),
        user("3"),
        text(Role::System, "C"),
    ]);
    let kept = body(&conversation, &opus_4_8());
    assert_eq!(kept["system"], "A");
    // B stands after an assistant turn, where Anthropic refuses it: it waits for the user's.
    let roles: Vec<_> =
        kept["messages"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "system"]);
    assert_eq!(kept["messages"][3]["content"], json!([{"type": "text", "text": "B"}, {"type": "text", "text": "C"}]));

    let hoisted = body(&conversation, &plain());
    let texts: Vec<_> =
        hoisted["system"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["A", "B", "C"]);
    assert_eq!(hoisted["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn neighbours_of_one_role_are_merged_and_empty_text_is_left_out() {
    let conversation = talk(vec![
        says(Role::User, vec![Part::text("a"), Part::text("")]),
        text(Role::Assistant, " "),
        user("b"),
        text(Role::Assistant, "c"),
        user("d"),
    ]);
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]);
    assert_eq!(body(&conversation, &plain())["messages"], expected);
}

#[test]
fn a_user_message_left_empty_is_refused() {
    assert_eq!(refused(&talk(vec![user("a"), user("  ")]), &plain()), "messages[1].content");
    assert_eq!(refused(&talk(vec![text(Role::System, "a")]), &plain()), "messages");
    assert_eq!(refused(&talk(Vec::new()), &plain()), "messages");
}

#[test]
fn a_last_assistant_message_is_a_prefill_where_the_model_takes_it() {
    let conversation = talk(vec![user("a"), text(Role::Assistant, "The answer is \n")]);
    let turns = body(&conversation, &sonnet_4_5())["messages"].clone();
    assert_eq!(turns[1], json!({"role": "assistant", "content": "The answer is"}));
    assert_eq!(refused(&conversation, &opus_4_8()), "messages[1]");
    // Thinking budgets are refused with it.
    let thinks = Conversation { effort: Some(Effort::High), ..conversation };
    let encoded = encode(&thinks, &sonnet_4_5());
    assert_eq!(encoded.dropped, ["reasoning_effort"]);
}

#[test]
fn images_and_files_become_blocks() {
    let inline = |mime: &str, data: &str| Media::Inline { mime: mime.into(), data: data.into() };
    let image = |media| Part::Image { media, detail: Some("high".into()), cache: None };
    let file = |media, name: &str| Part::File { media, filename: Some(name.into()), cache: None };
    let conversation = talk(vec![says(
        Role::User,
        vec![
            image(inline("image/jpg", "AAAA")),
            image(Media::Url { url: "https://example.com/a.png".into() }),
            file(inline("application/pdf", "JVBERi0xLg=="), "a.pdf"),
            file(inline("", "JVBERi0xLg=="), "b.pdf"),
            file(inline("text/plain; charset=utf-8", "aMOpbGxv"), "c.txt"),
        ],
    )]);
    let encoded = encode(&conversation, &plain());
    let expected = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLg=="},
         "title": "a.pdf"},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLg=="},
         "title": "b.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "héllo"},
         "title": "c.txt"},
    ]);
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["messages"][0]["content"], expected);
    assert_eq!(encoded.dropped, ["detail"]);
}

#[test]
fn media_anthropic_does_not_take_are_refused_by_their_place() {
    let inline = |mime: &str| Media::Inline { mime: mime.into(), data: "AAAA".into() };
    for part in [
        Part::Audio { data: "AAAA".into(), format: "wav".into() },
        Part::Image { media: inline("image/bmp"), detail: None, cache: None },
        Part::Image { media: Media::FileId { id: "file-1".into() }, detail: None, cache: None },
        Part::File { media: Media::FileId { id: "file-1".into() }, filename: None, cache: None },
        Part::File { media: inline("application/zip"), filename: None, cache: None },
        Part::File {
            media: Media::Inline { mime: "text/plain".into(), data: "/////w==".into() },
            filename: None,
            cache: None,
        },
    ] {
        let conversation = talk(vec![user("look"), says(Role::User, vec![Part::text("here"), part])]);
        assert_eq!(refused(&conversation, &plain()), "messages[1].content[1]");
    }
}

#[test]
fn cache_hints_stay_on_their_blocks_and_the_last_four_count() {
    let hinted = |words: &str| Part::Text { text: words.into(), cache: Some(CacheHint::OneHour), signature: None };
    let mut conversation = with_tools(&["get"]);
    conversation.tools[0].cache = Some(CacheHint::FiveMinutes);
    conversation.messages =
        vec![says(Role::System, vec![hinted("s")]), says(Role::User, vec![hinted("a"), Part::text("b")])];
    conversation.messages[1].extra.insert("cache_control".into(), json!({"type": "ephemeral"}));
    let sent = body(&conversation, &plain());
    assert_eq!(sent["tools"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "5m"}));
    assert_eq!(sent["system"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    let content = &sent["messages"][0]["content"];
    assert_eq!(content[0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(content[1]["cache_control"], json!({"type": "ephemeral", "ttl": "5m"}), "the message's own");

    conversation.messages.push(says(Role::User, vec![hinted("c")]));
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["tools"][0].get("cache_control"), None, "a fifth mark is a 400: the first goes");
    assert_eq!(sent.to_string().matches("cache_control").count(), 4);
    assert_eq!(encoded.dropped, ["cache_control"]);
}

// Tool calls in the history

#[test]
fn results_of_a_turn_stand_in_one_user_message_before_its_text() {
    let conversation = talk(vec![
        user("weather?"),
        says(
            Role::Assistant,
            vec![
                call("a", "get", r#"{"city": "Ulm", "big": 12345678901234567890123}"#),
                call("b", "now", ""),
                Part::text("Looking."),
            ],
        ),
        result("b", "noon"),
        user("quick"),
        result("a", ""),
    ]);
    let encoded = encode(&conversation, &plain());
    let sent = String::from_utf8(encoded.body).unwrap();
    assert!(sent.contains(r#""input":{"city": "Ulm", "big": 12345678901234567890123}"#), "byte for byte: {sent}");
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let assistant = &sent["messages"][1]["content"];
    let kinds: Vec<_> = assistant.as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
    assert_eq!(assistant[2], json!({"type": "tool_use", "id": "b", "name": "now", "input": {}}));
    let expected = json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "b", "content": "noon"},
        {"type": "tool_result", "tool_use_id": "a"},
        {"type": "text", "text": "quick"},
    ]});
    assert_eq!(sent["messages"][2], expected);
    assert_eq!(sent["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn results_may_hold_images_and_failures() {
    let media = Media::Inline { mime: "image/png".into(), data: "AAAA".into() };
    let content = vec![
        Part::Text { text: "see".into(), cache: Some(CacheHint::FiveMinutes), signature: None },
        Part::Image { media, detail: None, cache: None },
    ];
    let conversation = talk(vec![
        user("x"),
        says(Role::Assistant, vec![call("a", "get", "{}")]),
        says(Role::Tool, vec![Part::ToolResult { id: "a".into(), content, is_error: true, cache: None }]),
    ]);
    let expected = json!([{
        "type": "tool_result", "tool_use_id": "a", "content": [
            {"type": "text", "text": "see"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ],
        "is_error": true, "cache_control": {"type": "ephemeral", "ttl": "5m"},
    }]);
    assert_eq!(body(&conversation, &plain())["messages"][2]["content"], expected);
}

#[test]
fn a_call_without_result_and_a_result_without_call_are_refused() {
    let asks = says(Role::Assistant, vec![call("a", "get", "{}"), call("b", "get", "{}")]);
    let missing = [
        talk(vec![user("x"), asks.clone(), result("a", "1")]),
        talk(vec![user("x"), asks.clone(), result("a", "1"), text(Role::Assistant, "well"), result("b", "2")]),
        talk(vec![user("x"), asks.clone(), result("a", "1"), user("and?"), text(Role::Assistant, "well")]),
    ];
    for conversation in missing {
        assert_eq!(refused(&conversation, &plain()), "messages[1].tool_calls[1]");
    }
    let stray = talk(vec![user("x"), asks, result("a", "1"), result("b", "2"), result("b", "2")]);
    assert_eq!(refused(&stray, &plain()), "messages[4].tool_call_id");
}

#[test]
fn arguments_must_be_an_object() {
    for arguments in ["[]", "1", "{", "null", "{} {}"] {
        let conversation =
            talk(vec![user("x"), says(Role::Assistant, vec![call("a", "get", arguments)]), result("a", "1")]);
        assert_eq!(refused(&conversation, &plain()), "messages[1].tool_calls[0].function.arguments", "{arguments}");
    }
}

#[test]
fn ids_that_do_not_fit_get_the_same_alias_on_both_sides() {
    let conversation =
        talk(vec![user("x"), says(Role::Assistant, vec![call("call|1:ä", "get", "{}")]), result("call|1:ä", "1")]);
    let sent = body(&conversation, &plain());
    let id = sent["messages"][1]["content"][0]["id"].as_str().unwrap();
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id}");
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], id);
}

// Tools

#[test]
fn tools_map_and_missing_schemas_are_made() {
    let mut conversation = with_tools(&["a", "b", "c"]);
    conversation.tools[0].description = Some("does a".into());
    conversation.tools[1].parameters = None;
    conversation.tools[2].parameters = Some(json!({"properties": {}}));
    let expected = json!([
        {"name": "a", "description": "does a", "input_schema":
            {"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "number"}}}},
        {"name": "b", "input_schema": {"type": "object", "properties": {}}},
        {"name": "c", "input_schema": {"type": "object", "properties": {}}},
    ]);
    assert_eq!(body(&conversation, &plain())["tools"], expected);
    conversation.tools[1].parameters = Some(json!([]));
    assert_eq!(refused(&conversation, &plain()), "tools[1].function.parameters");
}

#[test]
fn strict_tools_have_closed_schemas_and_lose_strict_where_the_model_has_none() {
    let mut conversation = with_tools(&["a"]);
    conversation.tools[0].strict = Some(true);
    let sent = body(&conversation, &sonnet_4_5());
    assert_eq!(sent["tools"][0]["strict"], true);
    assert_eq!(sent["tools"][0]["input_schema"]["additionalProperties"], false);
    let encoded = encode(&conversation, &plain());
    assert_eq!(encoded.dropped, ["strict"]);
    conversation.tools[0].parameters = Some(json!({"type": "object", "properties": {"me": {"$ref": "#"}}}));
    assert_eq!(refused(&conversation, &sonnet_4_5()), "tools[0].function.parameters");
}

#[test]
fn names_that_do_not_fit_are_aliased_everywhere_and_undone() {
    let mut conversation = with_tools(&["files.read"]);
    conversation.tool_choice = Some(ToolChoice::Named("files.read".into()));
    conversation.messages.extend([says(Role::Assistant, vec![call("a", "files.read", "{}")]), result("a", "1")]);
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let alias = sent["tools"][0]["name"].as_str().unwrap();
    assert_ne!(alias, "files.read");
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": alias}));
    assert_eq!(sent["messages"][1]["content"][0]["name"], alias);
    assert_eq!(encoded.undo.tool_names, [(alias.to_owned(), "files.read".to_owned())]);
}

#[test]
fn custom_tools_become_functions_with_one_string() {
    let mut conversation = with_tools(&["sql"]);
    conversation.tools[0].parameters = None;
    conversation.tools[0].custom = Some(CustomTool { format: Some(json!({"type": "text"})) });
    let custom =
        ToolCall { id: "a".into(), name: "sql".into(), arguments: "select 1".into(), custom: true, signature: None };
    conversation.messages.extend([says(Role::Assistant, vec![Part::ToolCall(custom)]), result("a", "1")]);
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let schema = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    assert_eq!(sent["tools"][0], json!({"name": "sql", "input_schema": schema}));
    assert_eq!(sent["messages"][1]["content"][0]["input"], json!({"input": "select 1"}));
    assert_eq!(encoded.undo.custom_tools, ["sql"]);
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"x\""}});
    conversation.tools[0].custom = Some(CustomTool { format: Some(grammar) });
    assert_eq!(refused(&conversation, &plain()), "tools[0].custom.format");
}

#[test]
fn tool_choices_map() {
    let allowed = |required| ToolChoice::Allowed { names: vec!["b".into()], required };
    for (choice, parallel, expected, tools) in [
        (None, None, Value::Null, 2),
        (None, Some(true), Value::Null, 2),
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true}), 2),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"}), 2),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"}), 2),
        (Some(ToolChoice::Required), Some(false), json!({"type": "any", "disable_parallel_tool_use": true}), 2),
        (Some(ToolChoice::Named("a".into())), None, json!({"type": "tool", "name": "a"}), 2),
        (Some(allowed(false)), None, json!({"type": "auto"}), 1),
        (Some(allowed(true)), None, json!({"type": "any"}), 1),
    ] {
        let conversation =
            Conversation { tool_choice: choice.clone(), parallel_tool_calls: parallel, ..with_tools(&["a", "b"]) };
        let sent = body(&conversation, &plain());
        assert_eq!(sent.get("tool_choice").cloned().unwrap_or_default(), expected, "{choice:?}");
        assert_eq!(sent["tools"].as_array().unwrap().len(), tools, "{choice:?}");
    }
    let none = Conversation { tool_choice: Some(ToolChoice::Auto), ..talk(vec![user("hi")]) };
    assert_eq!(body(&none, &plain()).get("tool_choice"), None, "refused without tools");
    let none = Conversation { tool_choice: Some(ToolChoice::Required), ..talk(vec![user("hi")]) };
    assert_eq!(refused(&none, &plain()), "tool_choice");
}

// Structured output

fn asks_for_json(schema: Value) -> Conversation {
    let format =
        Format::JsonSchema { name: "my answer".into(), description: None, schema: Some(schema), strict: Some(true) };
    Conversation { format, ..talk(vec![user("hi")]) }
}

fn person() -> Value {
    json!({"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]})
}

#[test]
fn structured_output_is_native_where_the_model_has_it() {
    let sent = body(&asks_for_json(person()), &sonnet_4_5());
    let schema = json!({
        "type": "object", "properties": {"age": {"type": "integer", "description": "(minimum: 0)"}},
        "required": ["age"], "additionalProperties": false,
    });
    assert_eq!(sent["output_config"], json!({"format": {"type": "json_schema", "schema": schema}}));
    assert_eq!(sent.get("tools"), None);
}

#[test]
fn structured_output_is_a_forced_tool_where_not() {
    let mut conversation = asks_for_json(person());
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let name = encoded.undo.answer_tool.unwrap();
    assert!(name.starts_with("my_answer_"), "{name}");
    assert_eq!(sent["tools"][0]["name"], name);
    assert_eq!(sent["tools"][0]["input_schema"], person(), "a tool takes any schema");
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": name, "disable_parallel_tool_use": true}));

    conversation.tools.push(tool("get"));
    assert_eq!(refused(&conversation, &plain()), "response_format");
    let list = asks_for_json(json!({"type": "array", "items": {"type": "string"}}));
    assert_eq!(refused(&list, &plain()), "response_format.json_schema.schema");
}

#[test]
fn a_recursive_schema_is_refused() {
    let recursive = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    assert_eq!(refused(&asks_for_json(recursive), &sonnet_4_5()), "response_format.json_schema.schema");
}

#[test]
fn a_json_object_is_asked_for_in_words() {
    let conversation =
        Conversation { format: Format::JsonObject, ..talk(vec![text(Role::System, "Be brief."), user("hi")]) };
    let sent = body(&conversation, &sonnet_4_5());
    assert_eq!(sent["system"][0]["text"], "Be brief.");
    assert!(sent["system"][1]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(sent["messages"].as_array().unwrap().len(), 1, "no prefill");
}

// Reasoning

fn thinks(effort: Effort, model: &str, facts: &ModelFacts) -> (Value, Value, Vec<&'static str>) {
    let conversation = Conversation { effort: Some(effort), ..talk(vec![user("hi")]) };
    let encoded = encode_request(&conversation, Target { model, facts: Some(facts) }).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    (sent["thinking"].clone(), sent["output_config"]["effort"].clone(), encoded.dropped)
}

#[test]
fn effort_is_adaptive_thinking_where_the_model_has_it() {
    let adaptive = json!({"type": "adaptive"});
    for (effort, word) in [
        (Effort::Minimal, "low"),
        (Effort::Low, "low"),
        (Effort::Medium, "medium"),
        (Effort::High, "high"),
        (Effort::XHigh, "xhigh"),
        // The model's flags name xhigh and not max.
        (Effort::Max, "high"),
    ] {
        assert_eq!(thinks(effort, "claude-opus-4-8", &opus_4_8()), (adaptive.clone(), json!(word), vec![]));
    }
    let off = (json!({"type": "disabled"}), Value::Null, vec![]);
    assert_eq!(thinks(Effort::None, "claude-opus-4-8", &opus_4_8()), off);
    let always = (Value::Null, json!("low"), vec!["reasoning_effort"]);
    assert_eq!(thinks(Effort::None, "claude-fable-5", &opus_4_8()), always, "it refuses disabled");
}

#[test]
fn effort_is_a_budget_where_the_model_takes_budgets() {
    for (effort, budget) in [
        (Effort::Minimal, 1024),
        (Effort::Low, 1024),
        (Effort::Medium, 8192),
        (Effort::High, 24576),
        (Effort::XHigh, 32768),
        (Effort::Max, 32768),
    ] {
        let expected = json!({"type": "enabled", "budget_tokens": budget});
        assert_eq!(thinks(effort, "claude-sonnet-4-5", &sonnet_4_5()), (expected, Value::Null, vec![]));
    }
    assert_eq!(thinks(Effort::None, "claude-sonnet-4-5", &sonnet_4_5()), (Value::Null, Value::Null, vec![]));
}

#[test]
fn without_flags_only_documented_models_get_a_budget() {
    let documented = thinks(Effort::Low, "claude-sonnet-4-20250514", &plain());
    assert_eq!(documented.0["budget_tokens"], 1024);
    let unknown = (Value::Null, Value::Null, vec!["reasoning_effort"]);
    assert_eq!(thinks(Effort::Low, "claude-3-5-haiku-20241022", &plain()), unknown);
}

#[test]
fn nothing_is_sent_where_nothing_was_asked() {
    let sent = body(&talk(vec![user("hi")]), &opus_4_8());
    assert_eq!((sent.get("thinking"), sent.get("output_config")), (None, None));
}

#[test]
fn a_forced_tool_takes_a_budget_away_but_not_adaptive_thinking() {
    let conversation =
        Conversation { effort: Some(Effort::High), tool_choice: Some(ToolChoice::Required), ..with_tools(&["a"]) };
    let encoded = encode(&conversation, &sonnet_4_5());
    assert_eq!(encoded.dropped, ["reasoning_effort"]);
    assert_eq!(body(&conversation, &opus_4_8())["thinking"], json!({"type": "adaptive"}));
}

#[test]
fn thinking_goes_back_first_and_only_with_anthropics_signature() {
    let conversation = talk(vec![
        user("x"),
        says(
            Role::Assistant,
            vec![
                Part::text("Let me see."),
                thought(Provider::Anthropic, ""),
                Part::RedactedThinking { data: "enc".into() },
                thought(Provider::Gemini, "foreign"),
                Part::Thinking { text: "unsigned".into(), signature: None },
                call("a", "get", "{}"),
            ],
        ),
        result("a", "1"),
    ]);
    let expected = json!([
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "a", "name": "get", "input": {}},
    ]);
    assert_eq!(body(&conversation, &plain())["messages"][1]["content"], expected);
}

#[test]
fn a_tool_loop_that_lost_its_thinking_goes_without_a_budget() {
    let step = |parts: Vec<Part>, id: &str| {
        let mut parts = parts;
        parts.push(call(id, "get", "{}"));
        [says(Role::Assistant, parts), result(id, "1")]
    };
    let asked = |messages: Vec<Message>| Conversation { effort: Some(Effort::Low), ..talk(messages) };
    let enabled = |conversation: &Conversation| body(conversation, &sonnet_4_5()).get("thinking").is_some();

    let lost = asked([vec![user("x")], step(vec![], "a").into()].concat());
    assert!(!enabled(&lost));
    assert_eq!(body(&lost, &opus_4_8())["thinking"], json!({"type": "adaptive"}), "not checked there");
    let kept = asked([vec![user("x")], step(vec![thought(Provider::Anthropic, "hm")], "a").into()].concat());
    assert!(enabled(&kept));
    // Without interleaved thinking the model thinks only at the loop's start.
    let second = asked([kept.messages.clone(), step(vec![], "b").into()].concat());
    assert!(enabled(&second));
    // A loop that is over does not count.
    let over = asked([lost.messages.clone(), vec![text(Role::Assistant, "done"), user("next")]].concat());
    assert!(enabled(&over));
}
