//! `/manage/usage`: sums by every dimension.

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_core::Usage;
use tt_testkit::Behaviour;
use tt_testkit::World;
use tt_testkit::world::User;

use crate::expect::{error_about, fields};
use crate::prices::{cost, nano_of};
use crate::setup::world;

const SUMS: [&str; 19] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "saved_usd",
    "errors",
    "cancelled",
    "cost_incomplete",
    "estimated",
    "partial",
    "unknown",
    "unpriced",
    "interrupted",
    "latency_ms_sum",
    "first_token_ms_sum",
    "first_token_count",
];

/// The classes of `cost_by_class`, as the columns of the CSV name them.
const CLASSES: [&str; 6] = [
    "cost_input_usd",
    "cost_cached_input_usd",
    "cost_cache_write_usd",
    "cost_output_usd",
    "cost_fees_usd",
    "cost_unclassified_usd",
];

async fn usage(user: &User, query: &str) -> Vec<Value> {
    let answer = user.session.get(&format!("/manage/usage{query}")).send().await.expect(200).json();
    answer.as_array().unwrap().clone()
}

/// Three requests of two models, and one that failed; what each alias cost.
async fn some(world: &World, user: &User) -> [i64; 2] {
    let usage = Usage { input: 1000, cache_read: 200, output: 50, reasoning: Some(20), ..Usage::default() };
    let models: [(Provider, &str, &str, i64); 2] =
        [(OpenAi, "one", "gpt-4o", 2), (Gemini, "two", "gemini-2.5-flash", 1)];
    let mut costs = [0, 0];
    for ((provider, alias, model, count), sum) in models.into_iter().zip(&mut costs) {
        world.mock.on(model, Behaviour::ok().usage(usage));
        user.alias(alias, provider, model).await;
        for _ in 0..count {
            user.ask(alias, "hello").await.expect(200);
        }
        *sum = count * cost(provider, model, &usage);
    }
    user.alias("bad", Anthropic, "mock-status-400").await;
    user.ask("bad", "hello").await.expect(400);
    costs
}

#[tokio::test]
async fn sums_are_by_provider_and_alias_unless_asked_otherwise() {
    let world = world().await;
    let user = world.user().await;
    assert_eq!(user.session.get("/manage/usage").send().await.expect(200).text(), "[]");
    let costs = some(&world, &user).await;
    let groups = usage(&user, "").await;
    assert_eq!(groups.len(), 3);
    for (alias, provider, requests, cost) in [("one", "openai", 2, costs[0]), ("two", "gemini", 1, costs[1])] {
        let group = groups.iter().find(|group| group["alias"] == alias).unwrap();
        let mut names = SUMS.to_vec();
        names.extend(["provider", "alias", "cost_by_class"]);
        fields(group, &names);
        assert_eq!((&group["provider"], &group["requests"]), (&json!(provider), &json!(requests)));
        assert_eq!(
            (&group["input_tokens"], &group["cached_input_tokens"]),
            (&json!(1200 * requests), &json!(200 * requests))
        );
        assert_eq!(
            (&group["output_tokens"], &group["reasoning_tokens"]),
            (&json!(50 * requests), &json!(20 * requests))
        );
        assert_eq!(
            (&group["errors"], &group["cancelled"], &group["cache_write_tokens"]),
            (&json!(0), &json!(0), &json!(0))
        );
        assert_eq!(nano_of(&group["cost_usd"]), cost);
    }
    let bad = groups.iter().find(|group| group["alias"] == "bad").unwrap();
    assert_eq!((&bad["requests"], &bad["errors"], &bad["cost_usd"]), (&json!(1), &json!(1), &json!(0)));
}

#[tokio::test]
async fn sums_agree_whatever_they_are_grouped_by() {
    let world = world().await;
    let user = world.user().await;
    let costs = some(&world, &user).await;
    for (dimensions, groups) in [
        ("provider", 3),
        ("alias", 3),
        ("model", 3),
        ("api_key", 1),
        ("status", 2),
        ("route", 1),
        ("provider,alias,model,api_key,status,route,day,hour", 3),
    ] {
        let found = usage(&user, &format!("?group_by={dimensions}")).await;
        // A run over a full hour would see two hours.
        assert!(found.len() == groups || dimensions.contains("hour"), "{dimensions}: {found:#?}");
        let requests: u64 = found.iter().map(|group| group["requests"].as_u64().unwrap()).sum();
        let cost: i64 = found.iter().map(|group| nano_of(&group["cost_usd"])).sum();
        assert_eq!((requests, cost), (4, costs[0] + costs[1]), "{dimensions}");
        for name in dimensions.split(',') {
            assert!(found.iter().all(|group| group.get(name).is_some()), "{name}: {found:#?}");
        }
    }
    let by_key = usage(&user, "?group_by=api_key").await;
    assert_eq!(by_key[0]["api_key"], json!(user.api_key_id()));
    let by_status = usage(&user, "?group_by=status").await;
    let mut statuses: Vec<i64> = by_status.iter().map(|group| group["status"].as_i64().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    for dimension in ["day", "hour"] {
        for group in usage(&user, &format!("?group_by={dimension}")).await {
            assert!(group[dimension].as_str().unwrap().starts_with("20"), "{group}");
        }
    }
}

#[tokio::test]
async fn from_and_to_bound_the_sums() {
    let world = world().await;
    let user = world.user().await;
    some(&world, &user).await;
    for (query, any) in [
        ("?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z", true),
        ("?to=2020-01-01T00:00:00Z", false),
        ("?from=2099-01-01T00:00:00Z", false),
    ] {
        assert_eq!(!usage(&user, query).await.is_empty(), any, "{query}");
    }
    // Both are exact: the moment of a request parts it from those before, and it is in one of two ranges that meet.
    let requests = async |query: &str| {
        let groups = usage(&user, &format!("?group_by=&{query}")).await;
        groups[0]["requests"].as_u64().unwrap()
    };
    let all = requests("").await;
    for (newer, row) in (1..).zip(user.logs().await) {
        let at = row["created_at"].as_str().unwrap();
        assert_eq!(requests(&format!("from={at}&to={at}")).await, 0);
        let (before, since) = (requests(&format!("to={at}")).await, requests(&format!("from={at}")).await);
        assert_eq!(before + since, all);
        assert!(since >= newer, "{since} since the {newer}th");
        // The same moment in another zone, its plus sign escaped or not.
        let local = at.replace('Z', "+00:00");
        for local in [local.replace('+', "%2B"), local] {
            assert_eq!(requests(&format!("from={local}")).await, since, "{local}");
        }
    }
    error_about(
        &user.session.get("/manage/usage?from=2001-01-01T00:30:00Z").send().await,
        400,
        "invalid_field",
        "from",
    );
    error_about(&user.session.get("/manage/usage?to=2001-01-01T00:30:00Z").send().await, 400, "invalid_field", "to");
}

#[tokio::test]
async fn csv_has_the_same_columns_and_numbers() {
    let world = world().await;
    let user = world.user().await;
    some(&world, &user).await;
    let answer = user.session.get("/manage/usage?format=csv").send().await.expect(200);
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    let text = answer.text();
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), format!("provider,alias,{},{}", SUMS.join(","), CLASSES.join(",")));
    let json = usage(&user, "").await;
    assert_eq!(lines.clone().count(), json.len());
    for (line, group) in lines.zip(&json) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!((cells[0], cells[1]), (group["provider"].as_str().unwrap(), group["alias"].as_str().unwrap()));
        assert_eq!(cells[2], group["requests"].to_string());
        assert_eq!(crate::prices::nano(cells[8]), nano_of(&group["cost_usd"]));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let world = world().await;
    let user = world.bare_user().await;
    for (query, param) in [
        ("?group_by=colour", "group_by"),
        ("?group_by=provider,provider", "group_by"),
        ("?group_by=tag:", "group_by"),
        ("?tz=Europe/Nowhere", "tz"),
        ("?tz=%2B01:00", "tz"),
        ("?group_by=session&from=2001-01-01", "from"),
        ("?format=xml", "format"),
        ("?from=soon", "from"),
        ("?to=1", "to"),
        ("?limit=5", "limit"),
        ("?from=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", "from"),
    ] {
        let answer = user.session.get(&format!("/manage/usage{query}")).send().await;
        error_about(&answer, 400, "invalid_field", param);
    }
}
