//! Tenants who do harm with few requests: while they do, every worker goes on, the memory of the process stays below its
//! limit, and others are served. `cargo xtask soak hostile` runs these tests with the bounds of optimised code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tt_core::Provider;
use tt_testkit::world::{User, chat_head, credentials, question, streamed_question, within};
use tt_testkit::{Client, World};

use crate::ALONE;
use crate::setup::alone;

mod embeddings;
mod host;
mod probe;

use host::{Answer, Host};
use probe::{Memory, Probe};

/// The limit of memory in these tests, in bytes. One user has a quarter of it.
const LIMIT: usize = 64 << 20;

/// The time in which a stream that takes more and more memory must be ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time for which chats are timed while tokens are counted.
const COUNTED: Duration = Duration::from_secs(2);

/// The time in which others must be served.
const SERVED: Duration = if cfg!(debug_assertions) { Duration::from_secs(30) } else { Duration::from_secs(1) };

const MIB: usize = 1 << 20;

/// A scene: the program with its probes.
struct Scene {
    name: &'static str,
    limit: usize,
    world: World,
    memory: Memory,
    probes: Vec<Probe>,
}

impl Scene {
    async fn begin(name: &'static str) -> Self {
        Self::with_limit(name, LIMIT).await
    }

    /// A scene whose program may hold `bytes` for requests.
    async fn with_limit(name: &'static str, bytes: usize) -> Self {
        let limit = bytes.to_string();
        let settings =
            [("MAX_BUFFERED_BYTES", limit.as_str()), ("ALLOW_PRIVATE_UPSTREAMS", "true"), ("MAX_RETRIES", "0")];
        let world = alone().envs(&settings).env("SHUTDOWN_GRACE", "1s").start().await;
        // The first request of each kind takes memory once; so does the tokenizer.
        let user = world.user().await;
        user.ask("openai/mock-small", "hello").await.expect(200);
        user.ask("gemini/mock-small", "hello").await.expect(200);
        user.ask("openai/mock-no-usage", "hello").await.expect(200);
        let (memory, health) = (Memory::of(world.program()), Probe::of_health(world.program().address()));
        Self { name, limit: bytes, world, memory, probes: vec![health] }
    }

    /// Times chats of `user` with `model` too, from now on.
    fn time_chats(&mut self, user: &User, model: &str) {
        let body = question(model, "hello").to_string();
        self.probes.push(Probe::of_chats(self.world.program().address(), user.api_key(), &body));
    }

    /// A user whose alias `x` leads to `host`.
    async fn tenant(&self, name: &str, provider: Provider, host: &Host) -> User {
        let user = self.world.sign_up(name).await;
        let key = json!({"provider": provider.as_str(), "api_key": "tenants-own-key", "base_url": host.url()});
        let id = user.save_provider_key(&key).await;
        user.save_alias(&json!({"alias": "x", "target_model": "mock-small", "provider_key_id": id})).await;
        user
    }

    /// Checks the probes. Returns the world, which still runs.
    fn end(self) -> World {
        self.probes.into_iter().for_each(|probe| probe.end(self.name));
        self.memory.check(self.name, self.limit);
        self.world
    }
}

/// Sends `body` so many times at once, and waits for the answers, at most five seconds. Then the clients leave, and it all
/// begins anew, as often as `TT_SOAK_ROUNDS` says.
#[expect(clippy::disallowed_methods, reason = "the length of a soak is set by who starts it")]
async fn flood(client: &Client, path: &str, body: &str, times: usize) -> Vec<u16> {
    let rounds = std::env::var("TT_SOAK_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let mut statuses = Vec::new();
    for _ in 0..rounds {
        statuses.extend(flood_for(Duration::from_secs(5), client, path, body, times).await);
    }
    statuses
}

/// As [`flood`], with clients that leave after `patience`.
async fn flood_for(patience: Duration, client: &Client, path: &str, body: &str, times: usize) -> Vec<u16> {
    let mut calls = JoinSet::new();
    for _ in 0..times {
        let call = client.post(path).header("content-type", "application/json").body(body.to_owned());
        calls.spawn(tokio::time::timeout(patience, call.try_send()));
    }
    let answers = calls.join_all().await.into_iter().filter_map(|answer| answer.ok()?.ok());
    answers.map(|answer| answer.status.as_u16()).collect()
}

/// A chat completion for the alias `x` with one more field.
fn chat_with(field: &str, value: &str) -> String {
    format!(r#"{{"model":"x","messages":[{{"role":"user","content":"hello"}}],"{field}":{value}}}"#)
}

/// A list of `{}` that is `bytes` long.
fn empty_objects(bytes: usize) -> String {
    format!("[{}{{}}]", "{},".repeat(bytes / 3))
}

/// Checks that another user is served while somebody does harm: two chats, and a login.
async fn others_are_served(world: &World, other: &User) {
    let begun = Instant::now();
    other.ask("openai/mock-small", "hello").await.expect(200);
    other.ask("gemini/mock-small", "hello").await.expect(200);
    world.client().post("/auth/login").json(&credentials(&other.email)).send().await.expect(200);
    let took = begun.elapsed();
    assert!(took <= SERVED, "others waited {took:?}");
}

/// The bytes that the program holds for bodies and answers.
async fn held_bytes(world: &World) -> u64 {
    world.client().get("/health/ready").send().await.expect(200).json()["memory"]["held_bytes"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_many_small_values_take_no_more_than_the_limit() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("bodies of many small values").await;
    let silent = Host::start(Answer::Silence);
    let (tenant, other) = (scene.tenant("ann", Provider::Anthropic, &silent).await, scene.world.user().await);
    let small = chat_with("metadata", &format!(r#"{{"a":{}}}"#, empty_objects(MIB / 4)));
    let large = chat_with("metadata", &format!(r#"{{"a":{}}}"#, empty_objects(15 * MIB)));
    let flood = async {
        let statuses = flood(&tenant.session, "/v1/chat/completions", &large, 4).await;
        assert!(!statuses.is_empty() && statuses.iter().all(|status| [413, 503].contains(status)), "{statuses:?}");
        let statuses = flood(&tenant.session, "/v1/chat/completions", &small, 24).await;
        assert!(!statuses.is_empty() && statuses.iter().all(|status| [400, 503].contains(status)), "{statuses:?}");
    };
    tokio::join!(flood, others_are_served(&scene.world, &other));
    drop(scene.end());
}

/// 13 levels, each of which refers twice to the next one.
fn doubling() -> Value {
    let mut definitions = json!({"a0": {"type": "string"}});
    for level in 1..=13 {
        let next = json!({"$ref": format!("#/$defs/a{}", level - 1)});
        definitions[format!("a{level}")] = json!({"anyOf": [next, next]});
    }
    json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/a13"}}, "$defs": definitions})
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_are_dear_to_translate_stop_no_worker() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("tools that are dear to translate").await;
    let silent = Host::start(Answer::Silence);
    let (tenant, other) = (scene.tenant("ann", Provider::Gemini, &silent).await, scene.world.user().await);
    let tool = |name: String, parameters: Value| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
    let letters = (0..4000_u32).filter_map(|number| char::from_u32(0x4e00 + number));
    let named: Value = letters.map(|letter| tool(format!("{letter}丁"), json!({"type": "object"}))).collect();
    let doubled: Value = (0..60).map(|number| tool(format!("tool{number}"), doubling())).collect();
    let flood = async {
        for tools in [named, doubled] {
            flood(&tenant.session, "/v1/chat/completions", &chat_with("tools", &tools.to_string()), 6).await;
        }
    };
    tokio::join!(flood, others_are_served(&scene.world, &other));
    drop(scene.end());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_do_not_end_take_no_more_than_the_limit() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("answers that do not end").await;
    let endless = Host::start(Answer::Endless(vec![b' '; 40 * MIB].into()));
    let (tenant, other) = (scene.tenant("ann", Provider::OpenAi, &endless).await, scene.world.user().await);
    let flood = async {
        let body = question("x", "hello").to_string();
        let statuses = flood(&tenant.session, "/v1/chat/completions", &body, 6).await;
        assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 502), "{statuses:?}");
    };
    tokio::join!(flood, others_are_served(&scene.world, &other));
    let failed = tenant.row_when(|row| row["status"] == 502).await;
    assert!(failed["error"].as_str().unwrap().contains("the answer was not read"), "{failed}");
    drop(scene.end());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_many_small_values_stop_no_worker() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("answers of many small values").await;
    let other = scene.world.user().await;
    for (name, provider, fields) in [
        ("ann", Provider::OpenAi, r#""choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]"#),
        ("bob", Provider::Anthropic, r#""type":"message","content":[{"type":"text","text":"hi"}]"#),
        ("joe", Provider::Gemini, r#""candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]"#),
    ] {
        let answer = format!("{{{fields},\"more\":{}}}", empty_objects(5 * MIB));
        let host = Host::start(Answer::Json(answer.into_bytes().into()));
        let tenant = scene.tenant(name, provider, &host).await;
        let body = question("x", "hello").to_string();
        tokio::join!(flood(&tenant.session, "/v1/chat/completions", &body, 6), others_are_served(&scene.world, &other));
    }
    drop(scene.end());
}

/// One event of a stream of Anthropic's.
fn event(data: &str) -> Vec<u8> {
    let kind = serde_json::from_str::<Value>(data).map(|data| data["type"].as_str().unwrap_or_default().to_owned());
    format!("event: {}\ndata: {data}\n\n", kind.unwrap_or_default()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_open_blocks_take_no_more_than_the_limit() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("streams of open blocks").await;
    let mut pieces = vec![(
        event(
            r#"{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}"#,
        ),
        1,
    )];
    for block in 0..30 {
        let head = format!(
            r#"{{"type":"content_block_start","index":{block},"content_block":{{"type":"thinking","thinking":"","signature":""}}}}"#
        );
        let signature = "s".repeat(MIB / 2);
        let delta = format!(
            r#"{{"type":"content_block_delta","index":{block},"delta":{{"type":"signature_delta","signature":"{signature}"}}}}"#
        );
        pieces.extend([(event(&head), 1), (event(&delta), 16)]);
    }
    let host = Host::start(Answer::Stream(pieces.into()));
    let (tenant, other) = (scene.tenant("ann", Provider::Anthropic, &host).await, scene.world.user().await);
    let body = streamed_question("x", "hello").to_string();
    let flood = async {
        let statuses = flood_for(PATIENCE, &tenant.session, "/v1/chat/completions", &body, 4).await;
        // A stream that is slow to grow has begun, with 200, and ends with an error event.
        assert!(statuses.iter().all(|status| [200, 502, 503].contains(status)), "{statuses:?}");
        statuses.len()
    };
    let (ended, ()) = tokio::join!(flood, others_are_served(&scene.world, &other));
    drop(scene.end());
    assert_eq!(ended, 4, "streams that keep growing were not ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_events_stop_no_worker_and_reach_the_client() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("large events").await;
    let text = "x".repeat(MIB);
    let more = empty_objects(3 * MIB / 8);
    let openai = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"end\"}}}}],\"more\":{more}}}\n\n"
    );
    let gemini = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n\
         data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"end\"}}]}}}}],\"more\":{more}}}\n\n"
    );
    let other = scene.world.user().await;
    for (name, provider, events) in [("ann", Provider::OpenAi, openai), ("bob", Provider::Gemini, gemini)] {
        let host = Host::start(Answer::Stream(vec![(events.into_bytes(), 1)].into()));
        let tenant = scene.tenant(name, provider, &host).await;
        let body = streamed_question("x", "hello").to_string();
        let mut raw = tenant.anonymous().raw().await;
        raw.write(chat_head(&tenant.token, body.len()) + &body).await;
        let came = raw.read_until("\"content\":\"end\"", Duration::from_secs(30)).await;
        assert!(came.contains(&text) && came.contains("\"content\":\"end\""), "{name}: {} bytes came", came.len());
        drop(raw);
        tokio::join!(flood(&tenant.session, "/v1/chat/completions", &body, 6), others_are_served(&scene.world, &other));
    }
    drop(scene.end());
}

/// A tenant asks for the stream of these events six times, while others are served.
async fn events_that_are_dear_to_read(name: &'static str, provider: Provider, events: String) {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin(name).await;
    let host = Host::start(Answer::Stream(vec![(events.into_bytes(), 1)].into()));
    let (tenant, other) = (scene.tenant("ann", provider, &host).await, scene.world.user().await);
    let body = streamed_question("x", "hello").to_string();
    tokio::join!(flood(&tenant.session, "/v1/chat/completions", &body, 6), others_are_served(&scene.world, &other));
    drop(scene.end());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_many_lines_stops_no_worker() {
    let last = r#"{"choices":[{"index":0,"delta":{"content":"end"}}]}"#;
    let events = format!("{}data: {last}\n\n", "data:\n".repeat(15 * MIB / 6));
    events_that_are_dear_to_read("an event of many lines", Provider::OpenAi, events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_many_arguments_stops_no_worker() {
    // The arguments of a call are kept, unlike fields that nobody knows.
    let call = format!(r#"{{"functionCall":{{"name":"f","args":{{"a":{}}}}}}}"#, empty_objects(8 * MIB));
    let events = format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{call}]}}}}]}}\n\n");
    events_that_are_dear_to_read("an event of many arguments", Provider::Gemini, events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_drip_keep_nobody_out() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("bodies that drip").await;
    let silent = Host::start(Answer::Silence);
    let (tenant, other) = (scene.tenant("ann", Provider::OpenAi, &silent).await, scene.world.user().await);
    let mut dripping = Vec::new();
    for _ in 0..12 {
        let mut raw = tenant.anonymous().raw().await;
        raw.write(chat_head(&tenant.token, 8 * MIB) + &" ".repeat(7 * MIB)).await;
        dripping.push(raw);
    }
    // Two bodies of 7 MiB fit into a quarter of the limit.
    within(Duration::from_secs(10), "the bodies are held", async || held_bytes(&scene.world).await >= 14 * MIB as u64)
        .await;
    assert!(held_bytes(&scene.world).await <= LIMIT as u64 / 4);
    others_are_served(&scene.world, &other).await;
    let refused = tenant.session.post("/v1/chat/completions").json(&question("x", &"x".repeat(3 * MIB))).send().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    drop(dripping);
    within(Duration::from_secs(10), "the memory is given back", async || held_bytes(&scene.world).await < MIB as u64)
        .await;
    drop(scene.end());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_of_a_route_keeps_nobody_waiting() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::begin("previews of routes").await;
    let silent = Host::start(Answer::Silence);
    let (tenant, other) = (scene.tenant("ann", Provider::OpenAi, &silent).await, scene.world.user().await);
    let body = question("x", &"a word and another ".repeat(2 * MIB / 19)).to_string();
    scene.time_chats(&other, "openai/mock-small");
    let flood = async {
        for _ in 0..3 {
            let statuses = flood(&tenant.session, "/manage/route", &body, 17).await;
            assert!(!statuses.is_empty() && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        }
    };
    tokio::join!(flood, others_are_served(&scene.world, &other));
    drop(scene.end());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_one_user_makes_to_be_counted_keep_nobody_waiting() {
    let _alone = ALONE.lock().await;
    // A quarter of the limit is room for ten requests of 4 MiB.
    let mut scene = Scene::with_limit("tokens to be counted", 4 * LIMIT).await;
    let chunk = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let host = Host::start(Answer::Stream(vec![(chunk.to_vec(), 1)].into()));
    let (tenant, other) = (scene.tenant("ann", Provider::OpenAi, &host).await, scene.world.user().await);
    let body = streamed_question("x", &"a word and another ".repeat(4 * MIB / 19));
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = tenant.session.post("/v1/chat/completions").json(&body).stream().await;
        stream.next().await;
        streams.push(stream);
    }
    drop(streams);
    scene.time_chats(&other, "openai/mock-no-usage");
    let begun = Instant::now();
    other.ask("openai/mock-no-usage", "hello").await.expect(200);
    let waited = begun.elapsed();
    assert!(waited <= SERVED, "a count of a few words waited {waited:?}");
    tokio::time::sleep(COUNTED).await;
    let mut world = scene.end();
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(tenant.session.post("/v1/chat/completions").json(&body).stream().await);
    }
    let begun = Instant::now();
    world.stop();
    let took = begun.elapsed();
    println!("the stop took {took:?}");
    assert!(took <= Duration::from_secs(1) + SERVED, "the stop waited for counts: {took:?}");
}
