//! `/manage/prices`: the list, prices set over it, and re-pricing what is recorded.

use serde::Deserialize;
use serde_json::{Value, json};
use tt_core::{NanoUsd, Provider, Usage};
use tt_testkit::client::Response;
use tt_testkit::world::{User, error_code, question};
use tt_testkit::{Behaviour, Client, World};

use crate::setup::world;

/// The usage that the mock reports of `new-model`, and prices by which it costs 1000 × 2.5 + 501 × 0.000001 + 3 ×
/// 0.333333 dollars a million: 2 501 000.5 nano-dollars, of which the even neighbour is the cost.
const USED: Usage = Usage {
    input: 1000,
    cache_read: 501,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 3,
    reasoning: None,
    audio_input: 0,
    audio_output: 0,
    tool_prompt: 0,
    cache_write_30m: 0,
    cache_write_12h: 0,
    cached_audio: 0,
    image_input: 0,
    image_output: 0,
    video_input: 0,
};
const PRICES: &str = r#"{"input": 2.5, "output": 0.333333, "cache_read": 0.000001}"#;
const COST: NanoUsd = NanoUsd(2_501_000);

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Cost {
    cost_usd: Option<NanoUsd>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Recorded {
    cost_usd: Option<NanoUsd>,
    usage_source: String,
    price_version: Option<String>,
    attempt_list: Vec<Cost>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Rerating {
    models: Vec<ModelCost>,
    before_usd: Option<NanoUsd>,
    after_usd: Option<NanoUsd>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct ModelCost {
    provider: String,
    model: String,
    requests: u64,
    before_usd: Option<NanoUsd>,
    after_usd: Option<NanoUsd>,
}

async fn stage() -> (World, User, User) {
    let world = world().await;
    world.mock.on("new-model", Behaviour::ok().usage(USED));
    let admin = world.admin("admin").await;
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    (world, admin, ann)
}

async fn set(admin: &User, model: &str, body: impl Into<String>) -> Response {
    let path = format!("/manage/prices/{model}");
    admin.session.put(&path).header("content-type", "application/json").body(body.into()).send().await
}

fn from_2026(prices: &str) -> String {
    format!(r#"{{"usd_per_million": {prices}, "effective_from": "2026-01-01"}}"#)
}

/// Sends a tagged request; its id.
async fn ask(client: &Client, model: &str) -> Response {
    let call = client.post("/v1/chat/completions").json(&question(model, "hello"));
    call.header("x-tokentracer-tags", "team=search").send().await.expect(200)
}

async fn recorded(person: &User, answer: &Response) -> Recorded {
    let id = answer.header("x-request-id").unwrap();
    person.session.get(&format!("/manage/logs/{id}")).send().await.expect(200).parse()
}

async fn costs(person: &User, group_by: &str) -> Vec<Option<NanoUsd>> {
    let usage = person.session.get(&format!("/manage/usage?group_by={group_by}")).send().await.expect(200);
    usage.parse::<Vec<Cost>>().into_iter().map(|cost| cost.cost_usd).collect()
}

async fn rerate(admin: &User, dry_run: bool) -> Rerating {
    let body = json!({"from": "2026-01-01", "to": "2999-01-01", "dry_run": dry_run});
    admin.session.post("/manage/prices/rerate").json(&body).send().await.expect(200).parse()
}

#[tokio::test]
async fn requests_recorded_without_a_price_are_priced_after_one_is_set() {
    let (_world, admin, ann) = stage().await;
    let answer = ask(&ann.session, "openai/new-model").await;
    let known = ask(&ann.session, "openai/gpt-4o").await;
    let refused = ann.session.post("/v1/chat/completions").json(&question("openai/mock-status-400", "x")).send().await;
    refused.expect(400);
    let before = recorded(&ann, &answer).await;
    assert_eq!(answer.header("x-tokentracer-cost-usd"), None);
    assert_eq!((before.cost_usd, before.attempt_list.as_slice()), (None, [Cost { cost_usd: None }].as_slice()));
    let known_before = recorded(&ann, &known).await;
    let known_cost = known_before.cost_usd.unwrap();
    assert_eq!(costs(&ann, "model").await, [Some(known_cost), Some(NanoUsd::ZERO), None]);

    let entry = set(&admin, "openai/new-model", from_2026(PRICES)).await.expect(200);
    assert_eq!(
        entry.text(),
        r#"{"provider":"openai","model":"new-model","usd_per_million":{"input":2.5,"output":0.333333,"#.to_owned()
            + r#""cache_read":0.000001,"cache_write_5m":2.5,"cache_write_1h":2.5},"override":true,"#
            + r#""effective_from":"2026-01-01T00:00:00.000Z"}"#
    );
    assert_eq!(recorded(&ann, &answer).await, before, "setting a price changes nothing that is recorded");

    let model = |model: &str, before: Option<NanoUsd>, after: NanoUsd| ModelCost {
        provider: "openai".to_owned(),
        model: model.to_owned(),
        requests: 1,
        before_usd: before,
        after_usd: Some(after),
    };
    let expected = |before: Option<NanoUsd>| Rerating {
        models: vec![model("gpt-4o", Some(known_cost), known_cost), model("new-model", before, COST)],
        before_usd: Some(known_cost.plus(before.unwrap_or_default())),
        after_usd: Some(known_cost.plus(COST)),
    };
    assert_eq!(rerate(&admin, true).await, expected(None));
    assert_eq!(recorded(&ann, &answer).await, before, "a dry run changes nothing");
    assert_eq!(costs(&ann, "model").await, [Some(known_cost), Some(NanoUsd::ZERO), None]);

    assert_eq!(rerate(&admin, false).await, expected(None));
    let after = recorded(&ann, &answer).await;
    assert_eq!(
        (after.cost_usd, after.attempt_list.as_slice()),
        (Some(COST), [Cost { cost_usd: Some(COST) }].as_slice())
    );
    let list = admin.session.get("/manage/prices").send().await.expect(200).json();
    assert_eq!(after.price_version.as_deref(), list["version"].as_str());
    assert_ne!(after.price_version, before.price_version);
    assert_eq!(recorded(&ann, &known).await, known_before, "what had its price keeps it, and its version");
    assert_eq!(costs(&ann, "model").await, [Some(known_cost), Some(NanoUsd::ZERO), Some(COST)]);
    assert_eq!(costs(&ann, "tag:team").await[0], Some(known_cost.plus(COST)));
    assert_eq!(costs(&ann, "").await, [Some(known_cost.plus(COST))]);

    // The next request has its price at once, and pricing again changes nothing.
    let priced = ask(&ann.session, "openai/new-model").await;
    assert_eq!(priced.header("x-tokentracer-cost-usd"), Some("0.002501"));
    assert_eq!(rerate(&admin, false).await.before_usd, rerate(&admin, false).await.after_usd);
    assert_eq!(costs(&ann, "").await, [Some(known_cost.plus(COST).plus(COST))]);
}

#[tokio::test]
async fn earlier_attempts_and_savings_of_a_light_model_are_priced_again_too() {
    let (_world, admin, ann) = stage().await;
    let key = ann.add_provider_key(Provider::OpenAi).await;
    let last = ann.save_alias(&json!({"alias": "last", "target_model": "new-model", "provider_key_id": key})).await;
    let first =
        json!({"alias": "first", "target_model": "mock-garbage", "provider_key_id": key, "fallback_alias_id": last});
    ann.save_alias(&first).await;
    ann.save_alias(&json!({
        "alias": "light", "target_model": "gpt-4o", "provider_key_id": key, "use_light_model": true,
        "light_model": "new-model", "light_model_threshold": 100,
    }))
    .await;
    let fallen_back = ask(&ann.session, "first").await;
    let light = ask(&ann.session, "light").await;
    assert_eq!(light.header("x-tokentracer-route"), Some("light"));
    set(&admin, "openai/new-model", from_2026(PRICES)).await.expect(200);
    rerate(&admin, false).await;
    let after = recorded(&ann, &fallen_back).await;
    assert_eq!((after.cost_usd, after.usage_source.as_str()), (Some(COST), "unknown"));
    let costs: Vec<_> = after.attempt_list.iter().map(|attempt| attempt.cost_usd).collect();
    assert_eq!(costs, [None, Some(COST)], "what nobody knows stays unknown");
    let id = light.header("x-request-id").unwrap();
    let row = ann.session.get(&format!("/manage/logs/{id}")).send().await.expect(200).json();
    // gpt-4o: 1000 × 2.50 + 501 × 1.25 + 3 × 10.00 = 3 156 250 nano-dollars
    assert_eq!(row["saved_usd"].to_string(), "0.00065525");
}

#[tokio::test]
async fn a_price_to_come_does_not_apply_yet_and_is_listed() {
    let (_world, admin, ann) = stage().await;
    let later = format!(r#"{{"usd_per_million": {PRICES}, "effective_from": "2999-01-01T00:00:00+01:00"}}"#);
    set(&admin, "openai/new-model", later.clone()).await.expect(200);
    set(&admin, "openai/gpt-4o", later).await.expect(200);
    assert_eq!(ask(&ann.session, "openai/new-model").await.header("x-tokentracer-cost-usd"), None);
    rerate(&admin, false).await;
    assert_eq!(costs(&ann, "").await, [None]);

    let list = ann.session.get("/manage/prices").send().await.expect(200);
    let text = list.text();
    let in_force = r#"{"provider":"openai","model":"gpt-4o","usd_per_million":{"input":2.5,"output":10,"cache_read":1.25,"cache_write_5m":2.5,"cache_write_1h":2.5},"override":false,"effective_from":null}"#;
    let to_come = r#"{"provider":"openai","model":"gpt-4o","usd_per_million":{"input":2.5,"output":0.333333,"cache_read":0.000001,"cache_write_5m":2.5,"cache_write_1h":2.5},"override":true,"effective_from":"2998-12-31T23:00:00.000Z"}"#;
    assert!(text.contains(&format!("{in_force},{to_come}")), "{text}");
    let list = list.json();
    assert_eq!(list["as_of"], "2026-11-25");
    let of = |model: &str| -> Vec<Value> {
        let entries = list["prices"].as_array().unwrap().iter();
        entries.filter(|entry| entry["model"] == model).cloned().collect()
    };
    assert_eq!(of("new-model").len(), 2, "{:?}", of("new-model"));
    assert_eq!(of("new-model")[0]["usd_per_million"]["input"], Value::Null);
}

#[tokio::test]
async fn prices_from_the_same_moment_are_replaced_whatever_way_the_model_is_written() {
    let (world, admin, ann) = stage().await;
    world.mock.on("org/model", Behaviour::ok().usage(Usage { input: 1_000_000, ..Usage::default() }));
    for (path, dollars) in [("openai/org/model", 1), ("openai/org%2Fmodel", 2)] {
        let prices = format!(r#"{{"input": {dollars}, "output": 0, "cache_read": null}}"#);
        let entry = set(&admin, path, from_2026(&prices)).await.expect(200).json();
        assert_eq!((&entry["model"], &entry["usd_per_million"]["cache_read"]), (&json!("org/model"), &json!(dollars)));
        let answer = ask(&ann.session, "openai/org/model").await;
        assert_eq!(answer.header("x-tokentracer-cost-usd"), Some(dollars.to_string().as_str()));
    }
    // The one that took effect last holds.
    let later = r#"{"usd_per_million": {"input": 5, "output": 0}}"#;
    set(&admin, "openai/org/model", later).await.expect(200);
    set(&admin, "openai/org/model", from_2026(r#"{"input": 9, "output": 0}"#)).await.expect(200);
    let answer = ask(&ann.session, "openai/org/model").await;
    assert_eq!(answer.header("x-tokentracer-cost-usd"), Some("5"));
    let listed = world.client().bearer("").get("/manage/prices").send().await;
    listed.expect(401);
}

/// The shipped table with another price for the input of `gpt-4o`, of a later day.
fn newer_table() -> String {
    let shipped = include_str!("../../../../crates/tt-core/data/prices.json");
    let mut table: Value = serde_json::from_str(shipped).unwrap();
    table["header"]["as_of"] = json!("2999-01-01");
    let models = table["models"].as_array_mut().unwrap();
    let model = models.iter_mut().find(|model| model["id"] == "gpt-4o").unwrap();
    model["prices"]["standard"]["input"] = json!(5_000_000);
    table.to_string()
}

#[tokio::test]
async fn a_newer_table_is_shown_first_and_then_put_in_force() {
    let (world, _admin, ann) = stage().await;
    world.mock.on("gpt-4o", Behaviour::ok().usage(USED));
    let answer = ask(&ann.session, "openai/gpt-4o").await;
    let before = recorded(&ann, &answer).await.cost_usd.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.json");
    std::fs::write(&file, newer_table()).unwrap();
    let update = |flags: &[&str]| world.command(&[&["prices", "update", file.to_str().unwrap()], flags].concat());
    let shown = update(&["--rerate-from", "2026-01-01"]).expect(0).out;
    let repriced = "repriced\topenai gpt-4o\t2.5 / 10 / 1.25 / 2.5 -> 5 / 10 / 1.25 / 5\n";
    assert!(shown.contains(repriced), "{shown}");
    // 1000 tokens at 2.50 more
    let after = before.plus(NanoUsd(2_500_000));
    assert!(shown.contains(&format!("priced\topenai gpt-4o\t1 requests: {before} -> {after}\n")), "{shown}");
    assert!(shown.ends_with("nothing has been changed: --apply does it\n"), "{shown}");
    assert_eq!(recorded(&ann, &answer).await.cost_usd, Some(before));

    let done = update(&["--rerate-from", "2026-01-01", "--apply"]).expect(0).out;
    assert!(done.contains(repriced) && done.contains("holds from the next start"), "{done}");
    assert_eq!(recorded(&ann, &answer).await.cost_usd, Some(after));
    assert_eq!(costs(&ann, "").await, [Some(after)]);
    // Against itself the table changes nothing; an older one, and what is no table, is refused.
    assert_eq!(update(&[]).expect(0).out.lines().count(), 2);
    std::fs::write(&file, newer_table().replace("2999-01-01", "2998-01-01")).unwrap();
    assert!(update(&[]).expect(1).err.contains("of 2998-01-01"));
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(update(&["--apply"]).expect(1).err.lines().count(), 1);
    assert_eq!(update(&["--rerate-to", "2026-01-01"]).expect(2).out, "");
}

#[tokio::test]
async fn only_administrators_set_prices() {
    let (world, admin, ann) = stage().await;
    let key = ann.new_api_key(&json!({"scopes": ["manage"]})).await.client;
    let span = json!({"from": "2026-01-01", "to": "2027-01-01", "dry_run": true});
    let price = json!({"usd_per_million": {"input": 1, "output": 1}});
    for client in [&ann.session, &key] {
        let refused = client.put("/manage/prices/openai/gpt-4o").json(&price).send().await.expect(403).json();
        assert_eq!(error_code(&refused), "forbidden");
        assert_eq!(
            error_code(&client.post("/manage/prices/rerate").json(&span).send().await.expect(403).json()),
            "forbidden"
        );
        client.get("/manage/prices").send().await.expect(200);
    }
    let proxy_only = admin.new_api_key(&json!({})).await.client;
    proxy_only.get("/manage/prices").send().await.expect(403);
    proxy_only.put("/manage/prices/openai/gpt-4o").json(&price).send().await.expect(403);
    world.client().post("/manage/prices/rerate").json(&span).send().await.expect(401);
    admin.session.get("/manage/prices/openai/gpt-4o").send().await.expect(405);
}

#[tokio::test]
async fn a_bad_price_is_refused_by_name_and_changes_nothing() {
    let (_world, admin, _ann) = stage().await;
    let list = async || admin.session.get("/manage/prices").send().await.expect(200).text();
    let before = list().await;
    let bad =
        |field: &'static str, prices: &str| (format!(r#"{{"usd_per_million": {prices}}}"#), "invalid_field", field);
    let missing = |field: &'static str, body: &str| (body.to_owned(), "missing_field", field);
    for (body, expected, field) in [
        bad("usd_per_million.input", r#"{"input": -1, "output": 1}"#),
        bad("usd_per_million.input", r#"{"input": "1", "output": 1}"#),
        bad("usd_per_million.input", r#"{"input": null, "output": 1}"#),
        bad("usd_per_million.output", r#"{"input": 1, "output": 0.0000001}"#),
        bad("usd_per_million.output", r#"{"input": 1, "output": 9223372036855}"#),
        bad("usd_per_million.output", r#"{"input": 1, "output": 1e300}"#),
        bad("usd_per_million.cache_read", r#"{"input": 1, "output": 1, "cache_read": -0.5}"#),
        bad("usd_per_million.cache_write_5m", r#"{"input": 1, "output": 1, "cache_write_5m": true}"#),
        bad("usd_per_million.cache_write_1h", r#"{"input": 1, "output": 1, "cache_write_1h": []}"#),
        bad("cache_write", r#"{"input": 1, "output": 1, "cache_write": 1}"#),
        bad("input", r#"{"input": 1, "output": 1, "input": 2}"#),
        bad("usd_per_million", "[1, 1]"),
        bad("usd_per_million", "7"),
        missing("usd_per_million", "{}"),
        missing("input", r#"{"usd_per_million": {"output": 1}}"#),
        missing("output", r#"{"usd_per_million": {"input": 1}}"#),
        (r#"{"usd_per_million": {"input": 1, "output": 1}, "from": 1}"#.to_owned(), "invalid_field", "from"),
        (
            r#"{"usd_per_million": {"input": 1, "output": 1}, "effective_from": "soon"}"#.to_owned(),
            "invalid_field",
            "effective_from",
        ),
    ] {
        let refused = set(&admin, "openai/gpt-4o", body.clone()).await.expect(400).json();
        assert_eq!((error_code(&refused), &refused["error"]["param"]), (expected, &json!(field)), "{body}: {refused}");
    }
    for (path, field) in [("nobody/gpt-4o", "provider"), ("openai/a%20b", "model"), ("openai/a//b", "model")] {
        let refused = set(&admin, path, from_2026(PRICES)).await.expect(400).json();
        assert_eq!((error_code(&refused), &refused["error"]["param"]), ("invalid_field", &json!(field)), "{path}");
    }
    for (body, expected, field) in [
        (json!({"to": "2027-01-01"}), "missing_field", "from"),
        (json!({"from": "2026-01-01", "dry_run": true}), "missing_field", "to"),
        (json!({"from": "2026-01-01", "to": "2025-12-31"}), "invalid_field", "to"),
        (json!({"from": "noon", "to": "2027-01-01"}), "invalid_field", "from"),
        (json!({"from": "2026-01-01", "to": "2027-01-01", "dry_run": 1}), "invalid_field", "dry_run"),
        (json!({"from": "2026-01-01", "to": "2027-01-01", "model": "x"}), "invalid_field", "model"),
    ] {
        let refused = admin.session.post("/manage/prices/rerate").json(&body).send().await.expect(400).json();
        assert_eq!((error_code(&refused), &refused["error"]["param"]), (expected, &json!(field)), "{body}: {refused}");
    }
    assert_eq!(list().await, before);
    let nothing = rerate(&admin, false).await;
    assert_eq!(nothing, Rerating { models: vec![], before_usd: Some(NanoUsd::ZERO), after_usd: Some(NanoUsd::ZERO) });
}

#[tokio::test]
async fn prices_set_are_there_after_a_restart() {
    let mut world = world().await;
    world.mock.on("new-model", Behaviour::ok().usage(USED));
    let admin = world.admin("admin").await;
    admin.add_provider_key(Provider::OpenAi).await;
    set(&admin, "openai/new-model", from_2026(PRICES)).await.expect(200);
    world.kill();
    world.start_again();
    let again = world.log_in(&admin.email).await;
    assert_eq!(ask(&again, "openai/new-model").await.header("x-tokentracer-cost-usd"), Some("0.002501"));
}
