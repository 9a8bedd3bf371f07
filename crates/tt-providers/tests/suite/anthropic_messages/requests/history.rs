//! Tool calls and their results in the history.

use super::*;

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
        Part::Text(Text { text: "see".into(), cache: Some(CacheTtl::FiveMinutes), ..Text::default() }),
        Part::Image(Image::new(media)),
    ];
    let conversation = talk(vec![
        user("x"),
        says(Role::Assistant, vec![call("a", "get", "{}")]),
        says(
            Role::Tool,
            vec![Part::ToolResult(ToolResult { id: "a".into(), content, is_error: true, ..ToolResult::default() })],
        ),
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
    for arguments in ["[]", "1", "{", "nul", "{} {}"] {
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

#[test]
fn no_arguments_are_an_empty_object_however_they_are_written() {
    for arguments in ["", " ", "null", " null\n", "{}"] {
        let conversation =
            talk(vec![user("x"), says(Role::Assistant, vec![call("a", "get", arguments)]), result("a", "1")]);
        assert_eq!(body(&conversation, &plain())["messages"][1]["content"][0]["input"], json!({}), "{arguments:?}");
    }
}

#[test]
fn repeated_ids_are_told_apart_in_pairs() {
    let step = |ids: &[&str]| {
        let calls = ids.iter().map(|id| call(id, "get", "{}")).collect();
        let results = ids.iter().enumerate().map(|(n, id)| result(id, &format!("{id}{n}")));
        std::iter::once(says(Role::Assistant, calls)).chain(results).collect::<Vec<_>>()
    };
    let conversation =
        talk([vec![user("x")], step(&["call_0", "call_1"]), step(&["call_0"]), step(&["", "call_0"])].concat());
    let sent = body(&conversation, &plain());
    let all = |role: &str, field: &str| {
        let turns = sent["messages"].as_array().unwrap().iter().filter(|turn| turn["role"] == role);
        let blocks = turns.filter_map(|turn| turn["content"].as_array()).flatten();
        blocks.filter_map(|block| block[field].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let calls = all("assistant", "id");
    assert_eq!(calls, all("user", "tool_use_id"), "each result goes with its call");
    assert_eq!(calls[..3], ["call_0", "call_1", "call_0_2"], "the first keeps its id");
    assert_eq!(calls.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    assert!(calls.iter().all(|id| !id.is_empty()));
}
