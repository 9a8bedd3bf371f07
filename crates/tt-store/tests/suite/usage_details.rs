//! Sums that earlier versions did not keep: they are computed from the rows that are there, and are unknown where rows are
//! gone.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tt_core::query::{UsageQuery, UsageSums};
use tt_core::record::Settlement;
use tt_core::{NanoUsd, UserId};

use crate::fixture::{DAY, Fixture, HOUR, Request, at};
use crate::ledger::{added, any_request, expected};
use crate::migrations::execute;

on_both!(a_database_of_an_earlier_version_gets_what_its_rows_tell, what_rows_do_not_tell_is_unknown);

const ANN: UserId = UserId(1);
const NAMES: [&str; 5] = ["", "alias,status,hour", "provider,model,route,api_key,dialect,client", "tag:t", "tag:u,day"];

fn folder(f: &Fixture) -> String {
    let database = if f.is_sqlite() { "sqlite" } else { "postgres" };
    format!("{}/../../migrations/{database}/2026-11-27-000000_usage_details", env!("CARGO_MANIFEST_DIR"))
}

async fn run(f: &Fixture, file: &str) {
    execute(f.url(), &std::fs::read_to_string(format!("{}/{file}", folder(f))).unwrap()).await;
}

async fn recorded(f: &Fixture) -> Vec<Settlement> {
    let drawn = proptest::collection::vec(any_request(), 120).new_tree(&mut TestRunner::deterministic()).unwrap();
    let mut all: Vec<Settlement> = drawn.current().iter().map(Request::settlement).collect();
    // More values of a tag than are summed by themselves.
    all.extend((0..205).map(|n| Request { tags: format!("t=v{n:03}"), ..Request::new(ANN, n, 255) }.settlement()));
    all.sort_by_key(|settlement| settlement.intent.request_id);
    all.dedup_by_key(|settlement| settlement.intent.request_id);
    f.record(all.clone(), Vec::new()).await.unwrap();
    all
}

async fn sums(f: &Fixture, names: &str) -> UsageSums {
    let group_by = names.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().unwrap()).collect();
    let store = f.another();
    let groups = store.usage(ANN, UsageQuery::new(at(0), at(DAY), group_by)).await.unwrap();
    for group in &groups {
        assert!(group.sums.detailed <= group.sums.requests, "{group:?}");
    }
    added(&groups)
}

async fn a_database_of_an_earlier_version_gets_what_its_rows_tell(f: &Fixture) {
    let expected = expected(&recorded(f).await, ANN);
    assert!(expected.details.estimated > 0 && expected.details.partial > 0 && expected.details.unknown > 0);
    run(f, "down.sql").await;
    run(f, "up.sql").await;
    for names in NAMES {
        let found = sums(f, names).await;
        assert_eq!((found.detailed, found.details), (expected.requests, expected.details), "by {names:?}");
        assert_eq!(found.unclassified(), expected.cost, "classes are known from then on");
        assert_eq!(found.requests, expected.requests);
    }
    // Requests recorded from then on have all.
    f.another().record(vec![Request::new(ANN, 4 * HOUR, 1).settlement()], Vec::new()).await.unwrap();
    assert_eq!(
        sums(f, "").await.whole_details().map(|details| details.latency_ms),
        Some(expected.details.latency_ms + 900)
    );
}

async fn what_rows_do_not_tell_is_unknown(f: &Fixture) {
    recorded(f).await;
    run(f, "down.sql").await;
    execute(f.url(), &format!("DELETE FROM request_logs WHERE created_at < {}", at(HOUR).millis())).await;
    run(f, "up.sql").await;
    for names in NAMES {
        let found = sums(f, names).await;
        assert_eq!(found.whole_details(), None, "by {names:?}");
        assert!(found.detailed > 0 && found.cost > NanoUsd::ZERO, "{found:?}");
    }
    let later = UsageQuery::new(at(HOUR), at(DAY), Vec::new());
    assert!(f.another().usage(ANN, later).await.unwrap()[0].sums.whole_details().is_some());
}
