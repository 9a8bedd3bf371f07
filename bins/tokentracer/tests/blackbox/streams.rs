//! Streamed answers: as they arrive, whole, with the usage that was asked for, and honest about their end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_testkit::Behaviour;
use tt_testkit::client::{Event, RawConnection};
use tt_testkit::world::{PROVIDERS, User, World, streamed_question};

use crate::expect::fields;
use crate::setup::{world, world_with};

/// A model of each provider's, by the name the mock plays.
async fn aliases(user: &User, model: &str) {
    for provider in PROVIDERS {
        user.alias(provider.as_str(), provider, model).await;
    }
}

fn text(events: &[Event]) -> String {
    let delta = |event: &Event| event.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

fn streamed(model: &str, options: Value) -> Value {
    let mut body = streamed_question(model, "one two three");
    if !options.is_null() {
        body["stream_options"] = options;
    }
    body
}

#[tokio::test]
async fn a_stream_is_chunks_and_done() {
    let world = world().await;
    let user = world.user().await;
    aliases(&user, "mock-small").await;
    for provider in PROVIDERS {
        let mut stream = user.ask_stream(provider.as_str(), "one two three").await;
        assert_eq!(stream.status, 200);
        assert!(stream.header("content-type").unwrap().starts_with("text/event-stream"));
        assert_eq!(stream.header("x-tokentracer-provider"), Some(provider.as_str()));
        assert_eq!(stream.header("x-tokentracer-cost-usd"), None);
        let mut events = stream.rest().await;
        assert!(events.pop().unwrap().is_done(), "{provider}");
        assert_eq!(text(&events), "mock reply to: one two three", "{provider}");
        let chunks: Vec<Value> = events.iter().map(Event::json).collect();
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            assert!(chunk["id"].is_string() && chunk["created"].is_i64() && chunk["model"] == "mock-small", "{chunk}");
            assert_eq!(chunk["id"], chunks[0]["id"]);
            assert_eq!(chunk["choices"].as_array().unwrap().len(), 1, "a usage chunk nobody asked for: {chunk}");
        }
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let ends: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["finish_reason"])
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(ends, ["stop"], "{provider}");
    }
}

#[tokio::test]
async fn the_usage_chunk_comes_only_if_asked_for_and_upstream_is_always_asked() {
    let world = world().await;
    let user = world.user().await;
    aliases(&user, "mock-small").await;
    for provider in PROVIDERS {
        for (options, wanted) in [
            (Value::Null, false),
            (json!({}), false),
            (json!({"include_usage": false}), false),
            (json!({"include_usage": null}), false),
            (json!({"include_usage": true}), true),
        ] {
            let mut stream = user.complete_stream(&streamed(provider.as_str(), options.clone())).await;
            let mut events = stream.rest().await;
            assert!(events.pop().unwrap().is_done());
            let seen = world.sent().pop().unwrap();
            let sent = seen.usage_sent.expect("usage was not asked for upstream");
            if wanted {
                let last = events.pop().unwrap().json();
                assert_eq!(last["choices"], json!([]), "{provider}");
                let usage = &last["usage"];
                assert_eq!(usage["prompt_tokens"], sent.total_input(), "{provider}");
                assert_eq!(usage["completion_tokens"], sent.output, "{provider}");
                assert_eq!(usage["total_tokens"], sent.total(), "{provider}");
            }
            let none = events.iter().all(|event| event.json()["usage"].is_null());
            assert!(none, "{provider} {options}: usage in other chunks");
        }
    }
}

#[tokio::test]
async fn chunks_leave_as_they_arrive() {
    let world = world().await;
    let user = world.user().await;
    aliases(&user, "mock-drip-100ms-chunks-5").await;
    for provider in PROVIDERS {
        let mut stream = user.ask_stream(provider.as_str(), "hello").await;
        let events = stream.rest().await;
        let times: Vec<Duration> = events
            .iter()
            .filter(|event| {
                event.json()["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
            })
            .map(|event| event.after)
            .collect();
        assert_eq!(times.len(), 5, "{provider}: {events:#?}");
        // Four waits of 100 ms lie between the first and the last; a busy machine may eat some of that.
        let spread = times[4] - times[0];
        assert!(spread > Duration::from_millis(150), "{provider}: chunks were held back: {times:?}");
    }
}

#[tokio::test]
async fn events_cut_anywhere_are_put_together() {
    let world = world().await;
    let user = world.user().await;
    aliases(&user, "mock-slice-7").await;
    for provider in PROVIDERS {
        let mut stream = user.ask_stream(provider.as_str(), "grün und blau").await;
        let events = stream.rest().await;
        assert_eq!(text(&events), "mock reply to: grün und blau", "{provider}");
        assert!(events.last().unwrap().is_done());
    }
}

#[tokio::test]
async fn tool_calls_stream_in_pieces() {
    let world = world().await;
    let user = world.user().await;
    aliases(&user, "mock-small").await;
    for provider in PROVIDERS {
        let mut body = streamed(provider.as_str(), Value::Null);
        body["messages"][0]["content"] = json!("please call look_up");
        body["tools"] = json!([{"type": "function", "function": {"name": "look_up", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}},
        }}}]);
        let events = user.complete_stream(&body).await.rest().await;
        let mut arguments = String::new();
        let mut heads = Vec::new();
        let mut finish = Value::Null;
        for chunk in events.iter().map(Event::json) {
            let choice = &chunk["choices"][0];
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                assert_eq!(call["index"], 0);
                if call["id"].is_string() {
                    heads.push(call.clone());
                }
                arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
            if !choice["finish_reason"].is_null() {
                finish = choice["finish_reason"].clone();
            }
        }
        assert_eq!(heads.len(), 1, "{provider}");
        assert_eq!((&heads[0]["type"], &heads[0]["function"]["name"]), (&json!("function"), &json!("look_up")));
        assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "mock"}), "{provider}");
        assert_eq!(finish, "tool_calls", "{provider}");
    }
}

/// The stream ended with an error event and no `[DONE]`, and its row says so.
async fn broke(user: &User, provider: Provider, model: &str) -> Value {
    user.alias("breaks", provider, model).await;
    let mut stream = user.ask_stream("breaks", "one two three").await;
    assert_eq!(stream.status, 200, "{provider} {model}");
    let id = stream.header("x-request-id").unwrap().to_owned();
    let events = stream.rest().await;
    assert!(events.iter().all(|event| !event.is_done()), "{provider} {model}: [DONE] after a break");
    let last = events.last().unwrap().json();
    fields(&last["error"], &["message", "type", "code", "param"]);
    assert_eq!(last["error"]["type"], "upstream_error", "{last}");
    assert!(!text(&events).is_empty(), "{provider} {model}: what came before the break is lost");
    let errors = events.iter().filter(|event| event.json().get("error").is_some()).count();
    assert_eq!(errors, 1, "{provider} {model}");
    let row = user.row_when(|row| row["request_id"] == *id).await;
    assert_eq!((&row["status"], &row["outcome"]), (&json!(200), &json!("error")), "{provider} {model}");
    assert_eq!(row["usage_source"], "partial", "{provider} {model}");
    assert!(row["output_tokens"].as_u64().unwrap() > 0, "{row}");
    assert!(row["error"].is_string() && row["first_token_ms"].is_u64(), "{row}");
    last["error"].clone()
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_event() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in [
        (OpenAi, "mock-cut-after-3"),
        (OpenAi, "mock-reset-after-3"),
        (OpenAi, "mock-cut-bytes-700"),
        (Anthropic, "mock-cut-after-5"),
        (Anthropic, "mock-reset-after-5"),
        (Gemini, "mock-cut-after-2"),
        (Gemini, "mock-reset-after-2"),
    ] {
        broke(&user, provider, model).await;
    }
}

#[tokio::test]
async fn an_error_in_a_stream_reaches_the_client_as_one() {
    let world = world().await;
    let user = world.user().await;
    for (provider, model) in
        [(OpenAi, "mock-error-after-3"), (Anthropic, "mock-error-after-5"), (Gemini, "mock-error-after-2")]
    {
        broke(&user, provider, model).await;
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_breaks_after_the_idle_time_out() {
    let world = world_with(&[("UPSTREAM_IDLE_TIMEOUT", "300ms")]).await;
    let user = world.user().await;
    for (provider, model) in
        [(OpenAi, "mock-stall-after-3"), (Anthropic, "mock-stall-after-5"), (Gemini, "mock-stall-after-2")]
    {
        let error = broke(&user, provider, model).await;
        assert_eq!(error["code"], "upstream_timeout", "{provider}");
        let abandoned = world.mock.wait_for(|seen| seen.model.as_deref() == Some(model) && seen.ended()).await;
        assert!(!abandoned.completed);
    }
}

#[tokio::test]
async fn nothing_is_retried_once_the_client_has_some_of_it() {
    let world = world().await;
    let user = world.user().await;
    user.chain(&[(OpenAi, "mock-cut-after-3"), (OpenAi, "mock-good")]).await;
    let events = user.ask_stream("a0", "one two three").await.rest().await;
    assert!(events.last().unwrap().json().get("error").is_some());
    let models: Vec<String> = world.sent().into_iter().filter_map(|seen| seen.model).collect();
    assert_eq!(models, ["mock-cut-after-3"]);
}

#[tokio::test]
async fn a_slow_reader_slows_the_upstream_and_costs_no_memory() {
    // Words of 10 kB each: 40 MB, which no pair of socket buffers takes in.
    let word = format!("{} ", "x".repeat(9_999));
    let words = 4_000;
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-long", Behaviour::ok().text(&word.repeat(words)));
    let resident = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", world.program().id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    user.ask("openai/mock-small", "hello").await.expect(200);
    let before = resident();
    let mut stream = user.ask_stream("openai/mock-long", "hello").await;
    stream.next().await.unwrap();
    // The client does not read on. Without a bound the relay would have taken all of the stream by then.
    let all_taken = world.mock.wait_for(|seen| seen.completed && seen.model.as_deref() == Some("mock-long"));
    assert!(tokio::time::timeout(Duration::from_secs(2), all_taken).await.is_err(), "the upstream was not slowed");
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more are held");
    let mut count = 1;
    let mut done = false;
    while let Some(event) = stream.next().await {
        done = event.is_done();
        count += 1;
    }
    // The role, the words, the finish and [DONE].
    assert_eq!((count, done), (words + 3, true));
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more are held");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_a_slow_one_that_keeps_taking_is_not() {
    let word = format!("{} ", "x".repeat(9_999));
    let timeout = Duration::from_millis(1500);
    let world = world_with(&[("CLIENT_WRITE_TIMEOUT", "1500ms")]).await;
    let user = world.user().await;
    for model in ["mock-long", "mock-slow"] {
        world.mock.on(model, Behaviour::ok().text(&word.repeat(2_000)));
    }
    let begun = Instant::now();
    let mut stalled = user.ask_stream("openai/mock-long", "hello").await;
    stalled.next().await.unwrap();
    world.mock.wait_for(|seen| seen.model.as_deref() == Some("mock-long") && seen.cancelled_after.is_some()).await;
    assert!(begun.elapsed() >= timeout, "cut after {:?}", begun.elapsed());
    let row = user.row_when(|row| row["model"] == "mock-long").await;
    assert_eq!((&row["status"], &row["outcome"]), (&json!(499), &json!("cancelled")), "{row}");
    assert!(row["error"].as_str().unwrap().contains("CLIENT_WRITE_TIMEOUT"), "{row}");
    drop(stalled);

    let mut slow = user.ask_stream("openai/mock-slow", "hello").await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * timeout {
        // Buffers on the way give way in pieces of some hundred kilobytes, each of which must come in time.
        for _ in 0..5 {
            slow.next().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(slow.rest().await.last().unwrap().is_done(), "a slow reader was cut");
}

#[tokio::test]
async fn a_stream_that_reports_no_usage_is_estimated() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        user.alias("silent", provider, "mock-no-usage").await;
        let mut stream = user.complete_stream(&streamed("silent", json!({"include_usage": true}))).await;
        let id = stream.header("x-request-id").unwrap().to_owned();
        let events = stream.rest().await;
        assert!(events.last().unwrap().is_done(), "{provider}");
        let row = user.log(&id).await;
        assert_eq!((&row["usage_source"], &row["outcome"]), (&json!("estimated"), &json!("ok")), "{provider}");
        // "one two three" and "mock reply to: one two three".
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(3), &json!(7)), "{provider}");
    }
}

/// The pieces that a stream of `model` to `user` is written in: the chunks of HTTP's chunked coding.
async fn pieces(world: &World, user: &User, model: &str) -> Vec<String> {
    let mut raw = RawConnection::open(world.program().address()).await;
    let body = streamed(model, Value::Null).to_string();
    raw.write(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        user.api_key(),
        body.len()
    ))
    .await;
    let (answer, closed) = raw.read_to_end(Duration::from_secs(30)).await;
    assert!(closed, "{answer}");
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let mut pieces = Vec::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return pieces;
        }
        let (piece, after) = after.split_at(size);
        pieces.push(piece.to_owned());
        rest = after.strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn a_burst_is_written_together() {
    let world = world().await;
    let user = world.user().await;
    for provider in PROVIDERS {
        user.alias("bursting", provider, "mock-bench-chunks-200").await;
        let pieces = pieces(&world, &user, "bursting").await;
        let events = pieces.concat().matches("data: ").count();
        assert!(events > 200, "{provider}: {events} events");
        // The provider's burst crosses a socket in a few reads, each of which is written at once.
        assert!(pieces.len() < 60, "{provider}: {events} events in {} pieces", pieces.len());
    }
}

#[tokio::test]
async fn many_streams_at_once_do_not_mix() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-small", Behaviour::ok().drip(Duration::from_millis(2)));
    aliases(&user, "mock-small").await;
    let streams = (0..60).map(|number| {
        let user = &user;
        async move {
            let provider = PROVIDERS[number % 3];
            let said = format!("this is stream number {number} of many");
            let events = user.ask_stream(provider.as_str(), &said).await.rest().await;
            assert_eq!(text(&events), format!("mock reply to: {said}"));
            assert!(events.last().unwrap().is_done());
        }
    });
    futures(streams.collect()).await;
    assert_eq!(user.logs().await.len(), 60);
}

/// Runs all of them side by side.
async fn futures(all: Vec<impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
