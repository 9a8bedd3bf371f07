//! The Lua scripts from the outside: names of keys, arguments, answers.

use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{ErrorKind, RedisError, RedisResult, Script, ScriptInvocation};
use tt_core::limits::{Decision, Rule, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};

use crate::Window;
use crate::day::day_number;

/// Lua counts in doubles; whole numbers are exact up to here.
const LUA_MAX: u64 = 1 << 53;

/// How long a seeded day is kept: the day, and an hour for clocks that go back.
const SEED_MS: u64 = 25 * 3_600_000;

/// `limits.lua` and `seed.lua`, called by their hashes and loaded when Redis does not know them.
#[derive(Debug)]
pub(super) struct LimitScript {
    decide: Script,
    seed: Script,
}

impl LimitScript {
    pub(super) fn new() -> Self {
        Self { decide: Script::new(include_str!("limits.lua")), seed: Script::new(include_str!("seed.lua")) }
    }

    /// Decides `rules`; there must be one. `given` replaces the clock of Redis.
    pub(super) async fn decide(
        &self,
        connection: &mut MultiplexedConnection,
        rules: &[Rule],
        given: Option<Timestamp>,
    ) -> RedisResult<Decision> {
        let mut call = self.call(given);
        for rule in rules {
            let window = Window::of(rule.kind);
            add(&mut call, &key(rule.user, rule.key, window), window, rule.limit);
        }
        let reply: Vec<u64> = call.invoke_async(connection).await?;
        read(rules, &reply)
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "the limits script answered strangely")))
    }

    /// Runs the script as a request would, on a counter of nobody's: reads, writes and the script itself work.
    pub(super) async fn probe(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut call = self.call(None);
        add(&mut call, "tt:{probe}:minute", Window::Minute, LUA_MAX);
        call.invoke_async::<Vec<u64>>(connection).await.map(|_| ())
    }

    /// Raises a day's count to `count`: one that is higher stays.
    pub(super) async fn seed_day(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        of: Option<ApiKeyId>,
        day: Timestamp,
        count: u64,
    ) -> RedisResult<()> {
        let mut call = self.seed.key(key(user, of, Window::Day));
        call.arg(day_number(day)).arg(count.min(LUA_MAX)).arg(SEED_MS);
        call.invoke_async(connection).await
    }

    fn call(&self, given: Option<Timestamp>) -> ScriptInvocation<'_> {
        let mut call = self.decide.prepare_invoke();
        match given {
            Some(now) => call.arg(now.millis()),
            None => call.arg(""),
        };
        call
    }
}

fn add(call: &mut ScriptInvocation<'_>, key: &str, window: Window, limit: u64) {
    let window = match window {
        Window::Minute => "m",
        Window::Day => "d",
    };
    call.key(key).arg(window).arg(limit.min(LUA_MAX));
}

/// The counter of a user, or of one key of theirs. The hash tag keeps all of a user's on one node of a cluster.
fn key(user: UserId, of: Option<ApiKeyId>, window: Window) -> String {
    let window = match window {
        Window::Minute => "minute",
        Window::Day => "day",
    };
    match of {
        Some(key) => format!("tt:{{u:{user}}}:key:{key}:{window}"),
        None => format!("tt:{{u:{user}}}:{window}"),
    }
}

fn read(rules: &[Rule], reply: &[u64]) -> Option<Decision> {
    let rule = |i: u64| rules.get(usize::try_from(i).ok()?.checked_sub(1)?);
    match *reply {
        [1, i, remaining, reset] => {
            let nearest = Standing { limit: rule(i)?.limit, remaining, reset: Duration::from_millis(reset) };
            Some(Decision::Admit { nearest: Some(nearest) })
        }
        [0, i, wait] => {
            let rule = rule(i)?;
            Some(Decision::Deny { rule: rule.kind, limit: rule.limit, retry_after: Duration::from_millis(wait) })
        }
        _ => None,
    }
}
