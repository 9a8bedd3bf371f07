//! The outbox sends each change until Redis acknowledges it, whatever happens in between.

use tt_core::Period;

use super::*;

const USER: UserId = UserId(1);
const AT: Timestamp = Timestamp::from_millis(1000);

fn id(n: u8) -> RequestId {
    format!("{n:032x}").parse().unwrap()
}

fn begin_reserve(outbox: &Outbox, n: u8) -> ReserveInFlight<'_> {
    let request = BudgetedRequest { id: id(n), user: USER, key: None, created_at: AT, rules: &[] };
    outbox.begin_reserve(&request, NanoUsd(0))
}

fn hold(outbox: &Outbox, n: u8, amount: i64) {
    begin_reserve(outbox, n).held(NanoUsd(amount), AT);
}

/// The unsent update: the settled and held amounts of charges, and the number of removals.
fn unsent(outbox: &Outbox) -> (Vec<(i64, i64)>, usize) {
    let update = outbox.unsent().remove(&USER).unwrap_or_default();
    let mut charges: Vec<_> = update.charges.iter().map(|(_, c)| (c.settled.0, c.held.0)).collect();
    charges.sort_unstable();
    (charges, update.removed.len())
}

fn acknowledge(outbox: &Outbox) {
    for update in outbox.unsent().values() {
        outbox.acknowledged(update);
    }
}

const NOTHING: (Vec<(i64, i64)>, usize) = (Vec::new(), 0);

#[test]
fn what_redis_decided_is_not_sent_and_what_changed_since_is() {
    let outbox = Outbox::default();
    hold(&outbox, 1, 50);
    assert_eq!(unsent(&outbox), NOTHING);
    outbox.settle(id(1), NanoUsd(20), NanoUsd(0));
    assert_eq!(unsent(&outbox), (vec![(20, 0)], 0));
    // It changes while the update is under way.
    let before = outbox.unsent();
    outbox.settle(id(1), NanoUsd(25), NanoUsd(0));
    outbox.acknowledged(&before[&USER]);
    assert_eq!(unsent(&outbox), (vec![(25, 0)], 0));
    let before = outbox.unsent();
    outbox.void(id(1));
    outbox.acknowledged(&before[&USER]);
    assert_eq!(unsent(&outbox), (vec![], 1));
    acknowledge(&outbox);
    assert_eq!((unsent(&outbox), outbox.len()), (NOTHING, 0));
}

#[test]
fn a_refusal_changes_nothing() {
    let outbox = Outbox::default();
    begin_reserve(&outbox, 1).unchanged();
    assert_eq!(outbox.len(), 0);
    hold(&outbox, 2, 50);
    begin_reserve(&outbox, 2).unchanged();
    outbox.resend_all();
    assert_eq!(unsent(&outbox), (vec![(0, 50)], 0));
}

#[test]
fn a_change_that_redis_does_not_know_is_sent_after_a_refusal() {
    let outbox = Outbox::default();
    hold(&outbox, 1, 50);
    outbox.settle(id(1), NanoUsd(20), NanoUsd(0));
    let before = outbox.unsent();
    let another_attempt = begin_reserve(&outbox, 1);
    assert_eq!(unsent(&outbox), NOTHING, "its answer decides what the charge is");
    outbox.acknowledged(&before[&USER]);
    another_attempt.unchanged();
    assert_eq!(unsent(&outbox), (vec![(20, 0)], 0));
    // What Redis holds for another attempt includes the change.
    begin_reserve(&outbox, 1).held(NanoUsd(30), AT);
    assert_eq!(unsent(&outbox), NOTHING);
}

#[test]
fn an_abandoned_reserve_holds_nothing_and_is_removed_after_two_heartbeats() {
    let outbox = Outbox::default();
    drop(begin_reserve(&outbox, 1));
    let version = outbox.unsent()[&USER].charges[0].1.version;
    assert!(version > 1, "later than the reserve call");
    assert_eq!(unsent(&outbox), (vec![(0, 0)], 0));
    acknowledge(&outbox);
    outbox.heartbeat(0);
    assert_eq!(unsent(&outbox), NOTHING);
    outbox.heartbeat(0);
    assert_eq!(unsent(&outbox), (vec![], 1));
    acknowledge(&outbox);
    assert_eq!(outbox.len(), 0);
    // A later attempt of a request that has a charge keeps that.
    hold(&outbox, 2, 50);
    outbox.settle(id(2), NanoUsd(20), NanoUsd(0));
    drop(begin_reserve(&outbox, 2));
    outbox.heartbeat(0);
    outbox.heartbeat(0);
    assert_eq!(unsent(&outbox), (vec![(0, 0)], 0));
}

#[test]
fn after_a_loss_everything_is_sent_again_and_a_reserve_under_way_once_it_is_answered() {
    let outbox = Outbox::default();
    hold(&outbox, 1, 10);
    hold(&outbox, 2, 20);
    let under_way = begin_reserve(&outbox, 3);
    outbox.resend_all();
    assert_eq!(unsent(&outbox), (vec![(0, 10), (0, 20)], 0));
    acknowledge(&outbox);
    under_way.held(NanoUsd(30), AT);
    assert_eq!(unsent(&outbox), (vec![(0, 30)], 0));
}

#[test]
fn heartbeats_send_everything_again_in_time() {
    let outbox = Outbox::default();
    for n in 0..250 {
        hold(&outbox, n, i64::from(n));
    }
    let mut resent = HashSet::new();
    for _ in 0..100 {
        outbox.heartbeat(2 * SHARDS);
        let by_user = outbox.unsent();
        let charges = by_user.get(&USER).map_or(&[][..], |update| &update.charges);
        assert!(charges.len() <= 2 * SHARDS);
        resent.extend(charges.iter().map(|(request, _)| *request));
        acknowledge(&outbox);
    }
    assert_eq!(resent.len(), 250);
}

#[test]
fn charges_of_other_processes_that_wait_are_bounded() {
    let outbox = Outbox::default();
    let all: Vec<_> = (0..MOST_FOREIGN as u128 * SHARDS as u128 * 2)
        .map(|n| (USER, format!("{n:032x}").parse::<RequestId>().unwrap()))
        .collect();
    outbox.post(&all, &[]);
    assert_eq!(outbox.len(), MOST_FOREIGN * SHARDS);
    acknowledge(&outbox);
    assert_eq!(outbox.len(), 0);
    outbox.post(&all[..10], &[]);
    assert_eq!(unsent(&outbox), (vec![], 10));
}

#[test]
fn of_two_sums_of_the_store_the_newer_is_sent() {
    let outbox = Outbox::default();
    let account = Account { user: USER, key: None, period: Period::Day };
    let sum = |revision| Spent { account, start: AT, revision, amount: NanoUsd(0) };
    outbox.post(&[], &[sum(2)]);
    outbox.post(&[], &[sum(1)]);
    let before = outbox.unsent();
    assert_eq!(before[&USER].spents, [sum(2)]);
    outbox.post(&[], &[sum(3)]);
    outbox.acknowledged(&before[&USER]);
    assert_eq!(outbox.unsent()[&USER].spents, [sum(3)]);
    acknowledge(&outbox);
    assert!(outbox.unsent().is_empty());
}

#[test]
fn an_update_in_pieces_sends_what_is_spent_first() {
    let outbox = Outbox::default();
    for n in 0..5 {
        hold(&outbox, n, 1);
    }
    outbox.resend_all();
    outbox.void(id(0));
    let account = Account { user: USER, key: None, period: Period::Day };
    outbox.post(&[], &[Spent { account, start: AT, revision: 1, amount: NanoUsd(1) }]);
    let update = outbox.unsent().remove(&USER).unwrap();
    assert_eq!(update.clone().pieces(5).len(), 1);
    let pieces = update.pieces(2);
    let sizes: Vec<_> = pieces.iter().map(|p| (p.spents.len(), p.charges.len(), p.removed.len())).collect();
    assert_eq!(sizes, [(1, 0, 0), (0, 2, 0), (0, 2, 0), (0, 0, 1)]);
}
