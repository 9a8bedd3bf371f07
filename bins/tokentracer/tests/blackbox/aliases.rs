//! Aliases: made, replaced, changed, deleted, listed as models.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::world::{User, question};

use crate::expect::{about, alike, error, error_about, fields, now_ms, time};
use crate::setup::world;

const FIELDS: [&str; 10] = [
    "id",
    "alias",
    "target_model",
    "provider_key_id",
    "provider",
    "fallback_alias_id",
    "use_light_model",
    "light_model_threshold",
    "light_model",
    "created_at",
];

fn minimal(user: &User) -> Value {
    json!({"alias": "fast", "target_model": "mock-small", "provider_key_id": user.provider_key(Provider::OpenAi)})
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn put(user: &User, body: &Value) -> Value {
    user.session.post("/manage/aliases").json(body).send().await.expect(200).json()
}

#[tokio::test]
async fn an_alias_is_made_with_its_defaults() {
    let world = world().await;
    let user = world.user().await;
    assert_eq!(user.session.get("/manage/aliases").send().await.expect(200).text(), "[]");
    let made = put(&user, &minimal(&user)).await;
    fields(&made, &FIELDS);
    assert_eq!(
        (&made["alias"], &made["target_model"], &made["provider"]),
        (&json!("fast"), &json!("mock-small"), &json!("openai"))
    );
    assert_eq!(made["provider_key_id"], user.provider_key(Provider::OpenAi));
    assert_eq!((&made["use_light_model"], &made["light_model_threshold"]), (&json!(false), &json!(100)));
    assert!(made["fallback_alias_id"].is_null() && made["light_model"].is_null());
    about(time(&made["created_at"]), now_ms());
    assert_eq!(user.session.get("/manage/aliases").send().await.expect(200).json(), json!([made]));
}

#[tokio::test]
async fn an_alias_is_replaced_in_full_and_keeps_its_id() {
    let world = world().await;
    let user = world.user().await;
    let other = user.alias("other", Provider::Gemini, "mock-small").await;
    let first = put(
        &user,
        &json!({
            "alias": "fast", "target_model": "mock-large", "provider_key_id": user.provider_key(Provider::Anthropic),
            "fallback_alias_id": other, "use_light_model": true, "light_model_threshold": 7, "light_model": "mock-small",
        }),
    )
    .await;
    assert_eq!((&first["fallback_alias_id"], &first["light_model"]), (&json!(other), &json!("mock-small")));
    assert_eq!((&first["use_light_model"], &first["light_model_threshold"]), (&json!(true), &json!(7)));
    assert_eq!(first["provider"], "anthropic");
    let second = put(&user, &minimal(&user)).await;
    assert_eq!((&second["id"], &second["created_at"]), (&first["id"], &first["created_at"]));
    assert_eq!(second["provider"], "openai");
    assert!(second["fallback_alias_id"].is_null() && second["light_model"].is_null());
    assert_eq!((&second["use_light_model"], &second["light_model_threshold"]), (&json!(false), &json!(100)));
}

#[tokio::test]
async fn zero_and_the_empty_name_mean_none() {
    let world = world().await;
    let user = world.user().await;
    let other = user.alias("other", Provider::OpenAi, "mock-small").await;
    let given = json!({"fallback_alias_id": other, "light_model": "mock-light"});
    for none in
        [json!({"fallback_alias_id": 0, "light_model": ""}), json!({"fallback_alias_id": null, "light_model": null})]
    {
        user.alias_with("fast", Provider::OpenAi, "mock-small", given.clone()).await;
        let patched = user.session.patch("/manage/aliases/fast").json(&none).send().await.expect(200).json();
        assert!(patched["fallback_alias_id"].is_null() && patched["light_model"].is_null(), "{patched}");
        user.alias_with("fast", Provider::OpenAi, "mock-small", none).await;
    }
    let all = user.session.get("/manage/aliases").send().await.json();
    let fast = all.as_array().unwrap().iter().find(|alias| alias["alias"] == "fast").unwrap().clone();
    assert!(fast["fallback_alias_id"].is_null() && fast["light_model"].is_null());
}

#[tokio::test]
async fn what_is_wrong_with_an_alias_is_named() {
    let world = world().await;
    let user = world.user().await;
    for field in ["alias", "target_model", "provider_key_id"] {
        let mut body = minimal(&user);
        body.as_object_mut().unwrap().remove(field);
        error_about(&user.session.post("/manage/aliases").json(&body).send().await, 400, "missing_field", field);
    }
    for (field, value) in [
        ("alias", json!("")),
        ("alias", json!("a b")),
        ("alias", json!("a/b")),
        ("alias", json!("é")),
        ("alias", json!("x".repeat(256))),
        ("alias", json!(7)),
        ("target_model", json!("")),
        ("target_model", json!("../x")),
        ("target_model", json!("a?b")),
        ("target_model", json!("x".repeat(256))),
        ("target_model", json!(null)),
        ("provider_key_id", json!("1")),
        ("provider_key_id", json!(1.5)),
        ("provider_key_id", json!(null)),
        ("fallback_alias_id", json!("x")),
        ("use_light_model", json!(1)),
        ("light_model_threshold", json!(-1)),
        ("light_model_threshold", json!(1.5)),
        ("light_model_threshold", json!(u64::MAX)),
        ("light_model_threshold", json!("100")),
        ("light_model", json!("a b")),
        ("light_model", json!(5)),
        ("colour", json!("red")),
        ("id", json!(1)),
    ] {
        let body = with(minimal(&user), field, value.clone());
        let answer = user.session.post("/manage/aliases").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", field);
        if field != "id" {
            user.alias("there", Provider::OpenAi, "mock-small").await;
            if value.is_null() {
                continue;
            }
            let answer = user.session.patch("/manage/aliases/there").json(&json!({field: value})).send().await;
            error_about(&answer, 400, "invalid_field", field);
        }
    }
    let longest = "x".repeat(255);
    put(&user, &with(minimal(&user), "alias", json!(longest))).await;
    user.ask(&longest, "hello").await.expect(200);
}

#[tokio::test]
async fn a_missing_key_and_a_missing_fallback_are_404() {
    let world = world().await;
    let user = world.user().await;
    user.alias("there", Provider::OpenAi, "mock-small").await;
    for (field, code) in [("provider_key_id", "provider_key_not_found"), ("fallback_alias_id", "alias_not_found")] {
        for id in [json!(999_999), json!(-1), json!(i64::MAX)] {
            let body = with(minimal(&user), field, id.clone());
            error(&user.session.post("/manage/aliases").json(&body).send().await, 404, code);
            let patch = json!({field: id});
            error(&user.session.patch("/manage/aliases/there").json(&patch).send().await, 404, code);
        }
    }
}

#[tokio::test]
async fn fallbacks_in_a_circle_are_refused() {
    let world = world().await;
    let user = world.user().await;
    let a = user.alias("a", Provider::OpenAi, "mock-small").await;
    let itself = json!({"fallback_alias_id": a});
    let answer = user.session.patch("/manage/aliases/a").json(&itself).send().await;
    error_about(&answer, 400, "invalid_field", "fallback_alias_id");
    let b = user.alias_with("b", Provider::OpenAi, "mock-small", json!({"fallback_alias_id": a})).await;
    let c = user.alias_with("c", Provider::OpenAi, "mock-small", json!({"fallback_alias_id": b})).await;
    for last in [b, c] {
        let circle = json!({"fallback_alias_id": last});
        let answer = user.session.patch("/manage/aliases/a").json(&circle).send().await;
        error_about(&answer, 400, "invalid_field", "fallback_alias_id");
        let mut body = with(minimal(&user), "fallback_alias_id", json!(last));
        body["alias"] = json!("a");
        let answer = user.session.post("/manage/aliases").json(&body).send().await;
        error_about(&answer, 400, "invalid_field", "fallback_alias_id");
    }
}

#[tokio::test]
async fn each_field_can_be_changed_alone() {
    let world = world().await;
    let user = world.user().await;
    let other = user.alias("other", Provider::OpenAi, "mock-small").await;
    let made = put(&user, &minimal(&user)).await;
    let mut expected = made.clone();
    for (field, value) in [
        ("target_model", json!("mock-large")),
        ("fallback_alias_id", json!(other)),
        ("use_light_model", json!(true)),
        ("light_model_threshold", json!(0)),
        ("light_model", json!("mock-light")),
        ("provider_key_id", json!(user.provider_key(Provider::Gemini))),
    ] {
        let answer = user.session.patch("/manage/aliases/fast").json(&json!({field: value})).send().await;
        expected[field] = value;
        if field == "provider_key_id" {
            expected["provider"] = json!("gemini");
        }
        assert_eq!(answer.expect(200).json(), expected);
    }
    let renamed = user.session.patch("/manage/aliases/fast").json(&json!({"alias": "quick"})).send().await;
    expected["alias"] = json!("quick");
    assert_eq!(renamed.expect(200).json(), expected);
    error(&user.ask("fast", "hello").await, 404, "model_not_found");
    let taken = user.session.patch("/manage/aliases/quick").json(&json!({"alias": "other"})).send().await;
    error(&taken, 409, "alias_taken");
}

#[tokio::test]
async fn changing_nothing_and_changing_what_is_not_there_are_errors() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    error(&user.session.patch("/manage/aliases/fast").json(&json!({})).send().await, 400, "missing_field");
    let patch = json!({"target_model": "mock-large"});
    let missing = user.session.patch("/manage/aliases/nothing").json(&patch).send().await;
    error(&missing, 404, "alias_not_found");
    alike(&missing, &user.session.patch("/manage/aliases/no%20name").json(&patch).send().await);
    error(&user.session.delete("/manage/aliases/nothing").send().await, 404, "alias_not_found");
}

#[tokio::test]
async fn a_change_holds_from_the_next_request_on() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Provider::OpenAi, "mock-small").await;
    user.ask("fast", "hello").await.expect(200);
    let change = json!({"target_model": "mock-large", "provider_key_id": user.provider_key(Provider::Anthropic)});
    user.session.patch("/manage/aliases/fast").json(&change).send().await.expect(200);
    let answer = user.ask("fast", "hello").await.expect(200);
    assert_eq!(answer.header("x-tokentracer-model"), Some("mock-large"));
    assert_eq!(answer.header("x-tokentracer-provider"), Some("anthropic"));
}

#[tokio::test]
async fn an_alias_others_fall_back_to_stays_and_another_goes() {
    let world = world().await;
    let user = world.user().await;
    user.chain(&[(Provider::OpenAi, "mock-small"), (Provider::OpenAi, "mock-large")]).await;
    error(&user.session.delete("/manage/aliases/a1").send().await, 409, "alias_in_use");
    let answer = user.session.delete("/manage/aliases/a0").send().await.expect(204);
    assert!(answer.body.is_empty());
    error(&user.session.delete("/manage/aliases/a0").send().await, 404, "alias_not_found");
    user.session.delete("/manage/aliases/a1").send().await.expect(204);
    error(&user.ask("a0", "hello").await, 404, "model_not_found");
    assert_eq!(user.session.get("/manage/aliases").send().await.expect(200).text(), "[]");
}

#[tokio::test]
async fn aliases_are_the_models_a_client_sees() {
    let world = world().await;
    let user = world.user().await;
    let empty = user.api().get("/v1/models").send().await.expect(200).json();
    assert_eq!(empty, json!({"object": "list", "data": []}));
    user.alias("one", Provider::OpenAi, "mock-small").await;
    user.alias("two", Provider::Gemini, "mock-small").await;
    let list = user.api().get("/v1/models").send().await.expect(200).json();
    fields(&list, &["object", "data"]);
    let models = list["data"].as_array().unwrap();
    for (model, (id, owner)) in models.iter().zip([("one", "openai"), ("two", "gemini")]) {
        fields(model, &["id", "object", "created", "owned_by"]);
        assert_eq!((&model["id"], &model["object"], &model["owned_by"]), (&json!(id), &json!("model"), &json!(owner)));
        about(model["created"].as_i64().unwrap() * 1000, now_ms());
        assert_eq!(user.api().get(&format!("/v1/models/{id}")).send().await.expect(200).json(), *model);
    }
    assert_eq!(models.len(), 2);
    user.session.get("/v1/models").send().await.expect(200);
    for path in ["/v1/models/openai/gpt-4o", "/v1/models/openai%2Fgpt-4o"] {
        let model = user.api().get(path).send().await.expect(200).json();
        assert_eq!((&model["id"], &model["owned_by"]), (&json!("openai/gpt-4o"), &json!("openai")));
    }
    for path in ["/v1/models/nothing", "/v1/models/mistral/x", "/v1/models/one/two"] {
        error(&user.api().get(path).send().await, 404, "model_not_found");
    }
}

#[tokio::test]
async fn an_alias_that_ends_with_a_star_catches_names_and_sends_them_as_asked() {
    let world = world().await;
    let user = world.user().await;
    user.alias("*", Provider::OpenAi, "mock-small").await;
    let made = put(&user, &with(with(minimal(&user), "alias", json!("mock-*")), "target_model", json!("*"))).await;
    assert_eq!((&made["alias"], &made["target_model"]), (&json!("mock-*"), &json!("*")));
    user.alias("mock-large", Provider::Anthropic, "mock-small").await;
    for (asked, alias, provider, model) in [
        ("mock-large", "mock-large", "anthropic", "mock-small"),
        ("mock-tool", "mock-*", "openai", "mock-tool"),
        ("claude-opus-5-5", "*", "openai", "mock-small"),
    ] {
        let answer = user.ask(asked, "hello").await.expect(200);
        let header = |name: &str| answer.header(name).map(str::to_owned);
        assert_eq!(header("x-tokentracer-alias").as_deref(), Some(alias), "{asked}");
        assert_eq!(header("x-tokentracer-provider").as_deref(), Some(provider), "{asked}");
        assert_eq!(header("x-tokentracer-model").as_deref(), Some(model), "{asked}");
        let row = user.log(answer.header("x-request-id").unwrap()).await;
        assert_eq!((&row["alias"], &row["model"]), (&json!(alias), &json!(model)), "{asked}");
    }
    error(&user.ask("no name", "hello").await, 404, "model_not_found");
    // It stands for names that are not known, so that no client can choose it from a list.
    let list = user.api().get("/v1/models").send().await.expect(200).json();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["mock-large"]);
    let shown = user.api().get("/v1/models/mock-tool").send().await.expect(200).json();
    assert_eq!((&shown["id"], &shown["owned_by"]), (&json!("mock-tool"), &json!("openai")));
    for bad in ["mock-**", "*-mock", "a*b"] {
        let refused =
            user.session.post("/manage/aliases").json(&with(minimal(&user), "alias", json!(bad))).send().await;
        error_about(&refused, 400, "invalid_field", "alias");
    }
    user.session.delete("/manage/aliases/*").send().await.expect(204);
    error(&user.ask("claude-opus-5-5", "hello").await, 404, "model_not_found");
}

#[tokio::test]
async fn a_key_for_an_alias_that_catches_names_them_but_no_other_alias() {
    let world = world().await;
    let user = world.user().await;
    user.alias("mock-*", Provider::OpenAi, "mock-small").await;
    user.alias("mock-large", Provider::OpenAi, "mock-large").await;
    let few = user.new_api_key(&json!({"allowed_aliases": ["mock-*"]})).await.client;
    let ask = |model: &str| few.post("/v1/chat/completions").json(&question(model, "hello")).send();
    ask("mock-anything").await.expect(200);
    error_about(&ask("mock-large").await, 403, "alias_not_allowed", "model");
    error_about(&ask("other").await, 403, "alias_not_allowed", "model");
}
