//! The rules for every client of Responses, whichever provider answers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Part, Role, ToolChoice};

use super::client::{Client, answered, streamed};
use crate::api::openai;
use crate::fixtures::{Recording, clients};
use crate::golden::text::snapshot;
use crate::support::Model;

/// The data of a stream's events.
fn events(text: &str) -> Vec<Value> {
    let event = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// The text of an item.
fn said(item: &Value) -> String {
    let mut said = String::new();
    for list in ["summary", "content"] {
        for part in item[list].as_array().into_iter().flatten() {
            said.extend(["text", "refusal"].iter().filter_map(|name| part[name].as_str()));
        }
    }
    said.extend(["name", "arguments", "input"].iter().filter_map(|name| item[name].as_str()));
    said
}

/// Reads a stream as the official libraries do, which fail on anything else, and gives the items of its last event.
fn read_strictly(text: &str) -> Vec<Value> {
    let all = events(text);
    let mut open: BTreeMap<u64, Value> = BTreeMap::new();
    let mut done: BTreeMap<u64, Value> = BTreeMap::new();
    let mut grown: BTreeMap<u64, String> = BTreeMap::new();
    for (at, event) in all.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
        let kind = event["type"].as_str().unwrap();
        let last = at + 1 == all.len();
        assert_eq!(kind == "response.created", at == 0, "{kind} at {at}");
        assert_eq!(matches!(kind, "response.completed" | "response.incomplete"), last, "{kind} at {at}");
        let Some(index) = event["output_index"].as_u64() else {
            assert!(event["response"]["id"].is_string(), "{event}");
            continue;
        };
        match kind {
            "response.output_item.added" => {
                assert_eq!(index, (open.len() + done.len()) as u64, "items are announced in order");
                open.insert(index, event["item"].clone());
            }
            "response.output_item.done" => {
                let begun = open.remove(&index).expect("an item ends once");
                assert_eq!((&begun["id"], &begun["type"]), (&event["item"]["id"], &event["item"]["type"]));
                let item = &event["item"];
                if let Some(grown) = grown.get(&index) {
                    let name = item["name"].as_str().unwrap_or_default();
                    let arguments = if grown.is_empty() { "{}" } else { grown };
                    assert_eq!(said(item), format!("{name}{arguments}"), "{item}");
                }
                done.insert(index, item.clone());
            }
            kind => {
                assert_eq!(event["item_id"], open[&index]["id"], "{event}");
                if kind.ends_with(".delta") {
                    grown.entry(index).or_default().push_str(event["delta"].as_str().unwrap());
                }
            }
        }
    }
    assert!(open.is_empty(), "every item ends");
    let response = &all.last().unwrap()["response"];
    let items = response["output"].as_array().unwrap().clone();
    assert_eq!(items, done.into_values().collect::<Vec<_>>());
    for count in [
        "/usage/input_tokens",
        "/usage/input_tokens_details/cached_tokens",
        "/usage/output_tokens_details/reasoning_tokens",
    ] {
        assert!(response.pointer(count).is_some_and(Value::is_u64), "{count}");
    }
    items
}

/// Every recorded stream of another API with a success status: its id, its dialect and its text.
fn recorded() -> impl Iterator<Item = (String, Dialect, String)> {
    Recording::all().into_iter().filter(|recording| recording.status == 200).filter_map(|recording| {
        let (dialect, sse) = (recording.dialect()?, recording.stream()?);
        Some((recording.id, dialect, sse))
    })
}

#[test]
fn every_recorded_stream_of_another_api_is_one_that_the_libraries_read() {
    let mut seen = 0;
    for (id, dialect, sse) in recorded() {
        let got = streamed(dialect, sse.as_bytes(), sse.len());
        if got.error.is_some() {
            continue;
        }
        let items = read_strictly(&got.text);
        let sorted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.sort_unstable();
            bytes
        };
        // Calls without arguments have an empty object.
        let text: String = items.iter().map(said).collect();
        let (text, counted) = (text.replace("{}", ""), got.counted.replace("{}", ""));
        assert_eq!(sorted(&text), sorted(&counted), "{id}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for (id, dialect, sse) in recorded() {
        let (whole, cut) = (streamed(dialect, sse.as_bytes(), sse.len()), streamed(dialect, sse.as_bytes(), 1));
        assert_eq!((snapshot(&whole.text), &whole.error), (snapshot(&cut.text), &cut.error), "{id}");
    }
}

#[test]
fn whole_answers_have_the_shape_of_a_response() {
    let mut seen = 0;
    for recording in Recording::all().iter().filter(|recording| recording.status == 200) {
        let (Some(dialect), Some(body), None) = (recording.dialect(), recording.body(), recording.stream()) else {
            continue;
        };
        let Ok(answer) = answered(dialect, String::from_utf8(body).unwrap()) else { continue };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((&answer["object"], &answer["created_at"]), (&json!("response"), &json!(1_800_000_000)));
        assert_eq!((&answer["temperature"], &answer["metadata"]), (&json!(0.5), &json!({"a": "b"})));
        assert!(matches!(answer["status"].as_str(), Some("completed" | "incomplete")), "{}", recording.id);
        assert_eq!(answer["incomplete_details"].is_null(), answer["status"] == "completed", "{}", recording.id);
        assert!(answer["usage"]["total_tokens"].is_u64() && answer["output"].is_array(), "{}", recording.id);
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn tools_come_back_as_the_client_knows_them() {
    let answer = json!({"type": "message", "id": "msg_1", "model": "m", "stop_reason": "tool_use", "content": [
        {"type": "tool_use", "id": "t1", "name": "g", "input": {"input": "free *text*"}},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {"a": 1}},
    ], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let answer: Value =
        serde_json::from_slice(&answered(Dialect::AnthropicMessages, answer.to_string()).unwrap()).unwrap();
    let [custom, function] = answer["output"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&custom["type"], &custom["input"]), (&json!("custom_tool_call"), &json!("free *text*")));
    assert_eq!((&function["type"], &function["namespace"]), (&json!("function_call"), &json!("n")));
    assert_eq!((&function["name"], &function["call_id"]), (&json!("f"), &json!("t2")));
}

#[test]
fn every_request_of_a_real_client_reaches_every_provider() {
    let mut seen = 0;
    for (name, request) in clients(Dialect::OpenAiResponses) {
        let client = Client::asking(&request["body"]).unwrap();
        let call = client.call().unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!call.messages.is_empty(), "{name}");
        for model in Model::all() {
            let sent = match client.to(&model) {
                Ok(sent) => sent,
                // Such a model can give JSON of a schema only as the input of a tool of its own.
                Err(why) if why.contains("no structured output beside tools") => continue,
                Err(why) if model.name == "gemini-2.5-flash" && why.starts_with("text.format ") => continue,
                Err(why) => panic!("{name} to {}: {why}", model.name),
            };
            let body: Value = serde_json::from_slice(&sent.body().to_vec()).unwrap();
            // Codex cannot work without its custom tool.
            if request["client"].as_str().unwrap().starts_with("codex") {
                let tool = if name.contains("default") { "exec" } else { "apply_patch" };
                assert!(
                    body["tools"].to_string().contains(&format!("\"name\":\"{tool}\"")),
                    "{name} to {}",
                    model.name
                );
            }
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn faults_are_named_as_the_client_wrote_them() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "input": "hi"});
        body[name] = value;
        let client = Client::asking(&body);
        client.and_then(|client| client.call()).map(drop).unwrap_err()
    };
    let content = |part: Value| json!([{"role": "user", "content": [part]}]);
    let item = |item: Value| json!([{"role": "user", "content": "x"}, item]);
    for (name, value, field) in [
        ("input", json!(5), "input"),
        ("input", json!(null), "input"),
        ("input", json!([5]), "input[0]"),
        ("input", json!([{"role": "tool", "content": ""}]), "input[0].role"),
        ("input", json!([{"role": "user"}]), "input[0].content"),
        ("input", content(json!({"type": "input_text"})), "input[0].content[0].text"),
        ("input", content(json!({"type": "odd"})), "input[0].content[0].type"),
        ("input", content(json!({"text": ""})), "input[0].content[0].type"),
        ("input", content(json!({"type": "input_image"})), "input[0].content[0].image_url"),
        ("input", content(json!({"type": "input_image", "image_url": 5})), "input[0].content[0].image_url"),
        ("input", content(json!({"type": "input_file"})), "input[0].content[0].file_data"),
        ("input", item(json!({"type": "function_call", "name": "f"})), "input[1].call_id"),
        ("input", item(json!({"type": "function_call", "call_id": "c"})), "input[1].name"),
        (
            "input",
            item(json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}})),
            "input[1].arguments",
        ),
        ("input", item(json!({"type": "function_call_output", "call_id": "c"})), "input[1].output"),
        ("input", item(json!({"type": "function_call_output", "call_id": 5, "output": ""})), "input[1].call_id"),
        (
            "input",
            item(json!({"type": "reasoning", "summary": [{"type": "summary_text"}]})),
            "input[1].summary[0].text",
        ),
        (
            "input",
            item(json!({"role": "assistant", "content": [{"type": "output_text", "text": 5}]})),
            "input[1].content[0].text",
        ),
        ("instructions", json!(5), "instructions"),
        ("tools", json!([{"type": "function"}]), "tools[0].name"),
        ("tools", json!([{"name": "f"}]), "tools[0].type"),
        ("tools", json!([{"type": "function", "name": "f", "parameters": 5}]), "tools[0].parameters"),
        ("tools", json!([{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]), "tools[0].tools[0].name"),
        ("tool_choice", json!("some"), "tool_choice"),
        ("tool_choice", json!({"type": "function"}), "tool_choice.name"),
        ("tool_choice", json!({"type": "allowed_tools", "mode": "x"}), "tool_choice.mode"),
        ("reasoning", json!({"effort": "huge"}), "reasoning.effort"),
        ("text", json!({"format": {"type": "json_schema", "name": "n", "schema": 5}}), "text.format.schema"),
        ("text", json!({"format": {"type": "yaml"}}), "text.format.type"),
        ("include", json!([5]), "include[0]"),
        ("background", json!("yes"), "background"),
        ("store", json!("yes"), "store"),
        ("temperature", json!("hot"), "temperature"),
        ("top_logprobs", json!(-1), "top_logprobs"),
        ("prompt_cache_key", json!(5), "prompt_cache_key"),
    ] {
        let said = with(name, value);
        assert!(said.starts_with(&format!("{field}: ")) || said.starts_with(&format!("{field} is")), "{said}");
    }
}

#[test]
fn what_a_target_lacks_is_named_as_the_client_wrote_it() {
    let models = Model::all();
    let claude = models.iter().find(|model| model.name == "claude-sonnet-4-5").unwrap();
    let refused = |more: Value| {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Client::asking(&body).unwrap().to(claude).map(drop).unwrap_err()
    };
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"});
    let result = json!({"type": "function_call_output", "call_id": "c", "output": ""});
    let user = json!({"role": "user", "content": "x"});
    for (more, field) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"include": ["message.output_text.logprobs"]}), "include"),
        (json!({"input": [user, {"type": "item_reference", "id": "rs_1"}]}), "input[1]"),
        (json!({"input": [user, {"type": "compaction", "encrypted_content": "x"}]}), "input[1]"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
            "input[0].content[0]",
        ),
        (json!({"input": [user, call, result]}), "input[1].arguments"),
        (json!({"input": [user, result]}), "input[1].call_id"),
        (json!({"tools": [{"type": "file_search"}]}), "tools[0]"),
        (json!({"tools": [{"type": "file_search"}], "tool_choice": {"type": "file_search"}}), "tool_choice"),
        (json!({"tools": [{"type": "web_search", "external_web_access": false}]}), "tools[0]"),
    ] {
        let said = refused(more);
        assert!(said.starts_with(&format!("{field} ")) || said.starts_with(&format!("{field}: ")), "{field}: {said}");
    }
}

/// The rule for calling tools, but for searches, of which the rule of Chat Completions does not tell.
fn functions_allowed(call: &Conversation) -> Option<ToolChoice> {
    match call.tool_choice.clone() {
        Some(ToolChoice::Allowed { names, required, .. }) => {
            Some(ToolChoice::Allowed { names, required, search: false })
        }
        rule => rule,
    }
}

fn words() -> impl Strategy<Value = String> {
    "[a-zäß]{1,6}( [a-z]{1,4})?"
}

/// One turn of the assistant with what answers it.
fn turn() -> impl Strategy<Value = Vec<Value>> {
    let calls = prop::collection::vec(("[a-z]{1,6}", words(), any::<bool>()), 0..3);
    (prop::option::of(words()), words(), calls, words(), any::<u32>()).prop_map(|(thought, text, calls, says, turn)| {
        let mut items = Vec::new();
        if let Some(thought) = thought {
            let summary = json!([{"type": "summary_text", "text": thought}]);
            items.push(json!({"type": "reasoning", "id": "rs", "summary": summary, "encrypted_content": "gAAA"}));
        }
        items.push(json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}));
        let mut results = Vec::new();
        for (n, (name, argument, custom)) in calls.into_iter().enumerate() {
            let id = format!("call_{turn}_{n}");
            let (kind, field, value) = if custom {
                ("custom_tool_call", "input", argument.clone())
            } else {
                ("function_call", "arguments", json!({"x": argument, "n": 1.5}).to_string())
            };
            items.push(json!({"type": kind, "call_id": id, "name": name, field: value}));
            results.push(json!({"type": format!("{kind}_output"), "call_id": id, "output": argument}));
        }
        items.extend(results);
        items.push(json!({"role": "user", "content": [{"type": "input_text", "text": says}]}));
        items
    })
}

fn request() -> impl Strategy<Value = Value> {
    let choice = prop::sample::select(vec![
        json!("auto"),
        json!("required"),
        json!({"type": "function", "name": "f"}),
        json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}),
    ]);
    let format = prop::sample::select(vec![
        json!({"type": "text"}),
        json!({"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}),
    ]);
    let instructions = prop::option::of(words());
    (prop::collection::vec(turn(), 0..4), choice, format, instructions, 1u64..900, any::<bool>()).prop_map(
        |(turns, choice, format, instructions, most, parallel)| {
            let mut input = vec![json!({"role": "user", "content": "Go."})];
            input.extend(turns.into_iter().flatten());
            json!({
                "model": "m", "input": input, "tool_choice": choice, "text": {"format": format},
                "instructions": instructions, "max_output_tokens": most, "parallel_tool_calls": parallel,
                "reasoning": {"effort": "low"}, "store": false, "temperature": 0.25,
                "tools": [
                    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true},
                    {"type": "custom", "name": "g", "format": {"type": "text"}},
                ],
            })
        },
    )
}

/// All that was said, called and answered, in order, without thinking.
fn told(call: &Conversation) -> Vec<(Role, String)> {
    let mut told = Vec::new();
    for message in &call.messages {
        for part in &message.parts {
            let said = match part {
                Part::Text(text) => text.text.clone(),
                Part::ToolCall(call) => format!("{} {} {} {}", call.id, call.name, call.arguments, call.custom),
                Part::ToolResult(result) => format!("{} {:?} {}", result.id, result.content, result.custom),
                _ => continue,
            };
            told.push((message.role, said));
        }
    }
    told
}

proptest! {
    /// A request that is encoded as a Chat Completions request says what it said.
    #[test]
    fn a_request_says_the_same_as_chat_completions(body in request()) {
        let call = Client::asking(&body).and_then(|client| client.call()).unwrap();
        let models = Model::all();
        let model = models.iter().find(|model| model.dialect == Dialect::OpenAiChat).unwrap();
        let encoded = openai::encode_request(&call, model.target()).unwrap();
        let again = openai::decode_request(&encoded.body).unwrap();
        prop_assert_eq!(told(&call), told(&again));
        prop_assert_eq!((&call.tools, functions_allowed(&call)), (&again.tools, functions_allowed(&again)));
        prop_assert_eq!((call.parallel_tool_calls, &call.format), (again.parallel_tool_calls, &again.format));
        prop_assert_eq!(&call.sampling, &again.sampling);
    }

    /// With any value in an item, nothing panics, and an item that decodes reaches every provider or is refused in words.
    #[test]
    fn no_item_makes_it_panic(
        kind in prop::sample::select(vec!["message", "reasoning", "function_call", "custom_tool_call", "tool_search_call",
            "function_call_output", "additional_tools", "tool_search_output", "item_reference", "web_search_call"]),
        fields in prop::collection::vec((
            prop::sample::select(vec!["role", "content", "call_id", "name", "arguments", "output", "tools", "summary",
                "encrypted_content", "id", "execution", "namespace", "input"]),
            prop::sample::select(vec![json!(null), json!("x"), json!("assistant"), json!("client"), json!([]), json!([1]),
                json!({}), json!([{"type": "input_text", "text": "t"}]), json!("tokentracer.1.AAAA"), json!(5),
                json!([{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}])]),
        ), 0..8),
    ) {
        let mut item = json!({"type": kind});
        for (name, value) in fields {
            item[name] = value;
        }
        let body = json!({"model": "m", "input": [{"role": "user", "content": "x"}, item.clone(), item]});
        let client = Client::asking(&body).unwrap();
        for model in Model::all() {
            if let Err(why) = client.to(&model) {
                prop_assert!(!why.is_empty());
            }
        }
    }
}
