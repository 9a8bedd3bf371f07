//! Budgets shared through Redis: what a worker asks, and the task that keeps Redis told.
//!
//! Redis holds only what can be rebuilt: the store's word, and the charges that every process knows of its own. A
//! process tells of a change at once, and of everything when Redis has lost it, which a mark shows that is not as it
//! was. Until two heartbeats after the mark was made, nothing is decided about a user Redis does not know.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::{MissedTickBehavior, interval};
use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{NanoUsd, RequestId, Timestamp, UserId};

use super::own::{Own, Update};
use super::script::{Answer, BudgetScript, Since};
use super::{Ask, BudgetStanding, BudgetedRequest, Reading, Reservation, StaleCharge};
use crate::redis::{Failure, Lines, Link, in_time};
use crate::{RedisConfig, RedisState};

/// How often a process says that it is alive, and looks whether Redis has lost anything.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Within this time of a loss every living process has told all it knows.
const TOLD_MS: u64 = 2000;

/// How long the control plane waits for an answer. Nobody waits for it in turn.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(1);

/// Charges told in one call: it keeps Redis for a millisecond or two.
const PIECE: usize = 500;

/// Calls under way at once.
const CALLS: usize = 32;

/// Charges told again by each heartbeat although nothing is known to be wrong.
const AGAIN: usize = 1024;

/// The budgets on Redis of one process.
#[derive(Debug)]
pub(super) struct Shared {
    lines: Arc<Lines>,
    script: BudgetScript,
    process: String,
    own: Own,
    /// Redis is told by one at a time, so that nothing overtakes; and what it was last known to hold since.
    telling: Mutex<Option<u64>>,
    /// Wakes the task to its end.
    ended: Arc<Notify>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

impl Shared {
    /// Starts the heartbeat on `control`, which ends when this is dropped.
    pub(super) fn start(config: RedisConfig, process: &str, control: &Handle) -> Arc<Self> {
        let lines = Lines::new(config, control.clone(), "requests under a budget are refused", "budgets are shared");
        let shared = Arc::new(Self {
            lines: Arc::new(lines),
            script: BudgetScript::new(),
            process: process.to_owned(),
            own: Own::default(),
            telling: Mutex::default(),
            ended: Arc::default(),
        });
        let (back, ended) = (shared.lines.back(), Arc::clone(&shared.ended));
        control.spawn(keep_told(Arc::downgrade(&shared), back, ended));
        shared
    }

    pub(super) fn state(&self) -> RedisState {
        self.lines.state()
    }

    pub(super) async fn link(&self, runtime: Handle) -> Arc<Link> {
        self.lines.link(runtime).await
    }

    pub(super) async fn reserve(
        &self,
        link: &Link,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        ask: Ask,
    ) -> Reservation {
        let Some(since) = self.lines.closed() else { return Reservation::Unavailable };
        let asking = self.own.asking(request, settled);
        let asked = async {
            let (limit, mut connection) = (self.lines.dialer().timeout(), link.connected()?);
            let script = &self.script;
            let reserving = script.reserve(&mut connection, &self.process, request, asking.version(), settled, ask);
            match in_time(limit, reserving).await? {
                Answer::Absent => {
                    let held_since = in_time(limit, script.since(&mut connection)).await?;
                    Ok(if is_told(held_since) { Answer::NeedSpent(accounts(request.rules)) } else { Answer::Absent })
                }
                answer => Ok(answer),
            }
        };
        match asked.await {
            Ok(Answer::Held { amount, counts_from }) => {
                asking.held(amount, counts_from);
                Reservation::Held { amount, capped: amount < ask.worst }
            }
            Ok(Answer::Refused { rule, spent, held, asked }) => {
                asking.refused();
                Reservation::Refused { kind: rule.kind, limit: rule.limit, spent, held, asked }
            }
            Ok(Answer::NeedSpent(accounts)) => {
                asking.refused();
                Reservation::NeedSpent(accounts)
            }
            Ok(Answer::Absent) => {
                asking.refused();
                Reservation::Unavailable
            }
            Ok(Answer::Overtaken | Answer::Standing(_)) => Reservation::Unavailable,
            Err(failure) => {
                self.lines.trip(since, &failure);
                Reservation::Unavailable
            }
        }
    }

    pub(super) fn adjust(&self, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        self.own.adjust(request, settled, held);
    }

    pub(super) fn release(&self, request: RequestId) {
        self.own.release(request);
    }

    pub(super) async fn drained(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        self.own.drained(requests, spents);
        self.tell().await;
    }

    pub(super) async fn load(&self, spents: &[Spent], reading: Reading) {
        let mut of_users: HashMap<UserId, Update> = HashMap::new();
        for spent in spents {
            of_users.entry(spent.account.user).or_default().spents.push(*spent);
        }
        self.ask_control(async |link| {
            let (limit, mut connection) = (self.control_timeout(), link.connected()?);
            let before = in_time(limit, self.script.since(&mut connection)).await?;
            if !is_told(before) {
                return Ok(());
            }
            for (user, update) in &of_users {
                let sync = self.script.sync(connection.clone(), &self.process, *user, Some(reading), update);
                in_time(limit, sync).await?;
            }
            // Were the accounts made in a Redis that lost everything just then, the charges of others would be missing.
            if in_time(limit, self.script.since(&mut connection)).await?.began_ms != before.began_ms {
                for user in of_users.keys() {
                    in_time(limit, self.script.forget(&mut connection, *user)).await?;
                }
            }
            Ok(())
        })
        .await;
    }

    pub(super) async fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        let Some(first) = rules.first() else { return BudgetStanding::Known(Vec::new()) };
        let asked = self.ask_control(async |link| {
            let (limit, mut connection) = (self.control_timeout(), link.connected()?);
            match in_time(limit, self.script.standing(&mut connection, first.user, rules, at)).await? {
                Answer::Absent => {
                    let held_since = in_time(limit, self.script.since(&mut connection)).await?;
                    Ok(if is_told(held_since) { Answer::NeedSpent(accounts(rules)) } else { Answer::Absent })
                }
                answer => Ok(answer),
            }
        });
        match asked.await {
            Some(Answer::Standing(used)) => BudgetStanding::Known(used),
            Some(Answer::NeedSpent(accounts)) => BudgetStanding::NeedSpent(accounts),
            _ => BudgetStanding::Unavailable,
        }
    }

    pub(super) async fn stale(&self, user: UserId, before: Timestamp) -> Option<Vec<StaleCharge>> {
        let mut leaked = Vec::new();
        let stale = self
            .ask_control(async |link| {
                let (limit, mut connection) = (self.control_timeout(), link.connected()?);
                let found = in_time(limit, self.script.charges(&mut connection, user, before)).await?;
                let (mut alive, mut stale) = (HashMap::new(), Vec::new());
                for one in found {
                    if one.process == self.process {
                        // An answer that came too late may have left it; what this process has, it knows.
                        if self.own.is_leaked(one.charge.request) {
                            leaked.push((user, one.charge.request));
                        }
                        continue;
                    }
                    if !alive.contains_key(&one.process) {
                        let is_alive = in_time(limit, self.script.is_alive(&mut connection, &one.process)).await?;
                        alive.insert(one.process.clone(), is_alive);
                    }
                    if alive.get(&one.process) == Some(&false) {
                        stale.push(one.charge);
                    }
                }
                Ok(stale)
            })
            .await;
        if !leaked.is_empty() {
            self.own.drained(&leaked, &[]);
        }
        stale
    }

    /// Has the control plane's connection asked; `None` when Redis is away.
    async fn ask_control<T>(&self, ask: impl AsyncFnOnce(&Link) -> Result<T, Failure>) -> Option<T> {
        let since = self.lines.closed()?;
        let asked = async { ask(self.lines.control().await?).await };
        asked.await.inspect_err(|failure| self.lines.trip(since, failure)).ok()
    }

    /// Tells Redis what it has not been told. What it does not confirm is told again by the next who does this.
    async fn tell(&self) {
        let _telling = self.telling.lock().await;
        self.tell_all().await;
    }

    async fn tell_all(&self) -> Option<()> {
        let news = self.own.untold();
        if news.is_empty() {
            return Some(());
        }
        let users: Vec<_> = news.into_iter().collect();
        self.ask_control(async |link| {
            let connection = link.connected()?;
            for some in users.chunks(CALLS) {
                let told = some.iter().map(|(user, update)| async {
                    for piece in update.clone().pieces(PIECE) {
                        let sync = self.script.sync(connection.clone(), &self.process, *user, None, &piece);
                        in_time(self.control_timeout(), sync).await?;
                        self.own.told(&piece);
                    }
                    Ok(())
                });
                try_join_all(told).await?;
            }
            Ok(())
        })
        .await
    }

    /// Says that this process is alive, looks whether Redis has lost anything, and tells it all that it must know.
    async fn beat(&self) {
        let mut known = self.telling.lock().await;
        self.own.beat(AGAIN);
        let since = self.ask_control(async |link| {
            let (limit, mut connection) = (self.control_timeout(), link.connected()?);
            in_time(limit, self.script.beat(&mut connection, &self.process)).await?;
            in_time(limit, self.script.since(&mut connection)).await
        });
        let Some(since) = since.await else { return };
        if *known != Some(since.began_ms) {
            self.own.lost();
            *known = Some(since.began_ms);
        }
        self.tell_all().await;
    }

    fn control_timeout(&self) -> Duration {
        self.lines.dialer().timeout().max(CONTROL_TIMEOUT)
    }

    #[cfg(test)]
    pub(super) fn own_charges(&self) -> usize {
        self.own.len()
    }
}

/// Have all living processes told this Redis what they know?
const fn is_told(since: Since) -> bool {
    since.now_ms.saturating_sub(since.began_ms) >= TOLD_MS
}

fn accounts(rules: &[BudgetRule]) -> Vec<Account> {
    let mut accounts: Vec<_> = rules.iter().map(BudgetRule::account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

/// Keeps Redis told until `shared` is dropped.
async fn keep_told(shared: Weak<Shared>, back: Arc<Notify>, ended: Arc<Notify>) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(own) = shared.upgrade().map(|shared| shared.own.news()) else { return };
        let beats = tokio::select! {
            () = ended.notified() => return,
            _ = ticks.tick() => true,
            () = back.notified() => true,
            () = own.notified() => false,
        };
        let Some(shared) = shared.upgrade() else { return };
        if beats {
            shared.beat().await;
        } else {
            shared.tell().await;
        }
    }
}
