//! A model of the store and of all requests, which budgets are compared with.

use std::collections::HashMap;

use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{NanoUsd, Period, RequestId, Timestamp, UserId};

use super::harness::{Call, Harness, request};
use crate::{Reading, Reservation};

/// A request that was admitted.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) id: RequestId,
    pub(super) key: Option<i64>,
    pub(super) process: usize,
    created: Timestamp,
    settled: i64,
    held: i64,
}

/// A call of `post`, as it follows a commit of the store.
#[derive(Debug, Clone)]
struct Post {
    process: usize,
    /// The number of times that it has been made.
    delivered: usize,
    requests: Vec<RequestId>,
    spents: Vec<Spent>,
}

/// One user, with the rules of each of their credentials.
pub(super) struct World<'a> {
    harness: &'a Harness,
    user: UserId,
    /// By key: none, 1 and 2.
    rules: [Vec<BudgetRule>; 3],
    now: Timestamp,
    stored: HashMap<(Account, Timestamp), (u64, i64)>,
    pub(super) live: Vec<Live>,
    posts: Vec<Post>,
    pub(super) admitted: usize,
}

impl<'a> World<'a> {
    pub(super) fn new(harness: &'a Harness, user: UserId, rules: [Vec<BudgetRule>; 3], now: Timestamp) -> Self {
        let (stored, live, posts) = Default::default();
        Self { harness, user, rules, now, stored, live, posts, admitted: 0 }
    }

    pub(super) fn goes_on(&mut self, by_ms: i64) {
        self.now = self.now.plus_millis(by_ms);
    }

    /// A new request, or with `again` another attempt of a live one. If the store must be read, the posts of
    /// `meanwhile` happen between the two readings.
    pub(super) fn asks(
        &mut self,
        process: usize,
        key: Option<i64>,
        again: Option<usize>,
        (worst, p99): (i64, Option<i64>),
        meanwhile: &[usize],
    ) {
        let old = again.filter(|_| !self.live.is_empty()).map(|i| i % self.live.len());
        let one = match old.and_then(|i| self.live.get(i)) {
            Some(live) => live.clone(),
            None => Live { id: request(), key, process, created: self.now, settled: 0, held: 0 },
        };
        let rules = self.rules_of(one.key).to_vec();
        let call = Call {
            rules: &rules,
            user: self.user,
            id: one.id,
            key: one.key,
            at: one.created,
            settled: one.settled,
            worst,
            p99,
        };
        let mut answer = self.harness.reserve(one.process, &call);
        if let Reservation::NeedSpent(accounts) = answer {
            for reading in [Reading::First, Reading::Second] {
                let read: Vec<_> = accounts.iter().map(|account| self.spent(*account, self.now)).collect();
                for i in meanwhile {
                    self.stores(*i, 2);
                    self.delivers(*i);
                }
                self.harness.load(&read, reading);
            }
            // The request itself may have been stored meanwhile.
            if old.is_some() && !self.live.iter().any(|live| live.id == one.id) {
                return;
            }
            answer = self.harness.reserve(one.process, &call);
        }
        match answer {
            Reservation::Held { amount, capped } => {
                assert_eq!(capped, amount.0 < worst);
                self.admitted += 1;
                let held = Live { held: amount.0, ..one.clone() };
                match self.live.iter_mut().find(|live| live.id == one.id) {
                    Some(live) => *live = held,
                    None => self.live.push(held),
                }
            }
            Reservation::Refused { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// An attempt of a live request ends and has cost a part of what was held.
    pub(super) fn ends(&mut self, i: usize, percent: i64) {
        let Some(live) = at(&mut self.live, i) else { return };
        live.settled += live.held * percent / 100;
        live.held = 0;
        let (settled, held) = (NanoUsd(live.settled), NanoUsd(0));
        self.harness.processes[live.process].0.settle(self.user, live.id, settled, held);
    }

    /// A live request that has cost nothing is voided.
    pub(super) fn releases(&mut self, i: usize) {
        if at(&mut self.live, i).is_some_and(|live| live.settled == 0) {
            let live = self.live.remove(i % self.live.len());
            self.harness.processes[live.process].0.void(self.user, live.id);
        }
    }

    /// Requests that have ended get their rows; they are not posted yet.
    pub(super) fn stores(&mut self, i: usize, most: usize) {
        let ended: Vec<_> = self.live.iter().filter(|live| live.held == 0).cloned().collect();
        let mut rows: Vec<_> =
            ended.iter().cycle().skip(i % ended.len().max(1)).take(most.min(ended.len())).cloned().collect();
        // A process stores the requests that it served.
        let Some(process) = rows.first().map(|row| row.process) else { return };
        rows.retain(|row| row.process == process);
        let mut changed = Vec::new();
        for row in &rows {
            for account in self.accounts(row.key) {
                let place = (account, account.period.start(row.created));
                let (revision, sum) = self.stored.entry(place).or_default();
                (*revision, *sum) = (*revision + 1, *sum + row.settled);
                if !changed.contains(&place) {
                    changed.push(place);
                }
            }
        }
        let spents = changed.iter().map(|place| self.spent_in(*place)).collect();
        let requests: Vec<_> = rows.iter().map(|row| row.id).collect();
        self.live.retain(|live| !requests.contains(&live.id));
        self.posts.push(Post { process, delivered: 0, requests, spents });
    }

    /// One of the posts is made, perhaps for the second time.
    pub(super) fn delivers(&mut self, i: usize) {
        let Some(post) = at(&mut self.posts, i) else { return };
        // The second time, the other process may make it, as if it had taken over.
        let process = (post.process + post.delivered) % 2;
        post.delivered += 1;
        self.harness.post(process, self.user, &post.requests, &post.spents);
    }

    /// Everything ends, is stored, and is posted in mixed order. Then the standing is what the store has.
    pub(super) fn comes_to_rest(&mut self) {
        for i in 0..self.live.len() {
            self.ends(i, 50);
        }
        while !self.live.is_empty() {
            self.stores(1, 3);
        }
        for i in (0..self.posts.len()).rev().chain(0..self.posts.len()) {
            self.delivers(i);
        }
        for rules in self.rules.clone() {
            let accounts: Vec<_> = rules.iter().map(BudgetRule::account).collect();
            let read: Vec<_> = accounts.iter().map(|account| self.spent(*account, self.now)).collect();
            self.harness.load(&read, Reading::First);
            self.harness.load(&read, Reading::Second);
            let want: Vec<_> = read.iter().map(|spent| (spent.amount.0, 0)).collect();
            self.harness.stands(&rules, self.now, &want);
        }
        self.harness.charges_nothing(self.user);
    }

    /// Takes all charges away, so that those of a history that failed are not found in the next.
    pub(super) fn is_given_up(&self) {
        for live in &self.live {
            self.harness.post(live.process, self.user, &[live.id], &[]);
        }
    }

    /// Redis drops the user's accounts, as it does after two days.
    pub(super) fn is_forgotten(&self) {
        self.harness.forgets(self.user);
    }

    /// Checks that what is truly stored, settled and held in the current periods exceeds neither the limits nor what
    /// the budgets count.
    pub(super) fn no_budget_is_exceeded(&self) -> Result<(), String> {
        for rules in &self.rules {
            let counted = self.harness.standing_if_known(rules, self.now).ok();
            for (i, rule) in rules.iter().enumerate() {
                let start = rule.period.start(self.now);
                let (_, stored) = self.stored.get(&(rule.account(), start)).copied().unwrap_or_default();
                let counts = |live: &&Live| {
                    live.created >= start && (rule.key.is_none() || rule.key.map(|key| key.0) == live.key)
                };
                let open: i64 = self.live.iter().filter(counts).map(|live| live.settled + live.held).sum();
                if stored + open > rule.limit.0 {
                    return Err(format!("{stored} stored and {open} open exceed {rule:?}"));
                }
                if let Some((spent, held)) = counted.as_ref().map(|counted| counted[i])
                    && stored + open > spent + held
                {
                    return Err(format!("{spent} and {held} are counted, {stored} stored and {open} open by {rule:?}"));
                }
            }
        }
        Ok(())
    }

    fn rules_of(&self, key: Option<i64>) -> &[BudgetRule] {
        &self.rules[usize::try_from(key.unwrap_or(0)).unwrap()]
    }

    fn accounts(&self, key: Option<i64>) -> impl Iterator<Item = Account> + use<> {
        let (user, key) = (self.user, key.map(tt_core::ApiKeyId));
        let of = move |key| Period::ALL.map(|period| Account { user, key, period });
        of(None).into_iter().chain(key.into_iter().flat_map(move |key| of(Some(key))))
    }

    fn spent(&self, account: Account, at: Timestamp) -> Spent {
        self.spent_in((account, account.period.start(at)))
    }

    fn spent_in(&self, (account, start): (Account, Timestamp)) -> Spent {
        let (revision, amount) = self.stored.get(&(account, start)).copied().unwrap_or_default();
        Spent { account, start, revision, amount: NanoUsd(amount) }
    }
}

fn at<T>(list: &mut [T], i: usize) -> Option<&mut T> {
    let len = list.len();
    list.get_mut(i.checked_rem(len)?)
}
