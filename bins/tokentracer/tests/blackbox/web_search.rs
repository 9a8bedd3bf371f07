//! Searches of the web that a client asks for in the words of one dialect, and the provider of another runs for a fee.

use serde_json::{Value, json};
use tt_testkit::Behaviour;
use tt_testkit::world::{User, World, request_id};

use crate::prices::nano_of;
use crate::setup::world;

/// The fee of two searches at Anthropic, and of two queries at Gemini 3, in nano-dollars.
const ANTHROPIC_FEE: i64 = 20_000_000;
const GEMINI_FEE: i64 = 28_000_000;

/// Makes Claude and Gemini answer as they do after two searches.
fn script(world: &World) {
    let claude = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "news"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{
                "type": "web_search_result", "url": "https://example.org/a", "title": "A", "encrypted_content": "x",
                "page_age": null,
            }]},
            {"type": "text", "text": "It rains.", "citations": [{
                "type": "web_search_result_location", "url": "https://example.org/a", "title": "A",
                "encrypted_index": "x", "cited_text": "rain",
            }]},
        ],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5, "server_tool_use": {"web_search_requests": 2}},
    });
    world.mock.on("claude-sonnet-4-5", Behaviour::status_with_body(200, claude.to_string()));
    let gemini = json!({
        "candidates": [{
            "content": {"parts": [{"text": "It rains."}], "role": "model"}, "finishReason": "STOP",
            "groundingMetadata": {
                "webSearchQueries": ["news", "rain"],
                "groundingChunks": [{"web": {"uri": "https://example.org/a", "title": "A"}}],
                "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 9, "text": "It rains."},
                    "groundingChunkIndices": [0]}],
            },
        }],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "gemini-3-flash-preview",
    });
    world.mock.on("gemini-3-flash-preview", Behaviour::status_with_body(200, gemini.to_string()));
}

/// The tools of the last request that the mock has seen.
fn tools_sent(world: &World) -> Value {
    world.sent().pop().map(|seen| seen.json()["tools"].clone()).unwrap_or_default()
}

/// Asserts that the row of a request has the fee, some tokens beside it, and these notes.
async fn assert_billed(user: &User, id: &str, fee: i64, notes: &[&str]) {
    let row = user.log(id).await;
    let tokens = nano_of(&row["cost_usd"]) - fee;
    assert!((1..1_000_000).contains(&tokens), "{row}");
    let noted: Vec<&str> =
        row["notes"].as_array().into_iter().flatten().filter_map(|note| note["param"].as_str()).collect();
    assert_eq!(noted, notes, "{row}");
}

#[tokio::test]
async fn a_client_of_chat_completions_gets_the_search_of_each_provider_and_pays_its_fee() {
    let world = world().await;
    let user = world.user().await;
    script(&world);
    let tool = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    for (model, fee, tools) in [
        ("anthropic/claude-sonnet-4-5", ANTHROPIC_FEE, tool),
        ("gemini/gemini-3-flash-preview", GEMINI_FEE, json!([{"googleSearch": {}}])),
    ] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "News?"}], "max_tokens": 100,
            "web_search_options": {"search_context_size": "low"}});
        let answer = user.api().post("/v1/chat/completions").json(&body).send().await.expect(200);
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!((&message["content"], message.get("tool_calls")), (&json!("It rains."), None), "{message}");
        let page = &message["annotations"][0]["url_citation"];
        assert_eq!((&page["url"], &page["title"]), (&json!("https://example.org/a"), &json!("A")), "{message}");
        assert_eq!(tools_sent(&world), tools);
        assert_billed(&user, &request_id(&answer), fee, &["web_search_options.search_context_size"]).await;
    }
}

#[tokio::test]
async fn clients_of_responses_and_messages_get_it_too() {
    let world = world().await;
    let user = world.user().await;
    script(&world);
    let body = json!({"model": "anthropic/claude-sonnet-4-5", "input": "News?", "max_output_tokens": 100,
        "tools": [{"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}]});
    let answer = user.api().post("/v1/responses").json(&body).send().await.expect(200);
    let items = answer.json()["output"].clone();
    let searched = items.as_array().expect("items").iter().filter(|item| item["type"] == "web_search_call");
    assert!(searched.map(|item| item["action"]["query"].as_str()).eq([Some("news")]), "{items}");
    let part = &items.as_array().expect("items").last().expect("a message")["content"][0];
    assert_eq!((&part["text"], &part["annotations"][0]["type"]), (&json!("It rains."), &json!("url_citation")));
    let tool = json!([{"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["example.org"]}]);
    assert_eq!(tools_sent(&world), tool);
    assert_billed(&user, &request_id(&answer), ANTHROPIC_FEE, &[]).await;

    let body = json!({"model": "gemini/gemini-3-flash-preview", "max_tokens": 100,
        "messages": [{"role": "user", "content": "News?"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]});
    let answer = user.api().post("/v1/messages").json(&body).send().await.expect(200);
    let text = &answer.json()["content"][0];
    assert_eq!((&text["text"], &text["citations"][0]["url"]), (&json!("It rains."), &json!("https://example.org/a")));
    assert_eq!(tools_sent(&world), json!([{"googleSearch": {}}]));
    assert_billed(&user, &request_id(&answer), GEMINI_FEE, &["tools[0].max_uses"]).await;
}
