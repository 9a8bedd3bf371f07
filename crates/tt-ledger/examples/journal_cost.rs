//! Measures the journal: microseconds a request for intent, attempt and settlement, and rows a second when it is read.
//!
//! `cargo run --profile quick -p tt-ledger --example journal_cost -- <directory on the disk to measure>`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for a terminal")]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tt_core::plan::Route;
use tt_core::record::{AttemptEnded, AttemptStarted, Intent, JournalCursor, Operation, Outcome, PlannedStep, Settled};
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UsageSource, UserId};
use tt_ledger::{Batch, Disk, Drain, Flusher, Fsync, JournalConfig, Ledger, Sink};
use uuid::Uuid;

const REQUESTS: u128 = 200_000;
/// Requests open at once.
const OPEN: usize = 64;

fn main() {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("journal_cost");
    println!("{REQUESTS} requests, {OPEN} open at once, in {}", dir.display());
    let busy = cpu();
    (0..REQUESTS).for_each(|id| drop(std::hint::black_box((intent(id), attempt(), ended(), settled()))));
    println!("making the records {:5.2} µs of CPU", (cpu() - busy).as_secs_f64() * 1e6 / REQUESTS as f64);
    let memory = Ledger::new(usize::MAX, now);
    println!("in memory         {}", requests(&memory.0));
    drop(memory);
    for (name, fsync) in [("never", Fsync::Never), ("every 50 ms", Fsync::Every(Duration::from_millis(50)))] {
        std::fs::create_dir_all(&dir).unwrap();
        let (ledger, drain, flusher) = open(&dir, "writes", fsync);
        let flusher = std::thread::spawn(move || flusher.run());
        println!("fsync {name:11} {}", requests(&ledger));
        println!("                  {:6} bytes a request", ledger.status().journal_bytes as u128 / REQUESTS);
        drop(ledger);
        let started = Instant::now();
        let rows = run(drain, true);
        println!("read back         {:6.0} rows/s", rows as f64 / started.elapsed().as_secs_f64());
        flusher.join().unwrap();

        let (ledger, drain, flusher) = open(&dir, "dies", fsync);
        requests(&ledger);
        drop((ledger, drain, flusher));
        let (ledger, drain, flusher) = open(&dir, "next", fsync);
        drop(flusher);
        let started = Instant::now();
        let rows = run(drain, false);
        println!("orphan read       {:6.0} rows/s", rows as f64 / started.elapsed().as_secs_f64());
        drop(ledger);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

fn open(dir: &Path, name: &str, fsync: Fsync) -> (Ledger, Drain, Flusher) {
    let config = JournalConfig { fsync, max_bytes: 8 << 30, memory: 0, ..JournalConfig::new(dir, name) };
    Ledger::journaled(config, Arc::new(Disk), now).unwrap()
}

/// The time that this thread has spent on a processor; zero where the system does not tell it.
fn cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Microseconds a request: those that passed, and those that a processor was busy.
fn requests(ledger: &Ledger) -> String {
    let (started, busy) = (Instant::now(), cpu());
    let mut open = std::collections::VecDeque::new();
    for id in 0..REQUESTS {
        let mut guard = ledger.open(intent(id)).unwrap();
        guard.attempt_started(attempt()).unwrap();
        open.push_back(guard);
        if open.len() > OPEN
            && let Some(mut guard) = open.pop_front()
        {
            guard.attempt_ended(ended());
            drop(guard.settle(settled()));
        }
    }
    for mut guard in open {
        guard.attempt_ended(ended());
        drop(guard.settle(settled()));
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / REQUESTS as f64;
    format!("{:6.2} µs a request, {:5.2} of CPU", micros(started.elapsed()), micros(cpu() - busy))
}

/// Runs the drain until the ledger ends, or without `ends` until an orphan is stored. Gives the number of rows.
fn run(drain: Drain, ends: bool) -> u64 {
    let (stop, stopped) = oneshot::channel();
    let sink = Counting { rows: 0, stop: Some(stop), ends };
    let shutdown = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let drained = runtime.block_on(drain.run_into(sink, shutdown));
    drained.delivered
}

struct Counting {
    rows: u128,
    stop: Option<oneshot::Sender<()>>,
    ends: bool,
}

impl Sink for Counting {
    type Error = Infallible;

    async fn record(&mut self, batch: Batch) -> Result<(), Infallible> {
        self.rows += batch.settlements.len() as u128;
        Ok(())
    }

    async fn cursor(&mut self, _journal: String) -> Result<Option<JournalCursor>, Infallible> {
        Ok(None)
    }

    async fn forget(&mut self, _journal: String) -> Result<(), Infallible> {
        if !self.ends
            && self.rows >= REQUESTS
            && let Some(stop) = self.stop.take()
        {
            let _ = stop.send(());
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_435_200_123)
}

/// An intent of usual size.
fn intent(id: u128) -> Intent {
    let step = |alias: &str| PlannedStep {
        alias: alias.into(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        model: "gpt-4.1-mini".into(),
        reason: "the alias that was asked for".into(),
    };
    Intent {
        request_id: RequestId(Uuid::from_u128(id)),
        created_at: now(),
        user_id: UserId(1),
        api_key_id: None,
        alias: "fast".into(),
        dialect: Dialect::OpenAiChat,
        stream: true,
        route_reason: "the alias that was asked for".into(),
        chain: vec![step("fast"), step("fallback")],
        tags: Tags::parse("team=search,feature=summary").unwrap(),
        client: Some("openai-python".into()),
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    }
}

fn attempt() -> AttemptStarted {
    AttemptStarted {
        alias: "fast".into(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        provider_key_id: ProviderKeyId(1),
        model: "gpt-4.1-mini".into(),
        started_at: now(),
        notes: Vec::new(),
        held: None,
    }
}

fn ended() -> AttemptEnded {
    let raw = r#"{"prompt_tokens":1234,"completion_tokens":567,"total_tokens":1801,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":128,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#;
    let usage = Usage { input: 210, cache_read: 1024, output: 567, reasoning: Some(128), ..Usage::default() };
    AttemptEnded {
        error: None,
        source: UsageSource::Provider,
        usage: Reported { usage, raw: raw.into(), ..Reported::default() },
        served_model: Some("gpt-4.1-mini-2025-04-14".into()),
        cost: Some(NanoUsd(1_042_600)),
        price_version: Some("2026-11-01".into()),
        ..AttemptEnded::unbilled(Some(200), "", 812)
    }
}

fn settled() -> Settled {
    Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 820, first_token_ms: Some(240) }
}
