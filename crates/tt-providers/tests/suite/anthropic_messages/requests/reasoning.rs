//! The amount of thinking, and thinking in the history.

use super::*;

/// The fields that are sent for an effort, and the note where it is dropped or changed.
fn thinks(effort: Effort, model: &str, facts: &ModelFacts) -> (Value, Value, Vec<Change>) {
    let conversation = Conversation {
        thinking: ThinkingConfig { effort: Some(effort), ..ThinkingConfig::default() },
        ..talk(vec![user("hi")])
    };
    let encoded = encode_request(&conversation, Target { model, facts: Some(facts) }).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    (
        sent["thinking"].clone(),
        sent["output_config"]["effort"].clone(),
        encoded.notes.iter().map(|note| note.what).collect(),
    )
}

#[test]
fn effort_is_adaptive_thinking_where_the_model_has_it() {
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    for (effort, word, noted) in [
        (Effort::Minimal, "low", vec![Changed]),
        (Effort::Low, "low", vec![]),
        (Effort::Medium, "medium", vec![]),
        (Effort::High, "high", vec![]),
        (Effort::XHigh, "xhigh", vec![]),
        // The model's flags name xhigh and not max.
        (Effort::Max, "xhigh", vec![Changed]),
    ] {
        assert_eq!(thinks(effort, "claude-opus-4-8", &opus_4_8()), (adaptive.clone(), json!(word), noted));
    }
    let off = (json!({"type": "disabled"}), Value::Null, vec![]);
    assert_eq!(thinks(Effort::None, "claude-opus-4-8", &opus_4_8()), off);
    let always = (Value::Null, json!("low"), vec![Changed]);
    assert_eq!(thinks(Effort::None, "claude-fable-5", &opus_4_8()), always, "it refuses disabled");
}

#[test]
fn no_effort_is_the_least_that_the_price_table_says_the_model_takes() {
    let takes = |types: Value| {
        let capabilities = json!({"adaptive_thinking": true, "thinking_types": types});
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        thinks(Effort::None, "claude-new", &ModelFacts { capabilities, ..opus_4_8() })
    };
    let nothing = Value::Null;
    let off = (json!({"type": "disabled"}), nothing.clone(), vec![]);
    assert_eq!(takes(json!(["adaptive", "between_tools", "disabled"])), off);
    let between = (json!({"type": "between_tools"}), nothing.clone(), vec![Changed]);
    assert_eq!(takes(json!(["adaptive", "between_tools"])), between);
    assert_eq!(takes(json!(["adaptive"])), (nothing, json!("low"), vec![Changed]));
}

#[test]
fn effort_is_a_budget_where_the_model_takes_budgets() {
    for (effort, budget, noted) in [
        (Effort::Minimal, 1024, vec![Changed]),
        (Effort::Low, 1024, vec![]),
        (Effort::Medium, 8192, vec![]),
        (Effort::High, 24576, vec![]),
        (Effort::XHigh, 32768, vec![Changed]),
        (Effort::Max, 32768, vec![Changed]),
    ] {
        let expected = json!({"type": "enabled", "budget_tokens": budget});
        assert_eq!(thinks(effort, "claude-sonnet-4-5", &sonnet_4_5()), (expected, Value::Null, noted));
    }
    assert_eq!(thinks(Effort::None, "claude-sonnet-4-5", &sonnet_4_5()), (Value::Null, Value::Null, vec![]));
}

#[test]
fn without_flags_only_documented_models_get_a_budget() {
    let documented = thinks(Effort::Low, "claude-sonnet-4-20250514", &plain());
    assert_eq!(documented.0["budget_tokens"], 1024);
    let unknown = (Value::Null, Value::Null, vec![Dropped]);
    assert_eq!(thinks(Effort::Low, "claude-3-5-haiku-20241022", &plain()), unknown);
}

#[test]
fn nothing_is_sent_where_nothing_was_asked() {
    let sent = body(&talk(vec![user("hi")]), &opus_4_8());
    assert_eq!((sent.get("thinking"), sent.get("output_config")), (None, None));
}

#[test]
fn a_forced_tool_takes_a_budget_away_but_not_adaptive_thinking() {
    let conversation = Conversation {
        thinking: ThinkingConfig { effort: Some(Effort::High), ..ThinkingConfig::default() },
        tool_choice: Some(ToolChoice::Required),
        ..with_tools(&["a"])
    };
    let encoded = encode(&conversation, &sonnet_4_5());
    assert_eq!(dropped(&encoded), ["reasoning_effort"]);
    assert_eq!(body(&conversation, &opus_4_8())["thinking"], json!({"type": "adaptive", "display": "summarized"}));
}

#[test]
fn thinking_stays_in_its_place_and_goes_back_only_with_anthropics_signature() {
    let conversation = talk(vec![
        user("x"),
        says(
            Role::Assistant,
            vec![
                Part::text("Let me see."),
                thought(Provider::Anthropic, ""),
                Part::Redacted { data: "enc".into(), of: origin(Provider::Anthropic) },
                thought(Provider::Gemini, "foreign"),
                Part::thinking("unsigned"),
                call("a", "get", "{}"),
            ],
        ),
        result("a", "1"),
    ]);
    let expected = json!([
        {"type": "text", "text": "Let me see."},
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
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
    let asked = |messages: Vec<Message>| Conversation {
        thinking: ThinkingConfig { effort: Some(Effort::Low), ..ThinkingConfig::default() },
        ..talk(messages)
    };
    let enabled = |conversation: &Conversation| body(conversation, &sonnet_4_5()).get("thinking").is_some();

    let lost = asked([vec![user("x")], step(vec![], "a").into()].concat());
    assert!(!enabled(&lost));
    assert_eq!(
        body(&lost, &opus_4_8())["thinking"],
        json!({"type": "adaptive", "display": "summarized"}),
        "not checked there"
    );
    let kept = asked([vec![user("x")], step(vec![thought(Provider::Anthropic, "hm")], "a").into()].concat());
    assert!(enabled(&kept));
    // Without interleaved thinking the model thinks only at the loop's start.
    let second = asked([kept.messages.clone(), step(vec![], "toolu_b").into()].concat());
    assert!(enabled(&second));
    let elsewhere = asked([kept.messages.clone(), step(vec![], "call_b").into()].concat());
    assert!(!enabled(&elsewhere), "another provider made the last step");
    // A loop that is over does not count.
    let over = asked([lost.messages.clone(), vec![text(Role::Assistant, "done"), user("next")]].concat());
    assert!(enabled(&over));
}
