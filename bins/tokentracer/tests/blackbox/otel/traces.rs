//! The spans of requests, against their rows.

use serde_json::json;
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_core::Usage;
use tt_testkit::Behaviour;
use tt_testkit::world::{question, request_id};

use super::{has, own_trace, spans_of, tokens, traced};
use crate::prices::nano_of;

#[tokio::test]
async fn a_plain_call_has_a_span_and_one_below_it_as_its_row_says() {
    let (receiver, world) =
        traced(&[("OTEL_SERVICE_NAME", "llm proxy"), ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb")]).await;
    let user = world.user().await;
    let usage = Usage { input: 100, cache_read: 40, output: 50, reasoning: Some(20), ..Usage::default() };
    world.mock.on("gpt-4o", Behaviour::ok().usage(usage));
    user.alias("fast", OpenAi, "gpt-4o").await;
    let answer = user.ask("fast", "hello").await.expect(200);
    let id = request_id(&answer);
    let row = user.log(&id).await;

    let (request, attempts) = spans_of(&receiver, &id, 1).await;
    assert_eq!(request.name, "POST /v1/chat/completions");
    assert_eq!((request.trace_id.as_str(), request.parent_id.as_str()), (own_trace(&id).as_str(), ""));
    assert!(!request.failed && request.end >= request.start);
    assert_eq!((request.end - request.start) / 1_000_000, row["latency_ms"].as_u64().unwrap());
    has(
        &request,
        &json!({
            "http.request.method": "POST", "http.route": "/v1/chat/completions", "url.path": "/v1/chat/completions",
            "url.scheme": "http", "http.response.status_code": 200, "tokentracer.alias": "fast",
            "tokentracer.outcome": "ok", "tokentracer.attempts": 1, "error.type": null, "gen_ai.conversation.id": null,
        }),
    );
    assert_eq!(request.resource["service.name"], "llm proxy");
    assert_eq!(request.resource["team"], "a,b");
    assert_eq!(request.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert!(
        request.resource.contains_key("service.instance.id") && request.resource.contains_key("telemetry.sdk.name")
    );

    let attempt = &attempts[0];
    assert_eq!(attempt.name, "chat gpt-4o");
    assert_eq!((&attempt.trace_id, &attempt.parent_id), (&request.trace_id, &request.span_id));
    assert!(!attempt.failed && attempt.start >= request.start && attempt.end <= request.end + 1_000_000);
    has(
        attempt,
        &json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": row["attempt_list"][0]["served_model"], "gen_ai.request.stream": null,
            "gen_ai.usage.input_tokens": tokens(&row, "input_tokens"),
            "gen_ai.usage.cache_read.input_tokens": tokens(&row, "cached_input_tokens"),
            "gen_ai.usage.cache_write.input_tokens": null,
            "gen_ai.usage.output_tokens": tokens(&row, "output_tokens"),
            "gen_ai.usage.reasoning.output_tokens": tokens(&row, "reasoning_tokens"),
            "tokentracer.usage.source": "provider", "tokentracer.attempt.route": "primary",
            "tokentracer.cost.nano_usd": nano_of(&row["cost_usd"]), "http.response.status_code": 200,
            "error.type": null, "gen_ai.response.time_to_first_chunk": null,
        }),
    );
    assert_eq!(attempt.get("gen_ai.usage.input_tokens"), 140);
}

#[tokio::test]
async fn a_stream_tells_the_time_to_its_first_chunk_and_its_conversation() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    for (provider, model, operation, word) in [
        (Anthropic, "claude-haiku-4-5", "chat", "anthropic"),
        (Gemini, "gemini-2.5-flash", "generate_content", "gcp.gemini"),
    ] {
        user.alias(model, provider, model).await;
        let mut body = question(model, "hello");
        body["stream"] = json!(true);
        let call = user.api().post("/v1/chat/completions").header("x-tokentracer-session", "session-7").json(&body);
        drop(call.stream().await.rest().await);
        let row = user.row_when(|row| row["alias"] == model).await;
        let id = row["request_id"].as_str().unwrap();
        let (request, attempts) = spans_of(&receiver, id, 1).await;
        has(&request, &json!({"gen_ai.conversation.id": "session-7", "tokentracer.outcome": "ok"}));
        assert_eq!(attempts[0].name, format!("{operation} {model}"));
        has(
            &attempts[0],
            &json!({
                "gen_ai.request.stream": true, "gen_ai.conversation.id": "session-7", "gen_ai.provider.name": word,
                "gen_ai.usage.output_tokens": tokens(&row, "output_tokens"),
            }),
        );
        assert!(attempts[0].get("gen_ai.response.time_to_first_chunk").is_f64());
    }
}

#[tokio::test]
async fn a_fallback_is_a_second_span_and_a_retry_another() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    world.mock.on("gpt-4o", Behaviour::status(503));
    user.chain(&[(OpenAi, "gpt-4o"), (Anthropic, "claude-haiku-4-5")]).await;
    let id = request_id(&user.ask("a0", "hello").await.expect(200));
    let (request, attempts) = spans_of(&receiver, &id, 3).await;
    assert!(!request.failed);
    has(&request, &json!({"tokentracer.attempts": 3, "error.type": null, "http.response.status_code": 200}));
    for attempt in &attempts[..2] {
        assert!(attempt.failed && attempt.message.is_empty());
        has(
            attempt,
            &json!({
                "error.type": "503", "http.response.status_code": 503, "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": null, "gen_ai.usage.output_tokens": null,
                "tokentracer.usage.source": "none",
            }),
        );
    }
    assert!(!attempts[2].failed);
    has(&attempts[2], &json!({"tokentracer.attempt.route": "fallback", "gen_ai.provider.name": "anthropic"}));
    let ids: std::collections::HashSet<_> = attempts.iter().map(|span| span.span_id.as_str()).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_request_that_fails_and_one_whose_client_leaves_say_so() {
    let (receiver, world) = traced(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    world.mock.on("gpt-4.1", Behaviour::status(500));
    world.mock.on("gpt-4o-mini", Behaviour::status(400));
    world.mock.on("gpt-4o", Behaviour::ok().text("one two three four").stall_after(2));
    let id = request_id(&user.ask("openai/gpt-4.1", "hello").await.expect(502));
    let (request, attempts) = spans_of(&receiver, &id, 1).await;
    assert!(request.failed && attempts[0].failed);
    has(&request, &json!({"error.type": "502", "tokentracer.outcome": "error"}));
    has(&attempts[0], &json!({"error.type": "500", "gen_ai.usage.input_tokens": null}));

    // The fault of the client is no error of the server.
    let id = request_id(&user.ask("openai/gpt-4o-mini", "hello").await.expect(400));
    let (request, attempts) = spans_of(&receiver, &id, 1).await;
    assert!(!request.failed && attempts[0].failed);
    has(&request, &json!({"error.type": "400", "http.response.status_code": 400}));

    let mut left = user.ask_stream("openai/gpt-4o", "hello").await;
    left.next().await.unwrap();
    drop(left);
    let row = user.row_when(|row| row["outcome"] == "cancelled").await;
    let (request, attempts) = spans_of(&receiver, row["request_id"].as_str().unwrap(), 1).await;
    assert!(!request.failed && attempts[0].failed);
    has(
        &request,
        &json!({"error.type": "cancelled", "tokentracer.outcome": "cancelled", "http.response.status_code": 499}),
    );
    has(
        &attempts[0],
        &json!({
            "error.type": "cancelled", "tokentracer.usage.source": "partial",
            "gen_ai.usage.output_tokens": tokens(&row, "output_tokens"),
        }),
    );
}

#[tokio::test]
async fn usage_that_is_not_known_is_left_out() {
    let (receiver, world) = traced(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    world.mock.on("gpt-4o", Behaviour::reset());
    let id = request_id(&user.ask("openai/gpt-4o", "hello").await.expect(502));
    let row = user.log(&id).await;
    assert_eq!(row["usage_source"], "unknown");
    let (_, attempts) = spans_of(&receiver, &id, 1).await;
    has(
        &attempts[0],
        &json!({
            "error.type": "unanswered", "gen_ai.usage.input_tokens": null, "gen_ai.usage.output_tokens": null,
            "tokentracer.cost.nano_usd": null, "tokentracer.usage.source": "unknown",
        }),
    );
}

#[tokio::test]
async fn embeddings_and_counts_are_operations_of_their_own() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    let body = json!({"model": "openai/text-embedding-3-small", "input": "hello"});
    let id = request_id(&user.api().post("/v1/embeddings").json(&body).send().await.expect(200));
    let (request, attempts) = spans_of(&receiver, &id, 1).await;
    assert_eq!(request.name, "POST /v1/embeddings");
    assert_eq!(attempts[0].name, "embeddings text-embedding-3-small");

    let body = json!({"model": "anthropic/claude-haiku-4-5", "messages": [{"role": "user", "content": "hello"}]});
    let call = user.api().post("/v1/messages/count_tokens").json(&body);
    let id = request_id(&call.send().await.expect(200));
    let (request, attempts) = spans_of(&receiver, &id, 1).await;
    assert_eq!(request.name, "POST /v1/messages/count_tokens");
    assert_eq!(attempts[0].name, "count_tokens claude-haiku-4-5");
    has(&attempts[0], &json!({"gen_ai.usage.input_tokens": null}));
}

#[tokio::test]
async fn no_content_no_key_and_no_user_is_in_what_is_sent() {
    let (receiver, world) = traced(&[("OTEL_EXPORTER_OTLP_HEADERS", "x-secret=a%20secret")]).await;
    let user = world.user().await;
    let (asked, told) = ("the-words-of-the-question", "the-words-of-the-answer");
    world.mock.on("gpt-4o", Behaviour::ok().text(told));
    world.mock.on("gpt-4.1", Behaviour::status_with_body(400, json!({"error": {"message": told}}).to_string()));
    let answer = user.ask("openai/gpt-4o", asked).await.expect(200);
    assert!(answer.text().contains(told));
    let failed = request_id(&user.ask("openai/gpt-4.1", asked).await.expect(400));
    drop(user.ask_stream("openai/gpt-4o", asked).await.rest().await);
    let streamed = user.row_when(|row| row["stream"] == true).await;
    spans_of(&receiver, &failed, 1).await;
    spans_of(&receiver, streamed["request_id"].as_str().unwrap(), 1).await;
    receiver.wait_for_points(|points| !points.is_empty()).await;
    let posted = receiver.posted();
    let keys = [OpenAi, Anthropic, Gemini].map(tt_testkit::MockUpstream::key);
    for one in &posted {
        let bytes = String::from_utf8_lossy(&one.body);
        for secret in [asked, told, user.api_key(), user.email.as_str(), "a secret"]
            .into_iter()
            .chain(keys.iter().map(AsRef::as_ref))
        {
            assert!(!bytes.contains(secret), "{secret} is in {bytes}");
        }
        assert_eq!(one.headers["x-secret"], "a secret");
        assert_eq!(one.headers["content-type"], "application/x-protobuf");
    }
    assert!(posted.iter().any(|one| one.path == "/v1/traces") && posted.iter().any(|one| one.path == "/v1/metrics"));
    for number in 0..world.processes() {
        assert!(!world.program_of(number).stderr().contains("a secret"));
    }
}
