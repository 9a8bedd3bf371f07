//! Searches of the web that another provider ran, as a client of Responses is told of them.

use serde_json::{Value, json};
use tt_core::Dialect;

use super::client::{Client, answered, streamed};
use crate::support::Model;

/// The answers of providers that searched twice, and the same as streams.
fn answers() -> [(Dialect, Value, Vec<Value>); 2] {
    let search = |id: &str, query: &str| json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": query}});
    let fetch = json!({"type": "server_tool_use", "id": "srvtoolu_3", "name": "web_fetch", "input": {"query": "no"}});
    let content = json!([
        search("srvtoolu_1", "weather oslo"),
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        search("srvtoolu_2", "größe \"x\""),
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_2", "content": []},
        fetch,
        {"type": "text", "text": "Rain."},
    ]);
    let usage = json!({"input_tokens": 1, "output_tokens": 2});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "usage": usage,
    });
    let mut events = vec![json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}})];
    for (index, block) in content.as_array().unwrap().iter().enumerate() {
        let mut head = block.clone();
        let mut deltas = Vec::new();
        if let Some(input) = block.get("input") {
            head["input"] = json!({});
            let text = input.to_string();
            let (begin, end) = text.split_at(5);
            deltas = vec![
                json!({"type": "input_json_delta", "partial_json": begin}),
                json!({"type": "input_json_delta", "partial_json": end}),
            ];
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": head}));
        let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}));
    events.push(json!({"type": "message_stop"}));

    let grounding = json!({
        "webSearchQueries": ["weather oslo", "größe \"x\"", "weather oslo", " "],
        "groundingChunks": [{"web": {"uri": "https://example.org", "title": "t"}}],
        "groundingSupports": [{"segment": {"endIndex": 5, "text": "Rain."}, "groundingChunkIndices": [0]}],
    });
    let parts = json!({"parts": [{"text": "Rain."}], "role": "model"});
    let whole =
        json!({"candidates": [{"content": parts, "finishReason": "STOP", "groundingMetadata": grounding.clone()}]});
    let pieces = vec![
        json!({"candidates": [{"content": parts}]}),
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "groundingMetadata": grounding}]}),
    ];
    [(Dialect::AnthropicMessages, message, events), (Dialect::Gemini, whole, pieces)]
}

/// The words of the searches among the items, each of which must have its shape.
fn searched(items: &[Value]) -> Vec<String> {
    let searches = items.iter().filter(|item| item["type"] == "web_search_call");
    let words = searches.map(|item| {
        assert!(item["id"].as_str().unwrap().starts_with("ws_"), "{item}");
        assert_eq!((&item["status"], &item["action"]["type"]), (&json!("completed"), &json!("search")));
        item["action"]["query"].as_str().unwrap().to_owned()
    });
    words.collect()
}

const WORDS: [&str; 2] = ["weather oslo", "größe \"x\""];

#[test]
fn a_whole_answer_tells_each_search_once() {
    for (dialect, body, _) in answers() {
        let answer: Value = serde_json::from_slice(&answered(dialect, body.to_string()).unwrap()).unwrap();
        let items = answer["output"].as_array().unwrap();
        assert_eq!(searched(items), WORDS, "{dialect:?}");
        assert_eq!((items.len(), &items[2]["content"][0]["text"]), (3, &json!("Rain.")), "{dialect:?}");
    }
}

#[test]
fn a_stream_tells_each_search_once_wherever_it_is_cut() {
    for (dialect, _, events) in answers() {
        let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        for length in [1, 7, sse.len()] {
            let got = streamed(dialect, sse.as_bytes(), length);
            assert_eq!(got.error, None);
            let data = got.text.lines().filter_map(|line| line.strip_prefix("data: "));
            let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
            for kind in ["response.output_item.added", "response.output_item.done"] {
                let items = events.iter().filter(|event| event["type"] == kind).map(|event| event["item"].clone());
                assert_eq!(searched(&items.collect::<Vec<_>>()), WORDS, "{kind} of {dialect:?}");
            }
            let items = events.last().unwrap()["response"]["output"].as_array().unwrap();
            assert_eq!((searched(items), items.len()), (WORDS.map(str::to_owned).to_vec(), 3), "{dialect:?}");
            let text = items.iter().find(|item| item["type"] == "message").unwrap();
            assert_eq!(text["content"][0]["text"], "Rain.");
            assert_eq!((dialect == Dialect::Gemini), text["content"][0]["annotations"][0]["end_index"] == 5);
        }
    }
}

#[test]
fn what_a_client_sends_back_of_them_is_read_as_nothing() {
    for (dialect, body, _) in answers() {
        let answer: Value = serde_json::from_slice(&answered(dialect, body.to_string()).unwrap()).unwrap();
        let mut input = vec![json!({"role": "user", "content": "hi"})];
        input.extend(answer["output"].as_array().unwrap().clone());
        input.push(json!({"role": "user", "content": "and tomorrow?"}));
        let client = Client::asking(&json!({"model": "m", "input": input})).unwrap();
        for model in Model::all() {
            let exchange = client.to(&model).unwrap();
            let sent = String::from_utf8(exchange.body().to_vec()).unwrap();
            assert!(sent.contains("Rain.") && !sent.contains("oslo"), "{sent}");
        }
    }
}
