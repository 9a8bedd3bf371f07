//! A journal that an earlier version wrote is read back with every field of every record.
//!
//! `fixtures/README.md` describes the files. They are never written again: a version that changes the format adds
//! files of its own beside them.

#![allow(clippy::needless_update, reason = "fields that a later version appends come from the fixtures")]

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tt_core::fee::Fee;
use tt_core::plan::Route;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Outcome, PlannedStep, Settled, Settlement};
use tt_core::usage::{BilledBeside, Reported, Usage};
use tt_core::{ApiKeyId, Dialect, NanoUsd, Provider, ProviderKeyId, Tags, Timestamp, UsageSource, UserId};

use crate::sim::crashes::Store;
use crate::sim::fixtures::{Logs, answered, intent, ms, settled, started};
use crate::sim::simulated::Machine;
use crate::{Disk, JournalConfig, Ledger};

/// An intent in which no field is empty. Fields of a later version come from the fixture, as they come from their
/// defaults when the journal is read.
fn full_intent() -> Intent {
    let step = |alias: &str, route, provider, model: &str| PlannedStep {
        alias: alias.into(),
        route,
        provider,
        model: model.into(),
        reason: format!("why {alias}"),
    };
    Intent {
        created_at: Timestamp::from_millis(1_795_435_200_123),
        user_id: UserId(7),
        api_key_id: Some(ApiKeyId(8)),
        alias: "fast".into(),
        dialect: Dialect::OpenAiChat,
        stream: false,
        route_reason: "the alias that was asked for".into(),
        chain: vec![
            step("fast", Route::Light, Provider::OpenAi, "gpt-4.1-nano"),
            step("fallback", Route::Fallback, Provider::Anthropic, "claude-sonnet-4-5"),
        ],
        tags: Tags::parse("team=search,feature=summary").unwrap(),
        ..intent(1)
    }
}

fn full_start() -> AttemptStarted {
    AttemptStarted {
        route: Route::Fallback,
        provider: Provider::Anthropic,
        provider_key_id: ProviderKeyId(42),
        model: "claude-sonnet-4-5".into(),
        started_at: Timestamp::from_millis(1_795_435_200_456),
        ..started(0)
    }
}

fn full_end() -> AttemptEnded {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write_5m: 3,
        cache_write_1h: 4,
        output: u64::MAX,
        reasoning: Some(6),
        audio_input: 7,
        audio_output: 8,
        tool_prompt: 9,
        ..answered().usage.usage
    };
    AttemptEnded {
        status: Some(200),
        error: Some("the stream broke".into()),
        latency_ms: 812,
        source: UsageSource::Partial,
        usage: Reported {
            usage,
            raw: format!(r#"{{"input_tokens": 1, "note": "{}"}}"#, "x".repeat(700)),
            service_tier: Some("flex".into()),
            beside: vec![BilledBeside {
                model: Some("claude-haiku-4-5".into()),
                usage: Usage { input: 11, ..answered().usage.usage },
            }],
            modifiers: vec!["us".into()],
            // Version 1 kept searches of the web among the token classes.
            fees: vec![Fee::web_searches(10)],
            ..answered().usage
        },
        served_model: Some("claude-sonnet-4-5-20250929".into()),
        cost: Some(NanoUsd(123_456_789)),
        saved: Some(NanoUsd(-5)),
        price_version: Some("2026-11-01".into()),
        instead_of: Some("claude-opus-4-1".into()),
        ..answered()
    }
}

fn full_settled() -> Settled {
    Settled {
        status: Some(502),
        outcome: Outcome::Error,
        error: Some("all attempts failed".into()),
        latency_ms: 1234,
        first_token_ms: Some(567),
        ..settled()
    }
}

fn refused() -> AttemptEnded {
    AttemptEnded::unbilled(Some(503), "overloaded", 7)
}

/// A request that settled after one attempt, with the fields of the fixtures.
fn plain(id: u128) -> Settlement {
    let attempts = vec![Attempt { started: started(200), ended: Some(answered()) }];
    Settlement { intent: intent(id), attempts, settled: settled() }
}

/// The row of a request that was open when its process ended.
fn interrupted(id: u128, attempts: Vec<Attempt>) -> Settlement {
    let error = Some(DIED.to_owned());
    let settled = Settled {
        status: None,
        outcome: Outcome::Interrupted,
        error,
        latency_ms: 0,
        first_token_ms: None,
        ..settled()
    };
    Settlement { intent: intent(id), attempts, settled }
}

const DIED: &str = "the process ended while the request ran";

/// The settlements of the two chains: each in the order of settling, then the requests that were open.
fn expected() -> Vec<Settlement> {
    let full = Settlement {
        intent: full_intent(),
        attempts: vec![
            Attempt { started: started(200), ended: Some(refused()) },
            Attempt { started: full_start(), ended: Some(full_end()) },
        ],
        settled: full_settled(),
    };
    let left = Settled {
        status: Some(499),
        outcome: Outcome::Cancelled,
        error: Some("the client left".into()),
        latency_ms: 900,
        first_token_ms: None,
        ..settled()
    };
    let cancelled = Settlement {
        attempts: vec![Attempt {
            started: started(200),
            ended: Some(AttemptEnded::unanswered("the client left", 800)),
        }],
        settled: left,
        ..plain(13)
    };
    let never_sent = Settlement { attempts: Vec::new(), ..plain(14) };
    // It was opened first, and copied from segment to segment.
    let open = vec![
        Attempt { started: started(200), ended: Some(refused()) },
        Attempt { started: full_start(), ended: Some(AttemptEnded::unanswered(DIED, 0)) },
    ];
    // The end of its attempt is there in part only.
    let torn = vec![Attempt { started: started(200), ended: Some(AttemptEnded::unanswered(DIED, 0)) }];
    let mut all = vec![full];
    all.extend((3..=12).map(plain));
    all.extend([cancelled, never_sent, interrupted(2, open), plain(20), interrupted(21, torn)]);
    all
}

#[tokio::test]
async fn it_is_read_field_by_field() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journal-v1/dead");
    let root = tempfile::tempdir().unwrap();
    let copy = root.path().join("dead");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(kept).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let config = JournalConfig { orphan_scan_interval: ms(1), ..JournalConfig::new(root.path(), "next") };
    let (ledger, drain, flusher) = Ledger::journaled(config, Arc::new(Disk), || Timestamp::from_millis(1000)).unwrap();
    let mut all = drain.orphans_stored();
    let (logs, _guard) = Logs::capture();
    let (store, alive) = (Store::default(), Machine::default().process());
    let (stop, stopped) = oneshot::channel::<()>();
    let run = drain.run_into(store.of(&alive), async { stopped.await.unwrap() });
    let wait = async {
        all.wait_for(|all| *all).await.unwrap();
        stop.send(()).unwrap();
        drop((ledger, flusher));
    };
    let drained = tokio::join!(run, wait).0;
    let expected = expected();
    assert_eq!((drained.delivered, drained.lost), (expected.len() as u64, 0));
    assert_eq!(store.tables().rows, expected);
    assert_eq!(logs.levels(), ["WARN", "INFO"], "one torn record, and that it is stored: {}", logs.text());
    assert!(!copy.exists(), "it was read to its end, without damage");
}
