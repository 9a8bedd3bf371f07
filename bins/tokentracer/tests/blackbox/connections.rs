//! More connections than there may be: each is told so, `/health` is answered, and those who were there before notice
//! nothing.

use std::time::Duration;

use tt_testkit::client::RawConnection;
use tt_testkit::process::Launch;
use tt_testkit::world::eventually;
use tt_testkit::{Client, Program, World};

use crate::setup::{program, world, world_with};

/// Connections that say nothing.
async fn silent(world: &World, number: usize) -> Vec<RawConnection> {
    let mut all = Vec::with_capacity(number);
    for _ in 0..number {
        all.push(world.client().raw().await);
    }
    all
}

#[tokio::test]
async fn past_the_limit_a_503_is_written_and_health_is_answered() {
    let world = world_with(&[("MAX_CONNECTIONS", "20"), ("CLIENT_HEADER_TIMEOUT", "60s")]).await;
    let held = silent(&world, 20).await;
    let mut raw = world.client().raw().await;
    raw.write("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    let (answer, closed) = raw.read_to_end(Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"overloaded\""), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1") && closed, "{answer}");
    let health = world.client().get("/health").send().await.expect(200);
    assert_eq!(health.text(), "OK");
    world.client().get("/health/ready").send().await.expect(503);
    // Silent connections past the limit keep nobody from asking for long.
    let more = silent(&world, 40).await;
    eventually("health is answered", async || {
        world.client().get("/health").try_send().await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    drop((held, more));
    eventually("there is room again", async || {
        world.client().get("/health/ready").try_send().await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

/// The launch, with a limit of open files that a shell sets first.
fn limited(launch: Launch, ulimit: &str) -> Launch {
    let script = format!("ulimit {ulimit} && exec {}", env!("CARGO_BIN_EXE_tokentracer"));
    launch.argument("-c").argument(&script)
}

fn open_files(program: &Program) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
    limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned()
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_told() {
    let shell = || Program::launch("/bin/sh");
    let raised = limited(shell(), "-S -n 128").start();
    let line = open_files(&raised);
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    let low = limited(shell(), "-n 512").start();
    for number in ["MAX_CONNECTIONS", "10000", "20256", "512", "128"] {
        eventually(number, async || low.stderr().contains(number)).await;
    }
    drop((raised, low, program()));
}

#[tokio::test]
async fn silent_connections_take_no_files_from_those_who_are_in() {
    let mut world = world().await;
    let user = world.user().await;
    user.ask("openai/mock-small", "hello").await.expect(200);
    world.stop();
    let low = limited(world.launch_by(Program::launch("/bin/sh")), "-n 256").start();
    let caller = Client::keeping_connections(low.url()).bearer(user.api_key());
    let ask = || {
        let body = tt_testkit::world::question("openai/mock-small", "hello");
        caller.post("/v1/chat/completions").json(&body).send()
    };
    ask().await.expect(200);
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(RawConnection::open(low.address()).await);
    }
    for _ in 0..20 {
        ask().await.expect(200);
    }
    eventually("health is answered", async || {
        low.client().get("/health").try_send().await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    drop(held);
}
