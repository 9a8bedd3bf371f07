//! A change made on one process holds on the other within five seconds.

use serde_json::json;
use tt_testkit::World;
use tt_testkit::world::{ApiKey, PASSWORD, User, credentials, log_in, within};

use crate::setup::{SEEN_WITHIN, ask, chat_user, two};

/// From now on the other process refuses `token`, soon enough.
async fn refused_by_the_other(cluster: &World, what: &str, token: &str) {
    within(SEEN_WITHIN, what, async || {
        let answer = cluster.client_of(1).bearer(token).get("/v1/models").send().await;
        match answer.status.as_u16() {
            401 => {
                assert_eq!(answer.error_code(), "invalid_credentials");
                true
            }
            status => {
                assert_eq!(status, 200, "{}", answer.text());
                false
            }
        }
    })
    .await;
}

/// Both processes take `token`, and so have it in memory.
async fn taken_by_both(cluster: &World, token: &str) {
    for process in 0..2 {
        cluster.client_of(process).bearer(token).get("/v1/models").send().await.expect(200);
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_other_process() {
    let cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let ApiKey { id, token, .. } = user.new_api_key(&json!({})).await;
    let kept = user.new_api_key(&json!({})).await.token;
    for token in [&token, &kept] {
        taken_by_both(&cluster, token).await;
        ask(&cluster.client_of(1), token).await.expect(200);
    }
    let session = cluster.client_of(0).bearer(&user.token);
    session.delete(&format!("/auth/keys/{id}")).send().await.expect(204);
    ask(&cluster.client_of(0), &token).await.expect(401);
    refused_by_the_other(&cluster, "the key is revoked", &token).await;
    ask(&cluster.client_of(1), &token).await.expect(401);
    ask(&cluster.client_of(1), &kept).await.expect(200);
}

#[tokio::test]
async fn a_session_that_logged_out_is_refused_by_the_other_process() {
    let cluster = two(&[]).await;
    let user = User::sign_up(&cluster.client_of(0), "ann").await;
    let another = log_in(&cluster.client_of(1), &user.email).await;
    for token in [&user.token, &another] {
        taken_by_both(&cluster, token).await;
    }
    cluster.client_of(0).bearer(&user.token).post("/auth/logout").send().await.expect(204);
    cluster.client_of(0).bearer(&user.token).get("/auth/me").send().await.expect(401);
    refused_by_the_other(&cluster, "the session has ended", &user.token).await;
    taken_by_both(&cluster, &another).await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_on_the_other_process() {
    let cluster = two(&[]).await;
    let user = User::sign_up(&cluster.client_of(0), "ann").await;
    let another = log_in(&cluster.client_of(1), &user.email).await;
    for token in [&user.token, &another] {
        taken_by_both(&cluster, token).await;
    }
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    cluster.client_of(0).bearer(&user.token).post("/auth/password").json(&change).send().await.expect(204);
    refused_by_the_other(&cluster, "the other session has ended", &another).await;
    taken_by_both(&cluster, &user.token).await;
    let old = credentials(&user.email);
    cluster.client_of(1).post("/auth/login").json(&old).send().await.expect(401);
}

#[tokio::test]
async fn a_user_disabled_by_the_command_line_is_out_everywhere() {
    let cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let other = chat_user(&cluster, "bob").await;
    let key = user.new_api_key(&json!({})).await.token;
    for token in [&user.token, &key, &other.token] {
        taken_by_both(&cluster, token).await;
    }
    cluster.command(&["users", "disable", &user.email]).expect(0);
    within(SEEN_WITHIN, "the user is out on both processes", async || {
        let mut refused = 0;
        for process in 0..2 {
            for token in [&user.token, &key] {
                let answer = cluster.client_of(process).bearer(token).get("/v1/models").send().await;
                refused += usize::from(answer.status == 401);
            }
        }
        refused == 4
    })
    .await;
    let login = credentials(&user.email);
    cluster.client_of(1).post("/auth/login").json(&login).send().await.expect(401);
    taken_by_both(&cluster, &other.token).await;
    cluster.command(&["users", "enable", &user.email]).expect(0);
    within(SEEN_WITHIN, "the key works again", async || ask(&cluster.client_of(1), &key).await.status == 200).await;
}

#[tokio::test]
async fn an_alias_changed_or_deleted_on_one_process_is_so_on_the_other() {
    let cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({})).await.token;
    let served_by = async |process: usize| {
        let answer = ask(&cluster.client_of(process), &key).await.expect(200);
        answer.header("x-tokentracer-model").unwrap().to_owned()
    };
    for process in 0..2 {
        assert_eq!(served_by(process).await, "mock-one");
    }
    let session = cluster.client_of(0).bearer(&user.token);
    session.patch("/manage/aliases/chat").json(&json!({"target_model": "mock-two"})).send().await.expect(200);
    assert_eq!(served_by(0).await, "mock-two");
    within(SEEN_WITHIN, "the alias has another model", async || served_by(1).await == "mock-two").await;
    session.delete("/manage/aliases/chat").send().await.expect(204);
    ask(&cluster.client_of(0), &key).await.expect(404);
    within(SEEN_WITHIN, "the alias is gone", async || {
        let answer = ask(&cluster.client_of(1), &key).await;
        match answer.status.as_u16() {
            404 => answer.error_code() == "model_not_found",
            status => {
                assert_eq!(status, 200, "{}", answer.text());
                false
            }
        }
    })
    .await;
}
