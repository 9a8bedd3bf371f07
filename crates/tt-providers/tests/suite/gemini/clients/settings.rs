//! The settings of a request: the rule for tools, kinds of answers, tiers, thinking, and what is free under a budget.

use std::sync::Arc;

use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Part, ToolChoice};
use tt_core::model::{Capabilities, ModelFacts};
use tt_providers::Target;

use super::{PLAIN, decoded, exchange, exchange_with, request, user};

#[test]
fn the_rule_for_calling_tools_is_read() {
    let choice = |config: Value| {
        decoded(&json!({"contents": [user("x")], "toolConfig": {"functionCallingConfig": config}})).tool_choice
    };
    let allowed = |names: &[&str], required| {
        Some(ToolChoice::Allowed {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            required,
            search: true,
        })
    };
    assert_eq!(choice(json!({})), None);
    assert_eq!(choice(json!({"mode": "auto"})), Some(ToolChoice::Auto));
    assert_eq!(choice(json!({"mode": "NONE"})), Some(ToolChoice::None));
    assert_eq!(choice(json!({"mode": "ANY"})), Some(ToolChoice::Required));
    assert_eq!(choice(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})), Some(ToolChoice::Named("f".into())));
    assert_eq!(choice(json!({"mode": "ANY", "allowed_function_names": ["f", "g"]})), allowed(&["f", "g"], true));
    assert_eq!(choice(json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]})), allowed(&["f"], false));
}

#[test]
fn an_answer_of_another_kind_than_text_is_refused_where_it_cannot_be_had() {
    for dialect in [Dialect::OpenAiChat, Dialect::AnthropicMessages] {
        for (config, named) in [
            (json!({"responseModalities": ["TEXT", "IMAGE"]}), "generationConfig.responseModalities"),
            (json!({"responseModalities": ["AUDIO"]}), "generationConfig.responseModalities"),
            (json!({"responseMimeType": "text/x.enum"}), "generationConfig.responseMimeType"),
        ] {
            let body = json!({"contents": [user("x")], "generationConfig": config});
            let error = exchange(PLAIN, &body, dialect, "m").unwrap_err();
            assert!(error.starts_with(&format!("{named} is not supported")), "{error}");
        }
        let text = json!({"contents": [user("x")], "generationConfig": {"responseModalities": ["TEXT"]}});
        assert!(exchange(PLAIN, &text, dialect, "m").is_ok());
    }
}

#[test]
fn a_film_on_youtube_is_a_film_without_its_type() {
    for (uri, film) in [
        ("https://www.youtube.com/watch?v=x", true),
        ("https://youtu.be/x", true),
        ("https://example.org/youtube.com", false),
    ] {
        let part = json!({"fileData": {"fileUri": uri}});
        let call = decoded(&json!({"contents": [{"role": "user", "parts": [part]}]}));
        assert_eq!(matches!(call.messages[0].parts[0], Part::Video(_)), film, "{uri}");
    }
}

#[test]
fn the_tier_is_read_in_both_ways_of_writing_it() {
    for (written, facts, neutral) in [
        ("flex", Some("flex"), Some("flex")),
        ("SERVICE_TIER_PRIORITY", Some("priority"), Some("priority")),
        ("STANDARD", Some("standard"), Some("default")),
        ("SERVICE_TIER_UNSPECIFIED", None, None),
    ] {
        let request = request(&json!({"contents": [user("x")], "serviceTier": written}));
        assert_eq!(request.facts().service_tier.as_deref(), facts, "{written}");
        assert_eq!(request.call().unwrap().service_tier.as_deref(), neutral, "{written}");
    }
}

#[test]
fn a_budget_that_leaves_the_amount_to_the_model_switches_thinking_on() {
    let thinking = json!({"thinkingConfig": {"thinkingBudget": -1}});
    let body = json!({"contents": [user("x")], "generationConfig": thinking});
    let capabilities = Capabilities { adaptive_thinking: Some(true), reasoning: Some(true), ..Capabilities::default() };
    let facts = ModelFacts { context_window: None, max_output: None, capabilities };
    let request = Arc::new(request(&body));
    let target = Target { model: "claude-opus-4-8", facts: Some(&facts) };
    let exchange = exchange_with(&request, Dialect::AnthropicMessages, target).unwrap();
    let sent: Value = serde_json::from_slice(&exchange.body().to_vec()).unwrap();
    assert_eq!(sent["thinking"], json!({"type": "adaptive", "display": "summarized"}));
}

#[test]
fn under_a_budget_only_what_is_known_to_be_free_is_taken() {
    let fees = |fields: Value| {
        let mut body = json!({"contents": [user("x")]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = request(&body);
        request.fees().map_err(|error| request.describe(&error))
    };
    assert!(fees(json!({"labels": {}, "toolConfig": {"retrievalConfig": {}}})).is_ok());
    assert!(fees(json!({"cachedContent": "cachedContents/x"})).unwrap().by_reference);
    assert!(fees(json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 9}}})).unwrap().fixed_thinking);
    for (fields, named) in [
        (json!({"tools": [{"codeExecution": {}}]}), "tools[0] "),
        (json!({"generationConfig": {"responseModalities": ["IMAGE"]}}), "generationConfig.responseModalities "),
        (json!({"generationConfig": {"imageConfig": {}}}), "generationConfig.imageConfig "),
        (json!({"somethingNew": 1}), "somethingNew "),
    ] {
        let error = fees(fields).unwrap_err();
        assert!(error.starts_with(named), "{error}");
    }
}
