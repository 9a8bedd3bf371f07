//! The shape of the answer.

use super::*;

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
