//! Measures `/manage/usage` over many requests: the time of `Store::usage` over ten thousand rows, over ten million
//! rows with the same hours, users, aliases and keys, and so with as many sums, and over a log of ten million as real
//! use would leave it.
//!
//! `cargo run --profile quick -p tt-store --example usage_cost -- <rows> <URL of an empty database> [<sums a user>]`.
//! Rows and sums are made by the database itself; every row has its part in the sums. With the word `fill` before the rows it
//! makes them and measures nothing; the database may then hold other things.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for a terminal")]

use std::time::{Duration, Instant};

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use tt_core::query::{GroupBy, UsageQuery};
use tt_core::{Timestamp, UserId};
use tt_store::{Store, StoreConfig};

/// 2026-11-23.
const TODAY: i64 = 1_795_392_000_000;
const DAY: i64 = 86_400_000;

const USERS: u64 = 20;
const ALIASES: u64 = 5;
const DAYS: i64 = 30;
const CALLS: usize = 201;

/// The keys of the sums repeat after so many rows: every user, alias and hour.
const KEYS: u64 = USERS * ALIASES * 24 * DAYS.unsigned_abs();

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let fills_only = arguments.first().is_some_and(|first| first == "fill");
    arguments.drain(..usize::from(fills_only));
    let rows: u64 = arguments.first().unwrap().parse().unwrap();
    let url = arguments.get(1).unwrap();
    let keys: u64 = arguments.get(2).map_or(KEYS, |keys| keys.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Store::open(StoreConfig::new(url.as_str().into(), runtime.handle().clone())).unwrap();
    runtime.block_on(async {
        store.migrate().await.unwrap();
        store.make_log_days(Timestamp::from_millis(TODAY - DAYS * DAY), 32).await.unwrap();
        let begun = Instant::now();
        execute(url, &statements(url, rows, keys)).await;
        println!("{store:?}: {rows} rows made in {:.0} s", begun.elapsed().as_secs_f64());
        if fills_only {
            return;
        }
        for (name, group_by) in [
            ("in all", vec![]),
            ("by provider and alias", vec![GroupBy::Provider, GroupBy::Alias]),
            ("by day and model", vec![GroupBy::Day, GroupBy::Model]),
            ("by tag", vec![GroupBy::Tag("team".to_owned())]),
        ] {
            let query = UsageQuery::new(Timestamp::from_millis(0), Timestamp::from_millis(TODAY + DAY), group_by);
            let (requests, sums, median) = measure(&store, query).await;
            println!("{store:?}: {rows:8} rows, one user's {requests} {name}: {sums} groups in {median:?}");
        }
    });
    store.close();
}

async fn measure(store: &Store, query: UsageQuery) -> (u64, usize, Duration) {
    let mut times = Vec::new();
    let (mut requests, mut groups) = (0, 0);
    for _ in 0..CALLS {
        let begun = Instant::now();
        let found = store.usage(UserId(1), query.clone()).await.unwrap();
        times.push(begun.elapsed());
        requests = found.iter().map(|group| group.sums.requests).sum();
        groups = found.len();
    }
    times.sort_unstable();
    (requests, groups, *times.get(CALLS / 2).unwrap())
}

async fn execute(url: &str, statements: &str) {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            type Conn = diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;
            let mut c = Conn::establish(path).await.unwrap();
            c.batch_execute(&format!("PRAGMA synchronous=OFF; BEGIN; {statements}; COMMIT")).await.unwrap();
            c.batch_execute("ANALYZE").await.unwrap();
        }
        None => {
            let mut c = diesel_async::AsyncPgConnection::establish(url).await.unwrap();
            c.batch_execute(&format!("SET synchronous_commit = off; {statements}")).await.unwrap();
            c.batch_execute("ANALYZE usage_hourly; ANALYZE request_logs").await.unwrap();
        }
    }
}

/// Row n: its key is n modulo `keys`, which says user, alias and hour in turn. A row in a hundred is an error, one in a
/// thousand is a gap of each kind; a third of them names a session, a quarter has a tag.
fn statements(url: &str, rows: u64, keys: u64) -> String {
    let (numbers, id, tag) = if url.starts_with("sqlite") {
        (
            format!("WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {rows})"),
            "printf('01930000-0000-7000-8000-%012d', n)",
            "tags ->> '$.team'",
        )
    } else {
        (
            format!("WITH s(n) AS (SELECT generate_series(0::BIGINT, {rows} - 1))"),
            "'01930000-0000-7000-8000-' || lpad(n::text, 12, '0')",
            "tags::json ->> 'team'",
        )
    };
    let k = format!("(n % {keys})");
    let hour = format!("({TODAY} - (1 + {k} / {}) * 3600000)", USERS * ALIASES);
    let alias = format!("('alias-' || ({k} / {USERS} % {ALIASES}))");
    let in_a_thousand = |place: u64, then: &str, other: &str| {
        format!("CASE WHEN n / {USERS} % 1000 = {place} THEN {then} ELSE {other} END")
    };
    let logs = format!(
        "INSERT INTO request_logs (created_at, request_id, user_id, api_key_id, alias, route, provider, model, stream, \
         status, outcome, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, \
         reasoning_tokens, usage_source, cost_nano, unpriced, saved_nano, latency_ms, first_token_ms, attempts, error, \
         dialect, client, session, tags, other_usage, details, {COSTS}) {numbers} \
         SELECT {hour} + n / {keys} % 3600000, {id}, 1 + n % {USERS}, NULL, {alias}, 'primary', 'openai', 'gpt-4o-mini', \
         FALSE, {status}, {outcome}, 100 + n % 900, 0, 0, 0, n % 300, 0, {source}, {cost}, {unpriced}, 0, \
         500 + n % 700, 100 + n % 200, 1, NULL, 'openai_chat', 'openai-python', \
         CASE WHEN n % 3 = 0 THEN 'session-' || (n / 3000) END, \
         CASE WHEN n % 4 = 0 THEN '{{\"team\":\"t' || (n / 4 % 10) || '\"}}' END, NULL, '{DETAILS}', 5000, 0, 0, 7345, 0 \
         FROM s",
        status = in_a_thousand(1, "NULL", "CASE WHEN n % 100 = 7 THEN 502 ELSE 200 END"),
        outcome = in_a_thousand(1, "'interrupted'", "CASE WHEN n % 100 = 7 THEN 'error' ELSE 'ok' END"),
        source = in_a_thousand(2, "'unknown'", "'provider'"),
        cost = in_a_thousand(3, "NULL", "12345"),
        unpriced = in_a_thousand(3, "TRUE", "FALSE"),
    );
    let sums = "COUNT(*), SUM(input_tokens), 0, 0, SUM(output_tokens), 0, COALESCE(SUM(cost_nano), 0), \
                SUM(CASE WHEN unpriced OR usage_source = 'unknown' THEN 1 ELSE 0 END), 0, \
                SUM(CASE WHEN outcome = 'error' THEN 1 ELSE 0 END), 0, SUM(cost_input_nano), 0, 0, SUM(cost_output_nano), 0, \
                COUNT(*), 0, 0, SUM(CASE WHEN usage_source = 'unknown' THEN 1 ELSE 0 END), \
                SUM(CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END), SUM(CASE WHEN outcome = 'interrupted' THEN 1 ELSE 0 END), \
                SUM(latency_ms), SUM(first_token_ms), COUNT(first_token_ms)";
    let key = "user_id, created_at - created_at % 3600000, provider, alias, model, 0, COALESCE(status, 0), route, dialect, client";
    let hourly = format!(
        "INSERT INTO usage_hourly ({KEY}, {SUMS}) SELECT {key}, {sums} FROM request_logs GROUP BY 1, 2, 3, 4, 5, 7, 8, 9, 10"
    );
    let tags = format!(
        "INSERT INTO usage_tags_hourly (tag_name, tag_value, {KEY}, {SUMS}) SELECT 'team', {tag}, {key}, {sums} \
         FROM request_logs WHERE tags IS NOT NULL GROUP BY 2, 3, 4, 5, 6, 7, 9, 10, 11, 12"
    );
    let values = "INSERT INTO usage_tag_values (user_id, day, tag_name, tag_value) \
                  SELECT DISTINCT user_id, hour - hour % 86400000, tag_name, tag_value FROM usage_tags_hourly";
    format!("{logs}; {hourly}; {tags}; {values}")
}

/// The columns of the cost by class.
const COSTS: &str = "cost_input_nano, cost_cached_nano, cost_cache_write_nano, cost_output_nano, cost_fees_nano";

/// The columns of the hourly sums.
const KEY: &str = "user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client";
const SUMS: &str = "requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, \
                    cost_nano, unpriced, saved_nano, errors, cancelled, cost_input_nano, cost_cached_nano, \
                    cost_cache_write_nano, cost_output_nano, cost_fees_nano, detailed, estimated, partial_usage, \
                    unknown_usage, costless, interrupted, latency_ms, first_token_ms, first_tokens";

/// The details of a row, about as long as those of a plain request.
const DETAILS: &str = r#"{"reason":"alias: its target model","attempts":[{"started":{"alias":"alias-0","route":"primary","provider":"openai","provider_key_id":1,"model":"gpt-4o-mini","started_at":"2026-11-23T00:00:00Z"},"ended":{"status":200,"latency_ms":700,"source":"provider","usage":{"usage":{"input":100,"output":20},"raw":"{}"},"cost":0.000012345,"price_version":"2026-11-20"}}]}"#;
