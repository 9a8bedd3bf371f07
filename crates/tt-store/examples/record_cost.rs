//! Measures the cost of the drain: the rows a second that `Store::record` takes, and this process's processor time for
//! each.
//!
//! `cargo run --profile quick -p tt-store --example record_cost -- <rows> <at once>,… <URL>…` on empty databases, each
//! `sqlite://PATH` or `postgres://…`; rows, sums and tags of 20 users over 5 aliases are left there. The drain stores a
//! thousand at once when it is behind, and some tens under a light load.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for a terminal")]

use std::time::{Duration, Instant};

use tt_core::cost::CostByClass;
use tt_core::plan::Route;
use tt_core::record::{
    Attempt, AttemptEnded, AttemptStarted, Intent, JournalCursor, Operation, Outcome, PlannedStep, Settled, Settlement,
};
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, UsageSource, UserId};
use tt_store::{Store, StoreConfig};

const ROUNDS: u64 = 3;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().unwrap().parse().unwrap();
    let batches: Vec<u64> = arguments.next().unwrap().split(',').map(|size| size.parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for url in arguments {
        let store = Store::open(StoreConfig::new(url.into(), runtime.handle().clone())).unwrap();
        runtime.block_on(store.migrate()).unwrap();
        let mut first = 0;
        for &batch in &batches {
            for _ in 0..ROUNDS {
                println!("{store:?}, {batch:4} at once: {}", runtime.block_on(round(&store, first, rows, batch)));
                first += rows;
            }
        }
        store.close();
    }
}

async fn round(store: &Store, first: u64, rows: u64, batch: u64) -> String {
    let (mut elapsed, mut busy) = (Duration::ZERO, Duration::ZERO);
    for start in (first..first + rows).step_by(usize::try_from(batch).unwrap()) {
        let settlements: Vec<_> = (start..(start + batch).min(first + rows)).map(settlement).collect();
        let cursor = JournalCursor { journal: "worker".to_owned(), segment: 1, offset: start };
        let (began, used) = (Instant::now(), cpu());
        store.record(settlements, vec![cursor]).await.unwrap();
        elapsed += began.elapsed();
        busy += cpu().saturating_sub(used);
    }
    let rows = rows as f64;
    format!("{:6.0} rows/s, {:5.1} µs of CPU a row", rows / elapsed.as_secs_f64(), busy.as_secs_f64() * 1e6 / rows)
}

/// A request of 2026-11-23, 50 a second.
fn settlement(n: u64) -> Settlement {
    let millis = 1_795_392_000_000 + n * 20;
    let bytes: [u8; 8] = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    let id = RequestId(uuid::Builder::from_unix_timestamp_millis(millis, &[a, b, c, d, e, f, g, h, 1, 2]).into_uuid());
    let created_at = id.created_at().unwrap();
    let alias = format!("alias-{}", n % 5);
    let model = "gpt-4o-mini".to_owned();
    let reason = "alias: its target model".to_owned();
    let (provider, route) = (Provider::OpenAi, Route::Primary);
    let tags = if n.is_multiple_of(4) { format!("team=t{}", n % 40) } else { String::new() };
    let step = PlannedStep { alias: alias.clone(), route, provider, model: model.clone(), reason: reason.clone() };
    let usage = Usage { input: 100 + n % 900, output: n % 300, ..Usage::default() };
    let raw = format!(r#"{{"prompt_tokens":{},"completion_tokens":{}}}"#, usage.input, usage.output);
    let ended = AttemptEnded {
        status: Some(200),
        error: None,
        latency_ms: 700,
        source: UsageSource::Provider,
        usage: Reported { usage, raw, ..Reported::default() },
        served_model: Some("gpt-4o-mini-2024-07-18".to_owned()),
        cost: Some(NanoUsd(12_345)),
        saved: None,
        instead_of: None,
        price_version: Some("2026-11-20".to_owned()),
        cost_by_class: Some(CostByClass { input: NanoUsd(5_000), output: NanoUsd(7_345), ..CostByClass::default() }),
    };
    let started = AttemptStarted {
        alias: alias.clone(),
        route,
        provider,
        provider_key_id: ProviderKeyId(1),
        model,
        started_at: created_at,
        notes: Vec::new(),
        held: None,
    };
    Settlement {
        intent: Intent {
            request_id: id,
            created_at,
            user_id: UserId(i64::try_from(n % 20).unwrap() + 1),
            api_key_id: None,
            alias,
            dialect: Dialect::OpenAiChat,
            stream: n.is_multiple_of(2),
            route_reason: reason,
            chain: vec![step],
            tags: Tags::parse(&tags).unwrap(),
            client: Some("openai-python".to_owned()),
            session: None,
            agent: None,
            trace_id: None,
            parent_span: None,
            operation: Operation::Chat,
        },
        attempts: vec![Attempt { started, ended: Some(ended) }],
        settled: Settled {
            status: Some(200),
            outcome: Outcome::Ok,
            error: None,
            latency_ms: 720,
            first_token_ms: Some(210),
        },
    }
}

/// User and system time of this process, where Linux tells it; its ticks are a hundredth of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
