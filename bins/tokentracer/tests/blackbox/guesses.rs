//! Floods of logins, sign-ups and changes of a password: they are slowed down, and nobody else pays for them.

use serde_json::json;
use tokio::task::JoinSet;
use tt_testkit::world::PASSWORD;

use crate::expect::{error, error_about};
use crate::setup::{world, world_with};

#[tokio::test]
async fn logins_whose_email_is_no_address_are_throttled_as_others_are() {
    let world = world().await;
    let login = || world.client().post("/auth/login").json(&json!({"email": "x", "password": PASSWORD})).send();
    for _ in 0..10 {
        error(&login().await, 401, "invalid_credentials");
    }
    error(&login().await, 429, "login_throttled");
}

#[tokio::test]
async fn a_full_queue_of_passwords_is_no_fault_and_locks_nobody_out() {
    let world = world_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let user = world.bare_user().await;
    let login = |from: String, email: &str| {
        let call = world.client().post("/auth/login").header("x-forwarded-for", &from);
        call.json(&json!({"email": email, "password": PASSWORD}))
    };
    let mut flood = JoinSet::new();
    for number in 0..600 {
        let call = login(format!("198.51.100.{}", number / 5), "x");
        flood.spawn(async move { call.send().await });
    }
    let mut refused = 0;
    while let Some(answer) = flood.join_next().await {
        let answer = answer.unwrap();
        if answer.status == 503 {
            error(&answer, 503, "overloaded");
            assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
            refused += 1;
        } else {
            error(&answer, 401, "invalid_credentials");
        }
    }
    assert!(refused > 0, "the queue was never full");
    // The owner tries while it is full, again and again, from an address that the account does not know.
    for _ in 0..20 {
        let mut flood = JoinSet::new();
        for number in 0..300 {
            let call = login(format!("10.0.{}.{}", number / 250, number % 250), "x");
            flood.spawn(async move { call.send().await });
        }
        let answer = login("192.0.2.1".to_owned(), &user.email).send().await;
        assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.text());
        if answer.status == 200 {
            break;
        }
        flood.join_all().await;
    }
    let log = world.program().stderr();
    assert!(!log.contains("ERROR"), "{log}");
    login("192.0.2.1".to_owned(), &user.email).send().await.expect(200);
}

#[tokio::test]
async fn a_session_does_not_let_its_holder_guess_the_password() {
    let world = world().await;
    let user = world.bare_user().await;
    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": "another password"});
        user.session.post("/auth/password").json(&body).send()
    };
    for _ in 0..10 {
        error_about(&change("a guess").await, 400, "invalid_field", "current_password");
    }
    for password in ["a guess", PASSWORD] {
        let refused = change(password).await;
        error(&refused, 429, "login_throttled");
        assert!(refused.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn an_address_may_sign_up_so_often_and_no_oftener() {
    let world = world_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let sign_up = |from: &str| {
        let call = world.client().post("/auth/signup").header("x-forwarded-for", from);
        call.json(&json!({"email": "ann@example.org", "password": PASSWORD})).send()
    };
    sign_up("192.0.2.1").await.expect(201);
    for _ in 1..100 {
        error(&sign_up("192.0.2.1").await, 409, "email_taken");
    }
    error(&sign_up("192.0.2.1").await, 429, "login_throttled");
    error(&sign_up("192.0.2.2").await, 409, "email_taken");
}
