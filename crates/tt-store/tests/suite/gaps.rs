//! Gaps in a user's numbers: each is found by its kind, and only by its user.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, RunQueryDsl};
use tt_core::filters::Filters;
use tt_core::query::{Gap, GapQuery, Gaps};
use tt_core::record::{Attempt, Outcome};
use tt_core::{Provider, Usage, UserId};

use crate::fixture::{DAY, Fixture, Request, at, attempt};

on_both!(gaps_are_listed_by_what_they_are, a_list_is_the_newest_of_its_kind, gaps_are_found_by_their_own_index);

const ANN: UserId = UserId(1);
const BOB: UserId = UserId(2);
const ALL: GapQuery = GapQuery { filters: Filters::NONE, from: None, to: None, limit: 10 };

fn unanswered() -> Vec<Attempt> {
    vec![Attempt { ended: None, ..attempt(Provider::OpenAi, Usage::default(), None) }]
}

fn interrupted(user: UserId, millis: i64, n: u8) -> Request {
    Request { status: None, outcome: Outcome::Interrupted, attempts: unanswered(), ..Request::new(user, millis, n) }
}

fn unpriced(user: UserId, millis: i64, n: u8) -> Request {
    let attempts = vec![attempt(Provider::OpenAi, Usage { input: 3, ..Usage::default() }, None)];
    Request { attempts, ..Request::new(user, millis, n) }
}

async fn record(f: &Fixture, requests: &[Request]) {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap();
}

fn times(gaps: &[Gap]) -> Vec<i64> {
    gaps.iter().map(|gap| gap.created_at.millis() - at(0).millis()).collect()
}

async fn gaps_are_listed_by_what_they_are(f: &Fixture) {
    let timed_out = Request { status: Some(504), outcome: Outcome::Error, ..interrupted(ANN, 2, 2) };
    record(f, &[Request::new(ANN, 0, 0), interrupted(ANN, 1, 1), timed_out, unpriced(ANN, 3, 3)]).await;
    let gaps = f.gaps(ANN, ALL).await.unwrap();
    assert_eq!(times(&gaps.interrupted), [1]);
    assert_eq!(times(&gaps.unknown_usage), [2, 1], "an interrupted request used nobody knows what");
    assert_eq!(times(&gaps.unpriced), [3]);
    let row = &gaps.unpriced[0];
    assert_eq!((row.alias.as_str(), row.provider, row.cost), ("main", Some(Provider::OpenAi), None));
    assert_eq!((gaps.interrupted[0].status, gaps.unknown_usage[0].status), (None, Some(504)));
    assert_eq!(f.gaps(BOB, ALL).await.unwrap(), Gaps::default());
}

async fn a_list_is_the_newest_of_its_kind(f: &Fixture) {
    record(f, &(0..6_u8).map(|n| unpriced(ANN, DAY * i64::from(n), n)).collect::<Vec<_>>()).await;
    let found = async |query| times(&f.gaps(ANN, query).await.unwrap().unpriced);
    assert_eq!(found(GapQuery { limit: 2, ..ALL }).await, [5 * DAY, 4 * DAY]);
    assert_eq!(found(GapQuery { from: Some(at(DAY)), to: Some(at(3 * DAY)), ..ALL }).await, [2 * DAY, DAY]);
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The planner can serve the query from the partial index, however few rows there are.
async fn gaps_are_found_by_their_own_index(f: &Fixture) {
    record(f, &(0..9_u8).map(|n| Request::new(ANN, i64::from(n), n)).collect::<Vec<_>>()).await;
    for (condition, index) in
        [("outcome = 'interrupted'", "interrupted"), ("usage_source = 'unknown'", "unknown"), ("unpriced", "unpriced")]
    {
        let query = format!(
            "SELECT request_id FROM request_logs WHERE user_id = 1 AND {condition} \
             ORDER BY created_at DESC, request_id DESC LIMIT 10"
        );
        let plan = match f.url().strip_prefix("sqlite://") {
            Some(path) => {
                type Conn = diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;
                let mut c = Conn::establish(path).await.unwrap();
                let lines: Vec<Line> =
                    diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut c).await.unwrap();
                lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n")
            }
            None => crate::partitions::plan(f.url(), &query).await,
        };
        let index = if f.is_sqlite() { format!("request_logs_{index}") } else { "user_id_created_at".to_owned() };
        assert!(plan.contains(&index) && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
    }
}
