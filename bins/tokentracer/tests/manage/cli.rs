//! The command line beside a running server.

use std::time::{Duration, Instant};

use serde_json::json;
use tt_core::Provider;
use tt_testkit::database::TestDb;
use tt_testkit::process::Launch;
use tt_testkit::{MockUpstream, Program};

use crate::setup::{Person, Ran, binary, chat, command, eventually, launch};

#[tokio::test]
async fn users_are_listed_and_changed_and_the_server_sees_it_in_time() {
    let mock = MockUpstream::start();
    let program = launch(&mock).start();
    let ann = Person::sign_up(&program, "ann").await;
    Person::sign_up(&program, "bob").await;
    ann.provider_key(Provider::OpenAi).await;
    let key = ann.api_key(&program, &json!({})).await;
    let status = async || {
        let call = key.post("/v1/chat/completions").json(&chat("openai/mock-small", "hello"));
        call.send().await.status.as_u16()
    };
    assert_eq!(status().await, 200);
    let users = |words: &[&str]| command(&program, &[&["users"], words].concat());
    let line = |ran: Ran, n: usize| -> Vec<String> {
        ran.expect(0).out.lines().nth(n).unwrap_or_default().split('\t').map(str::to_owned).collect()
    };
    let listed = users(&["list"]).expect(0);
    assert_eq!(listed.out.lines().count(), 3, "{}", listed.out);
    let anns = line(listed, 1);
    assert_eq!(anns[..6], ["1", "ann@example.org", "user", "active", "default", "default"]);
    assert!(anns[6].ends_with('Z'));

    let in_time = async |what: &str, expected: u16| {
        let begun = Instant::now();
        eventually(what, async || status().await == expected).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}: {:?}", begun.elapsed());
    };
    assert_eq!(line(users(&["disable", " Ann@Example.org"]), 0)[3], "disabled");
    in_time("the disabled user is out", 401).await;
    ann.client.get("/auth/me").send().await.expect(401);
    assert_eq!(line(users(&["enable", "ann@example.org"]), 0)[3], "active");
    in_time("the user is in again", 200).await;
    assert_eq!(line(users(&["limit", "ann@example.org", "--minute", "2", "--day", "50"]), 0)[4..6], ["2", "50"]);
    in_time("the limit holds", 429).await;
    assert_eq!(line(users(&["limit", "ann@example.org", "--minute", "0"]), 0)[4..6], ["default", "50"]);
    in_time("the minute is free again", 200).await;
    ann.client.get("/manage/users").send().await.expect(403);
    assert_eq!(line(users(&["promote", "ann@example.org"]), 0)[2], "admin");
    eventually("she is an administrator", async || ann.client.get("/manage/users").send().await.status == 200).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_a_line() {
    let mock = MockUpstream::start();
    let program = launch(&mock).start();
    Person::sign_up(&program, "ann").await;
    let ran = command(&program, &["users", "promote", "nobody@example.org"]).expect(1);
    assert_eq!(ran.err, "tokentracer: there is no user nobody@example.org\n");
    assert!(command(&program, &["users", "disable", "nonsense"]).expect(1).err.contains("email"));
    for usage in [
        &["users"][..],
        &["users", "explode", "ann@example.org"],
        &["users", "promote"],
        &["users", "limit", "ann@example.org"],
        &["users", "limit", "ann@example.org", "--minute", "-1"],
        &["users", "limit", "ann@example.org", "--day", "9223372036854775808"],
        &["secrets"],
    ] {
        let ran = command(&program, usage).expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{usage:?}");
    }
    // Without a server there is nothing to work on, and nothing is made.
    let empty = tempfile::tempdir().unwrap();
    for words in [&["users", "list"][..], &["secrets", "rotate"]] {
        let launch = words.iter().fold(binary().data_dir(empty.path()), |launch, word| launch.argument(word));
        assert_eq!(Ran::from(launch).expect(1).err.lines().count(), 1);
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

const ONE: &str = "the first encryption key, 32 bytes";
const TWO: &str = "the second encryption key, 32 bytes";

/// Rotates on the database that `on` names, beside a running server.
async fn rotation(mock: &MockUpstream, on: impl Fn(Launch) -> Launch) {
    let keys = |launch: Launch, key: &str, old: Option<&str>| {
        let launch = on(launch).env("ENCRYPTION_KEY", key).env("JWT_SECRET", "j".repeat(32));
        old.into_iter().fold(launch, |launch, old| launch.env("ENCRYPTION_KEY_OLD", old))
    };
    let rotate =
        |key: &str, old: Option<&str>| Ran::from(keys(binary(), key, old).argument("secrets").argument("rotate"));
    let call = async |program: &Program, token: &str| {
        let call = program.client().bearer(token).post("/v1/chat/completions");
        call.json(&chat("openai/mock-small", "hello")).send().await.status.as_u16()
    };
    let token;
    let own = json!({
        "provider": "anthropic", "api_key": "sk-ant-mock", "base_url": mock.base_url(Provider::Anthropic),
    });
    {
        let program = keys(launch(mock).env("ALLOW_PRIVATE_UPSTREAMS", "true"), ONE, None).start();
        let ann = Person::sign_up(&program, "ann").await;
        ann.provider_key(Provider::OpenAi).await;
        ann.save_key(&own).await;
        let made = ann.client.post("/auth/key").send().await.expect(200).json();
        token = made["token"].as_str().unwrap().to_owned();
        assert_eq!(call(&program, &token).await, 200);
    }
    assert!(rotate(TWO, None).expect(1).err.contains("2 provider keys open neither"));
    {
        let program = keys(launch(mock), TWO, Some(ONE)).start();
        assert_eq!(call(&program, &token).await, 200, "the server reads what the old key sealed");
        let bob = Person::sign_up(&program, "bob").await;
        bob.provider_key(Provider::OpenAi).await;
        assert_eq!(rotate(TWO, Some(ONE)).expect(0).out, "2 provider keys sealed anew, 1 already were\n");
        assert_eq!(rotate(TWO, Some(ONE)).expect(0).out, "0 provider keys sealed anew, 3 already were\n");
        assert_eq!(call(&program, &token).await, 200);
    }
    let program = keys(launch(mock).env("ALLOW_PRIVATE_UPSTREAMS", "true"), TWO, None).start();
    assert_eq!(call(&program, &token).await, 200, "the old key is not needed any more");
    let ann = crate::setup::log_in(&program, "ann@example.org").await;
    let tested = ann.post("/manage/providers/2/test").send().await.expect(200).json();
    assert_eq!(tested["ok"], true, "the address is still bound to its key: {tested}");
    assert_eq!(rotate(TWO, None).expect(0).out, "0 provider keys sealed anew, 3 already were\n");
}

#[tokio::test]
async fn provider_keys_move_to_another_encryption_key() {
    let mock = MockUpstream::start();
    let data = tempfile::tempdir().unwrap();
    rotation(&mock, |launch| launch.data_dir(data.path())).await;
}

#[tokio::test]
async fn provider_keys_move_to_another_encryption_key_on_postgresql() {
    let mock = MockUpstream::start();
    let db = TestDb::postgres().await;
    rotation(&mock, |launch| launch.env("DATABASE_URL", db.url())).await;
    let list = binary().env("DATABASE_URL", db.url()).env("ENCRYPTION_KEY", TWO).env("JWT_SECRET", "j".repeat(32));
    let listed = Ran::from(list.argument("users").argument("list")).expect(0);
    assert_eq!(listed.out.lines().count(), 3, "{}", listed.out);
}

#[tokio::test]
async fn the_key_in_the_secrets_file_is_the_old_one_when_another_is_given() {
    let mock = MockUpstream::start();
    let data = tempfile::tempdir().unwrap();
    let token;
    {
        let program = launch(&mock).data_dir(data.path()).start();
        let ann = Person::sign_up(&program, "ann").await;
        ann.provider_key(Provider::OpenAi).await;
        let made = ann.client.post("/auth/key").send().await.expect(200).json();
        token = made["token"].as_str().unwrap().to_owned();
    }
    let program = launch(&mock).data_dir(data.path()).env("ENCRYPTION_KEY", TWO).start();
    let client = program.client().bearer(&token);
    let body = chat("openai/mock-small", "hello");
    client.post("/v1/chat/completions").json(&body).send().await.expect(200);
    let rotate = || binary().data_dir(data.path()).env("ENCRYPTION_KEY", TWO).argument("secrets").argument("rotate");
    assert_eq!(Ran::from(rotate()).expect(0).out, "1 provider keys sealed anew, 0 already were\n");
    // Written into the file by hand, with the old key beside it or not.
    drop(program);
    let file = data.path().join("secrets");
    let text = std::fs::read_to_string(&file).unwrap();
    let jwt = text.lines().find(|line| line.starts_with("JWT_SECRET=")).unwrap();
    std::fs::write(&file, format!("{jwt}\nENCRYPTION_KEY={ONE}\nENCRYPTION_KEY_OLD={TWO}\n")).unwrap();
    let program = launch(&mock).data_dir(data.path()).start();
    program.client().bearer(&token).post("/v1/chat/completions").json(&body).send().await.expect(200);
    let ran = command(&program, &["secrets", "rotate"]).expect(0);
    assert_eq!(ran.out, "1 provider keys sealed anew, 0 already were\n");
}
