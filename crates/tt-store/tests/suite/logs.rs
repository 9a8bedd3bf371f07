//! The log: pages, filters, isolation, retention, and counts for the limits.

use tt_core::filters::Filters;
use tt_core::query::{ExportQuery, LogQuery, LogRow};
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, Provider, RequestId, Usage, UserId};
use tt_store::{Pruned, RequestCount};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt, request_id};

on_both!(
    pages_are_stable_while_rows_arrive,
    filters_hold_together,
    requests_are_their_users_alone,
    what_was_never_tried_has_no_provider,
    old_days_are_dropped,
    an_export_is_stable_while_rows_arrive,
    requests_are_counted_for_the_limits,
);

const ANN: UserId = UserId(1);
const BOB: UserId = UserId(2);

async fn record(f: &Fixture, requests: &[Request]) {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap();
}

fn ids(rows: &[LogRow]) -> Vec<RequestId> {
    rows.iter().map(|row| row.request_id).collect()
}

async fn pages_are_stable_while_rows_arrive(f: &Fixture) {
    // Five to a millisecond, so that pages end within one.
    let requests: Vec<_> = (0..20_u8).map(|n| Request::new(ANN, i64::from(n / 5), n)).collect();
    record(f, &requests).await;
    let mut expected: Vec<_> = (0..20_u8).map(|n| request_id(i64::from(n / 5), n)).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let (mut seen, mut before) = (Vec::new(), None);
    for page in 0..8_u8 {
        let rows = f.logs(ANN, LogQuery { limit: 3, before, ..LogQuery::default() }).await.unwrap();
        before = rows.last().map(|row| (row.created_at, row.request_id)).or(before);
        seen.extend(ids(&rows));
        record(f, &[Request::new(ANN, 1_000, 100 + page), Request::new(BOB, 0, 200 + page)]).await;
    }
    assert_eq!(seen, expected);
}

async fn filters_hold_together(f: &Fixture) {
    let gemini = vec![attempt(Provider::Gemini, Usage::default(), Some(1))];
    let requests = [
        Request::new(ANN, 0, 1),
        Request { alias: "x", ..Request::new(ANN, 1, 2) },
        Request { status: Some(502), outcome: Outcome::Error, ..Request::new(ANN, 2, 3) },
        Request { attempts: gemini.clone(), ..Request::new(ANN, 3, 4) },
        Request { alias: "x", attempts: gemini, status: Some(502), ..Request::new(ANN, 4, 5) },
        Request { status: None, outcome: Outcome::Interrupted, ..Request::new(ANN, 5, 6) },
    ];
    record(f, &requests).await;
    let found = async |query: LogQuery| {
        let rows = f.logs(ANN, LogQuery { limit: 10, ..query }).await.unwrap();
        rows.iter().map(|row| row.created_at.millis() - at(0).millis()).collect::<Vec<_>>()
    };
    let all = LogQuery::default();
    assert_eq!(found(all.clone()).await, [5, 4, 3, 2, 1, 0]);
    let of = |filters| LogQuery { filters, ..all.clone() };
    let x = || Filters { alias: Some("x".to_owned()), ..Filters::default() };
    assert_eq!(found(of(x())).await, [4, 1]);
    let gemini = Filters { provider: Some(Some(Provider::Gemini)), ..Filters::default() };
    assert_eq!(found(of(gemini)).await, [4, 3]);
    assert_eq!(found(of(Filters { status: Some(Some(502)), ..Filters::default() })).await, [4, 2]);
    assert_eq!(found(LogQuery { from: Some(at(1)), to: Some(at(4)), ..all.clone() }).await, [3, 2, 1]);
    let both = LogQuery { from: Some(at(1)), ..of(Filters { status: Some(Some(200)), ..x() }) };
    assert_eq!(found(both).await, [1]);
    let hostile = Filters { alias: Some("' OR 1=1 --".to_owned()), ..Filters::default() };
    assert_eq!(found(of(hostile)).await, [0_i64; 0]);
}

async fn requests_are_their_users_alone(f: &Fixture) {
    record(f, &[Request::new(ANN, 0, 1)]).await;
    let query = LogQuery { limit: 10, ..LogQuery::default() };
    assert_eq!(ids(&f.logs(ANN, query.clone()).await.unwrap()), [request_id(0, 1)]);
    assert!(f.logs(BOB, query).await.unwrap().is_empty());
    assert!(f.log_detail(ANN, request_id(0, 1)).await.unwrap().is_some());
    assert!(f.log_detail(BOB, request_id(0, 1)).await.unwrap().is_none());
    assert!(f.log_detail(ANN, request_id(0, 2)).await.unwrap().is_none());
    assert!(f.log_detail(ANN, RequestId(uuid::Uuid::nil())).await.unwrap().is_none(), "not a UUIDv7");
}

async fn what_was_never_tried_has_no_provider(f: &Fixture) {
    let never =
        Request { attempts: Vec::new(), status: None, outcome: Outcome::Interrupted, ..Request::new(ANN, 0, 1) };
    record(f, &[never]).await;
    let row = f.log_detail(ANN, request_id(0, 1)).await.unwrap().unwrap().row;
    assert_eq!((row.provider, row.model, row.route, row.attempts), (None, None, None, 0));
    assert_eq!((row.status, row.outcome), (None, Outcome::Interrupted));
}

async fn old_days_are_dropped(f: &Fixture) {
    let old = (0..25_u8).map(|n| Request { tags: "t=1".to_owned(), ..Request::new(ANN, -DAY + i64::from(n), n) });
    let today = Request::new(ANN, -11 * HOUR, 99);
    record(f, &old.chain([today]).collect::<Vec<_>>()).await;
    let mut gone = Vec::new();
    loop {
        let n = f.prune_logs(at(0), 10).await.unwrap();
        gone.push(n);
        if n == Pruned::Nothing {
            break;
        }
    }
    if f.is_sqlite() {
        assert_eq!(gone, [Pruned::Rows(10), Pruned::Rows(10), Pruned::Rows(5), Pruned::Nothing]);
    } else {
        assert_eq!(gone, [Pruned::Day(at(-DAY).day()), Pruned::Nothing]);
    }
    let left = f.logs(ANN, LogQuery { limit: 50, ..LogQuery::default() }).await.unwrap();
    assert_eq!(ids(&left), [request_id(-11 * HOUR, 99)], "the day that `before` lies in stays");
    assert!(f.log_detail(ANN, request_id(-DAY, 0)).await.unwrap().is_none());
    let query = tt_core::query::UsageQuery::new(at(-2 * DAY), at(DAY), Vec::new());
    assert_eq!(f.usage(ANN, query).await.unwrap()[0].sums.requests, 26, "the sums stay");
}

async fn an_export_is_stable_while_rows_arrive(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let requests: Vec<_> = (0..20_u8)
        .map(|n| Request {
            tags: if n == 3 { "team=a".to_owned() } else { String::new() },
            ..Request::new(if n % 2 == 0 { ann } else { BOB }, i64::from(n / 5), n)
        })
        .collect();
    record(f, &requests).await;
    let read = async |user: Option<UserId>| {
        let (mut seen, mut after) = (Vec::new(), None);
        for page in 0..9_u8 {
            let query = ExportQuery { user, after, from: at(-10), to: at(1_000), limit: 3 };
            let rows = f.export(query).await.unwrap();
            after = rows.last().map(|row| (row.row.created_at, row.row.request_id)).or(after);
            seen.extend(rows);
            // Before what was read, after it, and beyond the end.
            record(f, &[Request::new(ann, -5, 100 + page), Request::new(ann, 1_000, 200 + page)]).await;
        }
        seen
    };
    let all = read(None).await;
    let old: Vec<_> = all.iter().filter(|row| row.row.request_id.0.as_bytes()[15] < 100).collect();
    let ids: Vec<RequestId> = old.iter().map(|row| row.row.request_id).collect();
    let mut expected: Vec<_> = (0..20_u8).map(|n| request_id(i64::from(n / 5), n)).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected, "each once, oldest first");
    assert_eq!(all.len(), 20, "what came before the place that was read stays out");
    let users: Vec<_> = old.iter().map(|row| (row.user_id, row.email.as_deref())).take(2).collect();
    assert_eq!(users, [(ann, Some("ann@example.org")), (BOB, None)]);
    assert_eq!(old[3].row.tags, tt_core::Tags::parse("team=a").unwrap());
    let bobs = read(Some(BOB)).await;
    assert_eq!(bobs.len(), 10);
    assert!(bobs.iter().all(|row| row.user_id == BOB));
}

async fn requests_are_counted_for_the_limits(f: &Fixture) {
    let by_key = |n: u8, millis| Request { key: Some(ApiKeyId(7)), ..Request::new(ANN, millis, n) };
    record(f, &[by_key(1, -HOUR), by_key(2, 0), by_key(3, 5), Request::new(ANN, 6, 4), Request::new(BOB, 7, 5)]).await;
    let count = |user_id, api_key_id, requests| RequestCount { user_id, api_key_id, requests };
    let expected = [count(ANN, None, 1), count(ANN, Some(ApiKeyId(7)), 2), count(BOB, None, 1)];
    assert_eq!(f.requests_since(at(9)).await.unwrap(), expected, "from the beginning of the hour");
}
