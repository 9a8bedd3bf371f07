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

/// Row n: its key is n modulo `keys`, which says user, alias and hour in turn.
fn statements(url: &str, rows: u64, keys: u64) -> String {
    let (numbers, id) = if url.starts_with("sqlite") {
        (
            format!("WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {rows})"),
            "printf('%036d', n)",
        )
    } else {
        (format!("WITH s(n) AS (SELECT generate_series(0::BIGINT, {rows} - 1))"), "lpad(n::text, 36, '0')")
    };
    let k = format!("(n % {keys})");
    let hour = format!("({TODAY} - (1 + {k} / {}) * 3600000)", USERS * ALIASES);
    let alias = format!("('alias-' || ({k} / {USERS} % {ALIASES}))");
    let logs = format!(
        "INSERT INTO request_logs (created_at, request_id, user_id, alias, route, provider, model, stream, status, \
         outcome, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, \
         reasoning_tokens, audio_input_tokens, audio_output_tokens, tool_prompt_tokens, web_searches, usage_source, \
         cost_nano, unpriced, saved_nano, latency_ms, first_token_ms, attempts) {numbers} \
         SELECT {hour} + n / {keys} % 3600000, {id}, 1 + n % {USERS}, {alias}, 'primary', 'openai', 'gpt-4o-mini', \
         FALSE, 200, 'ok', 100 + n % 900, 0, 0, 0, n % 300, 0, 0, 0, 0, 0, 'provider', 12345, FALSE, 0, 700, NULL, 1 \
         FROM s"
    );
    let sums = "INSERT INTO usage_hourly (user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client, \
                requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, \
                cost_nano, unpriced, saved_nano, errors, cancelled) \
                SELECT user_id, created_at - created_at % 3600000, provider, alias, model, 0, status, route, \
                'openai_chat', '', COUNT(*), SUM(input_tokens), 0, 0, SUM(output_tokens), 0, SUM(cost_nano), 0, 0, 0, 0 \
                FROM request_logs GROUP BY 1, 2, 3, 4, 5, 7, 8";
    format!("{logs}; {sums}")
}
