//! Hosts of users whose names are not looked up in time.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tt_core::Provider;
use tt_testkit::world::{User, question};
use tt_testkit::{Client, MockUpstream};

use crate::setup::BINARY;

/// The time in which a lookup is given up, and as long again for a busy machine.
const GIVEN_UP: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_name_that_is_not_looked_up_is_given_up_and_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("lookups.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lookups.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(made.unwrap().success(), "the lookups were not compiled");
    let world = tt_testkit::World::of(BINARY).stopped().await;
    // The operator's host has a name too.
    let mock = world.mock.base_url(Provider::OpenAi).replace("127.0.0.1", "localhost");
    let launch = world.launch().env("OPENAI_BASE_URL", mock).env("LD_PRELOAD", library.to_str().unwrap());
    let program = launch.start();

    let user = User::sign_up(&program.client(), "ann").await;
    user.add_provider_key(Provider::OpenAi).await;
    let begun = Instant::now();
    let mut saves = JoinSet::new();
    for number in 0..40 {
        let body = json!({"provider": "openai", "api_key": MockUpstream::key(Provider::OpenAi),
            "base_url": format!("https://n{number}.hangs.example/v1")});
        let save = Client::new(user.session.base()).bearer(&user.token).post("/manage/providers").json(&body);
        saves.spawn(tokio::time::timeout(3 * GIVEN_UP, save.try_send()));
    }
    let answer = user.session.post("/v1/chat/completions").json(&question("openai/mock-small", "hello")).send().await;
    answer.expect(200);
    for answer in saves.join_all().await {
        let answer = answer.expect("a save waits for a name").unwrap();
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    assert!(begun.elapsed() < GIVEN_UP, "the saves took {:?}", begun.elapsed());
}
