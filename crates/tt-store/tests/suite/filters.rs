//! Filters: the sums, the log, the gaps and the rows of a comparison keep to the same requests, and these are the ones that
//! pass.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tt_core::filters::{Filters, TagFilter};
use tt_core::plan::Route;
use tt_core::query::{GapQuery, LogQuery, TagSeen, UsageQuery};
use tt_core::record::{Outcome, Settlement};
use tt_core::{ApiKeyId, Dialect, Provider, UserId, Zone};
use tt_store::{StoreError, UsageScope};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, request_id};
use crate::ledger::{added, any_request, expected};

on_both!(
    every_answer_keeps_to_the_requests_that_pass,
    a_value_that_is_summed_with_others_is_read_from_rows,
    requests_without_a_tag_are_the_rest,
    several_tags_divide_requests,
    tags_that_were_seen_are_listed,
    outcomes_and_sessions_need_rows,
);

const ANN: UserId = UserId(1);
const MINUTE: i64 = HOUR / 60;

fn tag(name: &str, value: Option<&str>) -> Option<TagFilter> {
    Some(TagFilter { name: name.to_owned(), value: value.map(str::to_owned) })
}

/// Every filter, and some together.
fn filters() -> Vec<Filters> {
    let none = || Filters::NONE;
    let text = |text: &str| Some(Some(text.to_owned()));
    vec![
        none(),
        Filters { alias: Some("main".to_owned()), ..none() },
        Filters { alias: Some("' OR 1=1 --".to_owned()), ..none() },
        Filters { provider: Some(Some(Provider::Anthropic)), ..none() },
        Filters { provider: Some(None), ..none() },
        Filters { model: text("openai-model"), ..none() },
        Filters { model: Some(None), ..none() },
        Filters::of_key(ApiKeyId(2)),
        Filters { api_key: Some(None), ..none() },
        Filters { client: text("codex"), ..none() },
        Filters { client: Some(None), status: Some(Some(200)), ..none() },
        Filters { session: text("s1"), ..none() },
        Filters { session: Some(None), ..none() },
        Filters { status: Some(Some(502)), ..none() },
        Filters { status: Some(None), ..none() },
        Filters { route: Some(Some(Route::Primary)), ..none() },
        Filters { route: Some(None), ..none() },
        Filters { dialect: Some(Dialect::AnthropicMessages), ..none() },
        Filters { dialect: Some(Dialect::Gemini), ..none() },
        Filters { outcome: Some(Outcome::Cancelled), ..none() },
        Filters { outcome: Some(Outcome::Interrupted), alias: Some("other".to_owned()), ..none() },
        Filters { tag: tag("t", Some("a")), ..none() },
        Filters { tag: tag("t", None), ..none() },
        Filters { tag: tag("t", Some("nobody")), ..none() },
        Filters { tag: tag("u", Some("c")), alias: Some("main".to_owned()), status: Some(Some(200)), ..none() },
        Filters { tag: tag("t", Some("b")), session: text("s2"), ..none() },
        Filters { tag: tag("t", None), outcome: Some(Outcome::Ok), ..none() },
    ]
}

fn passes(settlement: &Settlement, filters: &Filters) -> bool {
    let (intent, last) = (&settlement.intent, settlement.last().map(|attempt| &attempt.started));
    let tags: BTreeMap<&str, &str> = intent.tags.iter().collect();
    let fits = |filter: &Option<Option<String>>, value: Option<&str>| {
        filter.as_ref().is_none_or(|wanted| wanted.as_deref() == value)
    };
    filters.alias.as_ref().is_none_or(|alias| *alias == intent.alias)
        && filters.provider.is_none_or(|wanted| wanted == last.map(|last| last.provider))
        && fits(&filters.model, last.map(|last| last.model.as_str()))
        && filters.api_key.is_none_or(|wanted| wanted == intent.api_key_id)
        && fits(&filters.client, intent.client.as_deref())
        && fits(&filters.session, intent.session.as_deref())
        && filters.tag.as_ref().is_none_or(|tag| tags.get(tag.name.as_str()).copied() == tag.value.as_deref())
        && filters.status.is_none_or(|wanted| wanted == settlement.settled.status)
        && filters.route.is_none_or(|wanted| wanted == last.map(|last| last.route))
        && filters.dialect.is_none_or(|wanted| wanted == intent.dialect)
        && filters.outcome.is_none_or(|wanted| wanted == settlement.settled.outcome)
}

/// Requests of three hours.
async fn recorded(f: &Fixture) -> Vec<Settlement> {
    let drawn = proptest::collection::vec(any_request(), 150).new_tree(&mut TestRunner::deterministic()).unwrap();
    let mut all: Vec<Settlement> = drawn.current().iter().map(Request::settlement).collect();
    all.sort_by_key(|settlement| settlement.intent.request_id);
    all.dedup_by_key(|settlement| settlement.intent.request_id);
    f.record(all.clone(), Vec::new()).await.unwrap();
    all
}

async fn every_answer_keeps_to_the_requests_that_pass(f: &Fixture) {
    let all = recorded(f).await;
    let mut found_none = 0;
    for filters in filters() {
        // Whole hours, and ranges that divide hours, which are added from rows or taken away.
        for (from, to) in
            [(0, 3 * HOUR), (10 * MINUTE, 3 * HOUR), (0, 2 * HOUR + 40 * MINUTE), (50 * MINUTE, 70 * MINUTE)]
        {
            let fitting: Vec<Settlement> = all
                .iter()
                .filter(|one| (at(from)..at(to)).contains(&one.intent.created_at) && passes(one, &filters))
                .cloned()
                .collect();
            let expected = expected(&fitting, ANN);
            found_none += u64::from(expected.requests == 0);
            for names in ["", "alias,status", "tag:t", "day,tag:u", "hour,session", "tag:t,tag:u"] {
                let group_by = names.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().unwrap());
                let zone = Zone::parse("tz", "Asia/Kolkata").unwrap();
                let query = UsageQuery {
                    filters: filters.clone(),
                    zone,
                    ..UsageQuery::new(at(from), at(to), group_by.collect())
                };
                let groups = f.usage(ANN, query).await.unwrap();
                assert_eq!(added(&groups), expected, "by {names:?} from {from} to {to}: {filters:?}");
            }
            let logs =
                LogQuery { limit: 500, from: Some(at(from)), to: Some(at(to)), filters: filters.clone(), before: None };
            let rows = f.logs(ANN, logs).await.unwrap();
            assert_eq!(u64::try_from(rows.len()), Ok(expected.requests), "{filters:?}");
            let scope = UsageScope { from: at(from), to: at(to), filters: filters.clone() };
            let rows = f.usage_by_request(ANN, scope, None, 500).await.unwrap();
            assert_eq!(u64::try_from(rows.len()), Ok(expected.requests), "{filters:?}");
            let gaps = GapQuery { filters: filters.clone(), from: Some(at(from)), to: Some(at(to)), limit: 500 };
            let gaps = f.gaps(ANN, gaps).await.unwrap();
            let (unknown, interrupted) = (gaps.unknown_usage.len(), gaps.interrupted.len());
            let details = expected.details;
            assert_eq!(u64::try_from(unknown), Ok(details.unknown), "{filters:?}");
            assert_eq!(u64::try_from(interrupted), Ok(details.interrupted), "{filters:?}");
        }
    }
    assert!(found_none < 40, "the requests are too few for the filters: {found_none}");
}

async fn a_value_that_is_summed_with_others_is_read_from_rows(f: &Fixture) {
    let tagged = |n: i64| Request { tags: format!("t=v{n:03}"), ..Request::new(ANN, n, 1) };
    let requests: Vec<_> = (0..205).map(|n| tagged(n).settlement()).collect();
    f.record(requests, Vec::new()).await.unwrap();
    let ask = |value: &str, rows_since| {
        let filters = Filters { tag: tag("t", Some(value)), ..Filters::NONE };
        UsageQuery { filters, rows_since, ..UsageQuery::new(at(0), at(HOUR), Vec::new()) }
    };
    let count = async |query| f.usage(ANN, query).await.unwrap()[0].sums.requests;
    assert_eq!((count(ask("v000", None)).await, count(ask("v204", None)).await), (1, 1));
    assert_eq!(count(ask("v205", None)).await, 0);
    let gone = f.usage(ANN, ask("v204", Some(at(1)))).await;
    assert!(matches!(gone, Err(StoreError::Invalid(invalid)) if invalid.field == "from"));
}

async fn requests_without_a_tag_are_the_rest(f: &Fixture) {
    let of = |n, tags: &str| Request { tags: tags.to_owned(), ..Request::new(ANN, 5, n) }.settlement();
    f.record(vec![of(1, "t=a"), of(2, "t=b,u=c"), of(3, "u=c"), of(4, "")], Vec::new()).await.unwrap();
    let filters = Filters { tag: tag("t", None), ..Filters::NONE };
    // The rows may be gone: the sums know.
    let rows_since = Some(at(DAY));
    let ask = |names: &str| {
        let group_by = names.split(',').map(|name| name.parse().unwrap()).collect();
        UsageQuery { filters: filters.clone(), rows_since, ..UsageQuery::new(at(0), at(HOUR), group_by) }
    };
    let groups = f.usage(ANN, ask("alias,tag:t")).await.unwrap();
    assert_eq!(
        groups.iter().map(|group| (group.key.clone(), group.sums.requests)).collect::<Vec<_>>(),
        [(vec![Some("main".to_owned()), None], 2)]
    );
    let needs_rows = f.usage(ANN, ask("tag:u")).await;
    assert!(matches!(needs_rows, Err(StoreError::Invalid(invalid)) if invalid.field == "from"));
}

async fn several_tags_divide_requests(f: &Fixture) {
    let of = |n, tags: &str| Request { tags: tags.to_owned(), ..Request::new(ANN, 5, n) }.settlement();
    let all = vec![of(1, "t=a,u=x"), of(2, "t=a,u=y"), of(3, "t=b"), of(4, "u=x"), of(5, ""), of(6, "t=a,u=x")];
    f.record(all, Vec::new()).await.unwrap();
    let group_by = ["tag:u", "alias", "tag:t"].map(|name| name.parse().unwrap()).to_vec();
    let groups = f.usage(ANN, UsageQuery::new(at(0), at(HOUR), group_by)).await.unwrap();
    let shown: Vec<(String, u64)> = groups
        .into_iter()
        .map(|group| {
            let key: Vec<String> = group.key.into_iter().map(|part| part.unwrap_or_else(|| "-".to_owned())).collect();
            (key.join("/"), group.sums.requests)
        })
        .collect();
    let expected = [("x/main/a", 2), ("x/main/-", 1), ("y/main/a", 1), ("-/main/b", 1), ("-/main/-", 1)];
    assert_eq!(shown, expected.map(|(key, requests)| (key.to_owned(), requests)));
}

async fn tags_that_were_seen_are_listed(f: &Fixture) {
    let of =
        |millis, n, user, tags: &str| Request { tags: tags.to_owned(), ..Request::new(user, millis, n) }.settlement();
    let all = vec![
        of(0, 1, ANN, "t=b,u=x"),
        of(1, 2, ANN, "t=a"),
        of(2, 3, ANN, "t=b"),
        of(2 * DAY, 4, ANN, "t=late"),
        of(0, 5, UserId(2), "secret=s"),
    ];
    f.record(all, Vec::new()).await.unwrap();
    let seen = async |from, to| f.tags_seen(ANN, at(from), at(to)).await.unwrap();
    let named = |name: &str, values: &[&str]| TagSeen {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(seen(0, 3 * DAY).await, [named("t", &["a", "b", "late"]), named("u", &["x"])]);
    assert_eq!(seen(-DAY, DAY).await, [named("t", &["a", "b"]), named("u", &["x"])]);
    assert_eq!(seen(5 * DAY, 6 * DAY).await, []);
}

async fn outcomes_and_sessions_need_rows(f: &Fixture) {
    f.record(vec![Request::new(ANN, 0, 1).settlement()], Vec::new()).await.unwrap();
    assert_eq!(request_id(0, 1).created_at(), Some(at(0)));
    for filters in [
        Filters { outcome: Some(Outcome::Ok), ..Filters::NONE },
        Filters { session: Some(Some("session-1".to_owned())), ..Filters::NONE },
    ] {
        let query = UsageQuery { filters, ..UsageQuery::new(at(0), at(HOUR), Vec::new()) };
        assert_eq!(f.usage(ANN, query.clone()).await.unwrap()[0].sums.requests, 1);
        let gone = f.usage(ANN, UsageQuery { rows_since: Some(at(1)), ..query }).await;
        assert!(matches!(gone, Err(StoreError::Invalid(invalid)) if invalid.field == "from"));
    }
}
