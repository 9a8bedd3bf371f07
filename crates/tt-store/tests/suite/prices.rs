//! Prices set by administrators, re-pricing what is recorded, and usage row by row.

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use tt_core::filters::Filters;
use tt_core::price::{Override, PicoPerToken, PriceTable};
use tt_core::query::{LogQuery, UsageGroup, UsageQuery};
use tt_core::record::Settlement;
use tt_core::{NanoUsd, Provider, Usage, UsageSource, UserId};
use tt_store::{Place, Repriced, Rerate, Store, StoreError, UsageScope};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt, by, request_id, stored};
use crate::ledger::{added, any_request, expected};
use crate::migrations::execute;

on_both!(
    prices_from_the_same_moment_are_replaced,
    one_unreadable_price_refuses_the_list,
    another_process_is_told_of_a_price,
    what_is_repriced_is_so_in_rows_attempts_and_sums,
    tag_values_that_do_not_count_by_themselves_move_too,
    repricing_beside_a_drain_and_another_one_counts_once,
    a_step_takes_its_span_and_says_where_it_ended,
    usage_by_request_is_the_users_own_in_pages,
);

fn set(model: &str, input: u64, from: i64) -> Override {
    Override {
        provider: Provider::OpenAi,
        model: model.to_owned(),
        input: PicoPerToken(input),
        output: PicoPerToken(3 * input),
        cache_read: Some(PicoPerToken(7)),
        cache_write_5m: None,
        cache_write_1h: Some(PicoPerToken(0)),
        effective_from: at(from),
    }
}

/// Prices for the models of the fixture's attempts.
fn prices(openai: u64) -> Arc<PriceTable> {
    let anthropic =
        Override { provider: Provider::Anthropic, model: "anthropic-model".to_owned(), ..set("", openai + 1, -DAY) };
    Arc::new(PriceTable::builtin().unwrap().with_overrides([set("openai-model", openai, -DAY), anthropic]))
}

fn everything(after: Option<Place>) -> Rerate {
    Rerate { from: at(-30 * DAY), to: at(30 * DAY), after, limit: 7, now: at(0) }
}

async fn rerate(store: &Store, prices: &Arc<PriceTable>, dry_run: bool) -> Vec<Repriced> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let step = everything(after);
        let rerated = if dry_run {
            store.rerate_preview(Arc::clone(prices), step).await
        } else {
            store.rerate(Arc::clone(prices), step).await
        };
        let rerated = rerated.unwrap();
        all.extend(rerated.requests);
        match rerated.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn sums(store: &Store, user: UserId, group_by: &[&str]) -> Vec<UsageGroup> {
    let group_by = group_by.iter().map(|name| name.parse().unwrap()).collect();
    store.usage(user, UsageQuery::new(at(-30 * DAY), at(30 * DAY), group_by)).await.unwrap()
}

async fn prices_from_the_same_moment_are_replaced(f: &Fixture) {
    assert_eq!(f.price_overrides().await.unwrap(), []);
    f.set_price(set("b", 5, 10), by(at(0))).await.unwrap();
    f.set_price(set("b", 6, 9), by(at(1))).await.unwrap();
    f.set_price(set("a/x", 1, 0), by(at(2))).await.unwrap();
    f.set_price(set("b", i64::MAX.unsigned_abs() / 3, 10), by(at(3))).await.unwrap();
    let again = Override { cache_read: None, ..set("b", 8, 10) };
    f.set_price(again.clone(), by(at(4))).await.unwrap();
    assert_eq!(f.price_overrides().await.unwrap(), [set("a/x", 1, 0), set("b", 6, 9), again.clone()]);
    let too_high = f.set_price(set("b", u64::MAX / 3, 10), by(at(5))).await;
    assert!(matches!(too_high, Err(StoreError::Query(_))), "{too_high:?}");
    assert_eq!(f.price_overrides().await.unwrap().last(), Some(&again));
}

async fn one_unreadable_price_refuses_the_list(f: &Fixture) {
    f.set_price(set("a", 1, 0), by(at(0))).await.unwrap();
    f.set_price(set("b", 1, 0), by(at(0))).await.unwrap();
    for broken in ["output = -1", "cache_write_1h = -1", "provider = 'nobody'"] {
        execute(f.url(), &format!("UPDATE price_overrides SET {broken} WHERE model = 'b'")).await;
        let read = f.price_overrides().await;
        assert!(matches!(read, Err(StoreError::Query(_))), "{broken}: {read:?}");
        execute(f.url(), "DELETE FROM price_overrides WHERE model = 'b'").await;
        assert_eq!(f.price_overrides().await.unwrap().len(), 1);
        f.set_price(set("b", 1, 0), by(at(0))).await.unwrap();
    }
}

async fn another_process_is_told_of_a_price(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    f.provider_key(ann, Provider::OpenAi, "s").await;
    let before = f.latest_change().await.unwrap();
    f.set_price(set("a", 1, 0), by(at(5))).await.unwrap();
    let changes = f.another().changes_since(before, 9).await.unwrap();
    assert_eq!(
        changes.iter().map(|change| (change.of_prices(), change.created_at)).collect::<Vec<_>>(),
        [(true, at(5))]
    );
    let older = f.changes_since(0, 9).await.unwrap();
    assert!(older.iter().any(|change| !change.of_prices()), "a user's change is none of prices");
}

async fn what_is_repriced_is_so_in_rows_attempts_and_sums(f: &Fixture) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let drawn = proptest::collection::vec(any_request(), 120).new_tree(&mut runner).unwrap().current();
    let mut settlements: Vec<Settlement> = drawn.iter().map(Request::settlement).collect();
    settlements.sort_by_key(|settlement| settlement.intent.request_id);
    settlements.dedup_by_key(|settlement| settlement.intent.request_id);
    f.record(settlements.clone(), Vec::new()).await.unwrap();
    let users = [UserId(1), UserId(2)];
    let first: Vec<_> = users.map(|user| expected(&settlements, user)).into();

    let table = prices(2_500_001);
    let foreseen = rerate(f, &table, true).await;
    for (user, first) in users.iter().zip(&first) {
        assert_eq!(added(&sums(f, *user, &[]).await), *first, "looking changes nothing");
    }
    let done = rerate(f, &table, false).await;
    assert_eq!(done, foreseen);
    let billed = settlements.iter().filter(|settlement| settlement.totals().source != UsageSource::None);
    assert_eq!(done.len(), billed.count());
    assert!(done.iter().any(|repriced| repriced.before.is_none() && repriced.after.is_some()));

    let mut repriced = settlements.clone();
    for settlement in &mut repriced {
        table.reprice(&mut settlement.attempts);
    }
    assert_ne!(repriced, settlements);
    for (user, first) in users.iter().zip(&first) {
        let expected = expected(&repriced, *user);
        assert_ne!(expected.cost, first.cost);
        assert_ne!(first.unclassified(), NanoUsd::ZERO);
        assert_eq!(expected.unclassified(), NanoUsd::ZERO, "rating again tells the classes of every cost");
        assert!(expected.unpriced < first.unpriced, "{expected:?} {first:?}");
        let dimensions = ["provider", "alias", "model", "route", "api_key", "status", "day", "hour", "tag:t", "tag:u"]
            .map(|by| [by]);
        for by in dimensions.iter().map(|by| by.as_slice()).chain([[].as_slice(), &["hour", "tag:t", "alias"]]) {
            assert_eq!(added(&sums(f, *user, by).await), expected, "by {by:?}");
        }
    }
    for settlement in &repriced {
        let id = settlement.intent.request_id;
        let detail = f.log_detail(settlement.intent.user_id, id).await.unwrap().unwrap();
        let totals = settlement.totals();
        assert_eq!(detail.attempts, stored(settlement.attempts.clone()));
        assert_eq!((detail.row.cost, detail.row.saved), (totals.cost, totals.saved));
        assert_eq!((detail.row.usage, detail.row.source), (totals.usage, totals.source));
    }
    let by_tag = sums(f, UserId(1), &["tag:t"]).await;
    let of = |value: &str| {
        let with = |s: &&Settlement| s.intent.tags.iter().any(|tag| tag == ("t", value));
        let tagged: Vec<Settlement> = repriced.iter().filter(with).cloned().collect();
        expected(&tagged, UserId(1))
    };
    for group in by_tag.iter().filter(|group| group.key != [None]) {
        assert_eq!(group.sums, of(group.key[0].as_deref().unwrap()), "{:?}", group.key);
    }
    let again = rerate(f, &table, false).await;
    assert!(again.iter().all(|repriced| repriced.before == repriced.after), "the second time changes nothing");
}

async fn tag_values_that_do_not_count_by_themselves_move_too(f: &Fixture) {
    let tagged = |n: i64| Request { tags: format!("t=v{n:03}"), ..Request::new(UserId(1), n, 1) };
    let requests: Vec<_> = (0..205).map(|n| tagged(n).settlement()).collect();
    f.record(requests, Vec::new()).await.unwrap();
    let table = prices(1_000_000);
    assert_eq!(rerate(f, &table, false).await.len(), 205);
    let groups = sums(f, UserId(1), &["tag:t"]).await;
    // 10 × 1 + 3 × 0.000007 + 2 × 1 + 7 × 3 dollars a million: 33 000.021 nano-dollars
    let costs: Vec<_> = groups.iter().map(|group| (group.key[0].clone().unwrap(), group.sums.cost.0)).collect();
    assert_eq!(costs.len(), 201);
    assert_eq!(costs[0], ("(other)".to_owned(), 5 * 33_000));
    assert!(costs[1..].iter().all(|(_, cost)| *cost == 33_000), "{costs:?}");
}

async fn repricing_beside_a_drain_and_another_one_counts_once(f: &Fixture) {
    let (one, two, drain) = (f.another(), f.another(), f.another());
    let batch = |round: i64| -> Vec<Settlement> {
        let request = |n: u8| Request { tags: format!("t={}", n % 3), ..Request::new(UserId(1), round * HOUR / 3, n) };
        (0..60).map(|n| request(n).settlement()).collect()
    };
    f.record(batch(0), Vec::new()).await.unwrap();
    for round in 1..5_i64 {
        let rates = [prices(round.unsigned_abs() * 1_000), prices(round.unsigned_abs() * 1_000_000)];
        let (_, _, new) = tokio::join!(
            rerate(&one, &rates[0], false),
            rerate(&two, &rates[1], false),
            drain.record(batch(round), Vec::new())
        );
        assert_eq!(new.unwrap(), 60);
        let query = LogQuery { limit: 1000, ..LogQuery::default() };
        let rows = f.logs(UserId(1), query).await.unwrap();
        let cost = rows.iter().fold(NanoUsd::ZERO, |sum, row| sum.plus(row.cost.unwrap()));
        let saved = rows.iter().fold(NanoUsd::ZERO, |sum, row| sum.plus(row.saved));
        for by in [vec![], vec!["hour"], vec!["tag:t"]] {
            let sums = added(&sums(f, UserId(1), &by).await);
            assert_eq!(
                (sums.requests, sums.cost, sums.saved),
                (60 * (round.unsigned_abs() + 1), cost, saved),
                "{by:?}"
            );
        }
    }
}

async fn a_step_takes_its_span_and_says_where_it_ended(f: &Fixture) {
    let requests: Vec<_> = (0..4).map(|n| Request::new(UserId(n + 1), n, 1).settlement()).collect();
    let nothing = Request { attempts: Vec::new(), ..Request::new(UserId(1), 1, 2) }.settlement();
    f.record([requests, vec![nothing]].concat(), Vec::new()).await.unwrap();
    let table = prices(1_000_000);
    let step = |from, to, after, limit| {
        f.rerate(Arc::clone(&table), Rerate { from: at(from), to: at(to), after, limit, now: at(0) })
    };
    let first = step(1, 3, None, 1).await.unwrap();
    assert_eq!((first.requests.len(), first.next), (1, Some((at(1), request_id(1, 1)))));
    assert_eq!(first.requests[0].model.as_deref(), Some("openai-model"));
    assert_eq!((first.requests[0].before, first.requests[0].after), (Some(NanoUsd(1_000)), Some(NanoUsd(33_000))));
    let second = step(1, 3, first.next, 5).await.unwrap();
    assert_eq!((second.requests.len(), second.next), (1, None));
    let mut costs = Vec::new();
    for n in 0..4 {
        costs.push(f.log_detail(UserId(n + 1), request_id(n, 1)).await.unwrap().unwrap().row.cost.unwrap().0);
    }
    assert_eq!(costs, [1_000, 33_000, 33_000, 1_000]);
    let none = f.log_detail(UserId(1), request_id(1, 2)).await.unwrap().unwrap().row;
    assert_eq!(none.cost, Some(NanoUsd::ZERO));
}

async fn usage_by_request_is_the_users_own_in_pages(f: &Fixture) {
    let other = Request { alias: "other", ..Request::new(UserId(1), 2, 1) };
    let unpriced = Request {
        attempts: vec![attempt(Provider::Gemini, Usage { output: 9, ..Usage::default() }, None)],
        ..Request::new(UserId(1), 3, 1)
    };
    let mine = [Request::new(UserId(1), 0, 1), Request::new(UserId(1), 0, 2), other, unpriced];
    let all = mine.iter().chain(&[Request::new(UserId(2), 1, 1)]).map(Request::settlement).collect();
    f.record(all, Vec::new()).await.unwrap();
    let scope = UsageScope { from: at(0), to: at(4), filters: Filters::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = f.usage_by_request(UserId(1), scope.clone(), after, 3).await.unwrap();
        after = page.last().map(|row| (row.created_at, row.request_id));
        match after {
            Some(_) => seen.extend(page),
            None => break,
        }
    }
    let ids: Vec<_> = seen.iter().map(|row| row.request_id).collect();
    assert_eq!(ids, [request_id(0, 1), request_id(0, 2), request_id(2, 1), request_id(3, 1)]);
    assert_eq!((seen[0].usage.input, seen[0].usage.reasoning), (10, Some(4)));
    assert_eq!((seen[0].cost, seen[0].unpriced, seen[0].source), (Some(NanoUsd(1_000)), false, UsageSource::Provider));
    assert_eq!((seen[3].cost, seen[3].unpriced), (None, true));
    let of = async |scope: UsageScope| f.usage_by_request(UserId(1), scope, None, 9).await.unwrap().len();
    assert_eq!(
        of(UsageScope { filters: Filters { alias: Some("main".to_owned()), ..Filters::default() }, ..scope.clone() })
            .await,
        3
    );
    assert_eq!(of(UsageScope { from: at(2), to: at(3), ..scope.clone() }).await, 1);
    assert!(f.usage_by_request(UserId(3), scope, None, 9).await.unwrap().is_empty());
}
