//! The sessions of a user: listed, and ended one by one.

use serde_json::{Value, json};
use tt_testkit::Client;

use crate::expect::{DAY_MS, about, error, fields, now_ms, time};
use crate::setup::world;

async fn sessions(client: &Client) -> Vec<Value> {
    client.get("/auth/sessions").send().await.expect(200).json().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_users_sessions_are_listed_and_one_is_the_current() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let other = world.log_in(&ann.email).await;
    world.sign_up("bob").await;
    let listed = sessions(&ann.session).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    for session in &listed {
        fields(session, &["id", "created_at", "last_used_at", "expires_at", "current"]);
        about(time(&session["created_at"]), now_ms());
        about(time(&session["expires_at"]), now_ms() + DAY_MS);
    }
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(true), &json!(false)));
    about(time(&listed[0]["last_used_at"]), now_ms());
    assert!(listed[1]["last_used_at"].is_null(), "the other has not been used yet");
    let seen = sessions(&other).await;
    assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&json!(false), &json!(true)));
    about(time(&seen[1]["last_used_at"]), now_ms());
}

#[tokio::test]
async fn a_session_that_is_ended_stops_at_once_and_is_listed_no_more() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let other = world.log_in(&ann.email).await;
    other.get("/auth/me").send().await.expect(200);
    let listed = sessions(&ann.session).await;
    let [own, others] = [0, 1].map(|at| format!("/auth/sessions/{}", listed[at]["id"]));
    let bob = world.sign_up("bob").await;
    error(&bob.session.delete(&others).send().await, 404, "session_not_found");
    error(&bob.session.delete("/auth/sessions/999").send().await, 404, "session_not_found");
    error(&bob.session.delete("/auth/sessions/x").send().await, 404, "session_not_found");

    assert!(ann.session.delete(&others).send().await.expect(204).body.is_empty());
    error(&other.get("/auth/me").send().await, 401, "invalid_credentials");
    assert_eq!(sessions(&ann.session).await.len(), 1);
    let key = ann.new_api_key(&json!({"scopes": ["manage", "proxy"]})).await.client;
    error(&key.get("/auth/sessions").send().await, 403, "forbidden");
    error(&key.delete(&own).send().await, 403, "forbidden");
    ann.session.delete(&own).send().await.expect(204);
    error(&ann.session.get("/auth/sessions").send().await, 401, "invalid_credentials");
}
