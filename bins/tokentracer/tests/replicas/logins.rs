//! Guessing passwords is slowed down, learns nothing, and locks nobody out.

use secrecy::ExposeSecret;
use serde_json::json;
use tt_core::UserId;
use tt_crypto::Sessions;
use tt_store::{Author, Store, StoreConfig};
use tt_testkit::client::Response;
use tt_testkit::world::{PASSWORD, credentials};
use tt_testkit::{Client, World};

use crate::setup::{alone, two};

/// Trusts the test as a proxy, so that it can name the address of each client.
async fn start() -> World {
    alone().env("TRUSTED_PROXIES", "127.0.0.1").start().await
}

async fn login(client: &Client, from: &str, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password});
    client.post("/auth/login").header("x-forwarded-for", from).json(&body).send().await
}

#[track_caller]
fn throttled(answer: &Response) {
    assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (429, "login_throttled"), "{}", answer.text());
    let wait = answer.number("retry-after");
    assert!((1..=900).contains(&wait), "retry-after: {wait}");
}

#[tokio::test]
async fn the_eleventh_wrong_login_is_refused_and_a_known_address_is_not_locked_out() {
    let alone = start().await;
    let client = alone.client();
    for name in ["ann", "bob"] {
        client.post("/auth/signup").json(&credentials(&format!("{name}@example.org"))).send().await.expect(201);
    }
    let ann = "ann@example.org";
    let home = "198.51.100.1";
    login(&client, home, ann, PASSWORD).await.expect(200);
    for last in 1..=10 {
        let answer = login(&client, &format!("203.0.113.{last}"), ann, "wrong password").await.expect(401);
        assert_eq!(answer.error_code(), "invalid_credentials");
    }
    // Every other address is refused, with the right password too: otherwise the password could still be guessed.
    throttled(&login(&client, "203.0.113.11", ann, "wrong password").await);
    throttled(&login(&client, "203.0.113.12", " Ann@Example.org", "wrong password").await);
    throttled(&login(&client, "203.0.113.13", ann, PASSWORD).await);
    login(&client, "203.0.113.14", "bob@example.org", PASSWORD).await.expect(200);
    // The address that has logged in to the account before is limited by its own failures only.
    for _ in 0..10 {
        login(&client, home, ann, "wrong password").await.expect(401);
    }
    throttled(&login(&client, home, ann, PASSWORD).await);
}

#[tokio::test]
async fn a_known_address_signs_in_while_others_guess() {
    let alone = start().await;
    let client = alone.client();
    client.post("/auth/signup").json(&credentials("ann@example.org")).send().await.expect(201);
    let home = "198.51.100.1";
    login(&client, home, "ann@example.org", PASSWORD).await.expect(200);
    for last in 1..=12 {
        login(&client, &format!("203.0.113.{last}"), "ann@example.org", "wrong password").await;
    }
    throttled(&login(&client, "203.0.113.99", "ann@example.org", PASSWORD).await);
    login(&client, home, "ann@example.org", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_slowed_down() {
    let alone = start().await;
    let client = alone.client();
    client.post("/auth/signup").json(&credentials("ann@example.org")).send().await.expect(201);
    for number in 0..10 {
        login(&client, "203.0.113.1", &format!("nobody{number}@example.org"), "wrong password").await.expect(401);
    }
    throttled(&login(&client, "203.0.113.1", "ann@example.org", PASSWORD).await);
    login(&client, "203.0.113.2", "ann@example.org", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_forwarded_address_from_an_untrusted_peer_is_ignored() {
    let alone = alone().envs(&[]).start().await;
    let client = alone.client();
    for number in 0..10 {
        let from = format!("203.0.113.{number}");
        login(&client, &from, &format!("nobody{number}@example.org"), "wrong password").await.expect(401);
    }
    throttled(&login(&client, "203.0.113.99", "another@example.org", "wrong password").await);
}

/// Others fail until the account is closed to addresses that it does not know.
async fn closed_to_strangers(client: &Client, email: &str) {
    for last in 1..=10 {
        login(client, &format!("203.0.113.{last}"), email, "wrong password").await.expect(401);
    }
    throttled(&login(client, "203.0.113.99", email, PASSWORD).await);
}

#[tokio::test]
async fn a_known_address_is_known_after_a_restart() {
    let mut alone = start().await;
    let client = alone.client();
    let (ann, bob) = ("ann@example.org", "bob@example.org");
    let (home, office) = ("198.51.100.1", "2001:db8:1:2::3");
    for (email, address) in [(ann, home), (bob, office)] {
        client.post("/auth/signup").json(&credentials(email)).send().await.expect(201);
        login(&client, address, email, PASSWORD).await.expect(200);
    }
    alone.stop();
    alone.start_again();
    let client = alone.client();
    closed_to_strangers(&client, ann).await;
    throttled(&login(&client, office, ann, PASSWORD).await);
    // It goes by its own failures from the first on.
    for _ in 0..10 {
        login(&client, home, ann, "wrong password").await.expect(401);
    }
    throttled(&login(&client, home, ann, PASSWORD).await);

    closed_to_strangers(&client, bob).await;
    throttled(&login(&client, home, bob, PASSWORD).await);
    // Another address of the same IPv6 network.
    login(&client, "2001:db8:1:2::4", bob, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_known_to_one_process_is_known_to_the_other() {
    let cluster = two(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let (one, other) = (cluster.client_of(0), cluster.client_of(1));
    let (ann, home) = ("ann@example.org", "198.51.100.1");
    one.post("/auth/signup").json(&credentials(ann)).send().await.expect(201);
    login(&one, home, ann, PASSWORD).await.expect(200);
    closed_to_strangers(&other, ann).await;
    throttled(&login(&other, "198.51.100.2", ann, PASSWORD).await);
    login(&other, home, ann, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_that_only_failed_is_not_known_after_a_restart() {
    let mut alone = start().await;
    let client = alone.client();
    let (ann, home) = ("ann@example.org", "198.51.100.1");
    client.post("/auth/signup").json(&credentials(ann)).send().await.expect(201);
    login(&client, home, ann, "wrong password").await.expect(401);
    alone.stop();
    alone.start_again();
    let client = alone.client();
    closed_to_strangers(&client, ann).await;
    throttled(&login(&client, home, ann, PASSWORD).await);
}

/// A token that is signed as it should be, with the name of somebody else's session.
#[tokio::test]
async fn a_token_that_names_another_user_than_its_session_is_a_wrong_one() {
    let secret = "j".repeat(32);
    let world = alone().env("JWT_SECRET", &secret).env("ENCRYPTION_KEY", &secret).start().await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    let url = format!("sqlite://{}", world.data_dir().join("tokentracer.db").display());
    let store = Store::open(StoreConfig::new(url.into(), tokio::runtime::Handle::current())).unwrap();
    let now = tt_http::now();
    let sessions = Sessions::new(&secret.into()).unwrap();
    for (sub, status) in [(ann.id, 200), (bob.id, 401)] {
        let issued = sessions.issue(UserId(sub), now).unwrap();
        store.create_session(UserId(ann.id), issued.jti_hash, issued.expires_at, Author::operator(now)).await.unwrap();
        let token = issued.token.expose_secret();
        let answer = world.client().get("/auth/me").bearer(token).send().await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}
