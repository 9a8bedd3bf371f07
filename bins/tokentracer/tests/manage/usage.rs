//! `/manage/usage` by every dimension, and the filters and cursors of `/manage/logs`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use tt_core::{NanoUsd, Provider};
use tt_testkit::world::{User, error_code, question};
use tt_testkit::{Client, World};

use crate::setup::world;

const DIMENSIONS: [&str; 12] = [
    "provider", "alias", "model", "api_key", "day", "hour", "status", "route", "dialect", "client", "session",
    "tag:team",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
struct Sums {
    requests: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<NanoUsd>,
    saved_usd: NanoUsd,
    errors: u64,
    cancelled: u64,
    cost_incomplete: u64,
    estimated: u64,
    partial: u64,
    unknown: u64,
    unpriced: u64,
    interrupted: u64,
    latency_ms_sum: u64,
    first_token_ms_sum: u64,
    first_token_count: u64,
    cost_by_class: Option<Classes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
struct Classes {
    input: NanoUsd,
    cached_input: NanoUsd,
    cache_write: NanoUsd,
    output: NanoUsd,
    fees: NanoUsd,
    unclassified: NanoUsd,
}

impl Classes {
    fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.plus(other.input),
            cached_input: self.cached_input.plus(other.cached_input),
            cache_write: self.cache_write.plus(other.cache_write),
            output: self.output.plus(other.output),
            fees: self.fees.plus(other.fees),
            unclassified: self.unclassified.plus(other.unclassified),
        }
    }

    fn total(self) -> NanoUsd {
        let Self { input, cached_input, cache_write, output, fees, unclassified } = self;
        [cached_input, cache_write, output, fees, unclassified].into_iter().fold(input, NanoUsd::plus)
    }
}

impl Sums {
    fn plus(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            input_tokens: self.input_tokens + other.input_tokens,
            cached_input_tokens: self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens: self.cache_write_tokens + other.cache_write_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            reasoning_tokens: self.reasoning_tokens + other.reasoning_tokens,
            cost_usd: Some(self.cost_usd.unwrap_or_default().plus(other.cost_usd.unwrap_or_default())),
            saved_usd: self.saved_usd.plus(other.saved_usd),
            errors: self.errors + other.errors,
            cancelled: self.cancelled + other.cancelled,
            cost_incomplete: self.cost_incomplete + other.cost_incomplete,
            estimated: self.estimated + other.estimated,
            partial: self.partial + other.partial,
            unknown: self.unknown + other.unknown,
            unpriced: self.unpriced + other.unpriced,
            interrupted: self.interrupted + other.interrupted,
            latency_ms_sum: self.latency_ms_sum + other.latency_ms_sum,
            first_token_ms_sum: self.first_token_ms_sum + other.first_token_ms_sum,
            first_token_count: self.first_token_count + other.first_token_count,
            cost_by_class: Some(self.cost_by_class.unwrap_or_default().plus(other.cost_by_class.unwrap_or_default())),
        }
    }
}

/// Seven requests of one user: two keys and a session, three providers, light and primary, tagged and not, one refused.
async fn stage() -> (World, User) {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let openai = ann.add_provider_key(Provider::OpenAi).await;
    let anthropic = ann.add_provider_key(Provider::Anthropic).await;
    ann.add_provider_key(Provider::Gemini).await;
    ann.save_alias(&json!({
        "alias": "smart", "target_model": "gpt-4o", "provider_key_id": openai,
        "use_light_model": true, "light_model": "gpt-4o-mini", "light_model_threshold": 5,
    }))
    .await;
    ann.save_alias(&json!({"alias": "claude", "target_model": "claude-haiku-4-5", "provider_key_id": anthropic})).await;
    let one = ann.new_api_key(&json!({"name": "one"})).await.client;
    let two = ann.new_api_key(&json!({"name": "two"})).await.client;
    let call = async |client: &Client, model: &str, text: &str, tags: &str, status: u16| {
        let call = client.post("/v1/chat/completions").json(&question(model, text));
        let call = call.header("x-tokentracer-session", if text == "hello" { "short" } else { "long" });
        let call = if tags.is_empty() { call } else { call.header("x-tokentracer-tags", tags) };
        call.send().await.expect(status);
    };
    let long = "one two three four five six seven";
    call(&one, "smart", "hello", "team=search", 200).await;
    call(&one, "smart", long, "team=search,feature=x", 200).await;
    call(&one, "smart", long, "team==1+1", 200).await;
    call(&two, "claude", long, "", 200).await;
    call(&two, "gemini/gemini-2.5-flash", long, "feature=x", 200).await;
    call(&ann.session, "claude", long, "team=\"a\"", 200).await;
    call(&ann.session, "openai/mock-status-400", long, "", 400).await;
    (world, ann)
}

#[tokio::test]
async fn groups_by_every_dimension_and_pair_add_up_to_the_whole() {
    let (world, ann) = stage().await;
    let usage = async |group_by: &str| {
        let path = format!("/manage/usage?group_by={group_by}");
        let answer = ann.session.get(&path).send().await.expect(200);
        (answer.parse::<Vec<Sums>>(), answer.parse::<Vec<Value>>())
    };
    let (whole, _) = usage("").await;
    let whole = whole[0];
    assert_eq!((whole.requests, whole.errors, whole.cancelled), (7, 1, 0));
    assert!(whole.cost_usd > Some(NanoUsd::ZERO) && whole.saved_usd > NanoUsd::ZERO, "{whole:?}");
    assert!(whole.input_tokens > 5 * 7 && whole.output_tokens > 0, "{whole:?}");
    let classes = whole.cost_by_class.unwrap();
    assert_eq!((Some(classes.total()), classes.unclassified), (whole.cost_usd, NanoUsd::ZERO));
    assert!(classes.input > NanoUsd::ZERO && classes.output > NanoUsd::ZERO, "{classes:?}");
    assert_eq!((whole.estimated, whole.unpriced, whole.unknown, whole.interrupted), (0, 0, 0, 0));
    assert!(whole.latency_ms_sum > 0, "{whole:?}");
    assert_eq!((whole.first_token_count, whole.first_token_ms_sum), (0, 0), "only streams have a first token");

    for one in DIMENSIONS {
        for other in DIMENSIONS {
            let group_by = if one == other { one.to_owned() } else { format!("{one},{other}") };
            let (sums, rows) = usage(&group_by).await;
            let total = sums.iter().fold(Sums::default(), |sum, row| sum.plus(row));
            assert_eq!(total, whole, "{group_by}");
            let keys: BTreeSet<String> = rows.iter().map(|row| format!("{}|{}", row[one], row[other])).collect();
            assert_eq!(keys.len(), rows.len(), "{group_by}: a group stands once: {rows:?}");
            let mut fields: Vec<&str> = group_by.split(',').collect();
            fields.push("requests");
            let first: Vec<&str> = rows[0].as_object().unwrap().keys().take(fields.len()).map(String::as_str).collect();
            assert_eq!(first, fields, "in the order asked");
        }
    }
    let requests = async |dimension: &str| {
        let (_, rows) = usage(dimension).await;
        rows.iter().map(|row| (row[dimension].clone(), row["requests"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(requests("provider").await, [(json!("anthropic"), 2), (json!("gemini"), 1), (json!("openai"), 4)]);
    assert_eq!(
        requests("alias").await,
        [
            (json!("claude"), 2),
            (json!("gemini/gemini-2.5-flash"), 1),
            (json!("openai/mock-status-400"), 1),
            (json!("smart"), 3)
        ]
    );
    assert_eq!(requests("status").await, [(json!(200), 6), (json!(400), 1)]);
    assert_eq!(requests("session").await, [(json!("long"), 6), (json!("short"), 1)]);
    assert_eq!(requests("dialect").await, [(json!("openai_chat"), 7)]);
    assert_eq!(requests("route").await, [(json!("light"), 1), (json!("primary"), 6)]);
    assert_eq!(requests("api_key").await, [(Value::Null, 2), (json!(1), 3), (json!(2), 2)]);
    assert_eq!(
        requests("tag:team").await,
        [(json!("\"a\""), 1), (json!("=1+1"), 1), (json!("search"), 2), (Value::Null, 3)]
    );
    assert_eq!(requests("tag:nobody-has-this").await, [(Value::Null, 7)]);
    let all = DIMENSIONS.join(",");
    let (sums, _) = usage(&all).await;
    assert_eq!(sums.iter().fold(Sums::default(), |sum, row| sum.plus(row)), whole, "all at once");

    let bob = world.sign_up("bob").await;
    for dimension in DIMENSIONS {
        let path = format!("/manage/usage?group_by={dimension}");
        assert_eq!(bob.session.get(&path).send().await.expect(200).json(), json!([]), "{dimension}");
    }
    let nothing = bob.session.get("/manage/usage?group_by=").send().await.expect(200).json();
    assert_eq!(nothing[0]["requests"], 0);
}

/// Every answer about recorded requests keeps to the same ones.
#[tokio::test]
async fn filters_are_those_of_every_call() {
    let (_world, ann) = stage().await;
    for (filter, requests) in [
        ("alias=smart", 3),
        ("provider=anthropic", 2),
        ("model=gpt-4o-mini", 1),
        ("api_key=1", 3),
        ("api_key=", 2),
        ("client=other", 0),
        ("client=", 7),
        ("session=short", 1),
        ("session=", 0),
        ("session=long&alias=smart", 2),
        ("tag=team%3Dsearch", 2),
        ("tag=team%3D%3D1%2B1", 1),
        ("tag=team%3D", 3),
        ("tag=feature%3Dx&provider=openai", 1),
        ("status=400", 1),
        ("status=", 0),
        ("route=light", 1),
        ("dialect=openai_chat", 7),
        ("dialect=gemini", 0),
        ("outcome=error", 1),
        ("outcome=ok&route=primary", 5),
    ] {
        let get = async |path: String| ann.session.get(&path).send().await.expect(200).json();
        let whole = get(format!("/manage/usage?group_by=&{filter}")).await;
        assert_eq!(whole[0]["requests"], requests, "{filter}");
        let groups = get(format!("/manage/usage?group_by=alias,session,tag:team,tag:feature&{filter}")).await;
        let of_groups: u64 = groups.as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum();
        assert_eq!(of_groups, requests, "{filter}");
        let logs = get(format!("/manage/logs?{filter}")).await;
        assert_eq!(logs["data"].as_array().unwrap().len() as u64, requests, "{filter}");
        let filter = filter.replace("model=", "recorded_model=");
        let whatif = get(format!("/manage/whatif?model=openai/gpt-4o&{filter}")).await;
        assert_eq!(whatif["requests"], requests, "{filter}");
    }
    let tags = ann.session.get("/manage/tags").send().await.expect(200).json();
    assert_eq!(
        tags,
        json!([{"name": "feature", "values": ["x"]}, {"name": "team", "values": ["\"a\"", "=1+1", "search"]}])
    );
    assert_eq!(ann.session.get("/manage/tags?to=2026-01-01").send().await.expect(200).json(), json!([]));
    for path in ["/manage/usage?", "/manage/logs?", "/manage/ledger/gaps?", "/manage/whatif?model=openai/gpt-4o&"] {
        ann.session.get(&format!("{path}outcome=ok&tag=team%3Da")).send().await.expect(200);
        for wrong in
            ["colour=red", "tag=team", "tag=%3Dx", "outcome=fine", "route=scenic", "alias=a%00b", "alias=a&alias=b"]
        {
            let refused = ann.session.get(&format!("{path}{wrong}")).send().await.expect(400).json();
            assert_eq!(error_code(&refused), "invalid_field", "{path}{wrong}");
        }
    }
}

#[tokio::test]
async fn a_day_is_one_of_the_zone_asked_for() {
    let (_world, ann) = stage().await;
    let newest = ann.logs().await[0]["created_at"].as_str().unwrap().to_owned();
    let at = tt_core::Timestamp::parse("at", &newest).unwrap();
    // Zones without summer time: their days are known without a table.
    for (zone, minutes) in
        [("Etc/GMT%2B12", -720), ("Asia/Kolkata", 330), ("Asia/Kathmandu", 345), ("Pacific/Kiritimati", 840)]
    {
        let path = format!("/manage/usage?group_by=day,session&tz={zone}");
        let rows = ann.session.get(&path).send().await.expect(200).json();
        let day = at.plus_millis(minutes * 60_000).rfc3339();
        let days: BTreeSet<&str> = rows.as_array().unwrap().iter().map(|row| row["day"].as_str().unwrap()).collect();
        assert!(days.contains(day.split('T').next().unwrap()), "{zone}: {days:?} lacks {day}");
        let path = format!("/manage/usage?group_by=day&tz={zone}");
        let requests = ann.session.get(&path).send().await.expect(200).json();
        let sum: u64 = requests.as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum();
        assert_eq!(sum, 7, "{zone}");
    }
}

#[tokio::test]
async fn csv_has_the_rows_of_json_and_no_formulas() {
    let (_world, ann) = stage().await;
    for group_by in ["provider,alias", "tag:team,status", "api_key,day,hour", ""] {
        let path = format!("/manage/usage?group_by={group_by}");
        let rows = ann.session.get(&path).send().await.expect(200).json();
        let csv = ann.session.get(&format!("{path}&format=csv")).send().await.expect(200);
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        let text = csv.text();
        let mut lines = text.split_terminator("\r\n");
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        let fields: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
        let (sums, classes) = (fields.len() - 1, rows[0]["cost_by_class"].as_object().unwrap());
        assert_eq!(head[..sums], fields[..sums]);
        let names: Vec<String> = classes.keys().map(|class| format!("cost_{class}_usd")).collect();
        assert_eq!(head[sums..], names, "the classes of the cost are columns");
        assert_eq!(lines.clone().count(), rows.as_array().unwrap().len());
        let column = head.iter().position(|name| *name == "requests").unwrap();
        let requests: u64 = lines.map(|line| line.split(',').nth(column).unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(requests, 7);
    }
    let tags = ann.session.get("/manage/usage?group_by=tag:team&format=csv").send().await.expect(200).text();
    assert!(tags.contains("\r\n'=1+1,1,") && tags.contains("\r\n\"\"\"a\"\"\",1,"), "{tags}");
}

#[tokio::test]
async fn an_unknown_dimension_or_format_is_refused() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let long = format!("tag:{}", "x".repeat(65));
    for query in [
        "group_by=colour",
        "group_by=provider,provider",
        "group_by=tag:",
        "group_by=tag:a,tag:b,tag:c,tag:d",
        "group_by=tag:a%00b",
        &format!("group_by={long}"),
        "group_by=provider;alias",
        "group_by=provider'--",
        "format=xml",
        "from=yesterday",
        "to=2026-13-01",
        "from=1&from=2",
        "user_id=1",
    ] {
        let refused = ann.session.get(&format!("/manage/usage?{query}")).send().await.expect(400).json();
        assert_eq!(error_code(&refused), "invalid_field", "{query}");
    }
    for query in ["from=2026-01-01", "to=0001-01-01", "from=9999-12-31T23:59:59Z", "group_by=,provider,"] {
        assert_eq!(ann.session.get(&format!("/manage/usage?{query}")).send().await.expect(200).json(), json!([]));
    }
    let proxy_only = ann.new_api_key(&json!({})).await.client;
    for path in ["/manage/usage", "/manage/logs"] {
        proxy_only.get(path).send().await.expect(403);
    }
}

#[tokio::test]
async fn logs_are_filtered_and_paged() {
    let (world, ann) = stage().await;
    let page = async |query: &str| ann.session.get(&format!("/manage/logs?{query}")).send().await.expect(200).json();
    let count = async |query: &str| page(query).await["data"].as_array().unwrap().len();
    assert_eq!(count("").await, 7);
    assert_eq!(count("alias=smart").await, 3);
    assert_eq!(count("alias=smart%25").await, 0);
    assert_eq!(count("provider=anthropic").await, 2);
    assert_eq!(count("provider=openai&alias=smart&status=200").await, 3);
    assert_eq!(count("status=400").await, 1);
    assert_eq!(count("status=404").await, 0);
    assert_eq!(count("from=2026-01-01&to=2999-01-01").await, 7);
    assert_eq!(count("to=2026-01-01").await, 0);

    let whole = page("").await;
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&whole).iter().rev().is_sorted(), "newest first");
    assert_eq!(whole["next_cursor"], Value::Null);
    for filter in ["", "&provider=openai"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&format!("limit=2{filter}{cursor}")).await;
            seen.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ids(&page(&format!("limit=500{filter}")).await));
    }

    let bob = world.sign_up("bob").await;
    for id in ids(&whole) {
        ann.session.get(&format!("/manage/logs/{id}")).send().await.expect(200);
        let refused = bob.session.get(&format!("/manage/logs/{id}")).send().await.expect(404).json();
        assert_eq!(error_code(&refused), "request_not_found");
        // Another's row as a cursor is a moment, and shows nothing.
        let page = bob.session.get(&format!("/manage/logs?cursor={id}")).send().await.expect(200).json();
        assert_eq!(page["data"], json!([]));
    }
    for query in [
        "cursor=junk",
        "cursor=",
        "cursor=1",
        "cursor=00000000-0000-4000-8000-000000000000",
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=ten",
        "provider=nobody",
        "status=ok",
        "status=99999",
        "alias=a%00b",
        "from=noon",
        "to=",
        "user_id=1",
    ] {
        let refused = ann.session.get(&format!("/manage/logs?{query}")).send().await.expect(400).json();
        assert_eq!(error_code(&refused), "invalid_field", "{query}");
    }
    ann.session.get("/manage/logs/junk").send().await.expect(404);
}
