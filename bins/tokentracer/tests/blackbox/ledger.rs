//! The row of a request: its tokens as the provider counted them, its cost to the nano-dollar, and every attempt.

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_core::Usage;
use tt_testkit::Behaviour;
use tt_testkit::world::{PROVIDERS, question, request_id};

use crate::expect::{about, fields, now_ms, time};
use crate::prices::{cost, nano, nano_of};
use crate::setup::{world, world_with};

const ROW: [&str; 28] = [
    "request_id",
    "created_at",
    "alias",
    "route",
    "provider",
    "model",
    "api_key_id",
    "stream",
    "status",
    "outcome",
    "dialect",
    "client",
    "session",
    "agent",
    "trace_id",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_usd",
    "saved_usd",
    "latency_ms",
    "first_token_ms",
    "attempts",
    "error",
    "tags",
];

const PRICED: [(Provider, &str); 5] = [
    (OpenAi, "gpt-4o"),
    (OpenAi, "gpt-4o-mini"),
    (Anthropic, "claude-sonnet-4-5"),
    (Gemini, "gemini-2.5-flash"),
    (Gemini, "gemini-2.5-pro"),
];

#[track_caller]
fn tokens(row: &Value, usage: &Usage) {
    for (field, count) in [
        ("input_tokens", usage.total_input()),
        ("cached_input_tokens", usage.cache_read),
        ("cache_write_tokens", usage.cache_write()),
        ("output_tokens", usage.output),
        ("reasoning_tokens", usage.reasoning.unwrap_or(0)),
    ] {
        assert_eq!(row[field], count, "{field} in {row:#}");
    }
}

#[tokio::test]
async fn a_row_says_all_there_is_to_say() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "gpt-4o").await;
    let answer = user.ask("fast", "one two three").await.expect(200);
    let rows = user.logs().await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    fields(row, &ROW);
    assert_eq!(row["request_id"], json!(request_id(&answer)));
    about(time(&row["created_at"]), now_ms());
    for (field, value) in [
        ("alias", json!("fast")),
        ("route", json!("primary")),
        ("provider", json!("openai")),
        ("model", json!("gpt-4o")),
        ("api_key_id", json!(user.api_key_id())),
        ("stream", json!(false)),
        ("status", json!(200)),
        ("outcome", json!("ok")),
        ("usage_source", json!("provider")),
        ("saved_usd", json!(0)),
        ("first_token_ms", Value::Null),
        ("attempts", json!(1)),
        ("error", Value::Null),
        ("tags", json!({})),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    assert!(row["latency_ms"].is_u64());
    let mut stream = user.ask_stream("fast", "one two three").await;
    stream.rest().await;
    let row = user.logs().await.remove(0);
    assert_eq!((&row["stream"], &row["status"], &row["outcome"]), (&json!(true), &json!(200), &json!("ok")));
    assert!(row["first_token_ms"].as_u64().unwrap() <= row["latency_ms"].as_u64().unwrap());
    // Asked with the session, there is no API key to name.
    user.session.post("/v1/chat/completions").json(&question("fast", "x")).send().await.expect(200);
    assert!(user.logs().await[0]["api_key_id"].is_null());
}

#[tokio::test]
async fn tokens_and_cost_are_the_providers_and_the_tables() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in PRICED {
        for behaviour in [
            Behaviour::ok(),
            Behaviour::ok().cached(1111),
            Behaviour::ok().cached(77).reasoning(13),
            Behaviour::ok().usage(Usage { input: 123_457, cache_read: 1_009, output: 7_919, ..Usage::default() }),
        ] {
            world.mock.on(model, behaviour);
            let name = format!("{}/{model}", provider.as_str());
            let plain = user.ask(&name, "one two three").await.expect(200);
            let sent = world.sent().pop().unwrap().usage_sent.unwrap();
            let expected = cost(provider, model, &sent);
            assert_eq!(nano(plain.header("x-tokentracer-cost-usd").unwrap()), expected, "{provider} {model} {sent:?}");
            let mut stream = user.ask_stream(&name, "one two three").await;
            let streamed = stream.header("x-request-id").unwrap().to_owned();
            stream.rest().await;
            for id in [request_id(&plain), streamed] {
                let detail = user.log(&id).await;
                tokens(&detail, &sent);
                assert_eq!(nano_of(&detail["cost_usd"]), expected, "{provider} {model} {sent:?}");
                assert_eq!(detail["usage_source"], "provider");
            }
        }
    }
}

#[tokio::test]
async fn cache_writes_of_both_terms_have_their_own_price() {
    let world = world().await;
    let user = world.user().await;
    let usage =
        Usage { input: 10, cache_read: 1000, cache_write_5m: 333, cache_write_1h: 77, output: 21, ..Usage::default() };
    world.mock.on("claude-sonnet-4-5", Behaviour::ok().usage(usage));
    let plain = user.ask("anthropic/claude-sonnet-4-5", "hello").await.expect(200);
    let mut stream = user.ask_stream("anthropic/claude-sonnet-4-5", "hello").await;
    let streamed = stream.header("x-request-id").unwrap().to_owned();
    stream.rest().await;
    for id in [request_id(&plain), streamed] {
        let detail = user.log(&id).await;
        tokens(&detail, &usage);
        assert_eq!(nano_of(&detail["cost_usd"]), cost(Anthropic, "claude-sonnet-4-5", &usage));
    }
}

#[tokio::test]
async fn money_is_printed_exactly() {
    let world = world().await;
    let user = world.user().await;
    // 3 tokens at 0.15 and 7 at 0.60 dollars a million: 4650 nano-dollars.
    world.mock.on("gpt-4o-mini", Behaviour::ok().usage(Usage { input: 3, output: 7, ..Usage::default() }));
    let answer = user.ask("openai/gpt-4o-mini", "hello").await.expect(200);
    assert_eq!(answer.header("x-tokentracer-cost-usd"), Some("0.00000465"));
    for path in [&format!("/manage/logs/{}", request_id(&answer)), "/manage/logs", "/manage/usage"] {
        let text = user.session.get(path).send().await.expect(200).text();
        assert!(text.contains("\"cost_usd\":0.00000465"), "{path}: {text}");
    }
}

#[tokio::test]
async fn halves_are_rounded_to_even_once() {
    let world = world().await;
    let user = world.user().await;
    // A token of output is 300 nano-dollars. One from the cache is 18750 pico-dollars: two make 37.5 nano-dollars, six 112.5.
    let model = "gemini-1.5-flash";
    for (cache_read, nanos) in [(1, 319), (2, 338), (3, 356), (6, 412)] {
        let usage = Usage { cache_read, output: 1, ..Usage::default() };
        world.mock.on(model, Behaviour::ok().usage(usage));
        let answer = user.ask("gemini/gemini-1.5-flash", "hello").await.expect(200);
        assert_eq!(nano(answer.header("x-tokentracer-cost-usd").unwrap()), nanos, "{cache_read} tokens");
        assert_eq!(cost(Gemini, model, &usage), nanos);
    }
}

#[tokio::test]
async fn a_model_without_a_price_costs_null_and_never_zero() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let answer = user.ask(&format!("{}/mock-small", provider.as_str()), "hello").await.expect(200);
        assert_eq!(answer.header("x-tokentracer-cost-usd"), None);
        let detail = user.log(&request_id(&answer)).await;
        assert!(detail["cost_usd"].is_null() && detail["input_tokens"] == 1, "{detail:#}");
        assert!(detail["attempt_list"][0]["cost_usd"].is_null());
    }
    for group in user.session.get("/manage/usage").send().await.expect(200).json().as_array().unwrap() {
        assert!(group["cost_usd"].is_null(), "{group}");
    }
}

#[tokio::test]
async fn the_detail_has_the_reason_the_chain_and_the_usage_as_sent() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model, own) in [
        (OpenAi, "gpt-4o", json!({"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9})),
        (Anthropic, "claude-haiku-4-5", json!({"input_tokens": 3, "output_tokens": 6})),
        (Gemini, "gemini-2.5-flash", json!({"promptTokenCount": 3, "candidatesTokenCount": 6, "totalTokenCount": 9})),
    ] {
        user.alias("fast", provider, model).await;
        let answer = user.ask("fast", "one two three").await.expect(200);
        let detail = user.log(&request_id(&answer)).await;
        let mut names = ROW.to_vec();
        names.extend(["route_reason", "usage_raw", "price_version", "notes", "cost_lines", "attempt_list", "chain"]);
        fields(&detail, &names);
        assert!(detail["route_reason"].as_str().unwrap().contains("fast"));
        assert!(detail["price_version"].as_str().is_some_and(|version| version.starts_with("20")));
        for (field, value) in own.as_object().unwrap() {
            assert_eq!(detail["usage_raw"][field], *value, "{provider} {field}: {}", detail["usage_raw"]);
        }
        let lines = detail["cost_lines"].as_array().unwrap();
        lines.iter().for_each(|line| fields(line, &["class", "tokens", "usd_per_million", "usd"]));
        let sum: i64 = lines.iter().map(|line| crate::prices::nano_of(&line["usd"])).sum();
        assert_eq!((lines.len(), sum), (2, crate::prices::nano_of(&detail["cost_usd"])), "{lines:?}");
        let attempts = detail["attempt_list"].as_array().unwrap();
        assert_eq!(attempts.len(), 1);
        for field in ["provider", "model", "status", "error", "started_at", "latency_ms", "usage", "cost_usd"] {
            assert!(attempts[0].get(field).is_some(), "{field}");
        }
        assert!(attempts[0]["started_at"].as_str() >= detail["created_at"].as_str(), "{detail}");
        assert_eq!((&attempts[0]["provider"], &attempts[0]["model"]), (&json!(provider.as_str()), &json!(model)));
        assert_eq!((&attempts[0]["status"], &attempts[0]["error"]), (&json!(200), &Value::Null));
        assert_eq!(attempts[0]["cost_usd"], detail["cost_usd"]);
        assert_eq!(attempts[0]["usage"]["output_tokens"], 6);
    }
}

#[tokio::test]
async fn every_attempt_is_in_the_record() {
    let world = world().await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-status-500"), (Gemini, "mock-status-403"), (Anthropic, "claude-haiku-4-5")]).await;
    let answer = user.ask("a0", "one two three").await.expect(200);
    let detail = user.log(&request_id(&answer)).await;
    let said: Vec<Value> = detail["attempt_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| json!([attempt["provider"], attempt["model"], attempt["status"]]))
        .collect();
    assert_eq!(
        json!(said),
        json!([
            ["openai", "mock-status-500", 500],
            ["openai", "mock-status-500", 500],
            ["gemini", "mock-status-403", 403],
            ["anthropic", "claude-haiku-4-5", 200],
        ])
    );
    for attempt in &detail["attempt_list"].as_array().unwrap()[..3] {
        assert!(attempt["error"].is_string());
        assert_eq!((&attempt["cost_usd"], &attempt["usage"]["input_tokens"]), (&json!(0), &json!(0)));
    }
    assert_eq!(
        (&detail["alias"], &detail["route"], &detail["attempts"]),
        (&json!("a0"), &json!("fallback"), &json!(4))
    );
    assert_eq!((&detail["provider"], &detail["model"]), (&json!("anthropic"), &json!("claude-haiku-4-5")));
    let sent = world.sent().pop().unwrap().usage_sent.unwrap();
    tokens(&detail, &sent);
    assert_eq!(nano_of(&detail["cost_usd"]), cost(Anthropic, "claude-haiku-4-5", &sent));
}

#[tokio::test]
async fn rows_of_failures_have_their_cost() {
    let world = world_with(&[("UPSTREAM_TOTAL_TIMEOUT", "300ms"), ("UPSTREAM_FIRST_BYTE_TIMEOUT", "300ms")]).await;
    let user = world.user().await;
    for (model, status, source, cost) in [
        ("mock-status-500", 502, "none", json!(0)),
        ("mock-status-429", 429, "none", json!(0)),
        ("mock-status-400", 400, "none", json!(0)),
        ("mock-context-length", 400, "none", json!(0)),
        ("mock-delay-20s", 504, "unknown", Value::Null),
        ("mock-garbage", 502, "unknown", Value::Null),
    ] {
        let answer = user.ask(&format!("openai/{model}"), "hello").await;
        assert_eq!(answer.status, status, "{model}");
        let row = user.log(&request_id(&answer)).await;
        assert_eq!((&row["status"], &row["outcome"]), (&json!(status), &json!("error")), "{model}");
        assert_eq!((&row["usage_source"], &row["cost_usd"]), (&json!(source), &cost), "{model}");
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(0), &json!(0)), "{model}");
        assert!(row["error"].as_str().is_some_and(|error| !error.is_empty()), "{model}");
    }
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_and_says_so() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let answer = user.ask(&format!("{}/mock-no-usage", provider.as_str()), "one two three").await.expect(200);
        let row = user.log(&request_id(&answer)).await;
        assert_eq!(row["usage_source"], "estimated", "{provider}");
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(3), &json!(7)), "{provider}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_before_it_is_admitted_leaves_no_row() {
    let world = world().await;
    let user = world.user().await;
    user.ask("nothing", "hello").await.expect(404);
    user.api().post("/v1/chat/completions").body("{").send().await.expect(400);
    user.complete(&json!({"model": "anthropic/mock-small"})).await.expect(400);
    user.anonymous().post("/v1/chat/completions").json(&question("openai/mock-small", "x")).send().await.expect(401);
    let bad_tags = user.api().post("/v1/chat/completions").header("x-tokentracer-tags", "team");
    bad_tags.json(&question("openai/mock-small", "x")).send().await.expect(400);
    assert!(user.logs().await.is_empty() && world.sent().is_empty());
    assert_eq!(user.session.get("/manage/usage").send().await.expect(200).text(), "[]");
}

#[tokio::test]
async fn tags_stay_with_the_record() {
    let world = world().await;
    let user = world.user().await;
    let ask = |tags: &str| {
        let call = user.api().post("/v1/chat/completions").header("x-tokentracer-tags", tags);
        call.json(&question("openai/gpt-4o", "one two three")).send()
    };
    let answer = ask("team=search, feature = summary").await.expect(200);
    let expected = json!({"team": "search", "feature": "summary"});
    assert_eq!(user.log(&request_id(&answer)).await["tags"], expected);
    assert_eq!(user.logs().await[0]["tags"], expected);
    ask("team=ads").await.expect(200);
    ask("team=ads").await.expect(200);
    user.ask("openai/gpt-4o", "one two three").await.expect(200);

    let usage = user.session.get("/manage/usage?group_by=tag:team").send().await.expect(200).json();
    let mut counts: Vec<(String, u64)> = usage
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| !group["tag:team"].is_null())
        .map(|group| (group["tag:team"].as_str().unwrap().to_owned(), group["requests"].as_u64().unwrap()))
        .collect();
    counts.sort();
    assert_eq!(counts, [("ads".to_owned(), 2), ("search".to_owned(), 1)]);

    let ten = (0..10).map(|n| format!("t{n}={}", "v".repeat(64))).collect::<Vec<_>>().join(",");
    ask(&ten).await.expect(200);
    for bad in ["team", "=x", "team=", "a=1,a=2", &format!("{ten},more=1"), &format!("a={}", "v".repeat(65))] {
        crate::expect::error_about(&ask(bad).await, 400, "invalid_field", "x-tokentracer-tags");
    }
}

#[tokio::test]
async fn many_requests_at_once_are_each_counted_once() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "gpt-4o-mini").await;
    let client = tt_testkit::Client::keeping_connections(user.api().base()).bearer(user.api_key());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..25 {
                client.post("/v1/chat/completions").json(&question("fast", "one two three")).send().await.expect(200);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let usage = user.session.get("/manage/usage").send().await.expect(200).json();
    let sent = world.sent().pop().unwrap().usage_sent.unwrap();
    assert_eq!(usage[0]["requests"], 200);
    assert_eq!(usage[0]["output_tokens"], 200 * sent.output);
    assert_eq!(nano_of(&usage[0]["cost_usd"]), 200 * cost(OpenAi, "gpt-4o-mini", &sent));
    assert_eq!(user.logs().await.len(), 200);
}
