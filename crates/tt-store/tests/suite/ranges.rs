//! Sums over ranges that divide hours, and by days of other zones than UTC.

use tt_core::filters::Filters;
use tt_core::query::{UsageGroup, UsageQuery};
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, Provider, Timestamp, Usage, UserId, Zone};
use tt_store::StoreError;

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt};
use crate::ledger::added;

on_both!(
    ranges_that_meet_count_each_request_once,
    an_edge_is_read_from_rows_as_the_sums_have_it,
    the_days_of_a_zone_have_its_midnights,
    half_an_hour_off_is_read_from_rows,
    sessions_are_read_from_rows,
    dialects_and_clients_are_dimensions,
    one_keys_requests_can_be_asked_for,
    rows_that_are_gone_are_not_guessed,
);

const ANN: UserId = UserId(1);
const MINUTE: i64 = HOUR / 60;

async fn record(f: &Fixture, requests: &[Request]) {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap();
}

fn query(from: i64, to: i64, names: &str) -> UsageQuery {
    let names = names.split(',').filter(|name| !name.is_empty());
    UsageQuery::new(at(from), at(to), names.map(|name| name.parse().unwrap()).collect())
}

/// The groups' keys and requests, "-" for none.
fn shown(groups: Vec<UsageGroup>) -> Vec<(String, u64)> {
    let key = |key: Vec<Option<String>>| {
        key.into_iter().map(|part| part.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join("/")
    };
    groups.into_iter().map(|group| (key(group.key), group.sums.requests)).collect()
}

/// Requests every seven minutes for three hours, of all kinds: with rare classes of tokens, tags, errors and without a price.
fn all_kinds() -> Vec<Request> {
    let rare = Usage {
        input: 100,
        cache_read: 20,
        cache_write_5m: 1,
        cache_write_1h: 2,
        cache_write_30m: 4,
        cache_write_12h: 8,
        output: 30,
        reasoning: None,
        ..Usage::default()
    };
    let mut unsettled = attempt(Provider::Anthropic, Usage::default(), None);
    unsettled.ended = None;
    let kind = |number: i64| {
        let request = Request::new(ANN, number * 7 * MINUTE, 1);
        match number % 5 {
            0 => Request { attempts: vec![attempt(Provider::Gemini, rare, Some(77))], ..request },
            1 => Request { outcome: Outcome::Error, tags: "team=a".to_owned(), ..request },
            2 => Request {
                outcome: Outcome::Cancelled,
                attempts: vec![attempt(Provider::OpenAi, rare, None)],
                ..request
            },
            3 => Request {
                outcome: Outcome::Interrupted,
                status: None,
                attempts: vec![unsettled.clone()],
                tags: "team=b,env=p".to_owned(),
                ..request
            },
            _ => Request { attempts: Vec::new(), key: Some(ApiKeyId(3)), client: None, ..request },
        }
    };
    (0..26).map(kind).collect()
}

async fn ranges_that_meet_count_each_request_once(f: &Fixture) {
    record(f, &all_kinds()).await;
    // One at the very moment at which ranges meet, and the millisecond before.
    record(f, &[Request::new(ANN, 90 * MINUTE, 2), Request::new(ANN, 90 * MINUTE - 1, 3)]).await;
    let whole = f.usage(ANN, query(0, 3 * HOUR + 30 * MINUTE, "")).await.unwrap()[0].sums;
    assert_eq!(whole.requests, 28);
    for minute in [0, 1, 7, 29, 30, 31, 59, 60, 61, 90, 119, 150, 181] {
        for millis in [-1, 0, 1] {
            let cut = minute * MINUTE + millis;
            for names in ["", "provider,status,route,dialect,client,api_key,hour", "tag:team,alias", "day,model"] {
                let groups = async |from, to| f.usage(ANN, query(from, to, names)).await.unwrap();
                let (before, since) = (groups(-30 * MINUTE, cut).await, groups(cut, 3 * HOUR + 30 * MINUTE).await);
                assert_eq!(added(before.iter().chain(&since)), whole, "{names}: cut {millis} ms after minute {minute}");
            }
        }
    }
    assert_eq!(f.usage(ANN, query(90 * MINUTE, 90 * MINUTE + 1, "")).await.unwrap()[0].sums.requests, 1);
    assert_eq!(f.usage(ANN, query(90 * MINUTE, 90 * MINUTE, "")).await.unwrap()[0].sums.requests, 0);
    assert_eq!(f.usage(ANN, query(90 * MINUTE, 0, "provider")).await.unwrap(), []);
}

/// The same requests make the same groups, whether they are read from the sums or from the rows.
async fn an_edge_is_read_from_rows_as_the_sums_have_it(f: &Fixture) {
    let requests = all_kinds();
    record(f, &requests).await;
    let names = ["provider,alias,model,route", "api_key,status,dialect,client", "tag:team", "hour,tag:env", "day"];
    for names in names {
        // No request is in the first and the last millisecond of these hours but the one at 0.
        let sums = f.usage(ANN, query(0, 4 * HOUR, names)).await.unwrap();
        let by_rows = f.usage(ANN, query(-HOUR + 1, 4 * HOUR - 1, names)).await.unwrap();
        assert_eq!(by_rows, sums, "{names}");
        // Within one hour, all comes from the rows.
        let first = f.usage(ANN, query(0, HOUR, names)).await.unwrap();
        let first_by_rows = f.usage(ANN, query(0, HOUR - 1, names)).await.unwrap();
        assert_eq!(first_by_rows, first, "{names}");
    }
}

async fn the_days_of_a_zone_have_its_midnights(f: &Fixture) {
    let moment = |text: &str| Timestamp::parse("t", text).unwrap().millis() - at(0).millis();
    let times = [
        // Berlin's clocks go forward on 29 March 2026 and back on 25 October.
        "2026-03-28T22:59:59.999Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59.999Z",
        "2026-03-29T22:00:00Z",
        "2026-10-24T21:59:59.999Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59.999Z",
        "2026-10-25T23:00:00Z",
    ];
    let requests: Vec<Request> = times.iter().map(|text| Request::new(ANN, moment(text), 1)).collect();
    // The log of these days is long gone on PostgreSQL where it has no partition, so that it is made first.
    record(f, &requests).await;
    let zone = Zone::parse("tz", "Europe/Berlin").unwrap();
    let rows_since = Some(at(0));
    let all = UsageQuery { zone, rows_since, ..query(-400 * DAY, 0, "day") };
    let got = shown(f.usage(ANN, all).await.unwrap());
    let days = ["2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26"];
    let expected: Vec<(String, u64)> =
        days.iter().zip([1, 2, 1, 1, 2, 1]).map(|(day, n)| ((*day).to_owned(), n)).collect();
    assert_eq!(got, expected, "whole hours need no rows");
    let got = shown(f.usage(ANN, query(-400 * DAY, 0, "day")).await.unwrap());
    assert_eq!(got.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 2, 2, 2], "in UTC");
}

async fn half_an_hour_off_is_read_from_rows(f: &Fixture) {
    let zone = || Zone::parse("tz", "Asia/Kolkata").unwrap();
    // Midnight in India is at half past six in the evening, UTC; noon UTC is `at(0)`.
    let midnight = 6 * HOUR + 30 * MINUTE;
    let tagged = |millis, n, tags: &str| Request { tags: tags.to_owned(), ..Request::new(ANN, millis, n) };
    record(
        f,
        &[
            tagged(0, 1, "t=x"),
            tagged(midnight - 1, 2, "t=x"),
            tagged(midnight, 3, "t=y"),
            tagged(midnight + DAY - 1, 4, ""),
            tagged(midnight + DAY, 5, "t=x"),
        ],
    )
    .await;
    let ask = |names, from, to| UsageQuery { zone: zone(), ..query(from, to, names) };
    let pairs = |expected: &[(&str, u64)]| expected.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<Vec<_>>();
    let whole = shown(f.usage(ANN, ask("day", -1000 * DAY, 1000 * DAY)).await.unwrap());
    assert_eq!(whole, pairs(&[("2026-11-23", 2), ("2026-11-24", 2), ("2026-11-25", 1)]));
    let tags = shown(f.usage(ANN, ask("day,tag:t", -1000 * DAY, 1000 * DAY)).await.unwrap());
    let expected = [("2026-11-23/x", 2), ("2026-11-24/y", 1), ("2026-11-24/-", 1), ("2026-11-25/x", 1)];
    assert_eq!(tags, pairs(&expected));
    // A range that begins in the hour that a midnight divides, after the midnight: in Nepal it is at a quarter past.
    let nepal = UsageQuery {
        zone: Zone::parse("tz", "Asia/Kathmandu").unwrap(),
        ..query(6 * HOUR + 20 * MINUTE, midnight + 1, "day")
    };
    assert_eq!(shown(f.usage(ANN, nepal).await.unwrap()), pairs(&[("2026-11-24", 2)]));
    // A range that ends within the hour that a midnight divides.
    let part = shown(f.usage(ANN, ask("day", 1, midnight + 1)).await.unwrap());
    assert_eq!(part, pairs(&[("2026-11-23", 1), ("2026-11-24", 1)]));
}

async fn sessions_are_read_from_rows(f: &Fixture) {
    let of = |millis, n, session| Request { session, ..Request::new(ANN, millis, n) };
    record(f, &[of(0, 1, "s1"), of(5, 2, "s1"), of(HOUR, 3, "s2"), of(2 * HOUR, 4, "s1")]).await;
    let got = shown(f.usage(ANN, query(0, 2 * HOUR, "session")).await.unwrap());
    assert_eq!(got, [("s1".to_owned(), 2), ("s2".to_owned(), 1)]);
    let since = UsageQuery { rows_since: Some(at(1)), ..query(0, 2 * HOUR, "session") };
    assert!(matches!(f.usage(ANN, since).await, Err(StoreError::Invalid(invalid)) if invalid.field == "from"));
}

async fn dialects_and_clients_are_dimensions(f: &Fixture) {
    record(f, &[Request::new(ANN, 0, 1), Request { client: None, ..Request::new(ANN, 0, 2) }]).await;
    let got = shown(f.usage(ANN, query(0, HOUR, "dialect,client")).await.unwrap());
    assert_eq!(got, [("anthropic_messages/-".to_owned(), 1), ("anthropic_messages/codex".to_owned(), 1)]);
}

async fn one_keys_requests_can_be_asked_for(f: &Fixture) {
    let of = |millis, n, key| Request { key: Some(ApiKeyId(key)), ..Request::new(ANN, millis, n) };
    record(f, &[of(0, 1, 7), of(5, 2, 8), of(HOUR, 3, 7), Request::new(ANN, 0, 4)]).await;
    let count = async |from, to| {
        let asked = UsageQuery { filters: Filters::of_key(ApiKeyId(7)), ..query(from, to, "") };
        f.usage(ANN, asked).await.unwrap()[0].sums.requests
    };
    assert_eq!((count(0, DAY).await, count(0, HOUR).await, count(1, HOUR + 1).await), (2, 1, 1));
}

async fn rows_that_are_gone_are_not_guessed(f: &Fixture) {
    let of = |millis, n| Request::new(ANN, millis, n);
    record(f, &[of(-2 * DAY, 1), of(6 * HOUR + 30 * MINUTE - 2 * DAY, 2), of(0, 3)]).await;
    let ask = |from, to, names, zone: &str| {
        let zone = Zone::parse("tz", zone).unwrap();
        let asked = UsageQuery { rows_since: Some(at(-DAY)), zone, ..query(from, to, names) };
        async move {
            match f.usage(ANN, asked).await {
                Ok(groups) => Ok(groups.iter().map(|group| group.sums.requests).sum::<u64>()),
                Err(StoreError::Invalid(invalid)) => Err(invalid.field),
                Err(error) => panic!("{error}"),
            }
        }
    };
    assert_eq!(ask(-3 * DAY, DAY, "", "UTC").await, Ok(3));
    assert_eq!(ask(-3 * DAY + 1, DAY, "", "UTC").await, Err("from"));
    assert_eq!(ask(-3 * DAY, -2 * DAY + 1, "", "UTC").await, Err("to"));
    assert_eq!(ask(-3 * DAY, 1, "", "UTC").await, Ok(3));
    assert_eq!(ask(-3 * DAY, DAY, "day", "Europe/Berlin").await, Ok(3));
    assert_eq!(ask(-3 * DAY, DAY, "day", "Asia/Kolkata").await, Err("tz"));
    assert_eq!(ask(-3 * DAY, DAY, "alias", "Asia/Kolkata").await, Ok(3), "no days are asked for");
    assert_eq!(ask(-DAY, DAY, "day", "Asia/Kolkata").await, Ok(1));
}
