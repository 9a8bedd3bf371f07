//! The limit of calls to `/auth` and `/manage`: 600 a minute, by user, and by address where no user is known.

use serde_json::json;
use tt_core::Provider;
use tt_testkit::client::Response;
use tt_testkit::world::{credentials, error_code};

use crate::setup::world;

#[track_caller]
fn refused(answer: Response) {
    let wait = answer.number("retry-after");
    assert!((1..=61).contains(&wait), "{wait}");
    let body = answer.expect(429).json();
    assert_eq!((error_code(&body), &body["error"]["type"]), ("rate_limit_exceeded", &json!("rate_limit_error")));
}

#[tokio::test]
async fn a_user_who_calls_too_often_waits_and_nobody_else() {
    let world = world().await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({"scopes": ["manage", "proxy"]})).await.client;
    // One call before these was a provider key's, one an API key's.
    for number in 2..600 {
        let path = if number % 2 == 0 { "/manage/aliases" } else { "/auth/me" };
        let client = if number % 3 == 0 { &ann.session } else { &key };
        client.get(path).send().await.expect(200);
    }
    refused(ann.session.get("/auth/me").send().await);
    refused(key.get("/manage/aliases").send().await);
    refused(ann.session.post("/manage/route").json(&json!({})).send().await);
    bob.session.get("/auth/me").send().await.expect(200);
    key.get("/v1/models").send().await.expect(200);
    world.client().post("/auth/login").json(&credentials(&ann.email)).send().await.expect(200);
}

#[tokio::test]
async fn a_stranger_who_calls_too_often_waits_and_users_do_not() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    // The sign-up and the login were two calls.
    for _ in 2..600 {
        world.client().post("/auth/signup").json(&json!({})).send().await.expect(400);
    }
    refused(world.client().post("/auth/signup").json(&json!({})).send().await);
    refused(world.client().post("/auth/login").json(&credentials(&ann.email)).send().await);
    ann.session.get("/auth/me").send().await.expect(200);
    world.client().get("/health").send().await.expect(200);
}
