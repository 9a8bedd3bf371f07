//! Routing: the targets that are tried, their order, and the answer that the caller gets when none serves.

use std::time::Duration;

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::Behaviour;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::world::{PROVIDERS, User, question, request_id};

use crate::expect::error;
use crate::setup::{world, world_with};

use Provider::{Anthropic, Gemini, OpenAi};

/// The number of times that the mock was asked for `model`.
fn asked(world: &World, model: &str) -> usize {
    world.sent().iter().filter(|seen| seen.model.as_deref() == Some(model)).count()
}

#[track_caller]
fn served_by(answer: &Response, alias: &str, model: &str, route: &str, attempts: &str) {
    let said = ["alias", "model", "route", "attempts"].map(|name| answer.header(&format!("x-tokentracer-{name}")));
    assert_eq!(said, [Some(alias), Some(model), Some(route), Some(attempts)], "{}", answer.text());
}

/// An alias `a0` for `model` that falls back to `a1`, which serves.
async fn with_fallback(user: &User, provider: Provider, model: &str) {
    user.chain(&[(provider, model), (OpenAi, "mock-good")]).await;
}

/// Asks not streamed and streamed. Returns the status and parts of the head of each answer.
async fn both_ways(user: &User, model: &str) -> [(u16, Option<String>, String); 2] {
    let plain = user.ask(model, "hello").await;
    let plain_alias = plain.header("x-tokentracer-alias").map(str::to_owned);
    let mut stream = user.ask_stream(model, "hello").await;
    let stream_alias = stream.header("x-tokentracer-alias").map(str::to_owned);
    let text: Vec<String> = stream.rest().await.into_iter().map(|event| event.data).collect();
    [(plain.status.as_u16(), plain_alias, plain.text()), (stream.status.as_u16(), stream_alias, text.join("\n"))]
}

#[tokio::test]
async fn an_alias_leads_to_its_target() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let name = provider.as_str();
        user.alias(name, provider, "mock-small").await;
        let answer = user.ask(name, "hello there").await.expect(200);
        served_by(&answer, name, "mock-small", "primary", "1");
        assert_eq!(answer.header("x-tokentracer-provider"), Some(name));
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "mock reply to: hello there");
        let direct = user.ask(&format!("{name}/mock-large"), "hello").await.expect(200);
        served_by(&direct, &format!("{name}/mock-large"), "mock-large", "primary", "1");
    }
}

#[tokio::test]
async fn a_model_that_is_nothing_is_404_and_leaves_no_row() {
    let world = world().await;
    let user = world.user().await;
    let bare = world.bare_user().await;
    for model in ["nothing", "mistral/large", "/x", "Openai/gpt-4o"] {
        error(&user.ask(model, "hello").await, 404, "model_not_found");
    }
    error(&bare.ask("openai/gpt-4o", "hello").await, 404, "model_not_found");
    for model in ["openai/", "openai/../x", "openai/a b", "gemini/a?b"] {
        let answer = user.ask(model, "hello").await;
        assert!(answer.status == 404 || answer.status == 400, "{model}: {}", answer.text());
    }
    assert!(world.sent().is_empty() && user.logs().await.is_empty());
}

#[tokio::test]
async fn an_error_that_another_target_may_not_have_falls_back_at_once() {
    let world = world().await;
    for (provider, model) in [
        (OpenAi, "mock-status-401"),
        (OpenAi, "mock-status-402"),
        (OpenAi, "mock-status-403"),
        (OpenAi, "mock-status-404"),
        (OpenAi, "mock-status-409"),
        (OpenAi, "mock-status-429"),
        (OpenAi, "mock-status-429-retry-after-2"),
        (OpenAi, "mock-context-length"),
        (OpenAi, "mock-garbage"),
        (Anthropic, "mock-status-401"),
        (Anthropic, "mock-status-429"),
        (Anthropic, "mock-context-length"),
        (Anthropic, "mock-garbage"),
        (Gemini, "mock-status-403"),
        (Gemini, "mock-status-429-retry-after-30"),
        (Gemini, "mock-context-length"),
        (Gemini, "mock-garbage"),
    ] {
        let user = world.user().await;
        with_fallback(&user, provider, model).await;
        let before = asked(&world, model);
        let answer = user.ask("a0", "hello").await.expect(200);
        served_by(&answer, "a1", "mock-good", "fallback", "2");
        assert_eq!(asked(&world, model) - before, 1, "{model}");
        // Another user, since the stored key of this one may rest now.
        let user = world.user().await;
        with_fallback(&user, provider, model).await;
        let mut stream = user.ask_stream("a0", "hello").await;
        assert_eq!(stream.header("x-tokentracer-alias"), Some("a1"), "{provider} {model}");
        assert_eq!(stream.header("x-tokentracer-attempts"), Some("2"), "{provider} {model}");
        assert!(stream.rest().await.last().unwrap().is_done());
        assert_eq!(asked(&world, model) - before, 2, "{model}");
    }
}

#[tokio::test]
async fn an_error_that_may_pass_is_tried_again_once() {
    let world = world().await;
    for (provider, model) in [
        (OpenAi, "mock-status-408"),
        (OpenAi, "mock-status-500"),
        (OpenAi, "mock-status-502"),
        (OpenAi, "mock-status-503"),
        (OpenAi, "mock-status-504"),
        (OpenAi, "mock-reset"),
        (OpenAi, "mock-cut-bytes-20"),
        (Anthropic, "mock-status-500"),
        (Anthropic, "mock-status-529"),
        (Gemini, "mock-status-500"),
        (Gemini, "mock-status-503"),
    ] {
        let user = world.user().await;
        with_fallback(&user, provider, model).await;
        let before = asked(&world, model);
        served_by(&user.ask("a0", "hello").await.expect(200), "a1", "mock-good", "fallback", "3");
        assert_eq!(asked(&world, model) - before, 2, "{provider} {model}");
        let mut stream = user.ask_stream("a0", "hello").await;
        assert_eq!(stream.header("x-tokentracer-attempts"), Some("3"), "{provider} {model}");
        assert!(stream.rest().await.last().unwrap().is_done());
        assert_eq!(asked(&world, model) - before, 4, "{provider} {model}");
    }
}

#[tokio::test]
async fn a_retry_that_succeeds_is_the_primary_route() {
    let world = world().await;
    let user = world.user().await;
    with_fallback(&user, OpenAi, "mock-shaky").await;
    world.mock.once("mock-shaky", Behaviour::status(500));
    served_by(&user.ask("a0", "hello").await.expect(200), "a0", "mock-shaky", "primary", "2");
    assert_eq!(asked(&world, "mock-good"), 0);
}

#[tokio::test]
async fn a_short_retry_after_is_waited_out() {
    let world = world().await;
    let user = world.user().await;
    with_fallback(&user, OpenAi, "mock-busy").await;
    world.mock.once("mock-busy", Behaviour::status(429).header("retry-after", "1"));
    let began = std::time::Instant::now();
    served_by(&user.ask("a0", "hello").await.expect(200), "a0", "mock-busy", "primary", "2");
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn retries_are_as_many_as_set() {
    for (most, attempts) in [("0", 1), ("3", 4)] {
        let world = world_with(&[("MAX_RETRIES", most)]).await;
        let user = world.user().await;
        user.alias("bad", OpenAi, "mock-status-500").await;
        error(&user.ask("bad", "hello").await, 502, "all_attempts_failed");
        assert_eq!(asked(&world, "mock-status-500"), attempts);
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_and_then_the_fallback() {
    let world = world_with(&[("ALLOW_PRIVATE_UPSTREAMS", "true")]).await;
    let user = world.user().await;
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let body = json!({"provider": "openai", "api_key": "sk-mock", "base_url": format!("http://127.0.0.1:{port}/v1")});
    let key = user.session.post("/manage/providers").json(&body).send().await.expect(201).json();
    let good = user.alias("good", OpenAi, "mock-small").await;
    let body =
        json!({"alias": "away", "target_model": "mock-small", "provider_key_id": key["id"], "fallback_alias_id": good});
    user.session.post("/manage/aliases").json(&body).send().await.expect(200);
    served_by(&user.ask("away", "hello").await.expect(200), "good", "mock-small", "fallback", "3");
    user.session.patch("/manage/aliases/away").json(&json!({"fallback_alias_id": null})).send().await.expect(200);
    let answer = user.ask("away", "hello").await;
    error(&answer, 502, "all_attempts_failed");
    let detail = user.log(&request_id(&answer)).await;
    assert_eq!(
        (&detail["attempts"], &detail["usage_source"], &detail["cost_usd"]),
        (&json!(2), &json!("none"), &json!(0))
    );
}

#[tokio::test]
async fn a_stream_without_content_is_a_failed_attempt() {
    let world = world().await;
    for (provider, model) in [
        (OpenAi, "mock-empty-stream"),
        (OpenAi, "mock-cut-after-0"),
        (OpenAi, "mock-cut-after-1"),
        (OpenAi, "mock-reset-after-1"),
        (OpenAi, "mock-error-after-0"),
        (OpenAi, "mock-error-after-1"),
        (Anthropic, "mock-empty-stream"),
        (Anthropic, "mock-cut-after-1"),
        (Anthropic, "mock-cut-after-3"),
        (Anthropic, "mock-error-after-1"),
        (Gemini, "mock-empty-stream"),
        (Gemini, "mock-cut-after-0"),
        (Gemini, "mock-error-after-0"),
    ] {
        let user = world.user().await;
        with_fallback(&user, provider, model).await;
        let mut stream = user.ask_stream("a0", "hello").await;
        assert_eq!(stream.status, 200, "{provider} {model}");
        assert_eq!(stream.header("x-tokentracer-alias"), Some("a1"), "{provider} {model}");
        let events = stream.rest().await;
        assert!(events.last().unwrap().is_done() && events.iter().all(|event| event.json().get("error").is_none()));
    }
}

#[tokio::test]
async fn the_callers_own_error_is_answered_at_once() {
    let world = world().await;
    for (provider, status) in [(OpenAi, 400), (OpenAi, 422), (Anthropic, 400), (Gemini, 400)]
        .into_iter()
        .chain(tt_testkit::world::PROVIDERS.map(|provider| (provider, 413)))
    {
        let user = world.user().await;
        let model = format!("mock-status-{status}");
        with_fallback(&user, provider, &model).await;
        let good = asked(&world, "mock-good");
        for (answered, _, text) in both_ways(&user, "a0").await {
            assert_eq!(answered, status, "{provider}: {text}");
            assert!(text.contains("as it was told to"), "the provider's words are lost: {text}");
            let body: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(body["error"]["type"], "invalid_request_error", "{text}");
            assert!(status != 413 || body["error"]["code"] == "body_too_large", "{text}");
        }
        assert_eq!(asked(&world, "mock-good"), good, "{provider} {status}: the fallback was asked");
        let rows = user.logs().await;
        assert!(rows.iter().all(|row| row["status"] == status && row["outcome"] == "error" && row["attempts"] == 1));
    }
}

#[tokio::test]
async fn the_callers_mistakes_are_answered_in_the_providers_words() {
    let world = world().await;
    let user = world.user().await;
    let mut body = question("openai/mock-small", "hello");
    body["temperature"] = json!(7);
    let answer = user.complete(&body).await;
    let told = error(&answer, 400, "invalid_value");
    assert_eq!(told["param"], "temperature");
    assert!(told["message"].as_str().unwrap().contains("temperature"));
}

#[tokio::test]
async fn a_chain_is_followed_to_its_end() {
    let world = world().await;
    let user = world.user().await;
    user.chain(&[
        (OpenAi, "mock-status-401"),
        (Gemini, "mock-status-429"),
        (Anthropic, "mock-garbage"),
        (OpenAi, "mock-good"),
    ])
    .await;
    served_by(&user.ask("a0", "hello").await.expect(200), "a3", "mock-good", "fallback", "4");
    served_by(&user.ask("a3", "hello").await.expect(200), "a3", "mock-good", "primary", "1");
}

#[tokio::test]
async fn no_more_than_eight_aliases_are_tried() {
    let world = world_with(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    let models: Vec<String> = (0..10).map(|number| format!("mock-status-500-a{number}")).collect();
    user.chain(&models.iter().map(|model| (OpenAi, model.as_str())).collect::<Vec<_>>()).await;
    let answer = user.ask("a0", "hello").await;
    error(&answer, 502, "all_attempts_failed");
    assert_eq!(world.sent().len(), 8);
    let tried: Vec<Value> = user.log(&request_id(&answer)).await["attempt_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["alias"].clone())
        .collect();
    assert_eq!(json!(tried), json!(["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]));
}

#[tokio::test]
async fn a_circle_written_by_two_at_once_ends() {
    let world = world_with(&[("MAX_RETRIES", "0")]).await;
    let user = world.user().await;
    for round in 0..5 {
        let (a, b) = (format!("x{round}"), format!("y{round}"));
        let (a_id, b_id) =
            (user.alias(&a, OpenAi, "mock-status-500").await, user.alias(&b, OpenAi, "mock-status-500").await);
        let point = |alias: &str, to: i64| {
            user.session.patch(&format!("/manage/aliases/{alias}")).json(&json!({"fallback_alias_id": to})).send()
        };
        let (one, other) = tokio::join!(point(&a, b_id), point(&b, a_id));
        for answer in [one, other] {
            assert!(answer.status == 200 || answer.status == 400, "{}", answer.text());
        }
        let before = asked(&world, "mock-status-500");
        error(&user.ask(&a, "hello").await, 502, "all_attempts_failed");
        assert!(asked(&world, "mock-status-500") - before <= 2);
    }
}

#[tokio::test]
async fn when_all_fail_the_last_attempt_decides_the_status() {
    let world = world_with(&[("UPSTREAM_TOTAL_TIMEOUT", "300ms"), ("UPSTREAM_FIRST_BYTE_TIMEOUT", "300ms")]).await;
    for (last, status, code) in [
        ("mock-status-500", 502, "all_attempts_failed"),
        ("mock-status-401", 502, "all_attempts_failed"),
        ("mock-status-404", 502, "all_attempts_failed"),
        ("mock-garbage", 502, "all_attempts_failed"),
        ("mock-reset", 502, "all_attempts_failed"),
        ("mock-status-429", 429, "upstream_rate_limited"),
        ("mock-status-504", 504, "upstream_timeout"),
        ("mock-delay-20s", 504, "upstream_timeout"),
        ("mock-context-length", 400, "context_length_exceeded"),
    ] {
        let user = world.user().await;
        user.chain(&[(Gemini, "mock-status-403"), (OpenAi, last)]).await;
        let answer = user.ask("a0", "hello").await;
        let told = error(&answer, status, code);
        let message = told["message"].as_str().unwrap();
        for part in ["gemini", "mock-status-403", "403", "openai", last] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        let row = user.log(&request_id(&answer)).await;
        assert_eq!((&row["status"], &row["outcome"]), (&json!(status), &json!("error")));
        let mut stream = user.ask_stream("a0", "hello").await;
        assert_eq!(stream.status, status, "{last}");
        assert_eq!(stream.rest().await[0].json()["error"]["code"], code);
    }
}

#[tokio::test]
async fn the_wait_that_a_provider_asks_for_is_passed_on() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        let answer = user.ask(&format!("{}/mock-status-429-retry-after-17", provider.as_str()), "hello").await;
        error(&answer, 429, "upstream_rate_limited");
        assert_eq!(answer.header("retry-after"), Some("17"), "{provider}");
    }
}

#[tokio::test]
async fn a_providers_advice_on_another_try_is_passed_on() {
    let world = world().await;
    let user = world.user().await;
    let at = "Wed, 21 Oct 2026 07:28:00 GMT";
    let later = "Wed, 21 Oct 2026 07:29:30 GMT";
    let busy = || Behaviour::status(429);
    for (behaviour, status, wait, again) in [
        (busy().header("retry-after-ms", "2500"), 429, Some("3"), None),
        (busy().header("date", at).header("retry-after", later), 429, Some("90"), None),
        (busy().header("retry-after", "17").header("x-should-retry", "false"), 429, Some("17"), Some("false")),
        (Behaviour::status(400).header("x-should-retry", "false"), 400, None, Some("false")),
        (Behaviour::status(422).header("x-should-retry", "true"), 422, None, Some("true")),
        // All that may be tried has been tried.
        (Behaviour::status(503).header("x-should-retry", "true"), 502, None, Some("false")),
    ] {
        world.mock.on("mock-advising", behaviour);
        let answer = user.ask("openai/mock-advising", "hello").await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (wait, again), "{status}");
    }
}

#[tokio::test]
async fn an_error_holds_no_more_than_300_characters_of_what_was_sent() {
    let world = world().await;
    let user = world.user().await;
    let quoting = json!({"error": {"message": "\u{e9}".repeat(2_000), "type": "t", "code": null}}).to_string();
    user.chain(&[(OpenAi, "mock-one"), (OpenAi, "mock-two"), (OpenAi, "mock-three")]).await;
    for status in [400, 404, 429, 500] {
        for model in ["mock-one", "mock-two", "mock-three"] {
            world.mock.on(model, Behaviour::status_with_body(status, quoting.clone()));
        }
        let answer = user.ask("a0", "hello").await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        let quoted = message.matches('\u{e9}').count();
        assert!((1..=300).contains(&quoted), "{status}: {quoted} characters are quoted: {message}");
    }
    let long = "z".repeat(5_000);
    let body = json!({"model": "gemini/mock-small", "messages": [
        {"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": long, "content": "x"}
    ]});
    let answer = user.complete(&body).await;
    let quoted = answer.text().matches('z').count();
    assert!(answer.status == 400 && quoted <= 300, "{quoted} characters are quoted: {}", answer.text());
}

#[tokio::test]
async fn no_message_holds_a_key() {
    let world = world().await;
    let user = world.user().await;
    let key = "sk-mock-b7f3c9e1d5";
    let path = format!("/manage/providers/{}", user.provider_key(OpenAi));
    user.session.patch(&path).json(&json!({"api_key": key})).send().await.expect(200);
    let quoting =
        json!({"error": {"message": format!("Incorrect API key provided: {key}."), "code": null}}).to_string();
    for status in [400, 401, 403, 404, 429, 500, 503] {
        let model = format!("quoting-{status}");
        world.mock.on(model.as_str(), Behaviour::status_with_body(status, quoting.clone()));
        let answer = user.ask(&format!("openai/{model}"), "hello").await;
        assert!(!answer.text().contains("b7f3c9e1d5"), "{status}: {}", answer.text());
        let detail = user.log(&request_id(&answer)).await.to_string();
        assert!(!detail.contains("b7f3c9e1d5"), "{status}: {detail}");
    }
    assert!(!world.program().stderr().contains("b7f3c9e1d5"));
}

#[tokio::test]
async fn a_wrong_key_is_a_failed_attempt_with_every_provider() {
    let world = world().await;
    for provider in PROVIDERS {
        let user = world.user().await;
        with_fallback(&user, provider, "mock-small").await;
        let key = user.provider_key(provider);
        if provider == OpenAi {
            continue;
        }
        user.session
            .patch(&format!("/manage/providers/{key}"))
            .json(&json!({"api_key": "wrong"}))
            .send()
            .await
            .expect(200);
        let answer = user.ask("a0", "hello").await.expect(200);
        served_by(&answer, "a1", "mock-good", "fallback", "2");
        let attempts = user.log(&request_id(&answer)).await["attempt_list"].clone();
        // Gemini says 400 for a bad key; it counts as what it is.
        assert_eq!(attempts[0]["status"], 401, "{provider}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_not_tried_again() {
    let settings = [
        ("UPSTREAM_TOTAL_TIMEOUT", "300ms"),
        ("UPSTREAM_FIRST_BYTE_TIMEOUT", "300ms"),
        ("UPSTREAM_IDLE_TIMEOUT", "10s"),
    ];
    let world = world_with(&settings).await;
    for (provider, model) in [
        (OpenAi, "mock-delay-20s"),
        (OpenAi, "mock-stall"),
        (Anthropic, "mock-delay-20s"),
        (Anthropic, "mock-stall"),
        (Gemini, "mock-delay-20s"),
        (Gemini, "mock-stall"),
    ] {
        let user = world.user().await;
        user.alias("slow", provider, model).await;
        let before = asked(&world, model);
        for (status, _, text) in both_ways(&user, "slow").await {
            assert_eq!(status, 504, "{provider} {model}: {text}");
            assert!(text.contains("upstream_timeout"), "{text}");
        }
        assert_eq!(asked(&world, model) - before, 2, "{provider} {model}");
    }
}

#[tokio::test]
async fn what_a_fallback_cannot_express_skips_it_and_what_the_first_cannot_is_told() {
    let world = world().await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-status-401"), (Anthropic, "mock-small"), (OpenAi, "mock-good")]).await;
    let mut body = question("a0", "hello");
    body["n"] = json!(2);
    let answer = user.complete(&body).await.expect(200);
    assert_eq!(answer.header("x-tokentracer-alias"), Some("a2"));
    assert_eq!(answer.json()["choices"].as_array().unwrap().len(), 2);
    body["model"] = json!("a1");
    let answer = user.complete(&body).await;
    assert_eq!(error(&answer, 400, "unsupported_parameter")["param"], "n");
}
