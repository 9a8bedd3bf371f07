//! Counts one settlement many times. Under `valgrind --tool=none` or `perf stat`, two runs with different numbers tell how
//! many instructions one takes:
//!
//! ```sh
//! cargo build -p tt-metrics --example settlement_cost --profile quick
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/quick/examples/settlement_cost 1000
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/quick/examples/settlement_cost 11000
//! ```

use std::process::ExitCode;
use std::time::Duration;

use tt_core::plan::Route;
use tt_core::price::PriceTable;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Operation, Outcome, Settled, Settlement};
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UsageSource, UserId};
use tt_metrics::Metrics;

fn settlement() -> Settlement {
    let intent = Intent {
        request_id: RequestId(uuid::Uuid::from_u128(1)),
        created_at: Timestamp::from_millis(0),
        user_id: UserId(1),
        api_key_id: None,
        alias: "fast".to_owned(),
        dialect: Dialect::OpenAiChat,
        stream: true,
        route_reason: String::new(),
        chain: Vec::new(),
        tags: Tags::default(),
        client: None,
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    };
    let started = AttemptStarted {
        alias: "fast".to_owned(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        provider_key_id: ProviderKeyId(1),
        model: "gpt-4o-mini".to_owned(),
        started_at: Timestamp::from_millis(0),
        notes: Vec::new(),
        held: None,
    };
    let usage = Usage { input: 100, cache_read: 20, output: 30, reasoning: Some(10), ..Usage::default() };
    let ended = AttemptEnded {
        error: None,
        source: UsageSource::Provider,
        usage: Reported { usage, ..Reported::default() },
        cost: Some(NanoUsd(12_345)),
        ..AttemptEnded::unbilled(Some(200), "", 900)
    };
    let attempts = vec![Attempt { started, ended: Some(ended) }];
    let (status, outcome) = (Some(200), Outcome::Ok);
    let settled = Settled { status, outcome, error: None, latency_ms: 900, first_token_ms: Some(300) };
    Settlement { intent, attempts, settled }
}

fn main() -> ExitCode {
    let times = std::env::args().nth(1).and_then(|times| times.parse().ok());
    let (Some(times), Ok(prices)) = (times, PriceTable::builtin()) else { return ExitCode::FAILURE };
    let (metrics, settlement) = (Metrics::new(prices, "0"), settlement());
    for _ in 0..times {
        metrics.settled(&settlement);
        metrics.overhead(Duration::from_micros(250));
    }
    ExitCode::SUCCESS
}
