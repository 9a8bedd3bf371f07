//! What Redis is told, and until when, whatever it was in the middle of.

use tt_core::Period;

use super::*;

const USER: UserId = UserId(1);
const AT: Timestamp = Timestamp::from_millis(1000);

fn id(n: u8) -> RequestId {
    format!("{n:032x}").parse().unwrap()
}

fn asking(own: &Own, n: u8) -> Asking<'_> {
    let request = BudgetedRequest { id: id(n), user: USER, key: None, created_at: AT, rules: &[] };
    own.asking(&request, NanoUsd(0))
}

fn hold(own: &Own, n: u8, amount: i64) {
    asking(own, n).held(NanoUsd(amount), AT);
}

/// What Redis is to be told: settled and held of charges, and how many are gone.
fn untold(own: &Own) -> (Vec<(i64, i64)>, usize) {
    let update = own.untold().remove(&USER).unwrap_or_default();
    let mut charges: Vec<_> = update.charges.iter().map(|(_, c)| (c.settled.0, c.held.0)).collect();
    charges.sort_unstable();
    (charges, update.gone.len())
}

fn tell(own: &Own) {
    for update in own.untold().values() {
        own.told(update);
    }
}

const NOTHING: (Vec<(i64, i64)>, usize) = (Vec::new(), 0);

#[test]
fn what_redis_decided_need_not_be_told_and_what_changed_since_must() {
    let own = Own::default();
    hold(&own, 1, 50);
    assert_eq!(untold(&own), NOTHING);
    own.adjust(id(1), NanoUsd(20), NanoUsd(0));
    assert_eq!(untold(&own), (vec![(20, 0)], 0));
    // It changes while the telling is under way.
    let before = own.untold();
    own.adjust(id(1), NanoUsd(25), NanoUsd(0));
    own.told(&before[&USER]);
    assert_eq!(untold(&own), (vec![(25, 0)], 0));
    let before = own.untold();
    own.release(id(1));
    own.told(&before[&USER]);
    assert_eq!(untold(&own), (vec![], 1));
    tell(&own);
    assert_eq!((untold(&own), own.len()), (NOTHING, 0));
}

#[test]
fn a_refusal_leaves_what_was_there() {
    let own = Own::default();
    asking(&own, 1).refused();
    assert_eq!(own.len(), 0);
    hold(&own, 2, 50);
    asking(&own, 2).refused();
    own.lost();
    assert_eq!(untold(&own), (vec![(0, 50)], 0));
}

#[test]
fn what_was_not_waited_for_holds_nothing_and_goes_after_two_heartbeats() {
    let own = Own::default();
    drop(asking(&own, 1));
    let version = own.untold()[&USER].charges[0].1.version;
    assert!(version > 1, "later than what was asked for");
    assert_eq!(untold(&own), (vec![(0, 0)], 0));
    tell(&own);
    own.beat(0);
    assert_eq!(untold(&own), NOTHING);
    own.beat(0);
    assert_eq!(untold(&own), (vec![], 1));
    tell(&own);
    assert_eq!(own.len(), 0);
    // A later attempt of a request that has a charge keeps that.
    hold(&own, 2, 50);
    own.adjust(id(2), NanoUsd(20), NanoUsd(0));
    drop(asking(&own, 2));
    own.beat(0);
    own.beat(0);
    assert_eq!(untold(&own), (vec![(0, 0)], 0));
}

#[test]
fn after_a_loss_everything_is_told_again_and_what_is_being_decided_when_it_is() {
    let own = Own::default();
    hold(&own, 1, 10);
    hold(&own, 2, 20);
    let under_way = asking(&own, 3);
    own.lost();
    assert_eq!(untold(&own), (vec![(0, 10), (0, 20)], 0));
    tell(&own);
    under_way.held(NanoUsd(30), AT);
    assert_eq!(untold(&own), (vec![(0, 30)], 0));
}

#[test]
fn heartbeats_tell_everything_again_in_time() {
    let own = Own::default();
    for n in 0..250 {
        hold(&own, n, i64::from(n));
    }
    let mut told = HashSet::new();
    for _ in 0..100 {
        own.beat(2 * SHARDS);
        let news = own.untold();
        let charges = news.get(&USER).map_or(&[][..], |update| &update.charges);
        assert!(charges.len() <= 2 * SHARDS);
        told.extend(charges.iter().map(|(request, _)| *request));
        tell(&own);
    }
    assert_eq!(told.len(), 250);
}

#[test]
fn charges_of_others_that_wait_are_bounded() {
    let own = Own::default();
    let all: Vec<_> = (0..MOST_FOREIGN as u128 * SHARDS as u128 * 2)
        .map(|n| (USER, format!("{n:032x}").parse::<RequestId>().unwrap()))
        .collect();
    own.drained(&all, &[]);
    assert_eq!(own.len(), MOST_FOREIGN * SHARDS);
    tell(&own);
    assert_eq!(own.len(), 0);
    own.drained(&all[..10], &[]);
    assert_eq!(untold(&own), (vec![], 10));
}

#[test]
fn of_two_words_of_the_store_the_newer_is_told() {
    let own = Own::default();
    let account = Account { user: USER, key: None, period: Period::Day };
    let word = |revision| Spent { account, start: AT, revision, amount: NanoUsd(0) };
    own.drained(&[], &[word(2)]);
    own.drained(&[], &[word(1)]);
    let before = own.untold();
    assert_eq!(before[&USER].spents, [word(2)]);
    own.drained(&[], &[word(3)]);
    own.told(&before[&USER]);
    assert_eq!(own.untold()[&USER].spents, [word(3)]);
    tell(&own);
    assert!(own.untold().is_empty());
}

#[test]
fn an_update_in_pieces_tells_what_is_spent_first() {
    let own = Own::default();
    for n in 0..5 {
        hold(&own, n, 1);
    }
    own.lost();
    own.release(id(0));
    let account = Account { user: USER, key: None, period: Period::Day };
    own.drained(&[], &[Spent { account, start: AT, revision: 1, amount: NanoUsd(1) }]);
    let update = own.untold().remove(&USER).unwrap();
    assert_eq!(update.clone().pieces(5).len(), 1);
    let pieces = update.pieces(2);
    let sizes: Vec<_> = pieces.iter().map(|p| (p.spents.len(), p.charges.len(), p.gone.len())).collect();
    assert_eq!(sizes, [(1, 0, 0), (0, 2, 0), (0, 2, 0), (0, 0, 1)]);
}
