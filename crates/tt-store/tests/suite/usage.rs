//! Queries of the hourly sums.

use tt_core::query::{GroupBy, UsageQuery};
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, NanoUsd, Provider, Usage, UserId};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt};

on_both!(
    groups_come_in_the_order_asked,
    days_and_hours_are_named,
    bounds_are_exact,
    sums_are_their_users_alone,
    outcomes_and_unknown_prices_are_apart,
    the_untagged_are_a_group,
    tag_values_beyond_the_bound_are_other,
    replicas_share_the_bound_on_tag_values,
);

const ANN: UserId = UserId(1);

async fn record(f: &Fixture, requests: &[Request]) {
    f.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap();
}

/// The groups' keys and requests, "-" for none.
async fn groups(f: &Fixture, by: &str, from: i64, to: i64) -> Vec<(String, u64)> {
    let group_by = by.split(',').map(|name| name.parse::<GroupBy>().unwrap()).collect();
    let groups = f.usage(ANN, UsageQuery::new(at(from), at(to), group_by)).await.unwrap();
    let key = |key: Vec<Option<String>>| {
        key.into_iter().map(|part| part.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join("/")
    };
    groups.into_iter().map(|group| (key(group.key), group.sums.requests)).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect()
}

async fn groups_come_in_the_order_asked(f: &Fixture) {
    let of = |n, alias, key: i64, provider| Request {
        alias,
        key: (key != 0).then_some(ApiKeyId(key)),
        attempts: vec![attempt(provider, Usage::default(), Some(1))],
        ..Request::new(ANN, 0, n)
    };
    record(
        f,
        &[
            of(1, "b", 10, Provider::OpenAi),
            of(2, "a", 9, Provider::OpenAi),
            of(3, "a", 9, Provider::Anthropic),
            of(4, "B", 0, Provider::OpenAi),
            Request { attempts: Vec::new(), status: None, ..Request::new(ANN, 0, 5) },
        ],
    )
    .await;
    let got = groups(f, "provider,alias", -DAY, DAY).await;
    assert_eq!(got, pairs(&[("-/main", 1), ("anthropic/a", 1), ("openai/B", 1), ("openai/a", 1), ("openai/b", 1)]));
    let got = groups(f, "alias,provider", -DAY, DAY).await;
    assert_eq!(got, pairs(&[("B/openai", 1), ("a/anthropic", 1), ("a/openai", 1), ("b/openai", 1), ("main/-", 1)]));
    assert_eq!(groups(f, "api_key", -DAY, DAY).await, pairs(&[("-", 2), ("9", 2), ("10", 1)]));
    assert_eq!(groups(f, "status", -DAY, DAY).await, pairs(&[("-", 1), ("200", 4)]));
    assert_eq!(
        groups(f, "route,model", -DAY, DAY).await,
        pairs(&[("-/-", 1), ("primary/anthropic-model", 1), ("primary/openai-model", 3)])
    );
}

async fn days_and_hours_are_named(f: &Fixture) {
    record(f, &[Request::new(ANN, 0, 1), Request::new(ANN, 5 * HOUR, 2), Request::new(ANN, 12 * HOUR, 3)]).await;
    assert_eq!(groups(f, "day", -DAY, DAY).await, pairs(&[("2026-11-23", 2), ("2026-11-24", 1)]));
    let got = groups(f, "hour,day", -DAY, DAY).await;
    let expected = [
        ("2026-11-23T12:00:00.000Z/2026-11-23", 1),
        ("2026-11-23T17:00:00.000Z/2026-11-23", 1),
        ("2026-11-24T00:00:00.000Z/2026-11-24", 1),
    ];
    assert_eq!(got, pairs(&expected));
}

async fn bounds_are_exact(f: &Fixture) {
    record(f, &[Request::new(ANN, -1, 1), Request::new(ANN, 10, 2), Request::new(ANN, HOUR, 3)]).await;
    assert_eq!(groups(f, "alias", 0, HOUR).await, pairs(&[("main", 1)]));
    assert_eq!(groups(f, "alias", -1, HOUR).await, pairs(&[("main", 2)]));
    assert_eq!(groups(f, "alias", 11, HOUR + 1).await, pairs(&[("main", 1)]));
    assert_eq!(groups(f, "alias", 10, HOUR).await, pairs(&[("main", 1)]));
    assert_eq!(groups(f, "alias", 2 * HOUR, DAY).await, []);
    let nothing = UsageQuery::new(at(DAY), at(2 * DAY), Vec::new());
    assert_eq!(f.usage(ANN, nothing).await.unwrap()[0].sums.requests, 0);
}

async fn sums_are_their_users_alone(f: &Fixture) {
    record(f, &[Request { tags: "t=1".to_owned(), ..Request::new(UserId(2), 0, 1) }]).await;
    assert_eq!(groups(f, "alias", -DAY, DAY).await, []);
    assert_eq!(groups(f, "tag:t", -DAY, DAY).await, []);
}

async fn outcomes_and_unknown_prices_are_apart(f: &Fixture) {
    let unpriced = vec![attempt(Provider::OpenAi, Usage { output: 1, ..Usage::default() }, None)];
    let mut cut = attempt(Provider::OpenAi, Usage::default(), None);
    cut.ended = None;
    record(
        f,
        &[
            Request::new(ANN, 0, 1),
            Request { outcome: Outcome::Error, ..Request::new(ANN, 0, 2) },
            Request { outcome: Outcome::Cancelled, attempts: unpriced, ..Request::new(ANN, 0, 3) },
            Request { outcome: Outcome::Interrupted, attempts: vec![cut], ..Request::new(ANN, 0, 4) },
        ],
    )
    .await;
    let query = UsageQuery::new(at(0), at(HOUR), Vec::new());
    let sums = f.usage(ANN, query).await.unwrap()[0].sums;
    assert_eq!((sums.requests, sums.errors, sums.cancelled, sums.unpriced), (4, 1, 1, 2));
    assert_eq!((sums.cost, sums.saved), (NanoUsd(2_000), NanoUsd(15)));
    assert_eq!((sums.input_tokens, sums.cached_input_tokens, sums.cache_write_tokens), (30, 6, 4));
    assert_eq!((sums.output_tokens, sums.reasoning_tokens), (15, 8));
}

async fn the_untagged_are_a_group(f: &Fixture) {
    let tagged = |n, alias, tags: &str| Request { alias, tags: tags.to_owned(), ..Request::new(ANN, 0, n) };
    record(f, &[tagged(1, "a", "team=x,env=p"), tagged(2, "a", "team=y"), tagged(3, "a", "env=p"), tagged(4, "b", "")])
        .await;
    assert_eq!(groups(f, "tag:team", -DAY, DAY).await, pairs(&[("x", 1), ("y", 1), ("-", 2)]));
    let got = groups(f, "alias,tag:team", -DAY, DAY).await;
    assert_eq!(got, pairs(&[("a/x", 1), ("a/y", 1), ("a/-", 1), ("b/-", 1)]));
    assert_eq!(groups(f, "tag:none", -DAY, DAY).await, pairs(&[("-", 4)]));
    // If all requests are tagged, there is no empty group for the rest.
    assert_eq!(groups(f, "alias,tag:env", -DAY, DAY).await, pairs(&[("a/p", 2), ("a/-", 1), ("b/-", 1)]));
}

fn valued(n: i64, millis: i64) -> Request {
    Request { tags: format!("t=v{n:03}"), ..Request::new(ANN, millis + n, 1) }
}

async fn tag_values_beyond_the_bound_are_other(f: &Fixture) {
    record(f, &(0..150).map(|n| valued(n, 0)).collect::<Vec<_>>()).await;
    // Fifty more fit; known ones still count by themselves when there is no more room, on another hour too.
    record(f, &(140..260).map(|n| valued(n, HOUR)).collect::<Vec<_>>()).await;
    record(f, &[valued(7, 2 * HOUR), valued(259, 2 * HOUR)]).await;
    // The next day has its own 200.
    record(f, &[valued(259, DAY)]).await;
    let got = groups(f, "tag:t", -DAY, DAY - HOUR).await;
    assert_eq!(got.len(), 201);
    let of = |value: &str| got.iter().find(|(key, _)| key == value).map(|(_, n)| *n);
    assert_eq!((of("(other)"), of("v007"), of("v145"), of("v199")), (Some(61), Some(2), Some(2), Some(1)));
    assert_eq!(groups(f, "tag:t", DAY, 2 * DAY).await, pairs(&[("v259", 1)]));
}

async fn replicas_share_the_bound_on_tag_values(f: &Fixture) {
    let (one, two) = (f.another(), f.another());
    one.ping().await.unwrap();
    two.ping().await.unwrap();
    for round in 0..5 {
        // Another alias each, so that they do not wait for each other's sums.
        let batch = |alias, values: std::ops::Range<i64>| {
            let request = |n| Request { alias, tags: format!("t{round}=v{n}"), ..Request::new(ANN, n, round) };
            values.map(|n| request(n).settlement()).collect::<Vec<_>>()
        };
        let (a, b) =
            tokio::join!(one.record(batch("a", 0..150), Vec::new()), two.record(batch("b", 150..300), Vec::new()));
        assert_eq!(a.unwrap() + b.unwrap(), 300);
        let got = groups(f, &format!("tag:t{round}"), -DAY, DAY).await;
        let values = got.iter().filter(|(key, _)| key.starts_with('v')).count();
        let other = got.iter().find(|(key, _)| key == "(other)").map(|(_, n)| *n);
        assert_eq!((values, other), (200, Some(100)));
    }
}
