//! The drain: exactly once, in sums that are the sums of the rows.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tt_core::cost::CostByClass;
use tt_core::fee::{Fee, FeeKind, FeeUnit};
use tt_core::query::{GroupBy, UsageDetails, UsageQuery, UsageSums};
use tt_core::record::{JournalCursor, Outcome, Settlement, Totals};
use tt_core::{ApiKeyId, NanoUsd, Provider, Usage, UsageSource, UserId};
use tt_store::StoreError;

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt, request_id, stored};

on_both!(
    a_batch_sent_twice_counts_once,
    what_overlaps_counts_once,
    replicas_record_at_once_without_loss,
    the_cursor_moves_with_the_rows,
    a_row_reads_back_as_it_was_settled,
    a_chain_reads_back_whether_or_not_the_columns_have_it,
    what_postgres_cannot_hold_is_replaced,
    absurd_counts_do_not_stop_the_drain,
    sums_are_the_sums_of_the_rows,
    a_large_batch_is_recorded_whole,
    nothing_recorded_is_nothing_written,
);

/// PostgreSQL cannot index a name of many kilobytes. Nothing that comes through a ledger has one, so it stands for
/// whatever else a database refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_postgres_refuses_is_a_refusal_and_is_stored_without_its_texts() {
    let f = &Fixture::postgres().await;
    let mut bad = Request::new(UserId(1), 1, 1);
    let mut noise = 1_u32;
    bad.attempts[0].started.model = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (noise >> 24) as u8 % 90)
    })
    .take(20_000)
    .collect();
    let both = batch(&[Request::new(UserId(1), 0, 0), bad.clone()]);
    let cursor = JournalCursor { journal: "j/0".to_owned(), segment: 1, offset: 5 };
    let refused = f.record(both, vec![cursor]).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused:?}");
    assert_eq!(total(f, UserId(1)).await.requests, 0, "all of a batch or nothing");
    assert_eq!(f.journal_cursor("j/0".to_owned()).await.unwrap(), None);
    let bare = bad.settlement().without_texts("the index row is too large");
    assert_eq!(f.record(vec![bare], Vec::new()).await.unwrap(), 1);
    let kept = f.log_detail(UserId(1), request_id(1, 1)).await.unwrap().unwrap();
    assert_eq!((kept.row.cost, kept.row.usage.output), (Some(NanoUsd(1_000)), 7));
    assert!(kept.notes.iter().any(|note| note.param == "row"), "{:?}", kept.notes);
}

fn whole(user_day: i64) -> UsageQuery {
    UsageQuery::new(at(-user_day), at(user_day), Vec::new())
}

async fn total(f: &Fixture, user: UserId) -> UsageSums {
    f.usage(user, whole(30 * DAY)).await.unwrap().remove(0).sums
}

fn batch(requests: &[Request]) -> Vec<Settlement> {
    requests.iter().map(Request::settlement).collect()
}

async fn a_batch_sent_twice_counts_once(f: &Fixture) {
    let requests: Vec<_> =
        (0..5).map(|n| Request { tags: "team=a".to_owned(), ..Request::new(UserId(1), 0, n) }).collect();
    assert_eq!(f.record(batch(&requests), Vec::new()).await.unwrap(), 5);
    let once = total(f, UserId(1)).await;
    assert_eq!((once.requests, once.cost), (5, NanoUsd(5_000)));
    assert_eq!(f.record(batch(&requests), Vec::new()).await.unwrap(), 0);
    assert_eq!(total(f, UserId(1)).await, once);
    let by_tag = UsageQuery { group_by: vec![GroupBy::Tag("team".to_owned())], ..whole(DAY) };
    let tagged = f.usage(UserId(1), by_tag).await.unwrap();
    assert_eq!((tagged.len(), tagged[0].sums.requests), (1, 5));
}

async fn what_overlaps_counts_once(f: &Fixture) {
    let request = |n| Request::new(UserId(1), i64::from(n), n);
    // The same one twice in a batch, and one that an earlier batch had.
    assert_eq!(f.record(batch(&[request(1), request(2), request(1)]), Vec::new()).await.unwrap(), 2);
    assert_eq!(f.record(batch(&[request(2), request(3)]), Vec::new()).await.unwrap(), 1);
    assert_eq!(total(f, UserId(1)).await.requests, 3);
    // The id alone is not the key: another request of the same millisecond is another request.
    assert_eq!(f.record(batch(&[Request::new(UserId(1), 1, 9)]), Vec::new()).await.unwrap(), 1);
}

async fn replicas_record_at_once_without_loss(f: &Fixture) {
    let (one, two) = (f.another(), f.another());
    one.ping().await.unwrap();
    two.ping().await.unwrap();
    for round in 0..5_i64 {
        // The same rows in opposite orders, with sums and new tag values in common: they must not wait for each other.
        let tagged = |n: u8| Request { tags: format!("t={}", n % 7), ..Request::new(UserId(1), round, n) };
        let ours: Vec<_> = (0..=255).map(tagged).collect();
        let theirs: Vec<_> = ours.iter().rev().cloned().collect();
        let (a, b) = tokio::join!(one.record(batch(&ours), Vec::new()), two.record(batch(&theirs), Vec::new()));
        assert_eq!(a.unwrap() + b.unwrap(), 256);
    }
    assert_eq!(total(f, UserId(1)).await.requests, 5 * 256);
}

async fn the_cursor_moves_with_the_rows(f: &Fixture) {
    let cursor = |segment, offset| JournalCursor { journal: "host/0".to_owned(), segment, offset };
    let name = || "host/0".to_owned();
    assert_eq!(f.journal_cursor(name()).await.unwrap(), None);
    f.record(batch(&[Request::new(UserId(1), 0, 1)]), vec![cursor(1, 100)]).await.unwrap();
    f.record(Vec::new(), vec![cursor(2, 0)]).await.unwrap();
    assert_eq!(f.journal_cursor(name()).await.unwrap(), Some(cursor(2, 0)));
    assert_eq!(f.journal_cursor("host/1".to_owned()).await.unwrap(), None);
    f.forget_journal(name()).await.unwrap();
    assert_eq!(f.journal_cursor(name()).await.unwrap(), None);
}

async fn a_row_reads_back_as_it_was_settled(f: &Fixture) {
    let request = Request {
        key: Some(ApiKeyId(4)),
        outcome: Outcome::Error,
        error: Some("it broke"),
        tags: "team=search,x=ü".to_owned(),
        attempts: vec![
            attempt(Provider::Gemini, Usage { input: 1, cache_write_1h: 6, ..Usage::default() }, Some(30)),
            attempt(Provider::OpenAi, Usage { output: 2, cache_write_12h: 9, ..Usage::default() }, Some(40)),
        ],
        ..Request::new(UserId(1), 77, 1)
    };
    let mut settlement = request.settlement();
    let container = Fee { kind: FeeKind::Container, count: 2, unit: FeeUnit::Hour };
    settlement.attempts[0].ended.as_mut().unwrap().usage.fees = vec![Fee::web_searches(3)];
    settlement.attempts[1].ended.as_mut().unwrap().usage.fees = vec![container, Fee::web_searches(1)];
    f.record(vec![settlement.clone()], Vec::new()).await.unwrap();
    let detail = f.log_detail(UserId(1), request_id(77, 1)).await.unwrap().unwrap();
    let (row, totals) = (&detail.row, settlement.totals());
    assert_eq!((row.request_id, row.created_at), (request_id(77, 1), at(77)));
    assert_eq!((row.alias.as_str(), row.api_key_id, row.stream), ("main", Some(ApiKeyId(4)), true));
    assert_eq!((row.provider, row.model.as_deref()), (Some(Provider::OpenAi), Some("openai-model")));
    assert_eq!((row.route, row.attempts), (Some(tt_core::plan::Route::Primary), 2));
    assert_eq!((row.status, row.outcome, row.error.as_deref()), (Some(200), Outcome::Error, Some("it broke")));
    assert_eq!((row.usage, row.source), (totals.usage, totals.source));
    assert_eq!((row.cost, row.saved), (Some(NanoUsd(70)), NanoUsd(10)));
    assert_eq!((row.latency_ms, row.first_token_ms), (900, Some(80)));
    assert_eq!(row.tags, settlement.intent.tags);
    assert_eq!((row.usage.cache_write_12h, row.fees.as_slice()), (9, [Fee::web_searches(4), container].as_slice()));
    let intent = &settlement.intent;
    assert_eq!((row.dialect, &row.client, &row.session), (intent.dialect, &intent.client, &intent.session));
    assert_eq!((&row.agent, &row.trace_id), (&intent.agent, &intent.trace_id));
    assert!(row.client.is_some() && row.session.is_some() && row.agent.is_some() && row.trace_id.is_some());
    // Both attempts say the same of the request.
    assert_eq!(detail.notes, settlement.attempts[0].started.notes);
    assert_eq!(detail.route_reason, settlement.intent.route_reason);
    assert_eq!((detail.chain, detail.attempts), (settlement.intent.chain, settlement.attempts));
}

async fn a_chain_reads_back_whether_or_not_the_columns_have_it(f: &Fixture) {
    let mut usual = Request::new(UserId(1), 0, 1).settlement();
    let (step, last) = (&mut usual.intent.chain[0], &usual.attempts[0].started);
    (step.model, step.reason) = (last.model.clone(), usual.intent.route_reason.clone());
    let changed = |n: u8, change: fn(&mut Settlement)| {
        let mut other = usual.clone();
        other.intent.request_id = request_id(0, n);
        change(&mut other);
        other
    };
    let all = vec![
        usual.clone(),
        changed(2, |other| other.intent.chain[0].reason = "another".to_owned()),
        changed(3, |other| other.intent.chain[0].alias = "other".to_owned()),
        changed(4, |other| other.intent.chain[0].model = "other".to_owned()),
        changed(5, |other| other.intent.chain[0].provider = Provider::Gemini),
        changed(6, |other| other.intent.chain.push(other.intent.chain[0].clone())),
        changed(7, |other| other.intent.chain.clear()),
        changed(8, |other| other.attempts.clear()),
    ];
    f.record(all.clone(), Vec::new()).await.unwrap();
    for one in all {
        let detail = f.log_detail(UserId(1), one.intent.request_id).await.unwrap().unwrap();
        assert_eq!((detail.chain, detail.attempts), (one.intent.chain, stored(one.attempts)));
    }
}

async fn what_postgres_cannot_hold_is_replaced(f: &Fixture) {
    let mut settlement = Request { error: Some("a\0b"), ..Request::new(UserId(1), 0, 1) }.settlement();
    settlement.intent.alias = "x\0y".to_owned();
    settlement.intent.route_reason = "\0".to_owned();
    settlement.intent.tags = serde_json::from_str("{\"n\\u0000\": \"v\\u0000\"}").unwrap();
    let attempt = &mut settlement.attempts[0];
    attempt.started.model = "m\0".to_owned();
    attempt.ended.as_mut().unwrap().error = Some("\0".to_owned());
    f.record(vec![settlement.clone()], Vec::new()).await.unwrap();
    let detail = f.log_detail(UserId(1), request_id(0, 1)).await.unwrap().unwrap();
    assert_eq!((detail.row.error.as_deref(), detail.row.alias.as_str()), (Some("a\u{fffd}b"), "x\u{fffd}y"));
    assert_eq!(detail.attempts, settlement.attempts, "JSON keeps it escaped");
}

async fn absurd_counts_do_not_stop_the_drain(f: &Fixture) {
    let claims = |n| Request {
        tags: "t=1".to_owned(),
        attempts: vec![attempt(
            Provider::OpenAi,
            Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() },
            Some(i64::MAX),
        )],
        ..Request::new(UserId(1), 0, n)
    };
    for n in 0..3 {
        f.record(batch(&[claims(n), claims(n + 100), Request::new(UserId(2), 0, n + 200)]), Vec::new()).await.unwrap();
    }
    assert_eq!(total(f, UserId(2)).await.cost, NanoUsd(3_000));
    let sums = total(f, UserId(1)).await;
    assert_eq!((sums.requests, sums.cost), (6, NanoUsd(10_000_000_000_000_000)));
    let row = f.log_detail(UserId(1), request_id(0, 1)).await.unwrap().unwrap().row;
    assert_eq!(row.usage.input, u64::try_from(i64::MAX).unwrap());
}

async fn a_large_batch_is_recorded_whole(f: &Fixture) {
    let requests: Vec<_> =
        (0..2_500).map(|i| Request { tags: format!("t={}", i % 5), ..Request::new(UserId(1 + i % 3), i, 1) }).collect();
    assert_eq!(f.record(batch(&requests), Vec::new()).await.unwrap(), 2_500);
    assert_eq!(total(f, UserId(2)).await.requests, 833);
}

async fn nothing_recorded_is_nothing_written(f: &Fixture) {
    assert_eq!(f.record(Vec::new(), Vec::new()).await.unwrap(), 0);
    assert_eq!(total(f, UserId(1)).await, UsageSums::default());
}

prop_compose! {
    pub(crate) fn any_request()(
        user in 1..3_i64,
        millis in 0..(3 * HOUR),
        n in any::<u8>(),
        key in proptest::option::of(1..3_i64),
        alias in prop_oneof![Just("main"), Just("other")],
        status in proptest::option::of(prop_oneof![Just(200_u16), Just(502)]),
        outcome in prop_oneof![
            Just(Outcome::Ok), Just(Outcome::Error), Just(Outcome::Cancelled), Just(Outcome::Interrupted)
        ],
        tags in prop_oneof![Just(String::new()), Just("t=a".to_owned()), Just("t=b,u=c".to_owned())],
        attempts in proptest::collection::vec(any_attempt(), 0..3),
        (latency_ms, first_token_ms) in (0..100_000_u64, proptest::option::of(0..10_000_u64)),
        (session, client) in (prop_oneof![Just("s1"), Just("s2")], proptest::option::of(Just("codex"))),
    ) -> Request {
        let key = key.map(ApiKeyId);
        let request = Request { key, alias, status, outcome, tags, attempts, ..Request::new(UserId(user), millis, n) };
        Request { latency_ms, first_token_ms, session, client, ..request }
    }
}

prop_compose! {
    fn any_attempt()(
        provider in prop_oneof![Just(Provider::OpenAi), Just(Provider::Anthropic)],
        (input, cache_read, cache_write_5m, cache_write_1h, output) in
            (0..1_000_u64, 0..1_000_u64, 0..1_000_u64, 0..1_000_u64, 0..1_000_u64),
        reasoning in proptest::option::of(0..10_u64),
        cost in proptest::option::of(0..1_000_000_i64),
        ended in proptest::bool::weighted(0.9),
        source in prop_oneof![Just(UsageSource::Provider), Just(UsageSource::Estimated), Just(UsageSource::Partial)],
        parts in proptest::option::of(prop::array::uniform4(0..100_u8)),
    ) -> tt_core::record::Attempt {
        let usage = Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, ..Usage::default() };
        let mut attempt = attempt(provider, usage, cost);
        if let Some(attempt) = &mut attempt.ended {
            attempt.source = source;
            attempt.cost_by_class = cost.zip(parts).map(|(cost, parts)| divided(cost, parts));
        }
        if !ended { attempt.ended = None; }
        attempt
    }
}

/// Parts that add up to `cost`.
fn divided(cost: i64, parts: [u8; 4]) -> CostByClass {
    let mut left = cost;
    let [input, cached, write, output] = parts.map(|part| {
        let part = left * i64::from(part) / 100;
        left -= part;
        NanoUsd(part)
    });
    CostByClass::of_parts([input, cached, write, output, NanoUsd(left)])
}

/// The sums that adding up the rows gives.
pub(crate) fn expected(settlements: &[Settlement], user: UserId) -> UsageSums {
    let mut sums = UsageSums::default();
    let mut seen = std::collections::HashSet::new();
    for settlement in settlements.iter().filter(|s| s.intent.user_id == user) {
        if !seen.insert(settlement.intent.request_id) {
            continue;
        }
        let totals = settlement.totals();
        sums.requests += 1;
        sums.input_tokens += totals.usage.total_input();
        sums.cached_input_tokens += totals.usage.cache_read;
        sums.cache_write_tokens += totals.usage.cache_write();
        sums.output_tokens += totals.usage.output;
        sums.reasoning_tokens += totals.usage.reasoning.unwrap_or(0);
        sums.cost = sums.cost.plus(totals.cost.unwrap_or_default());
        sums.saved = sums.saved.plus(totals.saved);
        sums.unpriced += u64::from(totals.unpriced || totals.source == tt_core::UsageSource::Unknown);
        sums.errors += u64::from(settlement.settled.outcome == Outcome::Error);
        sums.cancelled += u64::from(settlement.settled.outcome == Outcome::Cancelled);
        sums.by_class = sums.by_class.plus(&totals.by_class);
        sums.detailed += 1;
        sums.details = details(sums.details, detail_of(settlement, &totals));
    }
    sums
}

/// The part of one request.
fn detail_of(settlement: &Settlement, totals: &Totals) -> UsageDetails {
    let source = |source| u64::from(totals.source == source);
    UsageDetails {
        estimated: source(UsageSource::Estimated),
        partial: source(UsageSource::Partial),
        unknown: source(UsageSource::Unknown),
        costless: u64::from(totals.cost.is_none()),
        interrupted: u64::from(settlement.settled.outcome == Outcome::Interrupted),
        latency_ms: settlement.settled.latency_ms,
        first_token_ms: settlement.settled.first_token_ms.unwrap_or(0),
        first_tokens: u64::from(settlement.settled.first_token_ms.is_some()),
    }
}

fn details(a: UsageDetails, b: UsageDetails) -> UsageDetails {
    UsageDetails {
        estimated: a.estimated + b.estimated,
        partial: a.partial + b.partial,
        unknown: a.unknown + b.unknown,
        costless: a.costless + b.costless,
        interrupted: a.interrupted + b.interrupted,
        latency_ms: a.latency_ms + b.latency_ms,
        first_token_ms: a.first_token_ms + b.first_token_ms,
        first_tokens: a.first_tokens + b.first_tokens,
    }
}

/// The sums of all `groups` together.
pub(crate) fn added<'a>(groups: impl IntoIterator<Item = &'a tt_core::query::UsageGroup>) -> UsageSums {
    groups.into_iter().fold(UsageSums::default(), |a, group| {
        let b = group.sums;
        UsageSums {
            requests: a.requests + b.requests,
            input_tokens: a.input_tokens + b.input_tokens,
            cached_input_tokens: a.cached_input_tokens + b.cached_input_tokens,
            cache_write_tokens: a.cache_write_tokens + b.cache_write_tokens,
            output_tokens: a.output_tokens + b.output_tokens,
            reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
            cost: a.cost.plus(b.cost),
            unpriced: a.unpriced + b.unpriced,
            saved: a.saved.plus(b.saved),
            errors: a.errors + b.errors,
            cancelled: a.cancelled + b.cancelled,
            by_class: a.by_class.plus(&b.by_class),
            detailed: a.detailed + b.detailed,
            details: details(a.details, b.details),
        }
    })
}

async fn sums_are_the_sums_of_the_rows(f: &Fixture) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut all = Vec::new();
    for _ in 0..8 {
        let requests = proptest::collection::vec(any_request(), 1..40);
        let tree = requests.new_tree(&mut runner).unwrap();
        // An id belongs to one user: the one in the first batch that has it.
        let drawn = batch(&tree.current());
        let owner = |s: &Settlement, all: &[Settlement]| {
            all.iter()
                .find(|t| t.intent.request_id == s.intent.request_id)
                .is_none_or(|t| t.intent.user_id == s.intent.user_id)
        };
        let mut fresh: Vec<Settlement> = Vec::new();
        for settlement in drawn {
            if owner(&settlement, &all) && owner(&settlement, &fresh) {
                fresh.push(settlement);
            }
        }
        f.record(fresh.clone(), Vec::new()).await.unwrap();
        f.record(fresh.clone(), Vec::new()).await.unwrap();
        all.extend(fresh);
    }
    for user in [UserId(1), UserId(2)] {
        let expected = expected(&all, user);
        assert!(expected.requests > 20 && expected.unpriced > 0, "the batches are too small: {expected:?}");
        assert_eq!(total(f, user).await, expected);
        let dimensions = "provider,alias,model,route,api_key,status,day,hour,tag:t";
        let every: Vec<GroupBy> = dimensions.split(',').map(|name| name.parse().unwrap()).collect();
        for by in every.iter().map(|by| vec![by.clone()]).chain([every.clone()]) {
            let groups = f.usage(user, UsageQuery { group_by: by.clone(), ..whole(DAY) }).await.unwrap();
            assert_eq!(added(&groups), expected, "by {by:?}");
            let rows = f.usage(user, UsageQuery { group_by: by, ..whole(DAY) }).await.unwrap();
            assert_eq!(rows, groups, "the order is the same each time");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_records_nothing() {
    let f = Fixture::sqlite().await;
    let cursor = JournalCursor { journal: "j".to_owned(), segment: 1, offset: 1 };
    f.close();
    let refused = f.record(batch(&[Request::new(UserId(1), 0, 1)]), vec![cursor]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let again = f.another();
    assert_eq!(again.journal_cursor("j".to_owned()).await.unwrap(), None);
    assert!(again.log_detail(UserId(1), request_id(0, 1)).await.unwrap().is_none());
}
