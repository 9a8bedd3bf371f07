//! Signing up, in and out; the password.

use serde_json::{Value, json};
use tt_testkit::world::PASSWORD;

use crate::expect::{DAY_MS, about, alike, error, error_about, fields, now_ms, time};
use crate::setup::{world, world_with};

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

#[tokio::test]
async fn signing_up_answers_201_with_the_users_id() {
    let world = world().await;
    let answer = world.client().post("/auth/signup").json(&credentials("ann@example.org", PASSWORD)).send().await;
    let body = answer.expect(201).json();
    fields(&body, &["message", "id"]);
    assert_eq!(body["message"], "User created");
    assert!(body["id"].is_i64());
}

#[tokio::test]
async fn an_email_is_taken_in_any_case_and_with_blanks() {
    let world = world().await;
    let client = world.client();
    client.post("/auth/signup").json(&credentials("Ann@Example.org", PASSWORD)).send().await.expect(201);
    for email in ["ann@example.org", "  ANN@EXAMPLE.ORG\t"] {
        let answer = client.post("/auth/signup").json(&credentials(email, PASSWORD)).send().await;
        error(&answer, 409, "email_taken");
        client.post("/auth/login").json(&credentials(email, PASSWORD)).send().await.expect(200);
    }
}

#[tokio::test]
async fn passwords_are_8_to_1024_bytes() {
    let world = world().await;
    let client = world.client();
    for (number, length) in [8, 1024].into_iter().enumerate() {
        let body = credentials(&format!("fits{number}@example.org"), &"xy".repeat(length / 2));
        client.post("/auth/signup").json(&body).send().await.expect(201);
        client.post("/auth/login").json(&body).send().await.expect(200);
    }
    // Four characters of two bytes each are eight bytes.
    client.post("/auth/signup").json(&credentials("bytes@example.org", "äöäö")).send().await.expect(201);
    for length in [0, 7, 1025] {
        let body = credentials("long@example.org", &"x".repeat(length));
        let answer = client.post("/auth/signup").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "password");
    }
}

#[tokio::test]
async fn the_most_common_passwords_are_refused() {
    let world = world().await;
    let user = world.bare_user().await;
    for common in ["12345678", "Password", "aaaaaaaaaaaa"] {
        let body = credentials("common@example.org", common);
        let answer = world.client().post("/auth/signup").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "password");
        let body = json!({"current_password": PASSWORD, "new_password": common});
        let answer = user.session.post("/auth/password").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "new_password");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_signup_is_named() {
    let world = world().await;
    for (body, code, param) in [
        (json!({"password": PASSWORD}), "missing_field", "email"),
        (json!({"email": "ann@example.org"}), "missing_field", "password"),
        (json!({"email": "ann@example.org", "password": PASSWORD, "role": "admin"}), "invalid_field", "role"),
        (json!({"email": 5, "password": PASSWORD}), "invalid_field", "email"),
        (json!({"email": null, "password": PASSWORD}), "invalid_field", "email"),
        (json!({"email": "ann@example.org", "password": ["x"]}), "invalid_field", "password"),
        (credentials("ann", PASSWORD), "invalid_field", "email"),
        (credentials("", PASSWORD), "invalid_field", "email"),
        (credentials("a b@example.org", PASSWORD), "invalid_field", "email"),
    ] {
        let answer = world.client().post("/auth/signup").json(&body).send().await;
        error_about(&answer, 400, code, param);
        assert!(!answer.text().contains(PASSWORD), "the answer repeats the password");
    }
}

#[tokio::test]
async fn a_closed_server_takes_no_signups() {
    let world = world_with(&[("SIGNUP", "closed")]).await;
    let answer = world.client().post("/auth/signup").json(&credentials("ann@example.org", PASSWORD)).send().await;
    error(&answer, 403, "forbidden");
}

#[tokio::test]
async fn signing_in_gives_a_token_for_24_hours() {
    let world = world().await;
    let user = world.bare_user().await;
    let answer = user.anonymous().post("/auth/login").json(&credentials(&user.email, PASSWORD)).send().await;
    let body = answer.expect(200).json();
    fields(&body, &["token", "expires_at"]);
    assert_eq!(body["token"].as_str().unwrap().split('.').count(), 3, "not a JWT");
    about(time(&body["expires_at"]), now_ms() + DAY_MS);
    user.anonymous().bearer(body["token"].as_str().unwrap()).get("/auth/me").send().await.expect(200);
}

#[tokio::test]
async fn a_wrong_email_and_a_wrong_password_answer_alike() {
    let world = world().await;
    let user = world.bare_user().await;
    let login =
        |email: &str, password: &str| user.anonymous().post("/auth/login").json(&credentials(email, password)).send();
    let wrong_password = login(&user.email, "not the password").await;
    let wrong_email = login("nobody@example.org", PASSWORD).await;
    let no_email = login("nobody", PASSWORD).await;
    error(&wrong_password, 401, "invalid_credentials");
    alike(&wrong_password, &wrong_email);
    alike(&wrong_password, &no_email);
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_named() {
    let world = world().await;
    for (body, code, param) in [
        (json!({"password": PASSWORD}), "missing_field", "email"),
        (json!({"email": "ann@example.org"}), "missing_field", "password"),
        (json!({"email": "ann@example.org", "password": 7}), "invalid_field", "password"),
        (json!({"email": "ann@example.org", "password": PASSWORD, "otp": 1}), "invalid_field", "otp"),
    ] {
        let answer = world.client().post("/auth/login").json(&body).send().await;
        error_about(&answer, 400, code, param);
    }
}

#[tokio::test]
async fn ten_failures_for_an_account_make_others_wait_but_not_its_owner() {
    let world = world_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let user = world.bare_user().await;
    let login = |from: &str, password: &str| {
        let call = user.anonymous().post("/auth/login").header("x-forwarded-for", from);
        call.json(&credentials(&user.email, password)).send()
    };
    login("192.0.2.1", PASSWORD).await.expect(200);
    for number in 0..10 {
        // From another address each time: it is the account that counts.
        error(&login(&format!("198.51.100.{number}"), "guess").await, 401, "invalid_credentials");
    }
    for (from, password) in [("198.51.100.200", "guess"), ("198.51.100.201", PASSWORD)] {
        let refused = login(from, password).await;
        error(&refused, 429, "login_throttled");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
    }
    login("192.0.2.1", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn ten_failures_from_an_address_make_it_wait_for_every_account() {
    let world = world_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let user = world.bare_user().await;
    let login = |from: &str, email: &str, password: &str| {
        let call = user.anonymous().post("/auth/login").header("x-forwarded-for", from);
        call.json(&credentials(email, password)).send()
    };
    for number in 0..10 {
        let answer = login("192.0.2.7", &format!("nobody{number}@example.org"), "guess").await;
        error(&answer, 401, "invalid_credentials");
    }
    error(&login("192.0.2.7", &user.email, PASSWORD).await, 429, "login_throttled");
    login("192.0.2.8", &user.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn me_tells_who_is_calling_and_the_limits_in_force() {
    let world = world_with(&[("RATE_LIMIT_MINUTE", "1000"), ("RATE_LIMIT_DAILY", "20000")]).await;
    let user = world.bare_user().await;
    for client in [&user.session, user.api()] {
        let me = client.get("/auth/me").send().await.expect(200).json();
        fields(&me, &["id", "email", "role", "rate_limit_minute", "rate_limit_daily", "created_at"]);
        assert_eq!((&me["id"], &me["email"], &me["role"]), (&json!(user.id), &json!(user.email), &json!("user")));
        assert_eq!((&me["rate_limit_minute"], &me["rate_limit_daily"]), (&json!(1000), &json!(20_000)));
        about(time(&me["created_at"]), now_ms());
    }
}

#[tokio::test]
async fn another_password_ends_every_other_session() {
    let world = world().await;
    let user = world.bare_user().await;
    let login = |password: &str| user.anonymous().post("/auth/login").json(&credentials(&user.email, password)).send();
    let other = login(PASSWORD).await.expect(200).json()["token"].as_str().unwrap().to_owned();
    let other = user.anonymous().bearer(&other);
    other.get("/auth/me").send().await.expect(200);

    let change = json!({"current_password": PASSWORD, "new_password": "another password"});
    let answer = user.session.post("/auth/password").json(&change).send().await.expect(204);
    assert!(answer.body.is_empty());
    error(&other.get("/auth/me").send().await, 401, "invalid_credentials");
    user.session.get("/auth/me").send().await.expect(200);
    user.api().get("/auth/me").send().await.expect(200);
    error(&login(PASSWORD).await, 401, "invalid_credentials");
    login("another password").await.expect(200);
}

#[tokio::test]
async fn a_password_is_changed_only_with_the_current_one_and_to_a_fitting_one() {
    let world = world().await;
    let user = world.bare_user().await;
    for (body, code, param) in [
        (
            json!({"current_password": "wrong password", "new_password": "another password"}),
            "invalid_field",
            "current_password",
        ),
        (json!({"current_password": PASSWORD, "new_password": "short"}), "invalid_field", "new_password"),
        (json!({"current_password": PASSWORD, "new_password": "x".repeat(1025)}), "invalid_field", "new_password"),
        (json!({"current_password": PASSWORD}), "missing_field", "new_password"),
        (json!({"new_password": "another password"}), "missing_field", "current_password"),
        (json!({"current_password": PASSWORD, "new_password": "another password", "x": 1}), "invalid_field", "x"),
    ] {
        let answer = user.session.post("/auth/password").json(&body).send().await;
        error_about(&answer, 400, code, param);
    }
    user.anonymous().post("/auth/login").json(&credentials(&user.email, PASSWORD)).send().await.expect(200);
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let world = world().await;
    let user = world.bare_user().await;
    let login = user.anonymous().post("/auth/login").json(&credentials(&user.email, PASSWORD)).send().await;
    let other = user.anonymous().bearer(login.expect(200).json()["token"].as_str().unwrap());
    let answer = user.session.post("/auth/logout").send().await.expect(204);
    assert!(answer.body.is_empty());
    error(&user.session.get("/auth/me").send().await, 401, "invalid_credentials");
    error(&user.session.post("/auth/logout").send().await, 401, "invalid_credentials");
    other.get("/auth/me").send().await.expect(200);
    user.api().get("/auth/me").send().await.expect(200);
}
