//! Isolation of two users: an object of somebody else's and one that does not exist answer alike, byte for byte.

use serde_json::json;
use tt_core::Provider;
use tt_testkit::client::Client;
use tt_testkit::world::{question, request_id};

use crate::expect::{alike, error};
use crate::setup::world;

/// An id that no object has.
const NOTHING: i64 = 987_654_321;
const NO_REQUEST: &str = "01941f29-7c00-7000-8000-000000000000";

/// Sends the same call about the two, and both answers are the same 404.
async fn same(client: &Client, method: http::Method, paths: [String; 2], body: Option<serde_json::Value>, code: &str) {
    let mut answers = Vec::new();
    for path in paths {
        let call = client.call(method.clone(), &path);
        answers.push(match &body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        });
    }
    let [theirs, nobodys] = answers.try_into().unwrap();
    error(&theirs, 404, code);
    alike(&theirs, &nobodys);
}

#[tokio::test]
async fn somebody_elses_provider_key_is_like_none() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    let ids = [ann.provider_key(Provider::OpenAi), NOTHING];
    let paths = ids.map(|id| format!("/manage/providers/{id}"));
    let code = "provider_key_not_found";
    for body in [json!({"label": "x"}), json!({"api_key": "sk-x"}), json!({"api_key": ""}), json!({})] {
        // Both answers may tell of a fault in the body first, as long as they are the same.
        let mut answers = Vec::new();
        for path in &paths {
            answers.push(bob.session.patch(path).json(&body).send().await);
        }
        let [theirs, nobodys] = answers.try_into().unwrap();
        alike(&theirs, &nobodys);
        assert!(theirs.status == 404 || theirs.status == 400, "{}", theirs.status);
    }
    same(&bob.session, http::Method::PATCH, paths.clone(), Some(json!({"label": "x"})), code).await;
    same(&bob.session, http::Method::DELETE, paths, None, code).await;
    let mut answers = Vec::new();
    for id in ids {
        let body = json!({"alias": "fast", "target_model": "mock-small", "provider_key_id": id});
        answers.push(bob.session.post("/manage/aliases").json(&body).send().await);
    }
    let [theirs, nobodys] = answers.try_into().unwrap();
    error(&theirs, 404, code);
    alike(&theirs, &nobodys);
    ann.ask("openai/mock-small", "hello").await.expect(200);
}

#[tokio::test]
async fn somebody_elses_alias_is_like_none() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    let id = ann.alias("hers", Provider::OpenAi, "mock-small").await;
    bob.alias("his", Provider::OpenAi, "mock-small").await;
    let paths = ["hers", "nobodys"].map(|name| format!("/manage/aliases/{name}"));
    let patch = Some(json!({"target_model": "mock-large"}));
    same(&bob.session, http::Method::PATCH, paths.clone(), patch, "alias_not_found").await;
    same(&bob.session, http::Method::DELETE, paths, None, "alias_not_found").await;

    for method in [http::Method::POST, http::Method::PATCH] {
        let mut answers = Vec::new();
        for fallback in [id, NOTHING] {
            let (path, body) = if method == http::Method::POST {
                let key = bob.provider_key(Provider::OpenAi);
                let body = json!({"alias": "his", "target_model": "mock-small", "provider_key_id": key, "fallback_alias_id": fallback});
                ("/manage/aliases", body)
            } else {
                ("/manage/aliases/his", json!({"fallback_alias_id": fallback}))
            };
            answers.push(bob.session.call(method.clone(), path).json(&body).send().await);
        }
        let [theirs, nobodys] = answers.try_into().unwrap();
        error(&theirs, 404, "alias_not_found");
        alike(&theirs, &nobodys);
    }

    let theirs = bob.ask("hers", "hello").await;
    error(&theirs, 404, "model_not_found");
    alike(&theirs, &bob.ask("nobodys", "hello").await);
    let paths = ["hers", "nobodys"].map(|name| format!("/v1/models/{name}"));
    same(bob.api(), http::Method::GET, paths, None, "model_not_found").await;
    let models = bob.api().get("/v1/models").send().await.expect(200);
    assert!(!models.text().contains("hers"));
    assert!(!bob.session.get("/manage/aliases").send().await.expect(200).text().contains("hers"));
    ann.ask("hers", "hello").await.expect(200);
}

#[tokio::test]
async fn the_same_alias_of_two_users_is_two_aliases() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    ann.alias("fast", Provider::OpenAi, "mock-small").await;
    bob.alias("fast", Provider::Gemini, "mock-large").await;
    for (user, model) in [(&ann, "mock-small"), (&bob, "mock-large")] {
        let answer = user.ask("fast", "hello").await.expect(200);
        assert_eq!(answer.header("x-tokentracer-model"), Some(model));
    }
    bob.session.delete("/manage/aliases/fast").send().await.expect(204);
    ann.ask("fast", "hello").await.expect(200);
}

#[tokio::test]
async fn somebody_elses_api_key_is_like_none() {
    let world = world().await;
    let (ann, bob) = (world.bare_user().await, world.bare_user().await);
    let paths = [ann.api_key_id(), NOTHING].map(|id| format!("/auth/keys/{id}"));
    same(&bob.session, http::Method::DELETE, paths, None, "api_key_not_found").await;
    for id in ["x", "1.5", "-1", "99999999999999999999", "%2e%2e"] {
        error(&bob.session.delete(&format!("/auth/keys/{id}")).send().await, 404, "api_key_not_found");
    }
    ann.api().get("/auth/me").send().await.expect(200);
    let keys = bob.session.get("/auth/keys").send().await.expect(200).json();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    assert_eq!(keys[0]["id"], json!(bob.api_key_id()));
}

#[tokio::test]
async fn somebody_elses_requests_are_like_none() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    ann.alias("hers", Provider::OpenAi, "gpt-4o").await;
    let answer = ann.api().post("/v1/chat/completions").header("x-tokentracer-tags", "team=hers");
    let answer = answer.json(&question("hers", "hello")).send().await.expect(200);
    let id = request_id(&answer);
    let paths = [id.as_str(), NO_REQUEST].map(|id| format!("/manage/logs/{id}"));
    same(&bob.session, http::Method::GET, paths, None, "request_not_found").await;
    error(&bob.session.get("/manage/logs/nonsense").send().await, 404, "request_not_found");

    assert_eq!(bob.session.get("/manage/usage").send().await.expect(200).text(), "[]");
    for query in ["", "?alias=hers", "?provider=openai", "?status=200", &format!("?cursor={id}")] {
        let page = bob.session.get(&format!("/manage/logs{query}")).send().await.expect(200).json();
        assert_eq!(page, json!({"data": [], "next_cursor": null}), "{query}");
    }
    for group in ["alias", "api_key", "tag:team"] {
        let usage = bob.session.get(&format!("/manage/usage?group_by={group}")).send().await.expect(200);
        assert!(!usage.text().contains("hers"), "{}", usage.text());
    }
    assert_eq!(ann.log(&id).await["alias"], "hers");
}

#[tokio::test]
async fn what_fails_for_one_user_does_not_for_another() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    ann.alias("fast", Provider::Anthropic, "mock-status-500").await;
    bob.alias("fast", Provider::Anthropic, "mock-small").await;
    for _ in 0..5 {
        ann.ask("fast", "hello").await.expect(502);
        bob.ask("fast", "hello").await.expect(200);
    }
}
