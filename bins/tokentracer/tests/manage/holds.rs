//! The amount that is held for a request under a budget, and the requests whose cost has no bound.

use std::time::Duration;

use serde_json::{Value, json};
use tt_testkit::Behaviour;
use tt_testkit::world::{error_code, eventually, question, with_fields};

use crate::stage::{INPUT, MINI, OUTPUT, Stage, between, capped, counted, exceeded, worst};

/// A picture of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn the_hold_covers_what_the_request_may_cost() {
    let stage = Stage::start().await;
    stage.budget(0).await;
    let asked = async |body: &Value| between(&exceeded(&stage.ask(body).await), "may cost up to ", " USD");
    let body = capped("openai/gpt-4o-mini", 100);
    assert_eq!(asked(&body).await, counted(&body, 100));
    let mut three = body.clone();
    three["n"] = json!(3);
    assert_eq!(asked(&three).await, counted(&three, 300));
    // Without a limit of its own, the model's; the newer name of it goes before the older.
    let mut unlimited = body.clone();
    unlimited.as_object_mut().unwrap().remove("max_tokens");
    assert_eq!(asked(&unlimited).await, counted(&unlimited, 16_384));
    let mut newer = unlimited.clone();
    newer["max_completion_tokens"] = json!(7);
    assert_eq!(asked(&newer).await, counted(&newer, 7));
    // A project may have made the dearer tier its default.
    let mut any_tier = body.clone();
    any_tier.as_object_mut().unwrap().remove("service_tier");
    assert!(asked(&any_tier).await > counted(&any_tier, 100));
    // Tools come with instructions of the provider.
    let mut tools = body.clone();
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(asked(&tools).await, counted(&tools, 100) + 1_024 * INPUT);
    // A picture counts by the rule of the model: 2,833 tokens, and 5,667 for each of eight tiles where its size is not
    // known.
    for (data, tiles) in [(PIXEL, 1), ("iVBORw0KGgo=", 8)] {
        let with = |data: &str| {
            let url = format!("data:image/png;base64,{data}");
            let mut picture = body.clone();
            picture["messages"][0]["content"] = json!([{"type": "image_url", "image_url": {"url": url}}]);
            picture
        };
        let (picture, frame) = (with(data), with(""));
        let difference = (asked(&picture).await - counted(&frame, 100)) / INPUT - (2_833 + 16 + tiles * 5_667);
        // The two halves of the body are counted apart.
        assert!((-8..=8).contains(&difference), "{tiles}: {difference}");
    }
    // A file has no known number of pages: the context window of the model bounds it. A long text, too.
    let window = 128_000 * INPUT + 100 * OUTPUT;
    let mut file = body.clone();
    file["messages"][0]["content"] = json!([{"type": "file", "file": {"file_id": "file-1"}}]);
    assert_eq!(asked(&file).await, window);
    let mut long = body.clone();
    long["messages"][0]["content"] = json!("é".repeat(100_000));
    assert_eq!(asked(&long).await, window);
}

#[tokio::test]
async fn tokens_are_counted_only_where_the_bytes_do_not_fit() {
    let stage = Stage::start().await;
    let mut body = capped("openai/gpt-4o-mini", 100);
    body["messages"][0]["content"] = json!("It is a truth universally acknowledged. ".repeat(2_500));
    let (by_bytes, by_tokens) = (worst(&body, 100), counted(&body, 100));
    assert!(by_bytes > 2 * by_tokens, "{by_bytes} and {by_tokens}");
    stage.world.mock.on(MINI, Behaviour::ok().delay(Duration::from_secs(600)));
    stage.budget(0).await;
    for (limit, held) in [(by_bytes, by_bytes), (by_bytes - 1, by_tokens), (by_tokens, by_tokens)] {
        let spent = stage.used().await.0;
        stage.budget(spent + limit).await;
        stage.leave(&body).await;
        eventually("the hold is charged", async || stage.used().await == (spent + held, 0)).await;
    }
    let spent = stage.used().await.0;
    stage.budget(spent + by_tokens - 1).await;
    exceeded(&stage.ask(&body).await);
    // A text so large that it is not even counted where it could not fit.
    body["messages"][0]["content"] = json!("It is a truth universally acknowledged. ".repeat(10_000));
    let message = exceeded(&stage.ask(&body).await);
    let window = 128_000 * INPUT + 100 * OUTPUT;
    assert_eq!(between(&message, "may cost up to ", " USD"), window, "by its bytes");
}

#[tokio::test]
async fn a_request_of_unbounded_cost_is_refused_under_a_budget_only() {
    let stage = Stage::start().await;
    let cases = [
        (json!({"web_search_options": {}}), "web_search_options"),
        (json!({"prediction": {"type": "content", "content": "x"}}), "prediction"),
        (json!({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "mp3"}}), "modalities"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"plugins": [{"id": "web"}]}), "plugins"),
        (json!({"models": ["openai/gpt-4o"]}), "models"),
        (json!({"route": "fallback"}), "route"),
        (json!({"provider": {"order": ["dear"]}}), "provider"),
        (json!({"nobody_knows_this": 1}), "nobody_knows_this"),
        (json!({"extra_body": {"anthropic": {"mcp_servers": []}}}), "extra_body.anthropic.mcp_servers"),
    ];
    let with = |more: &Value| with_fields(capped("openai/gpt-4o-mini", 100), more);
    stage.budget(1_000_000_000).await;
    for (more, param) in &cases {
        let refused = stage.ask(&with(more)).await.expect(400).json();
        assert_eq!((error_code(&refused), &refused["error"]["param"]), ("unsupported_parameter", &json!(param)));
    }
    for (body, expected, param) in [
        (capped("openai/mock-small", 100), "model_unpriced", "model"),
        (capped("openai/gpt-4o-mini-search-preview", 100), "unsupported_parameter", "model"),
        (question("anthropic/claude-3-5-haiku-20241022", "hello"), "missing_field", "max_completion_tokens"),
    ] {
        let refused = stage.ask(&body).await.expect(400).json();
        assert_eq!((error_code(&refused), &refused["error"]["param"]), (expected, &json!(param)), "{refused}");
    }
    // A model whose context window is not known: its text is bounded, a file is not.
    let mut file = capped("openai/gpt-3.5-turbo-0301", 100);
    stage.ask(&file).await.expect(200);
    file["messages"][0]["content"] = json!([{"type": "file", "file": {"file_id": "file-1"}}]);
    let refused = stage.ask(&file).await.expect(400).json();
    assert_eq!((error_code(&refused), &refused["error"]["param"]), ("unsupported_parameter", &json!("messages")));
    assert!(stage.ann.logs().await.len() == 1 && stage.sent(MINI).is_empty());
    for free in [
        json!({"metadata": {"a": "b"}, "store": false}),
        json!({"modalities": ["text"]}),
        json!({"user": null}),
        json!({"usage": {"include": true}, "transforms": ["middle-out"], "include_reasoning": true}),
        json!({"enable_thinking": true, "ignore_eos": true, "reasoning": {"effort": "low"}}),
        json!({"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "safe_prompt": true}),
    ] {
        stage.ask(&with(&free)).await.expect(200);
        let sent = stage.sent(MINI).pop().unwrap().json();
        for (name, value) in free.as_object().unwrap() {
            assert_eq!(&sent[name], value, "forwarded as it was sent");
        }
    }
    // Without a budget, all of that may be asked for.
    stage.ann.session.put("/manage/budgets").json(&json!({"limit_usd": null})).send().await.expect(200);
    stage.ask(&with(&cases[0].0)).await.expect(200);
    stage.ask(&capped("openai/mock-small", 100)).await.expect(200);
}
