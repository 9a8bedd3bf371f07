//! The Lua scripts from the outside: names of keys, arguments, answers.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{ErrorKind, RedisError, RedisResult, Script, ScriptInvocation, cmd};
use tt_core::budget::{Account, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp, UserId};

use super::own::{Charge, Update};
use super::{Ask, BudgetedRequest, Reading, StaleCharge, Used, countable};

/// When what Redis holds began.
const SINCE: &str = "tt:budgets:since";

/// How long a process counts as alive after its last heartbeat.
const ALIVE_MS: u64 = 5000;

/// The largest whole number that Lua counts with.
const LUA_MAX: u64 = 1 << 53;

/// The scripts, called by their hashes and loaded when Redis does not know them.
#[derive(Debug)]
pub(super) struct BudgetScript {
    reserve: Script,
    sync: Script,
    charges: Script,
    since: Script,
}

/// What `reserve.lua` says.
#[derive(Debug)]
pub(super) enum Answer {
    /// The user has no accounts at all.
    Absent,
    /// These cannot be used yet.
    NeedSpent(Vec<Account>),
    /// So much is held, and counts in periods that began by then.
    Held { amount: NanoUsd, counts_from: Timestamp },
    /// This rule has too little left.
    Refused { rule: BudgetRule, spent: NanoUsd, held: NanoUsd, asked: NanoUsd },
    /// Something that was sent later has arrived before.
    Overtaken,
    /// How the rules stand.
    Standing(Vec<Used>),
}

/// When what Redis holds began, by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) began_ms: u64,
    pub(super) now_ms: u64,
}

/// A charge as Redis has it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) process: String,
    pub(super) charge: StaleCharge,
}

impl BudgetScript {
    pub(super) fn new() -> Self {
        let script = |own| Script::new(&format!("{}\n{own}", include_str!("lua/common.lua")));
        Self {
            reserve: script(include_str!("lua/reserve.lua")),
            sync: script(include_str!("lua/sync.lua")),
            charges: Script::new(include_str!("lua/charges.lua")),
            since: Script::new(include_str!("lua/since.lua")),
        }
    }

    /// Holds money for an attempt; there must be a rule.
    pub(super) async fn reserve(
        &self,
        connection: &mut MultiplexedConnection,
        process: &str,
        request: &BudgetedRequest<'_>,
        version: u64,
        settled: NanoUsd,
        ask: Ask,
    ) -> RedisResult<Answer> {
        let mut call = of_user(&self.reserve, request.user);
        call.arg(request.id.to_string()).arg(process).arg(key_text(request.key));
        call.arg(request.created_at.millis()).arg(version).arg(settled.0);
        call.arg(ask.worst.0).arg(ask.learned.map(|learned| learned.0.to_string()).unwrap_or_default());
        add_rules(&mut call, request.rules, request.created_at);
        answer(request.rules, call.invoke_async(connection).await?)
    }

    /// How `rules` stand in the periods of `at`; there must be one.
    pub(super) async fn standing(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        rules: &[BudgetRule],
        at: Timestamp,
    ) -> RedisResult<Answer> {
        let mut call = of_user(&self.reserve, user);
        call.arg("").arg("").arg("").arg(at.millis()).arg(0).arg(0).arg("").arg("");
        add_rules(&mut call, rules, at);
        answer(rules, call.invoke_async(connection).await?)
    }

    /// Takes what is new of one user; `reading`: the store was read for it.
    pub(super) async fn sync(
        &self,
        mut connection: MultiplexedConnection,
        process: &str,
        user: UserId,
        reading: Option<Reading>,
        update: &Update,
    ) -> RedisResult<()> {
        let mut call = of_user(&self.sync, user);
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
        for request in &update.gone {
            call.arg(request.to_string());
        }
        call.invoke_async(&mut connection).await
    }

    /// The user's charges made before `before`.
    pub(super) async fn charges(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        before: Timestamp,
    ) -> RedisResult<Vec<Found>> {
        let mut call = of_user(&self.charges, user);
        // The largest time is not exact in Lua, and need not be.
        let reply: Vec<String> = call.arg(before.millis()).invoke_async(connection).await?;
        reply.chunks(5).map(|fields| found(fields).ok_or_else(strange)).collect()
    }

    /// Forgets the user's accounts; their charges stay.
    pub(super) async fn forget(&self, connection: &mut MultiplexedConnection, user: UserId) -> RedisResult<()> {
        cmd("DEL").arg(accounts(user)).query_async(connection).await
    }

    /// When what Redis holds began; now, if nobody has said so yet.
    pub(super) async fn since(&self, connection: &mut MultiplexedConnection) -> RedisResult<Since> {
        let (began_ms, now_ms) = self.since.key(SINCE).invoke_async(connection).await?;
        Ok(Since { began_ms, now_ms })
    }

    /// Says that the process is alive.
    pub(super) async fn beat(&self, connection: &mut MultiplexedConnection, process: &str) -> RedisResult<()> {
        cmd("SET").arg(process_key(process)).arg(1).arg("PX").arg(ALIVE_MS).query_async(connection).await
    }

    /// Is the process alive?
    pub(super) async fn is_alive(&self, connection: &mut MultiplexedConnection, process: &str) -> RedisResult<bool> {
        cmd("EXISTS").arg(process_key(process)).query_async(connection).await
    }
}

fn process_key(process: &str) -> String {
    format!("tt:budgets:process:{process}")
}

/// The hash tag keeps all of a user's on one node of a cluster.
fn accounts(user: UserId) -> String {
    format!("tt:{{u:{user}}}:budgets")
}

fn of_user(script: &Script, user: UserId) -> ScriptInvocation<'_> {
    let mut call = script.key(accounts(user));
    call.key(format!("tt:{{u:{user}}}:charges"));
    call
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
        [0] => Some(Answer::Absent),
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
    read.ok_or_else(strange)
}

fn found(fields: &[String]) -> Option<Found> {
    let [request, process, from, settled, held] = fields else { return None };
    let request: RequestId = request.parse().ok()?;
    let created_at = request.created_at().or_else(|| from.parse().ok().map(Timestamp::from_millis))?;
    let nano = |text: &str| text.parse().ok().map(NanoUsd);
    let charge = StaleCharge { request, created_at, settled: nano(settled)?, held: nano(held)? };
    Some(Found { process: process.clone(), charge })
}

fn strange() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "a budget script answered strangely"))
}
