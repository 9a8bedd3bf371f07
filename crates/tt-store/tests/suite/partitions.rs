//! The log by day on PostgreSQL: days are made ahead and on demand, dropped whole, and read alone.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::task::JoinSet;
use tt_core::UserId;
use tt_core::query::{LogQuery, UsageQuery};
use tt_core::record::Settlement;
use tt_store::Pruned;
use tt_testkit::database::TestDb;

use crate::fixture::{DAY, Fixture, NOON, Request, at, open, request_id};

const ANN: UserId = UserId(1);

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// The planner's plan for `query`, with its run. Sequential scans and sorts are discouraged.
pub(crate) async fn plan(url: &str, query: &str) -> String {
    let mut c = AsyncPgConnection::establish(url).await.unwrap();
    c.batch_execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off").await.unwrap();
    let lines: Vec<Line> =
        diesel::sql_query(format!("EXPLAIN (ANALYZE, TIMING OFF) {query}")).load(&mut c).await.unwrap();
    lines.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

async fn number(url: &str, query: &str) -> i64 {
    let mut c = AsyncPgConnection::establish(url).await.unwrap();
    let row: Number = diesel::sql_query(format!("SELECT ({query}) AS n")).get_result(&mut c).await.unwrap();
    row.n
}

/// The number of partitions.
async fn partitions(url: &str) -> i64 {
    number(url, "SELECT COUNT(*) FROM pg_inherits WHERE inhparent = 'request_logs'::regclass").await
}

async fn record(f: &Fixture, requests: &[Request]) -> usize {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap()
}

fn a_day(days: i64, n: u8) -> Request {
    Request { tags: "t=1".to_owned(), ..Request::new(ANN, days * DAY, n) }
}

async fn usage(f: &Fixture) -> u64 {
    let query = UsageQuery::new(at(-20_000 * DAY), at(20_000 * DAY), Vec::new());
    f.usage(ANN, query).await.unwrap()[0].sums.requests
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_made_ahead_and_once() {
    let f = Fixture::postgres().await;
    assert_eq!(partitions(f.url()).await, 0);
    assert_eq!(f.make_log_days(at(0), 3).await.unwrap(), 3);
    assert_eq!(f.make_log_days(at(DAY), 3).await.unwrap(), 1);
    assert_eq!(partitions(f.url()).await, 4);
    assert_eq!(record(&f, &[a_day(0, 1), a_day(3, 2)]).await, 2);
    assert_eq!(partitions(f.url()).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_any_day_is_recorded() {
    let f = Fixture::postgres().await;
    // 1970, a leap day, and beyond the year 9999, which a clock may say.
    let days = [-NOON / DAY, -268, 0, 1, 400, 3_000_000];
    let requests: Vec<_> = days.iter().map(|day| a_day(*day, 1)).collect();
    assert_eq!(record(&f, &requests).await, 6);
    assert_eq!(record(&f, &requests).await, 0, "each is recorded once");
    assert_eq!(partitions(f.url()).await, 6);
    for day in days {
        assert!(f.log_detail(ANN, request_id(day * DAY, 1)).await.unwrap().is_some(), "{day}");
    }
    assert_eq!(f.logs(ANN, LogQuery { limit: 9, ..LogQuery::default() }).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_make_drop_and_record_at_once() {
    let f = Fixture::postgres().await;
    let mut tasks = JoinSet::new();
    for process in 0..3_u8 {
        let store = f.another();
        tasks.spawn(async move {
            let mut recorded = 0;
            for day in 0..8 {
                store.make_log_days(at(-DAY), 4).await.unwrap();
                // The same days in each process, of which the others drop the old ones.
                let requests: Vec<_> = [-day - 2, 0].iter().map(|at| a_day(*at, process * 20 + 1)).collect();
                let settlements = requests.iter().map(Request::settlement).collect();
                recorded += loop {
                    // As the drain does, until it succeeds.
                    match store.record(Vec::clone(&settlements), Vec::new()).await {
                        Ok(new) => break new,
                        Err(error) => assert!(!format!("{error:?}").contains("deadlock"), "{error:?}"),
                    }
                };
                while !matches!(store.prune_logs(at(-DAY), 1).await, Ok(Pruned::Nothing)) {}
            }
            recorded
        });
    }
    let recorded: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(u64::try_from(recorded).unwrap(), usage(&f).await, "what was dropped is still in the sums");
    assert!(recorded >= 3 * 9);
    let left = f.logs(ANN, LogQuery { limit: 99, ..LogQuery::default() }).await.unwrap();
    assert_eq!(left.len(), 3, "today's row of each process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_read_is_dropped_later() {
    let f = Fixture::postgres().await;
    record(&f, &[a_day(-5, 1), a_day(0, 1)]).await;
    let mut reader = AsyncPgConnection::establish(f.url()).await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM request_logs").await.unwrap();
    let begun = std::time::Instant::now();
    assert!(f.prune_logs(at(0), 1).await.is_err());
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "it does not keep others waiting");
    assert_eq!(record(&f, &[a_day(-5, 2), a_day(9, 1)]).await, 2, "a drain does not wait for a reader");
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(f.prune_logs(at(0), 1).await.unwrap(), Pruned::Day(at(-5 * DAY).day()));
    assert_eq!(f.prune_logs(at(0), 1).await.unwrap(), Pruned::Nothing);
    assert_eq!(usage(&f).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_by_id_and_a_page_read_their_days_alone() {
    let f = Fixture::postgres().await;
    let requests: Vec<_> = (0..30).flat_map(|day| (0..9_u8).map(move |n| a_day(-day, n))).collect();
    record(&f, &requests).await;
    let (at, id) = (at(-3 * DAY).millis(), request_id(-3 * DAY, 4));
    let one = plan(
        f.url(),
        &format!("SELECT details FROM request_logs WHERE created_at = {at} AND request_id = '{id}' AND user_id = 1"),
    )
    .await;
    assert_eq!(one.matches("Scan").count(), 1, "one partition: {one}");
    let page = plan(
        f.url(),
        "SELECT details FROM request_logs WHERE user_id = 1 ORDER BY created_at DESC, request_id DESC LIMIT 12",
    )
    .await;
    let scans = page.lines().filter(|line| line.contains("Scan"));
    let run = scans.filter(|line| !line.contains("never executed")).count();
    assert!(run <= 2, "two days: {page}");
    assert!(!page.contains("Sort"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_one_table_keeps_its_rows() {
    let db = TestDb::postgres().await;
    let store = open(&db);
    store.migrate().await.unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let requests: Vec<_> = [-40, -1, -1, 0].iter().zip(1..).map(|(day, n)| a_day(*day, n)).collect();
    store.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap();
    let mut c = AsyncPgConnection::establish(db.url()).await.unwrap();
    for (name, version) in
        [("2026-11-26-000400_one_row", "20261126000400"), ("2026-11-23-000200_partitions", "20261123000200")]
    {
        let down = std::fs::read_to_string(folder.join(name).join("down.sql")).unwrap();
        c.batch_execute(&down).await.unwrap();
        c.batch_execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'")).await.unwrap();
    }
    assert_eq!(partitions(db.url()).await, 0);
    assert_eq!(store.migrate().await.unwrap(), 2);
    assert_eq!(partitions(db.url()).await, 3);
    for request in &requests {
        let detail = store.log_detail(ANN, request_id(request.millis, request.n)).await.unwrap().unwrap();
        let Settlement { intent, attempts, .. } = request.settlement();
        assert_eq!((detail.route_reason, detail.chain), (intent.route_reason, intent.chain));
        // The way back to two tables takes JSON apart, and PostgreSQL has no NUL for that.
        let was = serde_json::to_string(&attempts).unwrap().replace("\\u0000", "\\ufffd");
        assert_eq!(detail.attempts, serde_json::from_str::<Vec<_>>(&was).unwrap());
    }
    store.record(vec![a_day(1, 9).settlement()], Vec::new()).await.unwrap();
}
