//! Health, unknown paths and wrong methods, for every caller.

use http::Method;
use serde_json::json;
use tt_testkit::world::{PASSWORD, eventually, request_id};

use crate::expect::{assert_request_id, error, fields};
use crate::setup::{world, world_with};

#[tokio::test]
async fn health_is_ok_in_text() {
    let world = world().await;
    let answer = world.client().get("/health").send().await.expect(200);
    assert_eq!(answer.text(), "OK");
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert_request_id(&answer);
}

#[tokio::test]
async fn readiness_names_the_parts() {
    let world = world().await;
    let body = world.client().get("/health/ready").send().await.expect(200).json();
    fields(&body, &["store", "redis", "journal", "memory"]);
    fields(&body["memory"], &["held_bytes", "max_bytes"]);
    assert_eq!((&body["store"], &body["journal"]), (&json!("ok"), &json!("ok")));
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_warned_of_once() {
    let warned = "TRUSTED_PROXIES is not set";
    let world = world().await;
    let client = world.client();
    client.get("/health/ready").send().await.expect(200);
    assert!(!world.program().stderr().contains(warned));
    for _ in 0..3 {
        client.get("/health/ready").header("x-forwarded-for", "192.0.2.1").send().await.expect(200);
    }
    eventually("the warning", async || world.program().stderr().contains(warned)).await;
    assert_eq!(world.program().stderr().matches(warned).count(), 1);
    let trusting = world_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    trusting.client().get("/health/ready").header("x-forwarded-for", "192.0.2.1").send().await.expect(200);
    assert!(!trusting.program().stderr().contains(warned));
}

#[tokio::test]
async fn unknown_paths_are_404_with_and_without_credentials() {
    let world = world().await;
    let user = world.bare_user().await;
    for client in [user.anonymous(), user.session.clone(), user.api().clone()] {
        for path in [
            "/nothing",
            "/auth",
            "/auth/",
            "/auth/me/",
            "/manage",
            "/manage/aliases/a/b",
            "/v1",
            "/v1/",
            "/v1/chat",
            "/v1/chat/completions/",
            "//health",
            "/health/",
            "/../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/v1/models/",
            "/%",
            "/%zz",
            "/%00",
        ] {
            error(&client.get(path).send().await, 404, "route_not_found");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = world().await;
    let user = world.bare_user().await;
    for (path, allowed) in [
        ("/health", &[Method::GET][..]),
        ("/health/ready", &[Method::GET]),
        ("/auth/signup", &[Method::POST]),
        ("/auth/login", &[Method::POST]),
        ("/auth/me", &[Method::GET]),
        ("/auth/key", &[Method::POST]),
        ("/auth/keys", &[Method::GET]),
        ("/auth/keys/1", &[Method::DELETE]),
        ("/auth/password", &[Method::POST]),
        ("/auth/logout", &[Method::POST]),
        ("/manage/providers", &[Method::GET, Method::POST]),
        ("/manage/providers/1", &[Method::PATCH, Method::DELETE]),
        ("/manage/aliases", &[Method::GET, Method::POST]),
        ("/manage/aliases/a", &[Method::PATCH, Method::DELETE]),
        ("/manage/usage", &[Method::GET]),
        ("/manage/logs", &[Method::GET]),
        ("/manage/logs/1", &[Method::GET]),
        ("/v1/chat/completions", &[Method::POST]),
        ("/v1/models", &[Method::GET]),
        ("/v1/models/a", &[Method::GET]),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = user.session.call(method.clone(), path).send().await;
            error(&answer, 405, "method_not_allowed");
            let mut told: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
            told.sort_unstable();
            let mut right: Vec<&str> = allowed.iter().map(Method::as_str).collect();
            if allowed.contains(&Method::GET) {
                right.push("HEAD");
            }
            right.sort_unstable();
            assert_eq!(told, right, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_response_has_an_id_of_its_own() {
    let world = world().await;
    let mut ids = std::collections::BTreeSet::new();
    for path in ["/health", "/nothing", "/auth/me", "/health"] {
        let answer = world.client().get(path).header("x-request-id", "mine").send().await;
        assert_request_id(&answer);
        ids.insert(request_id(&answer));
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn no_cache_keeps_what_belongs_to_a_caller_and_no_browser_guesses_what_it_is() {
    let world = world().await;
    let user = world.user().await;
    let login = json!({"email": user.email, "password": PASSWORD});
    let private = [
        user.anonymous().post("/auth/login").json(&login).send().await.expect(200),
        user.session.post("/auth/key").json(&json!({})).send().await.expect(200),
        user.session.get("/auth/me").send().await.expect(200),
        user.ask("openai/mock-small", "hello").await.expect(200),
        user.anonymous().get("/auth/me").send().await.expect(401),
        user.anonymous().get("/nothing").send().await.expect(404),
    ];
    for answer in &private {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{:?}", answer.headers);
    }
    let public = user.anonymous().get("/health").send().await.expect(200);
    for answer in private.iter().chain([&public]) {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{:?}", answer.headers);
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")), "{:?}", answer.headers);
    }
    let stream = user.ask_stream("openai/mock-small", "hello").await;
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let world = world().await;
    let user = world.user().await;
    for path in ["/health", "/health/ready", "/auth/me", "/manage/aliases"] {
        let get = user.session.get(path).send().await.expect(200);
        let head = user.session.call(Method::HEAD, path).send().await.expect(200);
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    assert_eq!(user.session.call(Method::HEAD, "/auth/login").send().await.status, 405);
    assert_eq!(user.anonymous().call(Method::HEAD, "/auth/me").send().await.status, 401);
}
