//! The command line beside a running server.

use std::time::{Duration, Instant};

use serde_json::json;
use tt_core::Provider;
use tt_testkit::world::{Backend, Ran, eventually, question};
use tt_testkit::{Receiver, World};

use crate::setup::{program, setup, world};

#[tokio::test]
async fn users_are_listed_and_changed_and_the_server_sees_it_in_time() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    world.sign_up("bob").await;
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({})).await.client;
    let status = async || {
        let call = key.post("/v1/chat/completions").json(&question("openai/mock-small", "hello"));
        call.send().await.status.as_u16()
    };
    assert_eq!(status().await, 200);
    let users = |words: &[&str]| world.command(&[&["users"], words].concat());
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
    ann.session.get("/auth/me").send().await.expect(401);
    assert_eq!(line(users(&["enable", "ann@example.org"]), 0)[3], "active");
    in_time("the user is in again", 200).await;
    assert_eq!(line(users(&["limit", "ann@example.org", "--minute", "2", "--day", "50"]), 0)[4..6], ["2", "50"]);
    in_time("the limit holds", 429).await;
    assert_eq!(line(users(&["limit", "ann@example.org", "--minute", "0"]), 0)[4..6], ["default", "50"]);
    in_time("the minute is free again", 200).await;
    ann.session.get("/manage/users").send().await.expect(403);
    assert_eq!(line(users(&["promote", "ann@example.org"]), 0)[2], "admin");
    eventually("she is an administrator", async || ann.session.get("/manage/users").send().await.status == 200).await;
}

#[tokio::test]
async fn a_command_that_fails_says_why_in_one_line() {
    let world = world().await;
    world.sign_up("ann").await;
    let ran = world.command(&["users", "promote", "nobody@example.org"]).expect(1);
    assert_eq!(ran.err, "tokentracer: there is no user nobody@example.org\n");
    assert!(world.command(&["users", "disable", "nonsense"]).expect(1).err.contains("email"));
    for usage in [
        &["users"][..],
        &["users", "explode", "ann@example.org"],
        &["users", "promote"],
        &["users", "limit", "ann@example.org"],
        &["users", "limit", "ann@example.org", "--minute", "-1"],
        &["users", "limit", "ann@example.org", "--day", "9223372036854775808"],
        &["secrets"],
    ] {
        let ran = world.command(usage).expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{usage:?}");
    }
    // Without a server there is nothing to work on, and nothing is made.
    let empty = tempfile::tempdir().unwrap();
    for words in [&["users", "list"][..], &["secrets", "rotate"]] {
        let launch = words.iter().fold(program().data_dir(empty.path()), |launch, word| launch.argument(word));
        assert_eq!(Ran::from(launch).expect(1).err.lines().count(), 1);
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

/// The password that a command has made and printed, on its second line.
fn made(ran: Ran) -> String {
    let out = ran.expect(0).out;
    out.lines().nth(1).unwrap().strip_prefix("password\t").unwrap().to_owned()
}

#[tokio::test]
async fn the_first_user_is_made_by_a_command_where_nobody_may_sign_up() {
    let mut world = setup().env("SIGNUP", "closed").stopped().await;
    let created = world.command(&["users", "create", " Ann@Example.org", "--admin"]);
    assert_eq!(created.out.split('\t').skip(1).take(2).collect::<Vec<_>>(), ["ann@example.org", "admin"]);
    let password = made(created);
    world.start_again();
    let client = world.client();
    let log_in = async |password: &str| {
        let body = json!({"email": "ann@example.org", "password": password});
        client.post("/auth/login").json(&body).send().await
    };
    let token = log_in(&password).await.expect(200).json()["token"].as_str().unwrap().to_owned();
    let session = client.clone().bearer(&token);
    session.get("/manage/users").send().await.expect(200);
    client.post("/auth/signup").json(&json!({"email": "b@example.org", "password": password})).send().await.expect(403);
    let again = world.command(&["users", "create", "ann@example.org"]).expect(1);
    assert_eq!(again.err.lines().count(), 1, "{}", again.err);

    let other = made(world.command(&["users", "reset-password", "ann@example.org"]));
    eventually("her session has ended", async || session.get("/auth/me").send().await.status == 401).await;
    log_in(&password).await.expect(401);
    log_in(&other).await.expect(200);

    // Standard input is empty here.
    let refused = world.command(&["users", "create", "bob@example.org", "--password-stdin"]).expect(1);
    assert!(refused.err.contains("8 to 1024 bytes"), "{}", refused.err);
}

#[tokio::test]
async fn a_deleted_user_is_gone_and_what_they_spent_is_not() {
    let world = world().await;
    let admin = world.admin("root").await;
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({})).await.client;
    let key_id = ann.session.get("/manage/providers").send().await.expect(200).json()[0]["id"].clone();
    for (alias, fallback) in [("one", json!(null)), ("two", json!(1))] {
        let body = json!({
            "alias": alias, "target_model": "mock-small", "provider_key_id": key_id, "fallback_alias_id": fallback
        });
        ann.session.post("/manage/aliases").json(&body).send().await.expect(200);
    }
    key.post("/v1/chat/completions").json(&question("two", "hello")).send().await.expect(200);
    eventually("it is in the log", async || {
        !ann.session.get("/manage/logs").send().await.json()["data"].as_array().unwrap().is_empty()
    })
    .await;
    world.command(&["users", "delete", "ann@example.org"]).expect(0);
    eventually("her key is dead", async || {
        key.post("/v1/chat/completions").json(&question("two", "hello")).send().await.status == 401
    })
    .await;
    ann.session.get("/auth/me").send().await.expect(401);
    let listed = world.command(&["users", "list"]).expect(0).out;
    assert!(!listed.contains("ann@example.org"), "{listed}");
    // A later user with her address is somebody else.
    let new = world.sign_up("ann").await;
    assert!(new.id != ann.id && new.id != admin.id);
    assert_eq!(new.session.get("/manage/logs").send().await.expect(200).json()["data"], json!([]));
    assert_eq!(world.command(&["users", "delete", "nobody@example.org"]).expect(1).err.lines().count(), 1);
}

const ONE: &str = "the first encryption key, 32 bytes";
const TWO: &str = "the second encryption key, 32 bytes";

/// Rotates on the database of `world`, which does not run yet, beside a running server.
async fn rotation(mut world: World) -> World {
    let keys = |world: &mut World, key: &str, old: Option<&str>| {
        world.set("ENCRYPTION_KEY", key);
        world.set("ENCRYPTION_KEY_OLD", old.unwrap_or_default());
    };
    let rotate = |world: &World, key: &str, old: Option<&str>| {
        let launch = world.launch().env("ENCRYPTION_KEY", key).env("ENCRYPTION_KEY_OLD", old.unwrap_or_default());
        Ran::from(launch.argument("secrets").argument("rotate"))
    };
    let call = async |world: &World, token: &str| {
        let call = world.client().bearer(token).post("/v1/chat/completions");
        call.json(&question("openai/mock-small", "hello")).send().await.status.as_u16()
    };
    let own = json!({
        "provider": "anthropic", "api_key": "sk-ant-mock", "base_url": world.mock.base_url(Provider::Anthropic),
    });
    world.set("JWT_SECRET", "j".repeat(32));
    world.set("ALLOW_PRIVATE_UPSTREAMS", "true");
    keys(&mut world, ONE, None);
    world.start_again();
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    ann.save_provider_key(&own).await;
    let token = ann.new_api_key(&json!({})).await.token;
    assert_eq!(call(&world, &token).await, 200);
    let receiver = Receiver::start();
    let hook = json!({"url": receiver.url("/hook"), "events": ["ledger.gap"]});
    ann.session.post("/manage/webhooks").json(&hook).send().await.expect(201);
    world.kill();

    assert!(rotate(&world, TWO, None).expect(1).err.contains("2 provider keys open neither"));
    world.set("ALLOW_PRIVATE_UPSTREAMS", "false");
    keys(&mut world, TWO, Some(ONE));
    world.start_again();
    assert_eq!(call(&world, &token).await, 200, "the server reads what the old key sealed");
    let bob = world.sign_up("bob").await;
    bob.add_provider_key(Provider::OpenAi).await;
    let rotated = rotate(&world, TWO, Some(ONE)).expect(0).out;
    assert_eq!(
        rotated,
        "2 provider keys sealed anew, 1 already were\n1 secrets of webhooks sealed anew, 0 already were\n"
    );
    let rotated = rotate(&world, TWO, Some(ONE)).expect(0).out;
    assert_eq!(
        rotated,
        "0 provider keys sealed anew, 3 already were\n0 secrets of webhooks sealed anew, 1 already were\n"
    );
    assert_eq!(call(&world, &token).await, 200);
    world.kill();

    world.set("ALLOW_PRIVATE_UPSTREAMS", "true");
    keys(&mut world, TWO, None);
    world.start_again();
    assert_eq!(call(&world, &token).await, 200, "the old key is not needed any more");
    let ann = world.log_in("ann@example.org").await;
    let tested = ann.post("/manage/providers/2/test").send().await.expect(200).json();
    assert_eq!(tested["ok"], true, "the address is still bound to its key: {tested}");
    let tested = ann.post("/manage/webhooks/1/test").send().await.expect(200).json();
    assert_eq!(tested["ok"], true, "the webhook still has its secret: {tested}");
    let rotated = rotate(&world, TWO, None).expect(0).out;
    assert_eq!(
        rotated,
        "0 provider keys sealed anew, 3 already were\n0 secrets of webhooks sealed anew, 1 already were\n"
    );
    world
}

#[tokio::test]
async fn provider_keys_move_to_another_encryption_key() {
    rotation(setup().stopped().await).await;
}

#[tokio::test]
async fn provider_keys_move_to_another_encryption_key_on_postgresql() {
    let world = rotation(setup().backend(Backend::Postgres).stopped().await).await;
    let listed = world.command(&["users", "list"]).expect(0);
    assert_eq!(listed.out.lines().count(), 3, "{}", listed.out);
}

#[tokio::test]
async fn the_key_in_the_secrets_file_is_the_old_one_when_another_is_given() {
    let mut world = world().await;
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    let token = ann.new_api_key(&json!({})).await.token;
    let served = async |world: &World| {
        let call = world.client().bearer(&token).post("/v1/chat/completions");
        call.json(&question("openai/mock-small", "hello")).send().await.expect(200);
    };
    world.kill();
    world.set("ENCRYPTION_KEY", TWO);
    world.start_again();
    served(&world).await;
    let ran = world.command(&["secrets", "rotate"]).expect(0);
    assert_eq!(ran.out, "1 provider keys sealed anew, 0 already were\n");
    // An operator writes the keys into the file, with the old key beside the new one.
    world.kill();
    let file = world.data_dir().join("secrets");
    let text = std::fs::read_to_string(&file).unwrap();
    let jwt = text.lines().find(|line| line.starts_with("JWT_SECRET=")).unwrap();
    std::fs::write(&file, format!("{jwt}\nENCRYPTION_KEY={ONE}\nENCRYPTION_KEY_OLD={TWO}\n")).unwrap();
    world.set("ENCRYPTION_KEY", "");
    world.start_again();
    served(&world).await;
    let ran = world.command(&["secrets", "rotate"]).expect(0);
    assert_eq!(ran.out, "1 provider keys sealed anew, 0 already were\n");
}
