//! API keys: made, listed, limited, revoked.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::world::{PASSWORD, User, question};

use crate::expect::{DAY_MS, about, error, error_about, fields, now_ms, time};
use crate::setup::world;

async fn key(user: &User, body: &Value) -> Value {
    user.session.post("/auth/key").json(body).send().await.expect(200).json()
}

async fn listed(user: &User, id: &Value) -> Value {
    let keys = user.session.get("/auth/keys").send().await.expect(200).json();
    keys.as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap().clone()
}

#[tokio::test]
async fn a_key_is_made_without_a_body_and_lasts_a_year() {
    let world = world().await;
    let user = world.bare_user().await;
    for call in [user.session.post("/auth/key"), user.session.post("/auth/key").json(&json!({}))] {
        let made = call.send().await.expect(200).json();
        fields(&made, &["token", "id", "name", "prefix", "expires_at"]);
        let (token, prefix) = (made["token"].as_str().unwrap(), made["prefix"].as_str().unwrap());
        assert!(token.starts_with("tt-") && token.starts_with(prefix) && prefix.len() < 16, "{prefix}");
        assert!(made["id"].is_i64() && made["name"].is_null());
        about(time(&made["expires_at"]), now_ms() + 365 * DAY_MS);
        user.anonymous().bearer(token).get("/auth/me").send().await.expect(200);
    }
}

#[tokio::test]
async fn a_key_is_listed_with_all_that_it_was_made_with_and_not_itself() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    let wish = json!({
        "name": "ci", "expires_in_days": 7, "scopes": ["manage", "proxy"], "allowed_aliases": ["fast"],
        "rate_limit_minute": 30, "rate_limit_daily": 400,
    });
    let made = key(&user, &wish).await;
    assert_eq!(made["name"], "ci");
    about(time(&made["expires_at"]), now_ms() + 7 * DAY_MS);

    let row = listed(&user, &made["id"]).await;
    for field in ["id", "name", "prefix", "expires_at"] {
        assert_eq!(row[field], made[field], "{field}");
    }
    let mut scopes: Vec<&str> = row["scopes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["manage", "proxy"]);
    assert_eq!(row["allowed_aliases"], json!(["fast"]));
    assert_eq!((&row["rate_limit_minute"], &row["rate_limit_daily"]), (&json!(30), &json!(400)));
    about(time(&row["created_at"]), now_ms());
    assert!(row["revoked_at"].is_null() && row["last_used_at"].is_null());
    assert!(row.get("token").is_none());

    let all = user.session.get("/auth/keys").send().await.expect(200);
    assert!(!all.text().contains(made["token"].as_str().unwrap()) && !all.text().contains(user.api_key()));
    let row = listed(&user, &json!(user.api_key_id())).await;
    assert_eq!(
        (&row["scopes"], &row["allowed_aliases"], &row["name"]),
        (&json!(["proxy"]), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_key_without_an_end_has_none() {
    let world = world().await;
    let user = world.bare_user().await;
    let made = key(&user, &json!({"expires_in_days": null})).await;
    assert!(made["expires_at"].is_null());
    assert!(listed(&user, &made["id"]).await["expires_at"].is_null());
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let world = world().await;
    let user = world.bare_user().await;
    for (body, param) in [
        (json!({"expires_in_days": 0}), "expires_in_days"),
        (json!({"expires_in_days": -1}), "expires_in_days"),
        (json!({"expires_in_days": 1.5}), "expires_in_days"),
        (json!({"expires_in_days": "7"}), "expires_in_days"),
        (json!({"expires_in_days": 4_000_000_000_u64}), "expires_in_days"),
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["root"]}), "scopes"),
        (json!({"scopes": "proxy"}), "scopes"),
        (json!({"allowed_aliases": []}), "allowed_aliases"),
        (json!({"allowed_aliases": ["a b"]}), "allowed_aliases"),
        (json!({"rate_limit_minute": -1}), "rate_limit_minute"),
        (json!({"rate_limit_daily": "many"}), "rate_limit_daily"),
        (json!({"rate_limit_daily": u64::MAX}), "rate_limit_daily"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"token": "tt-mine"}), "token"),
    ] {
        let answer = user.session.post("/auth/key").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", param);
    }
    let count = user.session.get("/auth/keys").send().await.expect(200).json().as_array().unwrap().len();
    assert_eq!(count, 1, "a refused key was made");
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_and_stays_in_the_list() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    user.ask("fast", "hello").await.expect(200);
    let path = format!("/auth/keys/{}", user.api_key_id());
    let answer = user.session.delete(&path).send().await.expect(204);
    assert!(answer.body.is_empty());
    error(&user.ask("fast", "hello").await, 401, "invalid_credentials");
    error(&user.api().get("/auth/me").send().await, 401, "invalid_credentials");
    let row = listed(&user, &json!(user.api_key_id())).await;
    about(time(&row["revoked_at"]), now_ms());
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_in_the_list() {
    let world = world().await;
    let user = world.bare_user().await;
    assert!(listed(&user, &json!(user.api_key_id())).await["last_used_at"].is_null());
    user.api().get("/v1/models").send().await.expect(200);
    about(time(&listed(&user, &json!(user.api_key_id())).await["last_used_at"]), now_ms());
}

#[tokio::test]
async fn only_a_session_handles_keys_and_passwords() {
    let world = world().await;
    let user = world.bare_user().await;
    let made = key(&user, &json!({"scopes": ["proxy", "manage"]})).await;
    let api = user.anonymous().bearer(made["token"].as_str().unwrap());
    let change = json!({"current_password": PASSWORD, "new_password": "another password"});
    for call in [
        api.post("/auth/key"),
        api.get("/auth/keys"),
        api.delete(&format!("/auth/keys/{}", user.api_key_id())),
        api.post("/auth/password").json(&change),
        api.post("/auth/logout"),
    ] {
        error(&call.send().await, 403, "forbidden");
    }
    user.api().get("/auth/me").send().await.expect(200);
}

#[tokio::test]
async fn a_scope_opens_its_paths_and_no_others() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    let body = question("fast", "hello");
    for (scopes, manage, proxy) in
        [(json!(["proxy"]), false, true), (json!(["manage"]), true, false), (json!(["proxy", "manage"]), true, true)]
    {
        let made = key(&user, &json!({"scopes": scopes})).await;
        let api = user.anonymous().bearer(made["token"].as_str().unwrap());
        for path in ["/manage/providers", "/manage/aliases", "/manage/usage", "/manage/logs"] {
            let answer = api.get(path).send().await;
            if manage { drop(answer.expect(200)) } else { drop(error(&answer, 403, "forbidden")) }
        }
        let answers = [api.get("/v1/models").send().await, api.post("/v1/chat/completions").json(&body).send().await];
        for answer in answers {
            if proxy { drop(answer.expect(200)) } else { drop(error(&answer, 403, "forbidden")) }
        }
        api.get("/auth/me").send().await.expect(200);
    }
}

#[tokio::test]
async fn a_key_for_some_aliases_names_no_others_but_follows_their_fallbacks() {
    let world = world().await;
    let user = world.user().await;
    let second = user.alias("second", Provider::OpenAi, "mock-small").await;
    let more = json!({"fallback_alias_id": second});
    user.alias_with("first", Provider::OpenAi, "mock-status-401", more).await;
    let made = key(&user, &json!({"allowed_aliases": ["first", "unborn"]})).await;
    let api = user.anonymous().bearer(made["token"].as_str().unwrap());
    let ask = |model: &str| api.post("/v1/chat/completions").json(&question(model, "hello")).send();

    let served = ask("first").await.expect(200);
    assert_eq!(served.header("x-tokentracer-alias"), Some("second"));
    let known = ask("second").await;
    error_about(&known, 403, "alias_not_allowed", "model");
    for other in ["nothing", "openai/mock-small", "openai/nothing", "gemini/x"] {
        crate::expect::alike(&known, &ask(other).await);
    }
    error(&ask("unborn").await, 404, "model_not_found");

    let models = api.get("/v1/models").send().await.expect(200).json();
    let ids: Vec<&str> = models["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
    assert_eq!(ids, ["first"]);
    error(&api.get("/v1/models/second").send().await, 403, "alias_not_allowed");
}

#[tokio::test]
async fn a_key_is_replaced_by_one_like_it_and_works_until_its_grace_is_over() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    let wish = json!({
        "name": "ci", "expires_in_days": 7, "scopes": ["manage", "proxy"], "allowed_aliases": ["fast"],
        "rate_limit_minute": 30, "rate_limit_daily": 400, "budget_usd": 5, "budget_period": "month",
    });
    let old = key(&user, &wish).await;
    let path = format!("/auth/keys/{}/rotate", old["id"]);
    let new = user.session.post(&path).send().await.expect(200).json();
    fields(&new, &["token", "id", "name", "prefix", "expires_at"]);
    assert!(new["id"] != old["id"] && new["token"] != old["token"] && new["name"] == "ci", "{new}");
    about(time(&new["expires_at"]), now_ms() + 7 * DAY_MS);
    for token in [&old["token"], &new["token"]] {
        user.anonymous().bearer(token.as_str().unwrap()).get("/manage/aliases").send().await.expect(200);
    }
    let (mut was, mut is) = (listed(&user, &old["id"]).await, listed(&user, &new["id"]).await);
    about(time(&was["expires_at"]), now_ms() + DAY_MS);
    assert!(was["revoked_at"].is_null());
    for own in ["id", "prefix", "created_at", "expires_at", "last_used_at"] {
        (was[own], is[own]) = (Value::Null, Value::Null);
    }
    assert_eq!(was, is, "all else is the same");

    // Revoking it still works at once, and so does a grace of nothing.
    user.session.delete(&format!("/auth/keys/{}", old["id"])).send().await.expect(204);
    error(&user.session.post(&path).send().await, 404, "api_key_not_found");
    let path = format!("/auth/keys/{}/rotate", new["id"]);
    let third = user.session.post(&path).json(&json!({"grace_hours": 0})).send().await.expect(200).json();
    for (token, status) in [(&old, 401), (&new, 401), (&third, 200)] {
        let client = user.anonymous().bearer(token["token"].as_str().unwrap());
        client.get("/auth/me").send().await.expect(status);
    }
    assert!(!listed(&user, &new["id"]).await["revoked_at"].is_null());
}

#[tokio::test]
async fn what_is_wrong_with_a_rotation_is_named_and_changes_nothing() {
    let world = world().await;
    let (ann, bob) = (world.bare_user().await, world.bare_user().await);
    let path = format!("/auth/keys/{}/rotate", ann.api_key_id());
    for body in
        [json!({"grace_hours": -1}), json!({"grace_hours": 721}), json!({"grace_hours": 1.5}), json!({"grace": 1})]
    {
        let answer = ann.session.post(&path).json(&body).send().await;
        let param = if body.get("grace").is_some() { "grace" } else { "grace_hours" };
        error_about(&answer, 400, "invalid_field", param);
    }
    error(&bob.session.post(&path).send().await, 404, "api_key_not_found");
    error(&ann.session.post("/auth/keys/x/rotate").send().await, 404, "api_key_not_found");
    error(&ann.api().post(&path).send().await, 403, "forbidden");
    let keys = ann.session.get("/auth/keys").send().await.expect(200).json();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    about(time(&keys[0]["expires_at"]), now_ms() + 365 * DAY_MS);
    ann.session.post(&path).json(&json!({"grace_hours": 720})).send().await.expect(200);
    about(time(&listed(&ann, &json!(ann.api_key_id())).await["expires_at"]), now_ms() + 30 * DAY_MS);
}
