//! HTTP/2: what a client may do on one connection, and what ends the connection of one that does too much.

mod frames;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_core::Provider::OpenAi;
use tt_testkit::Behaviour;
use tt_testkit::client::Protocol;
use tt_testkit::world::{User, question, streamed_question};

use crate::expect::error;
use crate::http2::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, field, frame,
};
use crate::tls::world_with_tls;

/// The window of a client that takes everything.
const WIDE: u32 = 1 << 30;

const REFUSED_STREAM: u32 = 7;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn endless() -> Behaviour {
    Behaviour::ok().chunks(10_000).drip(Duration::from_millis(10))
}

fn bearer(user: &User) -> String {
    format!("Bearer {}", user.api_key())
}

fn is_left(row: &Value) -> bool {
    row["status"] == 499 && row["outcome"] == "cancelled"
}

#[tokio::test]
async fn leaving_a_stream_is_recorded_and_leaves_the_others_of_the_connection() {
    let (_authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    for model in ["mock-left", "mock-kept"] {
        user.alias(model, OpenAi, model).await;
    }
    world.mock.on("mock-left", endless());
    world.mock.on("mock-kept", Behaviour::ok().chunks(100).drip(Duration::from_millis(10)));
    let mut kept = user.ask_stream("mock-kept", "hello").await;
    let mut left = user.ask_stream("mock-left", "hello").await;
    for _ in 0..6 {
        left.next().await.unwrap();
        kept.next().await.unwrap();
    }
    // The connection is kept: the client sends RST_STREAM.
    drop(left);
    let at = Instant::now();
    world.mock.wait_for(|seen| seen.model.as_deref() == Some("mock-left") && seen.cancelled_after.is_some()).await;
    assert!(at.elapsed() < Duration::from_secs(1), "cancelled after {:?}", at.elapsed());
    let row = user.row_when(|row| row["alias"] == "mock-left").await;
    assert!(is_left(&row) && row["usage_source"] == "partial", "{row}");
    assert!(kept.rest().await.last().unwrap().is_done());
}

#[tokio::test]
async fn leaving_a_stream_before_its_answer_cancels_the_call() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    for stream in [false, true] {
        let model = format!("mock-delay-60s-{stream}");
        user.alias(&model, OpenAi, &model).await;
        let mut body = question(&model, "hello");
        body["stream"] = json!(stream);
        let number =
            raw.request("POST", "/v1/chat/completions", &[("authorization", &bearer(&user))], &body.to_string()).await;
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model)).await;
        raw.send(RST_STREAM, 0, number, &CANCEL).await;
        let at = Instant::now();
        world.mock.wait_for(|seen| seen.model.as_deref() == Some(&model) && seen.cancelled_after.is_some()).await;
        assert!(at.elapsed() < Duration::from_secs(1), "cancelled after {:?}", at.elapsed());
        let row = user.row_when(|row| row["alias"] == model.as_str()).await;
        assert!(is_left(&row) && row["usage_source"] == "unknown", "{row}");
    }
    assert!(raw.ping().await);
}

#[tokio::test]
async fn a_connection_that_is_closed_leaves_all_its_streams() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    world.mock.on("mock-endless", endless());
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let body = streamed_question("openai/mock-endless", "hello").to_string();
    for _ in 0..3 {
        raw.request("POST", "/v1/chat/completions", &[("authorization", &bearer(&user))], &body).await;
    }
    for _ in 0..6 {
        raw.until(|frame| frame.kind == DATA).await.unwrap();
    }
    drop(raw);
    for number in 0..3 {
        user.row_when(|_| true).await;
        tt_testkit::world::eventually("a row", async || user.logs().await.len() > number).await;
    }
    assert!(user.logs().await.iter().all(is_left));
}

#[tokio::test]
async fn streams_that_are_opened_only_to_be_reset_end_the_connection() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let other = world.client();
    // All at once: most are reset before they are looked at.
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let mut burst = Vec::new();
    let head = raw.head("GET", "/health", &[]);
    for _ in 0..1000 {
        let stream = raw.next_stream();
        burst.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        burst.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    raw.write(&burst).await;
    assert!(!raw.ping().await, "the connection is still there");
    // One after the other: each has begun when it is reset.
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let head = raw.head("POST", "/auth/login", &[("content-type", "application/json")]);
    let mut opened = 0;
    while opened < 1000 {
        let stream = raw.next_stream();
        if !raw.send(HEADERS, END_HEADERS, stream, &head).await || !raw.ping().await {
            break;
        }
        raw.send(RST_STREAM, 0, stream, &CANCEL).await;
        opened += 1;
        other.get("/health").send().await.expect(200);
    }
    assert!((100..1000).contains(&opened), "it ended after {opened} streams");
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let stream = raw.next_stream();
    let head = raw.head("GET", "/health", &[]);
    raw.send(HEADERS, END_STREAM, stream, &head).await;
    let more = field("x-more", &"x".repeat(16_000));
    let mut sent = 0;
    while sent < 10_000 && raw.send(CONTINUATION, 0, stream, &more).await {
        sent += 1;
    }
    assert!(sent < 1000, "{sent} frames of a head were taken");
    raw.end().await;
    world.client().get("/health").send().await.expect(200);
    // Frames without anything in them are no way around.
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let stream = raw.next_stream();
    raw.send(HEADERS, END_STREAM, stream, &head).await;
    let empty = frame(CONTINUATION, 0, stream, &[]).repeat(1000);
    let mut sent = 0;
    while sent < 1000 && raw.write(&empty).await {
        sent += 1;
    }
    assert!(sent < 1000, "empty frames of a head are taken for ever");
}

#[tokio::test]
async fn headers_past_the_limits_get_a_bare_answer() {
    let (_authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let client = world.client();
    let ask = || client.get("/health");
    // A client may stop sending headers that the server has said it will not take.
    let large = ask().header("x-large", &"x".repeat(70_000)).try_send().await;
    assert!(large.is_err() || large.is_ok_and(|answer| answer.status == 431));
    let many = (0..101).fold(ask(), |call, number| call.header(&format!("x-{number}"), "x"));
    let many = many.send().await.expect(431);
    assert!(many.body.is_empty());
    client.get(&format!("/{}", "x".repeat(9_000))).send().await.expect(414);
    // The target names the server, and the header another one.
    ask().header("host", "evil.example").send().await.expect(400);
    ask().send().await.expect(200);
}

#[tokio::test]
async fn a_connection_has_a_hundred_streams_at_a_time() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    assert!(raw.ping().await);
    let head = raw.head("POST", "/auth/login", &[("content-type", "application/json")]);
    let mut all = Vec::new();
    for _ in 0..101 {
        all.extend(frame(HEADERS, END_HEADERS, raw.next_stream(), &head));
    }
    raw.write(&all).await;
    let refused = raw.until(|frame| frame.kind == RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.code()), (201, REFUSED_STREAM));
    // A stream that ends makes room.
    raw.send(DATA, END_STREAM, 1, b"{}").await;
    raw.until(|frame| frame.stream == 1 && frame.flags & END_STREAM != 0).await.unwrap();
    let stream = raw.request("GET", "/health", &[], "").await;
    raw.until(|frame| frame.stream == stream && frame.kind == HEADERS).await.unwrap();
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let (_authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "gpt-4o").await;
    world.mock.on("gpt-4o", Behaviour::ok().chunks(50).drip(Duration::from_millis(5)));
    let asked = (0..150).map(|_| async {
        let events = user.ask_stream("fast", "hello").await.rest().await;
        assert!(events.last().unwrap().is_done());
    });
    futures_util::future::join_all(asked).await;
    assert_eq!(user.logs().await.iter().filter(|row| row["status"] == 200).count(), 150);
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_is_reset_and_the_connection_goes_on() {
    for window in [0, 100] {
        let (authority, _files, world) = world_with_tls(Protocol::Http2, &[("CLIENT_WRITE_TIMEOUT", "1500ms")]).await;
        let user = world.user().await;
        let word = format!("{} ", "x".repeat(9_999));
        world.mock.on("mock-long", Behaviour::ok().text(&word.repeat(100)));
        let mut raw = Connection::open(&world, &authority, window).await;
        let body = streamed_question("openai/mock-long", "hello").to_string();
        let begun = Instant::now();
        let stalled = raw.request("POST", "/v1/chat/completions", &[("authorization", &bearer(&user))], &body).await;
        let reset = raw.until(|frame| frame.kind == RST_STREAM).await.unwrap();
        assert_eq!(reset.stream, stalled);
        assert!(begun.elapsed() >= Duration::from_millis(1500), "cut after {:?}", begun.elapsed());
        let row = user.row_when(|row| row["model"] == "mock-long").await;
        assert!(is_left(&row) && row["error"].as_str().unwrap().contains("CLIENT_WRITE_TIMEOUT"), "{row}");
        // A plain answer is cut as well.
        let plain = question("openai/mock-long", "hello").to_string();
        let stalled = raw.request("POST", "/v1/chat/completions", &[("authorization", &bearer(&user))], &plain).await;
        let reset = raw.until(|frame| frame.kind == RST_STREAM).await.unwrap();
        assert_eq!(reset.stream, stalled);
        let stream = raw.request("HEAD", "/health", &[], "").await;
        raw.until(|frame| frame.stream == stream && frame.flags & END_STREAM != 0).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_falls_silent_is_408_and_its_connection_goes_on() {
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &[("CLIENT_BODY_IDLE_TIMEOUT", "300ms")]).await;
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let stream = raw.next_stream();
    let head = raw.head("POST", "/auth/login", &[("content-type", "application/json")]);
    raw.send(HEADERS, END_HEADERS, stream, &head).await;
    raw.send(DATA, 0, stream, b"{").await;
    let answer = raw.until(|frame| frame.stream == stream && frame.kind == DATA).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("request_timeout"));
    assert!(raw.ping().await);
}

#[tokio::test]
async fn a_connection_without_requests_ends_whatever_pings_it_gets() {
    let settings = [("CLIENT_IDLE_TIMEOUT", "1500ms"), ("CLIENT_HEADER_TIMEOUT", "1s")];
    let (authority, _files, world) = world_with_tls(Protocol::Http2, &settings).await;
    // Before its first request a connection has the time for a head.
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let begun = Instant::now();
    while raw.ping().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is kept for pings");
    }
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let stream = raw.request("GET", "/health", &[], "").await;
    raw.until(|frame| frame.stream == stream && frame.flags & END_STREAM != 0).await.unwrap();
    let idle = Instant::now();
    let mut told = false;
    loop {
        raw.send(PING, 0, 0, b"question").await;
        match raw.until(|frame| frame.kind == PING || frame.kind == GOAWAY).await {
            Some(frame) => told |= frame.kind == GOAWAY && frame.code() == 0,
            None => break,
        }
        assert!(idle.elapsed() < Duration::from_secs(20), "it is kept for pings");
    }
    assert!(told, "it was closed without a GOAWAY");
    assert!(idle.elapsed() >= Duration::from_millis(1400), "closed after {:?}", idle.elapsed());
}

#[tokio::test]
async fn a_stop_says_goaway_and_lets_streams_end() {
    let (authority, _files, mut world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    world.mock.on("mock-small", Behaviour::ok().chunks(60).drip(Duration::from_millis(20)));
    let mut raw = Connection::open(&world, &authority, WIDE).await;
    let body = streamed_question("openai/mock-small", "hello").to_string();
    let stream = raw.request("POST", "/v1/chat/completions", &[("authorization", &bearer(&user))], &body).await;
    raw.until(|frame| frame.kind == DATA).await.unwrap();
    // An idle connection is told as well.
    let mut idle = Connection::open(&world, &authority, WIDE).await;
    let asked = idle.request("GET", "/health", &[], "").await;
    idle.until(|frame| frame.stream == asked && frame.flags & END_STREAM != 0).await.unwrap();
    world.program().terminate();
    assert_eq!(idle.end().await.unwrap().code(), 0);
    let (mut away, mut text) = (false, String::new());
    while let Some(frame) = raw.next().await {
        away |= frame.kind == GOAWAY && frame.code() == 0;
        if frame.kind == DATA && frame.stream == stream {
            text.push_str(&String::from_utf8_lossy(&frame.payload));
        }
    }
    assert!(away && text.contains("[DONE]"), "{away}: {text}");
    world.stop();
}

#[tokio::test]
async fn what_a_stream_may_not_is_an_error_as_over_http1() {
    let (_authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let user = world.user().await;
    let broken = user.api().post("/v1/chat/completions").header("content-type", "application/json").body("{");
    error(&broken.send().await, 400, "invalid_json");
    error(&user.ask("nothing", "hello").await, 404, "model_not_found");
    let wrong = world.client().get("/auth/me").bearer("tt-nonsense").send().await;
    error(&wrong, 401, "invalid_credentials");
}
