//! Clients that speak OpenAI Responses, in front of each provider: the libraries of OpenAI, and Codex.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_core::Usage;
use tt_testkit::Behaviour;
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{PROVIDERS, User, error_code, eventually, request_id, with_fields};

use crate::prices::nano_of;
use crate::setup::world;

/// A model of each provider that thinks.
const MODELS: [(Provider, &str); 3] =
    [(OpenAi, "gpt-5.4"), (Anthropic, "claude-sonnet-4-5"), (Gemini, "gemini-3-pro-preview")];

fn asked(provider: Provider, more: Value) -> Value {
    with_fields(json!({"model": format!("{provider}/mock-small"), "input": "Hello"}), &more)
}

fn call(user: &User, body: &Value) -> Call {
    user.api().post("/v1/responses").json(body)
}

async fn send(user: &User, body: &Value) -> Response {
    call(user, body).send().await
}

/// The last event of a stream, and the types of all events.
async fn streamed(call: Call) -> (Value, Vec<String>) {
    let mut stream = call.stream().await;
    let events = stream.rest().await;
    for event in &events {
        assert_eq!(event.name.as_deref(), event.json()["type"].as_str());
    }
    let kinds = events.iter().map(|event| event.json()["type"].as_str().unwrap().to_owned()).collect();
    (events.last().unwrap().json(), kinds)
}

fn text(response: &Value) -> String {
    let items = response["output"].as_array().unwrap().iter();
    let parts = items.filter_map(|item| item["content"].as_array()).flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

#[tokio::test]
async fn a_whole_answer_has_the_shape_of_a_response_whoever_answers() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let answer = send(&user, &asked(provider, json!({"instructions": "Be brief."}))).await.expect(200);
        assert_eq!(answer.header("x-tokentracer-provider"), Some(provider.as_str()));
        let response = answer.json();
        assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")), "{provider}");
        assert_eq!(text(&response), "mock reply to: Hello", "{provider}");
        let row = user.log(&request_id(&answer)).await;
        assert_eq!((&row["dialect"], &row["stream"]), (&json!("openai_responses"), &json!(false)));
        assert_eq!(row["output_tokens"], response["usage"]["output_tokens"], "{provider}");
        assert_eq!(row["usage_source"], "provider", "{provider}");
    }
}

#[tokio::test]
async fn a_stream_holds_every_item_and_ends_with_the_whole_response() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let (last, kinds) = streamed(call(&user, &asked(provider, json!({"stream": true})))).await;
        let begin =
            ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"];
        assert_eq!(kinds[..4], begin, "{provider}");
        assert_eq!(kinds.last().map(String::as_str), Some("response.completed"), "{provider}");
        assert_eq!(kinds.iter().filter(|kind| *kind == "response.output_item.done").count(), 1, "{provider}");
        assert_eq!(text(&last["response"]), "mock reply to: Hello", "{provider}");
        assert!(last["response"]["usage"]["input_tokens"].as_u64().unwrap() > 0, "{provider}");
        let row = user.logs().await.remove(0);
        assert_eq!((&row["stream"], &row["usage_source"]), (&json!(true), &json!("provider")), "{provider}");
        assert_eq!(row["output_tokens"], last["response"]["usage"]["output_tokens"], "{provider}");
    }
}

#[tokio::test]
async fn a_request_to_openai_passes_byte_for_byte_with_the_headers_of_codex() {
    let world = world().await;
    let user = world.user().await;
    let body =
        r#" {"input":[{"role":"user","content":"caf\u00e9"}], "model" : "openai/mock-small","own":1.50,"store":true} "#;
    call(&user, &json!(null))
        .body(body)
        .header("openai-beta", "responses=experimental")
        .header("x-codex-window-id", "w:0")
        .header("x-openai-internal-codex-responses-lite", "true")
        .header("openai-organization", "org")
        .header("cookie", "c")
        .send()
        .await
        .expect(200);
    let seen = world.sent().pop().unwrap();
    assert_eq!((seen.path.as_str(), seen.method.clone()), ("/v1/responses", Method::POST));
    assert_eq!(String::from_utf8(seen.body.to_vec()).unwrap(), body.replace("openai/mock-small", "mock-small"));
    assert_eq!(seen.header("openai-beta"), Some("responses=experimental"));
    assert_eq!(seen.header("x-codex-window-id"), Some("w:0"));
    assert_eq!(seen.header("x-openai-internal-codex-responses-lite"), Some("true"));
    assert_eq!((seen.header("openai-organization"), seen.header("cookie")), (None, None));
}

#[tokio::test]
async fn an_answer_of_openai_comes_back_byte_for_byte() {
    let world = world().await;
    let user = world.user().await;
    let usage = r#"{"input_tokens":9,"output_tokens":4,"input_tokens_details":{"cached_tokens":5},"output_tokens_details":{"reasoning_tokens":3}}"#;
    let response = format!(
        r#"{{"object" : "response","status":"completed","model":"gpt-4o-2024-08-06","output":[{{"type":"message","content":[{{"type":"output_text","text":"caf\u00e9"}}]}}],"own":1.0,"usage":{usage}}}"#
    );
    world.mock.on("gpt-4o", Behaviour::status_with_body(200, response.clone()));
    let answer = send(&user, &json!({"model": "openai/gpt-4o", "input": "x"})).await.expect(200);
    assert_eq!(answer.text(), response);
    let row = user.log(&request_id(&answer)).await;
    let counted =
        ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"].map(|name| row[name].clone());
    assert_eq!(counted, [json!(9), json!(5), json!(4), json!(3)]);
    // 4 tokens at 2.50, 5 from the cache at 1.25, 4 at 10 dollars a million.
    assert_eq!(nano_of(&row["cost_usd"]), 4 * 2_500 + 5 * 1_250 + 4 * 10_000);
    let created = "event: response.created\ndata: {\"type\":\"response.created\", \"own\":1.0}\n\n";
    let delta = "event: response.output_text.delta\nid: 7\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"caf\\u00e9\"}\n\n";
    let end =
        format!("event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n");
    let all = format!("{created}{delta}{end}");
    let streamed = Behaviour::status_with_body(200, all.clone()).header("content-type", "text/event-stream");
    world.mock.on("gpt-4o", streamed);
    let answer = send(&user, &json!({"model": "openai/gpt-4o", "input": "x", "stream": true})).await.expect(200);
    assert_eq!(answer.text(), all);
    let row = user.log(&request_id(&answer)).await;
    assert_eq!(nano_of(&row["cost_usd"]), 4 * 2_500 + 5 * 1_250 + 4 * 10_000);
}

#[tokio::test]
async fn what_openai_keeps_reaches_openai_only() {
    let world = world().await;
    let user = world.user().await;
    let more = json!({"previous_response_id": "resp_1"});
    for provider in PROVIDERS {
        let error = send(&user, &asked(provider, more.clone())).await.expect(400).json();
        assert_eq!(error["error"]["param"], "previous_response_id", "{provider}: {error}");
        let code = if provider == OpenAi { "previous_response_not_found" } else { "unsupported_parameter" };
        assert_eq!(error_code(&error), code, "{provider}");
    }
    let sent = world.sent();
    assert!(String::from_utf8(sent.last().unwrap().body.to_vec()).unwrap().contains("resp_1"));
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn errors_name_the_field_as_the_client_wrote_it() {
    let world = world().await;
    let user = world.user().await;
    for (more, param) in [
        (json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}), "input[0].content[0].image_url"),
        (json!({"input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}),
            "tools[0].tools[0].name",
        ),
        (json!({"text": {"format": {"type": "yaml"}}}), "text.format.type"),
        (json!({"reasoning": {"effort": 5}}), "reasoning.effort"),
    ] {
        for provider in [Anthropic, Gemini] {
            let error = send(&user, &asked(provider, more.clone())).await.expect(400).json();
            assert_eq!(
                (&error["error"]["param"], &error["error"]["type"]),
                (&json!(param), &json!("invalid_request_error"))
            );
        }
    }
    let twice = r#"{"model":"openai/mock-small","model":"x","input":"x"}"#;
    let error = user.api().post("/v1/responses").body(twice).send().await.expect(400).json();
    assert_eq!(error["error"]["param"], "model");
    let nobody = user.anonymous().post("/v1/responses").json(&asked(OpenAi, json!({}))).send().await.expect(401).json();
    assert_eq!(error_code(&nobody), "missing_credentials");
    let unknown = json!({"model": "nobody", "input": "x"});
    assert_eq!(error_code(&send(&user, &unknown).await.expect(404).json()), "model_not_found");
}

#[tokio::test]
async fn errors_of_providers_have_openais_shape_in_bodies_and_streams() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let model = format!("mock-{provider}-status");
        world.mock.on(model.as_str(), Behaviour::status(429));
        let body = json!({"model": format!("{provider}/{model}"), "input": "x"});
        let refused = send(&user, &body).await.expect(429);
        assert_eq!(error_code(&refused.json()), "upstream_rate_limited", "{provider}");
        world.mock.on(model.as_str(), Behaviour::context_length());
        assert_eq!(error_code(&send(&user, &body).await.expect(400).json()), "context_length_exceeded", "{provider}");
        // A stream that breaks once it has begun ends with an error that both Codex and OpenAI's libraries read.
        let model = format!("mock-{provider}-breaks");
        world.mock.on(model.as_str(), Behaviour::ok().chunks(20).error_after(8));
        let body = json!({"model": format!("{provider}/{model}"), "input": "x", "stream": true});
        let (last, kinds) = streamed(call(&user, &body)).await;
        assert_eq!(kinds[kinds.len() - 2..], ["error", "response.failed"], "{provider}: {kinds:?}");
        assert_eq!(last["response"]["status"], "failed", "{provider}");
        assert!(last["response"]["error"]["message"].is_string(), "{provider}: {last}");
        let row = user.logs().await.remove(0);
        assert_eq!((&row["status"], &row["outcome"]), (&json!(200), &json!("error")), "{provider}");
    }
}

#[tokio::test]
async fn cached_and_thinking_tokens_are_in_the_answer_and_in_the_row() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in MODELS {
        let usage = Usage { input: 10, cache_read: 30, output: 9, reasoning: Some(4), ..Usage::default() };
        world.mock.on(model, Behaviour::ok().usage(usage));
        for stream in [false, true] {
            let body = json!({"model": format!("{provider}/{model}"), "input": "x", "stream": stream});
            let response = if stream {
                streamed(call(&user, &body)).await.0["response"].take()
            } else {
                send(&user, &body).await.expect(200).json()
            };
            let counted = ["/usage/input_tokens", "/usage/input_tokens_details/cached_tokens", "/usage/output_tokens"];
            let counted = counted.map(|at| response.pointer(at).and_then(Value::as_u64));
            assert_eq!(counted, [Some(40), Some(30), Some(9)], "{provider} {stream}");
            assert_eq!(response["usage"]["output_tokens_details"]["reasoning_tokens"], 4, "{provider} {stream}");
            let row = user.logs().await.remove(0);
            let counted = ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"];
            assert_eq!(counted.map(|name| row[name].as_u64()), [Some(40), Some(30), Some(9), Some(4)], "{provider}");
            assert!(nano_of(&row["cost_usd"]) > 0);
        }
    }
}

#[tokio::test]
async fn leaving_a_stream_cancels_it_and_leaves_a_row() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in MODELS {
        world.mock.on(model, Behaviour::ok().chunks(10_000).drip(Duration::from_millis(10)));
        let body = json!({"model": format!("{provider}/{model}"), "input": "one two three", "stream": true});
        let mut stream = call(&user, &body).stream().await;
        for _ in 0..10 {
            stream.next().await.unwrap();
        }
        drop(stream);
        let left = Instant::now();
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(model) && seen.cancelled_after.is_some()).await;
        assert!(left.elapsed() < Duration::from_secs(1), "{provider}: cancelled after {:?}", left.elapsed());
        let row = user.row_when(|row| row["model"] == model).await;
        assert_eq!((&row["status"], &row["usage_source"]), (&json!(499), &json!("partial")), "{row}");
        assert!(row["output_tokens"].as_u64().unwrap() > 0 && nano_of(&row["cost_usd"]) > 0, "{row}");
    }
}

#[tokio::test]
async fn codex_and_its_session_are_in_the_row() {
    let world = world().await;
    let user = world.user().await;
    let agent = "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm-256color (codex_exec; 0.169.0)";
    let body = asked(Anthropic, json!({"prompt_cache_key": "from-the-body", "client_metadata": {"a": "b"}}));
    let with_header = call(&user, &body).header("user-agent", agent).header("session-id", "from-the-header");
    let row = user.log(&request_id(&with_header.send().await.expect(200))).await;
    assert_eq!((&row["client"], &row["session"]), (&json!("codex"), &json!("from-the-header")));
    assert_eq!(row["dialect"], "openai_responses");
    let dropped: Vec<&str> =
        row["notes"].as_array().unwrap().iter().filter_map(|note| note["param"].as_str()).collect();
    assert_eq!(dropped, ["prompt_cache_key", "client_metadata"]);
    let row = user.log(&request_id(&send(&user, &body).await.expect(200))).await;
    assert_eq!(row["session"], "from-the-body");
}

#[tokio::test]
async fn codex_is_told_at_once_that_there_is_no_websocket() {
    let world = world().await;
    let user = world.user().await;
    let ask = || user.anonymous().get("/v1/responses");
    let refused = ask().header("upgrade", "websocket").header("connection", "upgrade").send().await.expect(426);
    assert_eq!(error_code(&refused.json()), "upgrade_required");
    assert_eq!(ask().send().await.expect(405).header("allow"), Some("POST"));
    user.anonymous().call(Method::HEAD, "/v1/responses").send().await.expect(200);
}

/// Sets the user's budget. Requests are refused until it is known what was spent, which a busy database may take a while
/// to tell.
async fn under_budget(user: &User, limit: Value) {
    let budget = json!({"limit_usd": limit, "period": "total"});
    user.session.put("/manage/budgets").json(&budget).send().await.expect(200);
    eventually("it is known what was spent", async || {
        let answer = user.session.get("/manage/budgets").send().await;
        answer.status == 200 && !answer.json()["spent_usd"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_budget_covers_no_tool_that_openai_runs_and_no_longer_history_than_its_window() {
    let world = world().await;
    let user = world.user().await;
    under_budget(&user, json!(1)).await;
    let tools = json!([{"type": "web_search"}, {"type": "function", "name": "f"}]);
    let with = |model: &str, more: Value| {
        with_fields(json!({"model": model, "input": "Hello", "max_output_tokens": 100}), &more)
    };
    // Each provider would run it for a fee. A search that the target does not get has none.
    for model in ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-3-flash-preview"] {
        let refused = send(&user, &with(model, json!({"tools": tools}))).await.expect(400).json();
        assert_eq!(refused["error"]["param"], "tools", "{refused}");
    }
    send(&user, &with("gemini/gemini-2.5-flash", json!({"tools": tools}))).await.expect(200);
    let stored = json!([{"type": "web_search", "external_web_access": false}, {"type": "function", "name": "f"}]);
    send(&user, &with("anthropic/claude-sonnet-4-5", json!({"tools": stored}))).await.expect(200);
    let others = json!([{"type": "file_search"}, {"type": "function", "name": "f"}]);
    send(&user, &with("anthropic/claude-sonnet-4-5", json!({"tools": others}))).await.expect(200);
    let refused = send(&user, &with("openai/gpt-4o", json!({"background": true}))).await.expect(400).json();
    assert_eq!(refused["error"]["param"], "background", "{refused}");
    send(&user, &with("openai/gpt-4o", json!({}))).await.expect(200);
    // A history of unknown length is bounded by the window: 128,000 tokens at 2.50 dollars a million, twice that at the
    // dearest tier.
    let history = json!({"previous_response_id": "resp_1"});
    assert_eq!(
        send(&user, &with("openai/gpt-4o", history.clone())).await.expect(400).json()["error"]["code"],
        "previous_response_not_found"
    );
    under_budget(&user, json!(0.25)).await;
    let refused = send(&user, &with("openai/gpt-4o", history)).await.expect(429).json();
    assert_eq!(error_code(&refused), "budget_exceeded");
    send(&user, &with("openai/gpt-4o", json!({}))).await.expect(200);
}

/// Its usage is known only to whoever fetches the result, so the row invents none.
#[tokio::test]
async fn an_answer_in_the_background_has_an_unknown_usage() {
    let world = world().await;
    let user = world.user().await;
    let queued = json!({
        "id": "resp_1", "object": "response", "status": "queued", "background": true, "model": "gpt-5.4-2026-03-05",
        "output": [], "usage": null, "error": null,
    });
    world.mock.on("mock-background", Behaviour::status_with_body(200, queued.to_string()));
    let body = json!({"model": "openai/mock-background", "input": "Hello", "background": true});
    let answer = send(&user, &body).await.expect(200);
    assert_eq!(answer.json(), queued);
    assert_eq!(answer.header("x-tokentracer-cost-usd"), None);
    let row = user.log(&request_id(&answer)).await;
    assert_eq!(
        (&row["status"], &row["usage_source"], &row["cost_usd"]),
        (&json!(200), &json!("unknown"), &Value::Null)
    );
    assert_eq!(&row["output_tokens"], &json!(0), "{row}");
}

/// Three rounds of tools, as Codex runs them: nothing is kept at the provider, reasoning comes back encrypted, one tool is
/// a custom one with a grammar and one is in a namespace.
#[tokio::test]
async fn an_agent_loop_of_three_rounds_keeps_its_reasoning_with_every_provider() {
    let world = world().await;
    let user = world.user().await;
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let tools = json!([
        {"type": "custom", "name": "exec", "description": "Runs.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}},
        {"type": "namespace", "name": "files", "tools": [{"type": "function", "name": "read", "parameters": schema}]},
        {"type": "web_search"},
    ]);
    for (provider, model) in MODELS {
        world.mock.on(model, Behaviour::ok().agent());
        for stream in [false, true] {
            let mut input = vec![
                json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be an agent."}]}),
                json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "call exec"}]}),
            ];
            for next in ["call read", "call exec and call read", "done"] {
                let response = round(&user, (provider, model), &tools, &input, stream).await;
                let items = response["output"].as_array().unwrap().clone();
                assert_eq!(items[0]["type"], "reasoning", "{provider}: {response}");
                let calls: Vec<&Value> = items.iter().filter(|item| item.get("call_id").is_some()).collect();
                assert!(!calls.is_empty(), "{provider}: {response}");
                let mut results = Vec::new();
                for call in calls {
                    let kind = call["type"].as_str().unwrap();
                    if call["name"] == "read" {
                        assert_eq!(kind, "function_call", "{provider}: {call}");
                        // The mock of OpenAI knows no namespaces.
                        assert!(provider == OpenAi || call["namespace"] == "files", "{provider}: {call}");
                    } else if provider != OpenAi {
                        assert_eq!((kind, &call["input"]), ("custom_tool_call", &json!("mock")), "{provider}: {call}");
                    }
                    results.push(json!({"type": format!("{kind}_output"), "call_id": call["call_id"], "output": next}));
                }
                input.extend(items);
                input.extend(results);
            }
            let response = round(&user, (provider, model), &tools, &input, stream).await;
            assert!(text(&response).starts_with("tool said: done"), "{provider}: {response}");
            let sent: Value = serde_json::from_slice(&world.sent().last().unwrap().body).unwrap();
            let sent = sent.to_string();
            // Anthropic thinks before each call too: one thought before the answer and one before each of the four calls.
            let (signature, times) = match provider {
                OpenAi => ("gAAAAmock", 3),
                Anthropic => ("\"signature\":\"", 3 + 4),
                Gemini => ("\"thoughtSignature\":\"bW9j", 3),
            };
            assert_eq!(sent.matches(signature).count(), times, "{provider}: {sent}");
            assert!(provider != Anthropic || sent.contains("\"budget_tokens\""), "{sent}");
        }
    }
}

async fn round(
    user: &User,
    (provider, model): (Provider, &str),
    tools: &Value,
    input: &[Value],
    stream: bool,
) -> Value {
    let body = json!({
        "model": format!("{provider}/{model}"), "input": input, "tools": tools, "tool_choice": "auto",
        "parallel_tool_calls": true, "store": false, "stream": stream, "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"}, "prompt_cache_key": "loop",
    });
    if stream {
        let (last, kinds) = streamed(call(user, &body)).await;
        assert_eq!(kinds.last().map(String::as_str), Some("response.completed"), "{provider}: {last}");
        last["response"].clone()
    } else {
        send(user, &body).await.expect(200).json()
    }
}
