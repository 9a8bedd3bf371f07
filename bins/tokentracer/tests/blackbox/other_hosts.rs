//! Hosts that speak OpenAI's Chat Completions in their own way: vLLM, Ollama, OpenRouter, Groq, Mistral, DeepSeek.

use serde_json::{Value, json};
use tt_testkit::client::Event;
use tt_testkit::world::{question, request_id, streamed_question, with_fields};
use tt_testkit::{Behaviour, MockUpstream};

use crate::setup::world;

/// The mock answers requests for `model` with these events.
fn stream(mock: &MockUpstream, model: &str, events: &[&str]) {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    mock.on(model, Behaviour::status_with_body(200, body).header("content-type", "text/event-stream"));
}

/// A chunk of a stream, which is like those of OpenAI but for `delta`.
fn chunk(delta: &str, finish: &str) -> String {
    let head = r#""id":"x","object":"chat.completion.chunk","created":1,"model":"m""#;
    format!(r#"{{{head},"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#)
}

/// A whole answer with this message and usage.
fn answer(message: &str, usage: &str) -> String {
    let choice = format!(r#"{{"index":0,"message":{message},"finish_reason":"stop"}}"#);
    format!(r#"{{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{choice}],"usage":{usage}}}"#)
}

/// A Messages request of the same question.
fn messages(model: &str, stream: bool) -> Value {
    with_fields(question(model, "Why is the sky blue?"), &json!({"stream": stream, "max_tokens": 100}))
}

fn joined(events: &[Event], pointer: &str) -> String {
    events.iter().filter_map(|event| event.json().pointer(pointer)?.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn thinking_goes_on_at_once_under_each_of_its_names() {
    let world = world().await;
    let user = world.user().await;
    for (model, delta) in [
        ("mock-deepseek", r#"{"reasoning_content":"because"}"#),
        ("mock-openrouter", r#"{"reasoning":"because"}"#),
        ("mock-both", r#"{"reasoning":"because","reasoning_content":"because"}"#),
        ("mock-mistral", r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"because"}]}]}"#),
    ] {
        // It breaks behind the thinking: had that been held back, the client would get an error status.
        stream(&world.mock, model, &[&chunk(delta, "null"), "{"]);
        let alias = format!("openai/{model}");
        let events = user.complete_stream(&streamed_question(&alias, "why")).await.rest().await;
        assert!(events.first().unwrap().data.contains("because"), "{model}: {events:?}");
        assert_eq!(events.last().unwrap().json()["error"]["type"], "upstream_error", "{model}");

        let said = [&chunk(delta, "null"), &chunk(r#"{"content":"so"}"#, r#""stop""#), "[DONE]"];
        stream(&world.mock, model, &said);
        let mut translated = user.api().post("/v1/messages").json(&messages(&alias, true)).stream().await;
        let events = translated.rest().await;
        assert_eq!(joined(&events, "/delta/thinking"), "because", "{model}");
        assert_eq!(joined(&events, "/delta/text"), "so", "{model}");
    }
    let whole = answer(r#"{"role":"assistant","content":"so","reasoning":"because"}"#, "null");
    world.mock.on("mock-whole", Behaviour::status_with_body(200, whole));
    let answer = user.api().post("/v1/messages").json(&messages("openai/mock-whole", false)).send().await.expect(200);
    let blocks = answer.json()["content"].clone();
    assert_eq!((&blocks[0]["thinking"], &blocks[1]["text"]), (&json!("because"), &json!("so")), "{blocks}");
}

#[tokio::test]
async fn a_stream_that_ends_behind_its_finish_reason_is_whole() {
    let world = world().await;
    let user = world.user().await;
    let ends = chunk(r#"{"content":"so it is"}"#, r#""stop""#);
    stream(&world.mock, "mock-short", &["null", &ends]);
    let mut answer = user.complete_stream(&streamed_question("openai/mock-short", "why")).await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    let events = answer.rest().await;
    assert!(events.last().unwrap().is_done(), "{events:?}");
    assert_eq!(events.len(), 2, "{events:?}");
    let row = user.log(&id).await;
    assert_eq!((&row["outcome"], &row["usage_source"]), (&json!("ok"), &json!("estimated")), "{row}");
    assert!(row["output_tokens"].as_u64().unwrap() >= 3 && row["input_tokens"].as_u64().unwrap() >= 1, "{row}");

    let mut translated = user.api().post("/v1/messages").json(&messages("openai/mock-short", true)).stream().await;
    assert_eq!(translated.rest().await.last().unwrap().json()["type"], "message_stop");

    // One of two choices has not ended.
    let other = ends.replace(r#""index":0"#, r#""index":1"#).replace(r#""stop""#, "null");
    stream(&world.mock, "mock-cut", &[&other, &ends]);
    let body = with_fields(streamed_question("openai/mock-cut", "why"), &json!({"n": 2}));
    let events = user.complete_stream(&body).await.rest().await;
    assert_eq!(events.last().unwrap().json()["error"]["type"], "upstream_error", "{events:?}");
}

#[tokio::test]
async fn a_usage_that_cannot_be_true_is_counted_here() {
    let world = world().await;
    let user = world.user().await;
    let text = r#"{"role":"assistant","content":"one two three four five six seven"}"#;
    for (usage, source, input, output) in [
        (r#"{"prompt_tokens":40,"completion_tokens":7,"total_tokens":47}"#, "provider", Some(40), Some(7)),
        // The total tells what is left out.
        (r#"{"prompt_tokens":null,"completion_tokens":7,"total_tokens":47}"#, "provider", Some(40), Some(7)),
        ("null", "estimated", None, None),
        ("{}", "estimated", None, None),
        (r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#, "estimated", None, None),
        (r#"{"prompt_tokens":40,"completion_tokens":0,"total_tokens":40}"#, "estimated", Some(40), None),
        (r#"{"prompt_tokens":-1,"completion_tokens":5}"#, "estimated", None, Some(5)),
        (r#"{"prompt_tokens":40,"completion_tokens":-7}"#, "estimated", Some(40), None),
    ] {
        world.mock.on("mock-usage", Behaviour::status_with_body(200, answer(text, usage)));
        let plain = user.ask("openai/mock-usage", "how many are there?").await.expect(200);
        let ends = [&chunk(r#"{"content":"one two three four five six seven"}"#, r#""stop""#), "[DONE]"];
        let counted = format!(r#"{{"id":"x","object":"chat.completion.chunk","choices":[],"usage":{usage}}}"#);
        stream(&world.mock, "mock-usage-in-stream", &[ends[0], &counted, ends[1]]);
        let mut streamed = user.ask_stream("openai/mock-usage-in-stream", "how many are there?").await;
        let id = streamed.header("x-request-id").unwrap().to_owned();
        streamed.rest().await;
        for id in [request_id(&plain), id] {
            let row = user.log(&id).await;
            assert_eq!(row["usage_source"], source, "{usage}: {row}");
            let (read, written) = (row["input_tokens"].as_u64().unwrap(), row["output_tokens"].as_u64().unwrap());
            assert!(input.map_or((3..20).contains(&read), |input| read == input), "{usage}: {row}");
            assert!(output.map_or((7..12).contains(&written), |output| written == output), "{usage}: {row}");
            assert_eq!(row["outcome"], "ok");
        }
    }
}

#[tokio::test]
async fn a_whole_answer_to_a_stream_request_is_given_as_a_stream() {
    let world = world().await;
    let user = world.user().await;
    let call = r#"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}"#;
    let whole = answer(
        &format!(r#"{{"role":"assistant","content":"so","reasoning":"because","tool_calls":[{call}]}}"#),
        r#"{"prompt_tokens":40,"completion_tokens":7,"total_tokens":47}"#,
    );
    let json = Behaviour::status_with_body(200, whole).header("content-type", "application/json; charset=utf-8");
    world.mock.on("mock-whole", json);
    let tools = json!({"stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    let mut chat = user.complete_stream(&with_fields(streamed_question("openai/mock-whole", "why"), &tools)).await;
    let id = chat.header("x-request-id").unwrap().to_owned();
    assert!(chat.header("content-type").unwrap().starts_with("text/event-stream"));
    let mut events = chat.rest().await;
    assert!(events.pop().unwrap().is_done());
    assert_eq!(joined(&events, "/choices/0/delta/content"), "so");
    assert_eq!(joined(&events, "/choices/0/delta/reasoning_content"), "because");
    assert_eq!(joined(&events, "/choices/0/delta/tool_calls/0/function/arguments"), r#"{"a":1}"#);
    assert_eq!(events.last().unwrap().json()["usage"]["total_tokens"], 47, "{events:?}");
    let row = user.log(&id).await;
    assert_eq!(
        (&row["usage_source"], &row["outcome"], &row["stream"]),
        (&json!("provider"), &json!("ok"), &json!(true))
    );
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(40), &json!(7)), "{row}");

    let mut translated = user.api().post("/v1/messages").json(&messages("openai/mock-whole", true)).stream().await;
    let events = translated.rest().await;
    assert_eq!((joined(&events, "/delta/thinking"), joined(&events, "/delta/text")), ("because".into(), "so".into()));
    assert_eq!(joined(&events, "/delta/partial_json"), r#"{"a":1}"#);
    assert_eq!(events.last().unwrap().json()["type"], "message_stop");

    // An error under a success status has its own status still.
    let error = Behaviour::status_with_body(200, r#"{"error":{"message":"slow down","code":429}}"#);
    world.mock.on("mock-error", error.header("content-type", "application/json"));
    let body = streamed_question("openai/mock-error", "why");
    user.complete(&body).await.expect(429);
}
