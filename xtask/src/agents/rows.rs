//! The rows of an agent's requests in the request log.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::table::{Agent, Model};
use super::task::TURNS;
use crate::http::Server;

/// The longest that a request may take to become a row after the agent has its answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the rows of the agent for the model are as they should be, and counts them: the turns of the task, and what
/// the agent asks beside it.
pub(super) fn wait_for(
    server: &Server,
    api_key: &str,
    agent: &Agent,
    model: &Model,
    alias: &str,
) -> Result<usize, String> {
    let until = Instant::now() + PATIENCE;
    let path = format!("/manage/logs?limit=500&provider={}", model.provider);
    loop {
        let page = server.get(&path, api_key)?.ok("read the log")?;
        let all = page.get("data").and_then(Value::as_array).ok_or("the log has no rows")?;
        match check(all, agent, alias, model.thinks) {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
            checked => return checked,
        }
    }
}

/// Checks the rows of the agent for the model, and counts them.
fn check(all: &[Value], agent: &Agent, alias: &str, thinks: bool) -> Result<usize, String> {
    let own =
        |row: &&Value| is(row, "client", agent.client) && is(row, "dialect", agent.dialect) && is(row, "alias", alias);
    let own: Vec<&Value> = all.iter().filter(own).collect();
    for row in &own {
        let fits = is(row, "outcome", "ok")
            && is(row, "usage_source", "provider")
            && count(row, "input_tokens") > 0
            && count(row, "output_tokens") > 0
            && (!agent.session || row.get("session").is_some_and(Value::is_string));
        if !fits {
            return Err(format!("a row is not as it should be: {row}"));
        }
    }
    let is_turn = |row: &&&Value| {
        row.get("stream").is_some_and(|stream| stream == true) && (!thinks || count(row, "reasoning_tokens") > 0)
    };
    let turns: Vec<_> = own.iter().filter(is_turn).collect();
    if turns.len() < TURNS {
        let with = if thinks { " with thinking" } else { "" };
        return Err(format!("there are {} rows of streams{with}, and should be {TURNS}: {own:?}", turns.len()));
    }
    let other = turns.windows(2).find(|rows| matches!(rows, [a, b] if a.get("session") != b.get("session")));
    match other {
        Some(rows) => Err(format!("the turns are of different sessions: {rows:?}")),
        None => Ok(own.len()),
    }
}

fn is(row: &Value, field: &str, value: &str) -> bool {
    row.get(field).is_some_and(|found| found == value)
}

fn count(row: &Value, field: &str) -> u64 {
    row.get(field).and_then(Value::as_u64).unwrap_or_default()
}
