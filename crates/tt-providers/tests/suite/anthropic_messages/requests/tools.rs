//! Tools, their names and the choice among them.

use super::*;

#[test]
fn tools_map_and_missing_schemas_are_made() {
    let mut conversation = with_tools(&["a", "b", "c"]);
    function_at(&mut conversation, 0).description = Some("does a".into());
    function_at(&mut conversation, 1).parameters = None;
    function_at(&mut conversation, 2).parameters = Some(json!({"properties": {}}));
    let expected = json!([
        {"name": "a", "description": "does a", "input_schema":
            {"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "number"}}}},
        {"name": "b", "input_schema": {"type": "object", "properties": {}}},
        {"name": "c", "input_schema": {"type": "object", "properties": {}}},
    ]);
    assert_eq!(body(&conversation, &plain())["tools"], expected);
    function_at(&mut conversation, 1).parameters = Some(json!([]));
    assert_eq!(refused(&conversation, &plain()), "tools[1].function.parameters");
}

#[test]
fn strict_tools_have_closed_schemas_and_lose_strict_where_the_model_has_none() {
    let mut conversation = with_tools(&["a"]);
    function_at(&mut conversation, 0).strict = Some(true);
    let sent = body(&conversation, &sonnet_4_5());
    assert_eq!(sent["tools"][0]["strict"], true);
    assert_eq!(sent["tools"][0]["input_schema"]["additionalProperties"], false);
    let encoded = encode(&conversation, &plain());
    assert_eq!(dropped(&encoded), ["strict"]);
    function_at(&mut conversation, 0).parameters = Some(json!({"type": "object", "properties": {"me": {"$ref": "#"}}}));
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
    assert_eq!(encoded.undo.tool_names, [(alias.to_owned(), "files.read".to_owned())].into());
}

#[test]
fn custom_tools_become_functions_with_one_string() {
    let mut conversation = with_tools(&["sql"]);
    let name = || "sql".to_owned();
    let text = CustomTool { name: name(), format: Some(json!({"type": "text"})), ..CustomTool::default() };
    conversation.tools[0] = Tool::Custom(text);
    let custom = ToolCall {
        id: "a".into(),
        name: "sql".into(),
        arguments: "select 1".into(),
        custom: true,
        ..ToolCall::default()
    };
    conversation.messages.extend([says(Role::Assistant, vec![Part::ToolCall(custom)]), result("a", "1")]);
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let schema = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    assert_eq!(sent["tools"][0], json!({"name": "sql", "input_schema": schema}));
    assert_eq!(sent["messages"][1]["content"][0]["input"], json!({"input": "select 1"}));
    assert_eq!(encoded.undo.custom_tools, ["sql".to_owned()].into());
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"x\""}});
    conversation.tools[0] = Tool::Custom(CustomTool { name: name(), format: Some(grammar), ..CustomTool::default() });
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let told = "The input must match this lark grammar:\nstart: \"x\"";
    assert_eq!(sent["tools"][0], json!({"name": "sql", "description": told, "input_schema": schema}));
    assert_eq!(changed(&encoded), ["tools[0].custom.format"]);
}

#[test]
fn tool_choices_map() {
    let allowed = |names: &[&str], required| {
        Some(ToolChoice::Allowed { names: names.iter().map(|name| (*name).into()).collect(), required, search: true })
    };
    for (choice, parallel, expected) in [
        (None, None, Value::Null),
        (None, Some(true), Value::Null),
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"})),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
        (Some(ToolChoice::Required), Some(false), json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Named("a".into())), None, json!({"type": "tool", "name": "a"})),
        (allowed(&["a", "b"], false), None, json!({"type": "auto"})),
        (allowed(&["b", "a"], true), None, json!({"type": "any"})),
        (allowed(&["b"], true), None, json!({"type": "tool", "name": "b"})),
    ] {
        let conversation =
            Conversation { tool_choice: choice.clone(), parallel_tool_calls: parallel, ..with_tools(&["a", "b"]) };
        let sent = body(&conversation, &plain());
        assert_eq!(sent.get("tool_choice").cloned().unwrap_or_default(), expected, "{choice:?}");
        assert_eq!(sent["tools"].as_array().unwrap().len(), 2, "{choice:?}: the list is never cut short");
    }
    // A choice that Anthropic cannot be told is refused: one of two tools and no other, or none that is there.
    for choice in [allowed(&["b"], false), allowed(&["c"], false), allowed(&["c"], true)] {
        let conversation = Conversation { tool_choice: choice.clone(), ..with_tools(&["a", "b"]) };
        assert_eq!(refused(&conversation, &plain()), "tool_choice", "{choice:?}");
    }
    let none = Conversation { tool_choice: Some(ToolChoice::Auto), ..talk(vec![user("hi")]) };
    assert_eq!(body(&none, &plain()).get("tool_choice"), None, "refused without tools");
    let none = Conversation { tool_choice: Some(ToolChoice::Required), ..talk(vec![user("hi")]) };
    assert_eq!(refused(&none, &plain()), "tool_choice");
}

#[test]
fn a_model_that_cannot_be_made_to_call_a_tool_is_not_asked_to() {
    let facts = ModelFacts {
        capabilities: Capabilities { forced_tool_use: Some(false), ..opus_4_8().capabilities },
        ..opus_4_8()
    };
    for choice in [ToolChoice::Required, ToolChoice::Named("a".into())] {
        let conversation = Conversation { tool_choice: Some(choice), ..with_tools(&["a"]) };
        assert_eq!(refused(&conversation, &facts), "tool_choice");
        assert!(body(&conversation, &opus_4_8()).get("tool_choice").is_some());
    }
    for choice in [ToolChoice::Auto, ToolChoice::None] {
        let conversation = Conversation { tool_choice: Some(choice), ..with_tools(&["a"]) };
        assert!(body(&conversation, &facts).get("tool_choice").is_some());
    }
}
