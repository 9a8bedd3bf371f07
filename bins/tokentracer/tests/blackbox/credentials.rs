//! Credentials of every bad kind.

use tt_testkit::client::{Client, Response};
use tt_testkit::world::question;

use crate::expect::{alike, error};
use crate::setup::world;

/// One path for each kind of credential that is asked for.
const PATHS: [&str; 5] = ["/auth/me", "/auth/keys", "/manage/providers", "/manage/logs", "/v1/models"];

async fn with(client: &Client, path: &str, authorization: Option<&str>) -> Response {
    let call = client.get(path);
    match authorization {
        Some(value) => call.header("authorization", value).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn no_credential_and_another_scheme_are_missing_credentials() {
    let world = world().await;
    let user = world.bare_user().await;
    let client = user.anonymous();
    let basic = format!("Basic {}", user.api_key());
    for path in PATHS {
        let none = with(&client, path, None).await;
        error(&none, 401, "missing_credentials");
        for value in [basic.as_str(), "Bearer", "Bearer ", "Digest x", user.api_key()] {
            alike(&none, &with(&client, path, Some(value)).await);
        }
    }
    // A route of the OpenAI dialect accepts no header in which another dialect carries its key.
    let call = client.post("/v1/chat/completions").json(&question("fast", "hello"));
    error(&call.header("x-api-key", user.api_key()).send().await, 401, "missing_credentials");
}

#[tokio::test]
async fn every_bad_credential_gets_the_same_answer() {
    // Another world has other keys and another secret, so its tokens are well formed and unknown here.
    let elsewhere = world().await;
    let world = world().await;
    let (user, stranger) = (world.bare_user().await, elsewhere.bare_user().await);
    let client = user.anonymous();
    let (head, rest) = user.token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let key_end = user.api_key().chars().next_back().unwrap();
    let shorter = user.api_key().trim_end_matches(key_end).to_owned();
    let bad = [
        "x".to_owned(),
        "tt-".to_owned(),
        "tt-short".to_owned(),
        format!("{}x", user.api_key()),
        shorter.clone(),
        format!("{shorter}{}", if key_end == 'a' { 'b' } else { 'a' }),
        user.api_key().to_uppercase(),
        stranger.api_key().to_owned(),
        stranger.token.clone(),
        format!("{head}.{claims}"),
        format!("{head}.{claims}."),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{head}.{claims}x.{signature}"),
        format!("{head}.{claims}.{signature}x"),
        format!("{head}.e30.{signature}"),
        format!("{}.{}", user.token, signature),
        user.token.replace('.', " "),
        "...".to_owned(),
        "x".repeat(20_000),
        format!("{} {}", user.api_key(), user.api_key()),
        "\u{e9}\u{e8}".to_owned(),
    ];
    for path in PATHS {
        let first = with(&client, path, Some("Bearer nonsense")).await;
        error(&first, 401, "invalid_credentials");
        for token in &bad {
            alike(&first, &with(&client, path, Some(&format!("Bearer {token}"))).await);
        }
    }
    client.get("/health").send().await.expect(200);
}

#[tokio::test]
async fn two_credentials_are_a_wrong_one() {
    let world = world().await;
    let user = world.bare_user().await;
    let mut raw = user.anonymous().raw().await;
    let line = format!("Authorization: Bearer {}\r\n", user.api_key());
    raw.write(format!("GET /auth/me HTTP/1.1\r\nHost: x\r\n{line}{line}Connection: close\r\n\r\n")).await;
    let head = raw.read_head().await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

#[tokio::test]
async fn the_scheme_is_taken_in_any_case() {
    let world = world().await;
    let user = world.bare_user().await;
    for value in [format!("bearer {}", user.api_key()), format!("BEARER  {} ", user.token)] {
        with(&user.anonymous(), "/auth/me", Some(&value)).await.expect(200);
    }
}

#[tokio::test]
async fn a_credential_in_the_query_is_none() {
    let world = world().await;
    let user = world.bare_user().await;
    let path = format!("/v1/models?key={}&api_key={}", user.api_key(), user.api_key());
    error(&user.anonymous().get(&path).send().await, 401, "missing_credentials");
}
