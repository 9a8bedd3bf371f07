//! The rows of an agent's requests in the request log.

use serde_json::Value;

use super::table::Agent;
use super::task::TURNS;
use crate::http::Server;

/// Checks the rows of the agent for the model, and counts them: the turns of the task, and what the agent asks beside it.
pub(super) fn check(
    server: &Server,
    api_key: &str,
    agent: &Agent,
    provider: &str,
    alias: &str,
) -> Result<usize, String> {
    let page = server.get(&format!("/manage/logs?limit=500&provider={provider}"), api_key)?.ok("read the log")?;
    let all = page.get("data").and_then(Value::as_array).ok_or("the log has no rows")?;
    let own: Vec<&Value> =
        all.iter().filter(|row| is(row, "client", agent.client) && is(row, "alias", alias)).collect();
    for row in &own {
        let fits = is(row, "outcome", "ok")
            && is(row, "dialect", agent.dialect)
            && is(row, "usage_source", "provider")
            && count(row, "input_tokens") > 0
            && count(row, "output_tokens") > 0
            && (!agent.session || row.get("session").is_some_and(Value::is_string));
        if !fits {
            return Err(format!("a row is not as it should be: {row}"));
        }
    }
    let thought = own.iter().filter(|row| count(row, "reasoning_tokens") > 0).collect::<Vec<_>>();
    if thought.len() < TURNS {
        return Err(format!("{} of {} rows have thinking, and {TURNS} should: {own:?}", thought.len(), own.len()));
    }
    let other = thought.windows(2).find(|rows| matches!(rows, [a, b] if a.get("session") != b.get("session")));
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
