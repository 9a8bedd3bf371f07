//! A PostgreSQL database of version 0.1 reads after its migration as that version read it. (The same on SQLite, with
//! the journal beside it, is a suite of the binary.)

use serde_json::Value;
use tt_core::filters::Filters;
use tt_core::query::{GapQuery, GroupBy, LogQuery, LogRow, UsageGroup, UsageQuery};
use tt_core::{Dialect, NanoUsd, RequestId, Timestamp, UserId};
use tt_store::Store;
use tt_testkit::database::TestDb;

use crate::fixture::{Request, open};
use crate::migrations::execute;

const DUMP: &str = include_str!("../fixtures/v0.1-postgres/dump.sql");
const EXPECTED: &str = include_str!("../fixtures/v0.1-postgres/expected.json");

/// The user of the dump.
const ANN: UserId = UserId(1);

async fn migrated() -> (TestDb, Store, Value) {
    let db = TestDb::postgres().await;
    execute(db.url(), DUMP).await;
    let store = open(&db);
    assert_eq!(store.migrate().await.unwrap(), 8, "eight migrations since");
    (db, store, serde_json::from_str(EXPECTED).unwrap())
}

fn range(expected: &Value) -> (Timestamp, Timestamp) {
    let at = |name: &str| Timestamp::parse("at", expected[name].as_str().unwrap()).unwrap();
    (at("from"), at("to"))
}

/// Money as it was shown: `null` or an exact number.
fn money(cost: Option<NanoUsd>) -> Value {
    serde_json::to_value(cost).unwrap()
}

fn nano(value: &Value) -> Option<NanoUsd> {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn assert_row(row: &LogRow, was: &Value) {
    let id: RequestId = was["request_id"].as_str().unwrap().parse().unwrap();
    assert_eq!((row.request_id, row.created_at.rfc3339().as_str()), (id, was["created_at"].as_str().unwrap()));
    assert_eq!(row.alias, was["alias"]);
    assert_eq!(row.provider.map(|provider| provider.as_str()), was["provider"].as_str());
    assert_eq!(
        (row.model.as_deref(), row.route.map(|route| route.as_str())),
        (was["model"].as_str(), was["route"].as_str())
    );
    assert_eq!(
        (row.status.map(u64::from), row.outcome.as_str()),
        (was["status"].as_u64(), was["outcome"].as_str().unwrap())
    );
    assert_eq!(row.usage.total_input(), was["input_tokens"], "{was}");
    assert_eq!(row.usage.cache_read, was["cached_input_tokens"]);
    assert_eq!(row.usage.cache_write(), was["cache_write_tokens"]);
    assert_eq!(
        (row.usage.output, row.source.as_str()),
        (was["output_tokens"].as_u64().unwrap(), was["usage_source"].as_str().unwrap())
    );
    assert_eq!((row.cost, Some(row.saved)), (nano(&was["cost_usd"]), nano(&was["saved_usd"])), "{was}");
    assert_eq!(
        (row.error.as_deref(), u64::from(row.attempts)),
        (was["error"].as_str(), was["attempts"].as_u64().unwrap())
    );
    assert_eq!(serde_json::to_value(&row.tags).unwrap(), was["tags"]);
    assert_eq!(row.dialect, Dialect::OpenAiChat, "the only one that version spoke");
    assert_eq!((&row.client, &row.session, &row.agent, &row.trace_id), (&None, &None, &None, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_version_0_1_read_as_they_did() {
    let (_db, store, expected) = migrated().await;
    let rows = store.logs(ANN, LogQuery { limit: 500, ..LogQuery::default() }).await.unwrap();
    let was = expected["logs"].as_array().unwrap();
    assert_eq!(rows.len(), was.len());
    assert!(rows.len() > 20);
    rows.iter().zip(was).for_each(|(row, was)| assert_row(row, was));
    let searches = rows.iter().filter(|row| !row.fees.is_empty()).map(|row| tt_core::fee::web_searches(&row.fees));
    assert_eq!(searches.collect::<Vec<_>>(), [2, 2], "searches are fees now");
    for was in expected["details"].as_array().unwrap() {
        let id = was["request_id"].as_str().unwrap().parse().unwrap();
        let detail = store.log_detail(ANN, id).await.unwrap().unwrap();
        assert_row(&detail.row, was);
        assert_eq!(detail.route_reason, was["route_reason"]);
        let attempts = was["attempt_list"].as_array().unwrap();
        assert_eq!(detail.attempts.len(), attempts.len());
        for (attempt, was) in detail.attempts.iter().zip(attempts) {
            let ended = attempt.ended.as_ref().unwrap();
            assert_eq!(
                (attempt.started.model.as_str(), money(ended.cost)),
                (was["model"].as_str().unwrap(), money(nano(&was["cost_usd"])))
            );
            assert_eq!(ended.usage.total().total_input(), was["usage"]["input_tokens"]);
        }
        assert_eq!(detail.notes, []);
    }
    let gaps = store.gaps(ANN, GapQuery { filters: Filters::NONE, from: None, to: None, limit: 500 }).await.unwrap();
    let count = |name: &str| expected["gaps"][name].as_array().unwrap().len();
    assert_eq!((gaps.unpriced.len(), gaps.unknown_usage.len()), (count("unpriced"), count("unknown_usage")));
}

fn assert_sums(groups: &[UsageGroup], was: &Value, names: &[&str]) {
    let was = was.as_array().unwrap();
    assert_eq!(groups.len(), was.len());
    for (group, was) in groups.iter().zip(was) {
        for (key, name) in group.key.iter().zip(names) {
            let shown = was[*name].as_str().map(str::to_owned).or(was[*name].as_u64().map(|number| number.to_string()));
            assert_eq!(*key, shown, "{was}");
        }
        let sums = &group.sums;
        assert_eq!(
            (sums.requests, sums.input_tokens),
            (was["requests"].as_u64().unwrap(), was["input_tokens"].as_u64().unwrap())
        );
        assert_eq!(
            (sums.output_tokens, sums.errors),
            (was["output_tokens"].as_u64().unwrap(), was["errors"].as_u64().unwrap())
        );
        let cost = nano(&was["cost_usd"]).unwrap_or_default();
        assert_eq!((sums.cost, sums.cancelled), (cost, was["cancelled"].as_u64().unwrap()), "{was}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_version_0_1_read_as_they_did_and_go_on() {
    let (_db, store, expected) = migrated().await;
    let (from, to) = range(&expected);
    for (by, was) in expected["usage"].as_object().unwrap() {
        let names: Vec<&str> = by.split(',').collect();
        let group_by: Vec<GroupBy> = names.iter().map(|name| name.parse().unwrap()).collect();
        let groups = store.usage(ANN, UsageQuery::new(from, to, group_by)).await.unwrap();
        assert_sums(&groups, was, &names);
    }
    let whole = || async { store.usage(ANN, UsageQuery::new(from, to, Vec::new())).await.unwrap()[0].sums };
    // The sums that were new in the next version were computed from its rows, but for the classes of costs.
    let by_rows = store.usage(ANN, UsageQuery::new(from, to, vec![GroupBy::Session])).await.unwrap();
    let details = whole().await.whole_details().unwrap();
    assert_eq!(details, by_rows[0].sums.details);
    assert!(details.latency_ms > 0 && details.unknown + details.interrupted > 0, "{details:?}");
    assert_eq!(whole().await.unclassified(), whole().await.cost);
    let before = whole().await;
    let new = Request { tags: "team=ads".to_owned(), ..Request::new(ANN, 0, 1) };
    assert_eq!(store.record(vec![new.settlement()], Vec::new()).await.unwrap(), 1);
    assert_eq!(whole().await.requests, before.requests + 1);
}
