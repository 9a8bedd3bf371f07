//! The calls of the limit scripts in Redis: names of keys, arguments, answers.
//!
//! A running installation has its counters under these keys and in these formats. Under another name an upgrade would
//! begin the counts of the minute at zero (those of the day are seeded from the store), so names and formats stay as they
//! are.

use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{ErrorKind, RedisError, RedisResult, Script, ScriptInvocation};
use tt_core::limits::{Decision, Rule, Standing};
use tt_core::{ApiKeyId, Timestamp, UserId};

use super::day::day_number;
use super::decision::Window;
use super::memory::LastMinute;
use crate::redis::{Keys, Probe, Since, SinceMark};

/// Lua's numbers are doubles, in which whole numbers are exact up to 2^53.
const LUA_MAX: u64 = 1 << 53;

/// A seeded day is kept for this long: the day itself, and an hour more in case the clock is set back.
const SEED_MS: u64 = 25 * 3_600_000;

/// `limits.lua`, `standing.lua`, `seed.lua` and `seed_minute.lua`. They are called by their hashes, and loaded when Redis
/// does not have them.
#[derive(Debug)]
pub(super) struct LimitScript {
    keys: Keys,
    decide: Script,
    standing: Script,
    seed: Script,
    seed_minute: Script,
    since: SinceMark,
}

impl LimitScript {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            decide: with_common(include_str!("lua/limits.lua")),
            standing: with_common(include_str!("lua/standing.lua")),
            seed: Script::new(include_str!("lua/seed.lua")),
            seed_minute: with_common(include_str!("lua/seed_minute.lua")),
            since: SinceMark::new(keys.shared("limits:since")),
            keys,
        }
    }

    /// Decides by `rules`, of which there must be one at least. `given` replaces the clock of Redis.
    pub(super) async fn decide(
        &self,
        connection: &mut MultiplexedConnection,
        rules: &[Rule],
        given: Option<Timestamp>,
    ) -> RedisResult<Decision> {
        let call = self.call(&self.decide, rules, given);
        let reply: Vec<u64> = call.invoke_async(connection).await?;
        read(rules, &reply).ok_or_else(|| {
            RedisError::from((ErrorKind::UnexpectedReturnType, "the limits script gave an answer of the wrong shape"))
        })
    }

    /// Reads the state of each of `rules`, of which there must be one at least. `given` replaces the clock of Redis.
    pub(super) async fn standings(
        &self,
        connection: &mut MultiplexedConnection,
        rules: &[Rule],
        given: Option<Timestamp>,
    ) -> RedisResult<Vec<Standing>> {
        let reply: Vec<(u64, u64)> = self.call(&self.standing, rules, given).invoke_async(connection).await?;
        let standing = |(rule, (count, reset)): (&Rule, (u64, u64))| Standing {
            limit: rule.limit,
            remaining: rule.limit.saturating_sub(count),
            reset: Duration::from_millis(reset),
        };
        Ok(rules.iter().zip(reply).map(standing).collect())
    }

    /// Adds what a process has admitted in the last minute.
    pub(super) async fn seed_minute(
        &self,
        mut connection: MultiplexedConnection,
        admitted: &LastMinute,
        given: Option<Timestamp>,
    ) -> RedisResult<()> {
        let mut call = self.seed_minute.key(self.key(admitted.user, admitted.key, Window::Minute));
        match given {
            Some(now) => call.arg(now.millis()),
            None => call.arg(""),
        };
        for (age, count) in &admitted.ages {
            call.arg(*age).arg(*count);
        }
        call.invoke_async(&mut connection).await
    }

    /// Since when Redis has its counters.
    pub(super) async fn since(&self, connection: &mut MultiplexedConnection) -> RedisResult<Since> {
        self.since.read(connection).await
    }

    /// Raises a day's count to `count`. A count that is higher stays.
    pub(super) async fn seed_day(
        &self,
        connection: &mut MultiplexedConnection,
        user: UserId,
        of: Option<ApiKeyId>,
        day: Timestamp,
        count: u64,
    ) -> RedisResult<()> {
        let mut call = self.seed.key(self.key(user, of, Window::Day));
        call.arg(day_number(day)).arg(count.min(LUA_MAX)).arg(SEED_MS);
        call.invoke_async(connection).await
    }

    /// The Redis key of a user's counter, or of that of one API key of theirs.
    fn key(&self, user: UserId, of: Option<ApiKeyId>, window: Window) -> String {
        let window = match window {
            Window::Minute => "minute",
            Window::Day => "day",
        };
        match of {
            Some(key) => self.keys.of_user(user, &format!("key:{key}:{window}")),
            None => self.keys.of_user(user, window),
        }
    }

    fn call<'a>(&self, script: &'a Script, rules: &[Rule], given: Option<Timestamp>) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        match given {
            Some(now) => call.arg(now.millis()),
            None => call.arg(""),
        };
        for rule in rules {
            let window = Window::of(rule.kind);
            add(&mut call, &self.key(rule.user, rule.key, window), window, rule.limit);
        }
        call
    }
}

/// The script of this text, which begins with the functions of `common.lua`.
fn with_common(text: &str) -> Script {
    Script::new(&format!("{}\n{text}", include_str!("lua/common.lua")))
}

/// Decides a request under a counter that belongs to nobody, with a limit it never reaches.
pub(crate) fn probe(keys: &Keys) -> Probe {
    let args = vec![String::new(), window_arg(Window::Minute).to_owned(), LUA_MAX.to_string()];
    Probe::new(with_common(include_str!("lua/limits.lua")), keys.shared("{probe}:minute"), args)
}

fn add(call: &mut ScriptInvocation<'_>, key: &str, window: Window, limit: u64) {
    call.key(key).arg(window_arg(window)).arg(limit.min(LUA_MAX));
}

/// A window as `limits.lua` takes it.
const fn window_arg(window: Window) -> &'static str {
    match window {
        Window::Minute => "m",
        Window::Day => "d",
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
