//! A wall clock that is set back, or was ahead for a moment: limits, sessions and times follow it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tt_core::Provider;
use tt_testkit::world::{User, question, request_id};
use tt_testkit::{Client, Program, World};

use crate::expect::{about, now_ms, time};
use crate::setup::BINARY;

const HOUR: i64 = 3600;

/// A program whose wall clock the test sets.
struct Clocked {
    program: Program,
    offset: PathBuf,
    _world: World,
    _dir: TempDir,
}

impl Clocked {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (library, offset) = (dir.path().join("clock.so"), dir.path().join("offset"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clock.c");
        let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
        assert!(made.success(), "the clock was not compiled");
        // On the embedded database limits go by the clock of the process; elsewhere by that of Redis.
        let world = World::of(BINARY).stopped().await;
        let launch = settings.iter().fold(world.launch(), |launch, (name, value)| launch.env(name, *value));
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let program = launch.env("LD_PRELOAD", text(&library)).env("CLOCK_OFFSET", text(&offset)).start();
        Self { program, offset, _world: world, _dir: dir }
    }

    fn client(&self) -> Client {
        self.program.client()
    }

    /// Sets the clock so many seconds ahead of the real one. The file is replaced as a whole, so that no half of it is
    /// read.
    fn set(&self, seconds: i64) {
        let draft = self.offset.with_extension("new");
        fs::write(&draft, seconds.to_string()).unwrap();
        fs::rename(&draft, &self.offset).unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_minute() {
    let clocked = Clocked::start(&[("RATE_LIMIT_MINUTE", "3")]).await;
    let user = User::sign_up(&clocked.client(), "ann").await;
    user.add_provider_key(Provider::OpenAi).await;
    let body = question("openai/mock-small", "hello");
    let ask = async || user.session.post("/v1/chat/completions").json(&body).send().await;
    for _ in 0..3 {
        ask().await.expect(200);
    }
    ask().await.expect(429);
    clocked.set(-HOUR);
    // The limit may refuse because of the jump, but for a minute at most.
    ask().await;
    clocked.set(-HOUR + 61);
    let answer = ask().await.expect(200);
    let row = user.log(&request_id(&answer)).await;
    about(time(&row["created_at"]), now_ms() + (-HOUR + 61) * 1000);
    let dates = [answer.header("date").unwrap(), ask().await.header("date").unwrap()].map(str::to_owned);
    clocked.set(0);
    let later = ask().await;
    assert!(!dates.contains(&later.header("date").unwrap().to_owned()), "the date stands still");
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_ends_no_session() {
    let clocked = Clocked::start(&[]).await;
    let user = User::sign_up(&clocked.client(), "ann").await;
    clocked.set(25 * HOUR);
    clocked.client().get("/health").send().await.expect(200);
    user.session.get("/auth/me").send().await.expect(401);
    clocked.set(0);
    user.session.get("/auth/me").send().await.expect(200);
    let other = User::sign_up(&clocked.client(), "bob").await;
    let me = other.session.get("/auth/me").send().await.expect(200).json();
    assert_eq!(me["email"], json!("bob@example.org"));
}
