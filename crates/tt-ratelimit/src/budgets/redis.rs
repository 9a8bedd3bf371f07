//! Budgets in Redis: what a worker calls, and the task that keeps Redis up to date.
//!
//! Redis holds only what can be made again: sums of the store, and the charges, which every process has in its outbox.
//! A process sends each change at once. It sends everything again when Redis has lost its data; a mark in Redis, which
//! is another one then, shows that. For two heartbeats after the mark was made, nothing is decided about a user that
//! Redis does not know, since other processes may not have sent their charges yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::{MissedTickBehavior, interval};
use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{NanoUsd, RequestId, Timestamp, UserId};

use super::outbox::{Outbox, Update};
use super::reservation::{BudgetedRequest, CostEstimate, Reservation};
use super::script::{Answer, BudgetScript, SCAN_START};
use super::standing::{BudgetStanding, Reading, StaleCharge};
use crate::limits;
use crate::redis::{Connection, Connections, Failure, LogWords, RedisConfig, RedisState, Since, within};

/// The pause between two heartbeats, each of which also checks whether Redis has lost its data.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Within this time after Redis has lost its data, every living process has sent all its charges again: two heartbeats.
const RESENT_AFTER_MS: u64 = 2000;

/// The longest the control plane waits for an answer. No request waits for it.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(1);

/// The most charges that are sent in one call, which occupies Redis for a millisecond or two.
const CHARGES_A_CALL: usize = 500;

/// The most calls that are under way at once.
const CALLS: usize = 32;

/// The number of charges that each heartbeat sends again although Redis has acknowledged them.
const RESENT_A_HEARTBEAT: usize = 1024;

/// The log lines about an outage.
const WORDS: LogWords =
    LogWords { down: "requests that have a budget are refused", up: "processes share their budgets" };

/// The budgets of one process on Redis.
#[derive(Debug)]
pub(super) struct RedisBudgets {
    connections: Arc<Connections>,
    script: BudgetScript,
    /// The name of this process.
    process: String,
    outbox: Outbox,
    /// Held while changes are sent, so that they are sent one after the other. It holds since when Redis had its data
    /// ([`Since::began_ms`]) at the last heartbeat.
    sending: Mutex<Option<u64>>,
    /// Ends the heartbeat task.
    ended: Arc<Notify>,
}

impl Drop for RedisBudgets {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

impl RedisBudgets {
    /// Starts the heartbeat task on `control`. It ends when the budgets are dropped.
    pub(super) fn start(config: RedisConfig, process: &str, control: &Handle) -> Arc<Self> {
        let (script, probe) = (BudgetScript::new(config.keys.clone()), limits::probe(&config.keys));
        let connections = Connections::new(config, probe, control.clone(), WORDS);
        let budgets = Arc::new(Self {
            connections: Arc::new(connections),
            script,
            process: process.to_owned(),
            outbox: Outbox::default(),
            sending: Mutex::default(),
            ended: Arc::default(),
        });
        let (recovered, ended) = (budgets.connections.recovered(), Arc::clone(&budgets.ended));
        control.spawn(keep_up_to_date(Arc::downgrade(&budgets), recovered, ended));
        budgets
    }

    pub(super) fn state(&self) -> RedisState {
        self.connections.state()
    }

    /// A connection for the worker whose runtime is `runtime`.
    pub(super) async fn connection(&self, runtime: Handle) -> Arc<Connection> {
        self.connections.for_worker(runtime).await
    }

    pub(super) async fn reserve(
        &self,
        connection: &Connection,
        request: &BudgetedRequest<'_>,
        settled: NanoUsd,
        estimate: CostEstimate,
    ) -> Reservation {
        let Some(closed) = self.connections.closed() else { return Reservation::Unavailable };
        let in_flight = self.outbox.begin_reserve(request, settled);
        let answered = async {
            let (limit, mut redis) = (self.connections.timeout(), connection.connected()?);
            let (script, version) = (&self.script, in_flight.version());
            let call = script.reserve(&mut redis, &self.process, request, version, settled, estimate);
            match within(limit, call).await? {
                Answer::NoAccounts => {
                    let since = within(limit, script.since(&mut redis)).await?;
                    Ok(if is_resent(since) { Answer::NeedSpent(accounts(request.rules)) } else { Answer::NoAccounts })
                }
                answer => Ok(answer),
            }
        };
        match answered.await {
            Ok(Answer::Held { amount, counts_from }) => {
                in_flight.held(amount, counts_from);
                Reservation::Held { amount, capped: amount < estimate.worst }
            }
            Ok(Answer::Refused { rule, spent, held, asked }) => {
                in_flight.unchanged();
                Reservation::Refused { kind: rule.kind, limit: rule.limit, spent, held, asked }
            }
            Ok(Answer::NeedSpent(accounts)) => {
                in_flight.unchanged();
                Reservation::NeedSpent(accounts)
            }
            Ok(Answer::NoAccounts) => {
                in_flight.unchanged();
                Reservation::Unavailable
            }
            Ok(Answer::Overtaken | Answer::Standing(_)) => Reservation::Unavailable,
            Err(failure) => {
                self.connections.trip(closed, &failure);
                Reservation::Unavailable
            }
        }
    }

    pub(super) fn settle(&self, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        self.outbox.settle(request, settled, held);
    }

    pub(super) fn void(&self, request: RequestId) {
        self.outbox.void(request);
    }

    pub(super) async fn post(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        self.outbox.post(requests, spents);
        self.send().await;
    }

    pub(super) async fn load(&self, spents: &[Spent], reading: Reading) {
        let mut by_user: HashMap<UserId, Update> = HashMap::new();
        for spent in spents {
            by_user.entry(spent.account.user).or_default().spents.push(*spent);
        }
        self.on_control(async |connection| {
            let (limit, mut redis) = (self.control_timeout(), connection.connected()?);
            let before = within(limit, self.script.since(&mut redis)).await?;
            if !is_resent(before) {
                return Ok(());
            }
            for (user, update) in &by_user {
                let sync = self.script.sync(redis.clone(), &self.process, *user, Some(reading), update);
                within(limit, sync).await?;
            }
            // If Redis lost its data meanwhile, the accounts were made without the charges of other processes.
            if within(limit, self.script.since(&mut redis)).await?.began_ms != before.began_ms {
                for user in by_user.keys() {
                    within(limit, self.script.delete_accounts(&mut redis, *user)).await?;
                }
            }
            Ok(())
        })
        .await;
    }

    pub(super) async fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> BudgetStanding {
        let Some(first) = rules.first() else { return BudgetStanding::Known(Vec::new()) };
        let answered = self.on_control(async |connection| {
            let (limit, mut redis) = (self.control_timeout(), connection.connected()?);
            match within(limit, self.script.standing(&mut redis, first.user, rules, at)).await? {
                Answer::NoAccounts => {
                    let since = within(limit, self.script.since(&mut redis)).await?;
                    Ok(if is_resent(since) { Answer::NeedSpent(accounts(rules)) } else { Answer::NoAccounts })
                }
                answer => Ok(answer),
            }
        });
        match answered.await {
            Some(Answer::Standing(used)) => BudgetStanding::Known(used),
            Some(Answer::NeedSpent(accounts)) => BudgetStanding::NeedSpent(accounts),
            _ => BudgetStanding::Unavailable,
        }
    }

    pub(super) async fn stale(&self, user: UserId, before: Timestamp) -> Option<Vec<StaleCharge>> {
        let mut leaked = Vec::new();
        let stale = self
            .on_control(async |connection| {
                let (limit, mut redis) = (self.control_timeout(), connection.connected()?);
                let mut found = BTreeMap::new();
                let mut cursor = Some(SCAN_START.to_owned());
                while let Some(at) = cursor {
                    let (next, some) = within(limit, self.script.charges(&mut redis, user, before, &at)).await?;
                    found.extend(some.into_iter().map(|one| (one.charge.request, one)));
                    cursor = next;
                }
                let (mut alive, mut stale) = (HashMap::new(), Vec::new());
                for one in found.into_values() {
                    if one.process == self.process {
                        // An answer that came too late may have left a charge that this process does not know.
                        if self.outbox.is_unknown(one.charge.request) {
                            leaked.push((user, one.charge.request));
                        }
                        continue;
                    }
                    if !alive.contains_key(&one.process) {
                        let is_alive = within(limit, self.script.is_alive(&mut redis, &one.process)).await?;
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
            self.outbox.post(&leaked, &[]);
        }
        stale
    }

    /// Runs `call` on the control plane's connection; `None` while Redis is down.
    async fn on_control<T>(&self, call: impl AsyncFnOnce(&Connection) -> Result<T, Failure>) -> Option<T> {
        let closed = self.connections.closed()?;
        let called = async { call(self.connections.for_control().await?).await };
        called.await.inspect_err(|failure| self.connections.trip(closed, failure)).ok()
    }

    /// Sends the changes that Redis has not acknowledged. Those that it does not acknowledge now are sent again by the next call.
    async fn send(&self) {
        let _sending = self.sending.lock().await;
        self.send_unlocked().await;
    }

    /// Sends what Redis has not acknowledged. The caller holds `sending`. `None` while Redis is down.
    async fn send_unlocked(&self) -> Option<()> {
        let unsent = self.outbox.unsent();
        if unsent.is_empty() {
            return Some(());
        }
        let users: Vec<_> = unsent.into_iter().collect();
        self.on_control(async |connection| {
            let redis = connection.connected()?;
            for some in users.chunks(CALLS) {
                let calls = some.iter().map(|(user, update)| async {
                    for piece in update.clone().pieces(CHARGES_A_CALL) {
                        let sync = self.script.sync(redis.clone(), &self.process, *user, None, &piece);
                        within(self.control_timeout(), sync).await?;
                        self.outbox.acknowledged(&piece);
                    }
                    Ok(())
                });
                try_join_all(calls).await?;
            }
            Ok(())
        })
        .await
    }

    /// Sends a heartbeat, checks whether Redis has lost its data, and sends what Redis must know.
    async fn heartbeat(&self) {
        let mut known_since = self.sending.lock().await;
        self.outbox.heartbeat(RESENT_A_HEARTBEAT);
        let since = self.on_control(async |connection| {
            let (limit, mut redis) = (self.control_timeout(), connection.connected()?);
            within(limit, self.script.heartbeat(&mut redis, &self.process)).await?;
            within(limit, self.script.since(&mut redis)).await
        });
        let Some(since) = since.await else { return };
        if *known_since != Some(since.began_ms) {
            self.outbox.resend_all();
            *known_since = Some(since.began_ms);
        }
        self.send_unlocked().await;
    }

    fn control_timeout(&self) -> Duration {
        self.connections.timeout().max(CONTROL_TIMEOUT)
    }

    #[cfg(test)]
    pub(super) fn own_charges(&self) -> usize {
        self.outbox.len()
    }
}

/// True if all living processes have sent their charges to this Redis since it has its data.
const fn is_resent(since: Since) -> bool {
    since.now_ms.saturating_sub(since.began_ms) >= RESENT_AFTER_MS
}

/// The accounts of `rules`, each once.
fn accounts(rules: &[BudgetRule]) -> Vec<Account> {
    let mut accounts: Vec<_> = rules.iter().map(BudgetRule::account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

/// Sends heartbeats, and changes of the outbox as they come, until `budgets` is dropped.
async fn keep_up_to_date(budgets: Weak<RedisBudgets>, recovered: Arc<Notify>, ended: Arc<Notify>) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(changed) = budgets.upgrade().map(|budgets| budgets.outbox.changed()) else { return };
        let is_heartbeat = tokio::select! {
            () = ended.notified() => return,
            _ = ticks.tick() => true,
            () = recovered.notified() => true,
            () = changed.notified() => false,
        };
        let Some(budgets) = budgets.upgrade() else { return };
        if is_heartbeat {
            budgets.heartbeat().await;
        } else {
            budgets.send().await;
        }
    }
}
