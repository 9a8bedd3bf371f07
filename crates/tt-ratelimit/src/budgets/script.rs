//! The calls of the budget scripts in Redis: names of keys, arguments, answers.
//!
//! A running installation has its accounts and charges under these keys, and its processes read each other's while they
//! are upgraded one by one. Under other names, what the old processes hold would be missing from the new ones' budgets,
//! so the names of keys, and the formats that `lua/common.lua` describes, stay as they are.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{ErrorKind, RedisError, RedisResult, Script, ScriptInvocation, cmd};
use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp, UserId};

use super::outbox::{Charge, Update};
use super::reservation::{BudgetedRequest, CostEstimate, countable};
use super::standing::{Reading, StaleCharge, Used};
use crate::redis::{Keys, Since, SinceMark};

/// The name of the key with the time since when Redis has its data.
const SINCE: &str = "budgets:since";

/// A process whose last heartbeat is older than this is dead.
const ALIVE_MS: u64 = 5000;

/// The cursor at which a scan begins, and which it returns at its end.
pub(super) const SCAN_START: &str = "0";

/// About the number of charges that one call of a scan looks at, which occupies Redis for a millisecond.
const CHARGES_A_SCAN: usize = 500;

/// Lua's numbers are doubles, in which whole numbers are exact up to 2^53.
const LUA_MAX: u64 = 1 << 53;

/// The scripts. They are called by their hashes, and loaded when Redis does not have them.
#[derive(Debug)]
pub(super) struct BudgetScript {
    keys: Keys,
    reserve: Script,
    sync: Script,
    charges: Script,
    since: SinceMark,
}

/// The answer of `reserve.lua`.
#[derive(Debug)]
pub(super) enum Answer {
    /// Redis has no account of the user at all.
    NoAccounts,
    /// These accounts may not be used yet.
    NeedSpent(Vec<Account>),
    /// `amount` is held. The charge counts in periods that began at `counts_from` or before.
    Held { amount: NanoUsd, counts_from: Timestamp },
    /// This rule has too little left.
    Refused { rule: BudgetRule, spent: NanoUsd, held: NanoUsd, asked: NanoUsd },
    /// A later version of the charge arrived before this call.
    Overtaken,
    /// The standing of the rules.
    Standing(Vec<Used>),
}

/// A charge that Redis has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) process: String,
    pub(super) charge: StaleCharge,
}

impl BudgetScript {
    pub(super) fn new(keys: Keys) -> Self {
        let script = |text| Script::new(&format!("{}\n{text}", include_str!("lua/common.lua")));
        Self {
            reserve: script(include_str!("lua/reserve.lua")),
            sync: script(include_str!("lua/sync.lua")),
            charges: Script::new(include_str!("lua/charges.lua")),
            since: SinceMark::new(keys.shared(SINCE)),
            keys,
        }
    }

    /// Holds money for an attempt. `request` must have a rule.
    pub(super) async fn reserve(
        &self,
        connection: &mut MultiplexedConnection,
        process: &str,
        request: &BudgetedRequest<'_>,
        version: u64,
        settled: NanoUsd,
        estimate: CostEstimate,
    ) -> RedisResult<Answer> {
        let mut call = self.of_user(&self.reserve, request.user);
        call.arg(request.id.to_string()).arg(process).arg(key_text(request.key));
        call.arg(request.created_at.millis()).arg(version).arg(settled.0);
        call.arg(estimate.worst.0).arg(estimate.p99.map(|p99| p99.0.to_string()).unwrap_or_default());
        add_rules(&mut call, request.rules, request.created_at);
        answer(request.rules, call.invoke_async(connection).await?)
    }

    /// Reads how `rules`, of which there must be one, stand in the periods of `at`.
    pub(super) async fn standing(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        rules: &[BudgetRule],
        at: Timestamp,
    ) -> RedisResult<Answer> {
        let mut call = self.of_user(&self.reserve, user);
        call.arg("").arg("").arg("").arg(at.millis()).arg(0).arg(0).arg("").arg("");
        add_rules(&mut call, rules, at);
        answer(rules, call.invoke_async(connection).await?)
    }

    /// Sends changes of one user. With `reading`, their sums come from reading the store for it; without, from posting.
    pub(super) async fn sync(
        &self,
        mut connection: MultiplexedConnection,
        process: &str,
        user: UserId,
        reading: Option<Reading>,
        update: &Update,
    ) -> RedisResult<()> {
        let mut call = self.of_user(&self.sync, user);
        call.arg(match reading {
            None => "post",
            Some(Reading::First) => "first",
            Some(Reading::Second) => "second",
        });
        call.arg(update.spents.len()).arg(update.charges.len());
        for Spent { account, start, revision, amount } in &update.spents {
            call.arg(name(account.key, account.period)).arg(start.millis());
            call.arg((*revision).min(LUA_MAX)).arg(countable(*amount).0);
        }
        for (request, charge) in &update.charges {
            let Charge { key, counts_from, settled, held, version } = charge;
            call.arg(request.to_string()).arg(*version).arg(process).arg(key_text(*key));
            call.arg(counts_from.millis()).arg(settled.0).arg(held.0);
        }
        for request in &update.removed {
            call.arg(request.to_string());
        }
        call.invoke_async(&mut connection).await
    }

    /// Some of the user's charges made before `before`: those after `cursor`, which is [`SCAN_START`] at first. Returns
    /// the next cursor too, or `None` when there are no more. A charge may come twice.
    pub(super) async fn charges(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        before: Timestamp,
        cursor: &str,
    ) -> RedisResult<(Option<String>, Vec<Found>)> {
        let mut call = self.of_user(&self.charges, user);
        // The latest time, which means all charges, is rounded in Lua; that does no harm.
        call.arg(before.millis()).arg(cursor).arg(CHARGES_A_SCAN);
        let reply: Vec<String> = call.invoke_async(connection).await?;
        let (next, fields) = reply.split_first().ok_or_else(wrong_shape)?;
        let found: RedisResult<_> = fields.chunks(5).map(|fields| found(fields).ok_or_else(wrong_shape)).collect();
        Ok(((next != SCAN_START).then(|| next.clone()), found?))
    }

    /// Deletes the user's accounts. Their charges stay.
    pub(super) async fn delete_accounts(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
    ) -> RedisResult<()> {
        cmd("DEL").arg(self.accounts(user)).query_async(connection).await
    }

    /// Since when Redis has its data. If it does not know, it notes that its data begin now.
    pub(super) async fn since(&self, connection: &mut MultiplexedConnection) -> RedisResult<Since> {
        self.since.read(connection).await
    }

    /// Sends a heartbeat of the process.
    pub(super) async fn heartbeat(&self, connection: &mut MultiplexedConnection, process: &str) -> RedisResult<()> {
        cmd("SET").arg(self.process_key(process)).arg(1).arg("PX").arg(ALIVE_MS).query_async(connection).await
    }

    /// True if the process has sent a heartbeat recently.
    pub(super) async fn is_alive(&self, connection: &mut MultiplexedConnection, process: &str) -> RedisResult<bool> {
        cmd("EXISTS").arg(self.process_key(process)).query_async(connection).await
    }

    fn process_key(&self, process: &str) -> String {
        self.keys.shared(&format!("budgets:process:{process}"))
    }

    fn accounts(&self, user: UserId) -> String {
        self.keys.of_user(user, "budgets")
    }

    /// A call of one of the scripts that change accounts and charges.
    fn of_user<'a>(&self, script: &'a Script, user: UserId) -> ScriptInvocation<'a> {
        let mut call = script.key(self.accounts(user));
        call.key(self.keys.of_user(user, "charges"));
        call.key(self.keys.of_user(user, "charge_sums"));
        call
    }
}

fn add_rules(call: &mut ScriptInvocation<'_>, rules: &[BudgetRule], at: Timestamp) {
    for rule in rules {
        call.arg(name(rule.key, rule.period)).arg(rule.period.start(at).millis()).arg(countable(rule.limit).0);
    }
}

/// The account's name among those of its user.
fn name(key: Option<ApiKeyId>, period: Period) -> String {
    let period = match period {
        Period::Day => "d",
        Period::Month => "m",
        Period::Total => "t",
    };
    format!("{period}{}", key_text(key))
}

fn key_text(key: Option<ApiKeyId>) -> String {
    key.map(|key| key.to_string()).unwrap_or_default()
}

fn answer(rules: &[BudgetRule], reply: Vec<i64>) -> RedisResult<Answer> {
    let rule = |i: i64| rules.get(usize::try_from(i).ok()?.checked_sub(1)?);
    let read = match *reply.as_slice() {
        [0] => Some(Answer::NoAccounts),
        [1, ref missing @ ..] => {
            let accounts: Option<Vec<_>> = missing.iter().map(|i| rule(*i).map(BudgetRule::account)).collect();
            accounts.map(|mut accounts| {
                accounts.sort_unstable();
                accounts.dedup();
                Answer::NeedSpent(accounts)
            })
        }
        [2, held, from] => Some(Answer::Held { amount: NanoUsd(held), counts_from: Timestamp::from_millis(from) }),
        [3, i, spent, held, asked] => rule(i).map(|rule| Answer::Refused {
            rule: *rule,
            spent: NanoUsd(spent),
            held: NanoUsd(held),
            asked: NanoUsd(asked),
        }),
        [4] => Some(Answer::Overtaken),
        [5, ref used @ ..] if used.len() == 2 * rules.len() => {
            let used = used.chunks(2).filter_map(|pair| match *pair {
                [spent, held] => Some(Used { spent: NanoUsd(spent), held: NanoUsd(held) }),
                _ => None,
            });
            Some(Answer::Standing(used.collect()))
        }
        _ => None,
    };
    read.ok_or_else(wrong_shape)
}

fn found(fields: &[String]) -> Option<Found> {
    let [request, process, from, settled, held] = fields else { return None };
    let request: RequestId = request.parse().ok()?;
    let created_at = request.created_at().or_else(|| from.parse().ok().map(Timestamp::from_millis))?;
    let nano = |text: &str| text.parse().ok().map(NanoUsd);
    let charge = StaleCharge { request, created_at, settled: nano(settled)?, held: nano(held)? };
    Some(Found { process: process.clone(), charge })
}

fn wrong_shape() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "a budget script gave an answer of the wrong shape"))
}
