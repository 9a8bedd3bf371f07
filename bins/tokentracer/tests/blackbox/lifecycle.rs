//! Stopping in order and starting again: nothing that was running or kept is lost.

use std::time::Duration;

use serde_json::json;
use tt_core::Provider::{Gemini, OpenAi};
use tt_testkit::Behaviour;
use tt_testkit::world::{Backend, PASSWORD, eventually};

use crate::expect::error;
use crate::setup::{backend, world, world_with};

#[tokio::test]
async fn a_stream_that_runs_is_ended_in_full_before_the_process_stops() {
    for signal in ["TERM", "INT"] {
        let mut world = world().await;
        let mut user = world.user().await;
        world.mock.on("gpt-4o", Behaviour::ok().chunks(30).drip(Duration::from_millis(30)));
        user.alias("long", OpenAi, "gpt-4o").await;
        let mut stream = user.ask_stream("long", "hello").await;
        let id = stream.header("x-request-id").unwrap().to_owned();
        for _ in 0..3 {
            stream.next().await.unwrap();
        }
        world.program().signal(signal);
        let events = stream.rest().await;
        assert!(events.last().unwrap().is_done(), "SIG{signal}: the stream was cut");
        // It may have ended by now, and then takes no more signals; either way it says how it went.
        world.stop();
        world.start_again();
        world.find_again(&mut user);
        let row = user.log(&id).await;
        assert_eq!((&row["status"], &row["outcome"]), (&json!(200), &json!("ok")), "SIG{signal}");
        assert_eq!((&row["usage_source"], &row["output_tokens"]), (&json!("provider"), &json!(30)));
    }
}

#[tokio::test]
async fn while_it_stops_it_takes_no_new_connections() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-small", Behaviour::ok().chunks(50).drip(Duration::from_millis(30)));
    let mut stream = user.ask_stream("openai/mock-small", "hello").await;
    stream.next().await.unwrap();
    world.program().terminate();
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while user.anonymous().get("/health").try_send().await.is_ok() {
        assert!(std::time::Instant::now() < until, "it goes on taking connections");
    }
    assert!(stream.rest().await.last().unwrap().is_done());
}

#[tokio::test]
async fn a_closed_terminal_ends_nothing() {
    let mut world = world().await;
    world.program().signal("HUP");
    for _ in 0..10 {
        world.client().get("/health").send().await.expect(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = world.stop();
    assert!(log.contains("SIGHUP"), "{log}");
}

#[tokio::test]
async fn before_it_stops_it_serves_on_for_the_delay_and_says_that_it_is_not_ready() {
    let mut world = world_with(&[("SHUTDOWN_DELAY", "2s")]).await;
    let user = world.user().await;
    world.client().get("/health/ready").send().await.expect(200);
    let begun = std::time::Instant::now();
    world.program().terminate();
    eventually("it says that it leaves", async || world.client().get("/health/ready").send().await.status == 503).await;
    user.ask("openai/mock-small", "hello").await.expect(200);
    assert!(begun.elapsed() < Duration::from_secs(2), "the machine was too busy to see anything");
    while user.anonymous().get("/health").try_send().await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on taking connections");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "it closed after {:?}", begun.elapsed());
    world.stop();
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_and_has_its_row() {
    let mut world = world_with(&[("SHUTDOWN_GRACE", "300ms")]).await;
    let mut user = world.user().await;
    world.mock.on("gpt-4o", Behaviour::ok().chunks(10_000).drip(Duration::from_millis(20)));
    let mut stream = user.ask_stream("openai/gpt-4o", "hello").await;
    let id = stream.header("x-request-id").unwrap().to_owned();
    for _ in 0..4 {
        stream.next().await.unwrap();
    }
    world.stop();
    assert!(!stream.rest().await.iter().any(tt_testkit::client::Event::is_done), "a stream that was cut says [DONE]");
    world.start_again();
    world.find_again(&mut user);
    let row = user.log(&id).await;
    assert_eq!(row["usage_source"], "partial", "{row}");
    assert!(row["output_tokens"].as_u64().unwrap() > 0 && !row["cost_usd"].is_null(), "{row}");
}

#[tokio::test]
async fn no_row_is_lost_by_a_stop_right_after_the_answers() {
    let mut world = world().await;
    let mut user = world.user().await;
    user.alias("fast", OpenAi, "gpt-4o-mini").await;
    for _ in 0..40 {
        user.ask("fast", "hello").await.expect(200);
    }
    world.stop();
    world.start_again();
    world.find_again(&mut user);
    assert_eq!(user.logs().await.len(), 40);
    let usage = user.session.get("/manage/usage").send().await.expect(200).json();
    assert_eq!(usage[0]["requests"], 40);
}

#[tokio::test]
async fn a_restart_keeps_users_sessions_keys_aliases_and_usage() {
    let mut world = world().await;
    let mut user = world.user().await;
    let fallback = user.alias("second", Gemini, "mock-small").await;
    user.alias_with("first", OpenAi, "gpt-4o", json!({"fallback_alias_id": fallback})).await;
    user.ask("first", "hello").await.expect(200);
    // Where there are two processes, the other one was asked, and may write down that use of the key at any time. This use is
    // later, and the user's own process tells of it.
    user.api().get("/v1/models").send().await.expect(200);
    let revoked = user.session.post("/auth/key").send().await.expect(200).json();
    user.session.delete(&format!("/auth/keys/{}", revoked["id"])).send().await.expect(204);
    let paths = [
        "/auth/keys",
        "/auth/me",
        "/manage/providers",
        "/manage/aliases",
        "/manage/usage",
        "/manage/logs",
        "/v1/models",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(user.session.get(path).send().await.expect(200).text());
    }
    world.stop();
    world.start_again();
    world.find_again(&mut user);
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(user.session.get(path).send().await.expect(200).text(), before, "{path}");
    }
    user.ask("first", "hello").await.expect(200);
    user.ask("gemini/mock-small", "hello").await.expect(200);
    let revoked = user.anonymous().bearer(revoked["token"].as_str().unwrap());
    error(&revoked.get("/auth/me").send().await, 401, "invalid_credentials");
    let credentials = json!({"email": user.email, "password": PASSWORD});
    user.anonymous().post("/auth/login").json(&credentials).send().await.expect(200);
    error(&user.anonymous().post("/auth/signup").json(&credentials).send().await, 409, "email_taken");
}

#[tokio::test]
async fn the_first_line_tells_the_address_and_the_data_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world().await;
    assert!(world.program().address().starts_with("127.0.0.1:"));
    if backend() == Backend::Sqlite {
        let data = world.program().data_dir();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(data), mode(&data.join("secrets"))), (0o700, 0o600));
        assert_eq!((mode(&data.join("lock")), mode(&data.join("tokentracer.db.lock"))), (0o600, 0o600));
        let mut dirs = vec![data.join("journal")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
                if path.is_dir() {
                    dirs.push(path);
                }
            }
        }
    }
}

#[tokio::test]
async fn data_that_others_can_read_is_taken_from_them_also_by_migrate() {
    use std::os::unix::fs::PermissionsExt as _;
    if backend() != Backend::Sqlite {
        return;
    }
    let mut world = world().await;
    world.stop();
    let data = world.data_dir();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [data.clone(), data.join("journal")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(data.join("lock"), std::fs::Permissions::from_mode(0o644)).unwrap();
    world.start_again();
    assert_eq!((mode(&data), mode(&data.join("journal")), mode(&data.join("lock"))), (0o700, 0o700, 0o600));
    let other = tempfile::tempdir().unwrap();
    let made = other.path().join("data");
    assert!(crate::setup::program().data_dir(&made).argument("migrate").output().status.success());
    assert_eq!(mode(&made), 0o700);
}
