//! The log: standard error that nobody reads stops nothing.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tt_core::Provider;
use tt_testkit::world::{User, eventually};
use tt_testkit::{Client, Program, World};

use crate::setup::world_stopped;

/// The longest time that an answer may take here. Password hashes take most of it.
const SOON: Duration = Duration::from_secs(20);

/// A program whose standard error nobody reads, and whose pipe is full of lines on failed logins and broken streams.
async fn unread(world: &World) -> Program {
    let program = world.launch().env("RUST_LOG", "trace").stderr_unread().start();
    let client = Client::keeping_connections(program.url());
    let user = User::sign_up(&client, "user").await;
    user.add_provider_key(Provider::OpenAi).await;
    let mut flood = JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        flood.spawn(async move {
            let body = json!({"email": format!("nobody{number}@example.org"), "password": "wrong password"});
            client.post("/auth/login").json(&body).send().await.status.as_u16()
        });
    }
    for _ in 0..20 {
        let session = user.session.clone();
        flood.spawn(async move {
            let body = json!({
                "model": "openai/mock-cut-after-3", "stream": true, "messages": [{"role": "user", "content": "hello"}]
            });
            let mut stream = session.post("/v1/chat/completions").json(&body).stream().await;
            stream.rest().await;
            stream.status.as_u16()
        });
    }
    while let Some(status) = flood.join_next().await {
        assert!(matches!(status.unwrap(), 200 | 401 | 429 | 503), "it did not serve");
    }
    program
}

/// Makes more lines than the program keeps for a pipe that is full: a line for each request, of more than 130 bytes.
async fn more_lines_than_fit(program: &Program) {
    let client = Client::keeping_connections(program.url());
    let mut flood = JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        flood.spawn(async move {
            for _ in 0..1_250 {
                client.get("/health").send().await.expect(200);
            }
        });
    }
    flood.join_all().await;
}

#[tokio::test]
async fn a_standard_error_that_nobody_reads_stops_neither_requests_nor_the_end() {
    let world = world_stopped().await;
    let mut program = unread(&world).await;
    let began = Instant::now();
    for _ in 0..20 {
        program.client().get("/health").send().await.expect(200);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    program.terminate();
    let status = program.wait_for(SOON);
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[tokio::test]
async fn lost_lines_are_told_once_standard_error_is_read_again() {
    let world = world_stopped().await;
    let mut program = unread(&world).await;
    more_lines_than_fit(&program).await;
    program.read_stderr();
    eventually("the lost lines are told", async || program.stderr().contains("log lines were lost")).await;
    program.client().get("/health").send().await.expect(200);
    program.terminate();
    assert!(program.wait().success());
    eventually("the last lines are written", async || program.stderr().contains("stopped")).await;
}
