//! A demonstration: two months of requests of a small team, made through the API like any other, while the clock of the program
//! is moved on day by day.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::account::Account;
use crate::clock::Clock;
use crate::http::Server;
use crate::run::Outcome;

const DAY_SECONDS: i64 = 86_400;
/// The team works in these hours of the UTC day.
const BEGINNING: i64 = 7 * 3600;
const WORKING: i64 = 10 * 3600;
/// Twice the thirty days that the dashboard shows at first, so that there is a period before.
const DAYS: i64 = 60;

/// An alias of the demonstration.
struct DemoAlias {
    name: &'static str,
    provider: &'static str,
    model: &'static str,
    fallback: Option<&'static str>,
    /// The model for small requests.
    light: Option<&'static str>,
}

const ALIASES: [DemoAlias; 4] = [
    DemoAlias { name: "fast", provider: "openai", model: "gpt-4o-mini", fallback: None, light: None },
    DemoAlias {
        name: "smart",
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        fallback: Some("fast"),
        light: Some("claude-haiku-4-5"),
    },
    // A model that fails in the mock.
    DemoAlias { name: "nightly", provider: "openai", model: "mock-status-500", fallback: Some("fast"), light: None },
    DemoAlias { name: "long", provider: "gemini", model: "gemini-2.5-flash", fallback: Some("nightly"), light: None },
];

/// The programs that ask, by their `User-Agent`, the name of their API key, and the aliases that they ask for.
const CLIENTS: [(&str, &str, &[&str]); 5] = [
    ("claude-cli/2.1", "laptop", &["claude-sonnet-4-5", "claude-haiku-4-5"]),
    ("codex_cli_rs/0.50", "laptop", &["smart"]),
    ("OpenAI/Python 2.0", "search service", &["smart", "fast"]),
    ("OpenAI/JS 6.0", "search service", &["fast"]),
    ("curl/8", "nightly jobs", &["nightly", "long"]),
];

const TEAMS: [&str; 3] = ["search", "support", "billing"];

/// Fills the account. The clock stands at the present afterwards.
pub(crate) fn fill(server: &Server, account: &Account, clock: &Clock) -> Outcome {
    // The keys are as old as the requests.
    clock.set(-(DAYS + 1) * DAY_SECONDS)?;
    let session = account.sign_in(server)?;
    make_aliases(server, &session)?;
    let keys = make_keys(server, &session)?;
    let mut chance = Chance(20_261_123);
    let passed_today = seconds_of_today();
    for day in (0..DAYS).rev() {
        // Today's requests are made now, whatever the time is.
        let at = if day == 0 { 0 } else { BEGINNING + chance.below(WORKING) - passed_today - day * DAY_SECONDS };
        clock.set(at)?;
        // More in the middle of the week, and more from week to week.
        let turns = 4 + chance.below(9) + (DAYS - day) / 5 + if day % 7 < 2 { 0 } else { 8 };
        for _ in 0..turns {
            ask(server, &keys, &mut chance, day)?;
        }
    }
    clock.set(0)
}

/// The seconds since midnight, UTC.
fn seconds_of_today() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or_default() % DAY_SECONDS
}

fn make_aliases(server: &Server, session: &str) -> Outcome {
    let stored = server.get("/manage/providers", session)?.ok("list provider keys")?;
    let id_of = |list: &Value, field: &str, name: &str| {
        list.as_array()
            .into_iter()
            .flatten()
            .find(|item| item.get(field).is_some_and(|n| n == name))?
            .get("id")
            .cloned()
    };
    for DemoAlias { name, provider, model, fallback, light } in ALIASES {
        let known = server.get("/manage/aliases", session)?.ok("list aliases")?;
        let body = json!({
            "alias": name, "target_model": model, "provider_key_id": id_of(&stored, "provider", provider),
            "fallback_alias_id": fallback.and_then(|name| id_of(&known, "alias", name)),
            "use_light_model": light.is_some(), "light_model": light, "light_model_threshold": 200,
        });
        server.post("/manage/aliases", Some(session), &body)?.ok("make an alias")?;
    }
    Ok(())
}

/// Makes an API key for each name in [`CLIENTS`]; returns the names with the keys.
fn make_keys(server: &Server, session: &str) -> Result<Vec<(&'static str, String)>, String> {
    let mut keys: Vec<(&'static str, String)> = Vec::new();
    for (_, name, _) in CLIENTS {
        if keys.iter().all(|(known, _)| *known != name) {
            let made = server.post("/auth/key", Some(session), &json!({"name": name}))?.ok("make an API key")?;
            let token = made.get("token").and_then(Value::as_str).ok_or("make an API key: no token came")?;
            keys.push((name, token.to_owned()));
        }
    }
    Ok(keys)
}

/// Sends a request of a client, which may fail: that is a part of the picture.
fn ask(server: &Server, keys: &[(&'static str, String)], chance: &mut Chance, day: i64) -> Outcome {
    let (agent, name, models) = *chance.pick(&CLIENTS);
    let key = keys.iter().find(|(known, _)| *known == name).map_or("", |(_, key)| key);
    // Most are short, and a few are long.
    let words = 20 + chance.below(24).pow(3);
    let prompt = (0..words).map(|word| format!("word{}", word % 50)).collect::<Vec<_>>().join(" ");
    let body = json!({
        "model": chance.pick(models),
        "stream": chance.below(4) > 0,
        "messages": [{"role": "user", "content": prompt}],
    });
    let authorization = format!("Bearer {key}");
    let tags = format!("team={},stage={}", chance.pick(&TEAMS), chance.pick(&["live", "test"]));
    let session = format!("{}-{}", agent.split('/').next().unwrap_or_default(), day / 2);
    let mut headers = vec![("authorization", authorization.as_str()), ("user-agent", agent)];
    if chance.below(5) > 0 {
        headers.push(("x-tokentracer-tags", &tags));
    }
    if name == "laptop" {
        headers.push(("x-tokentracer-session", &session));
    }
    server.send("POST", "/v1/chat/completions", &headers, Some(&body)).map(drop)
}

/// Numbers that look random and are the same each time.
struct Chance(i64);

impl Chance {
    /// A number from 0 to below `end`.
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 / 7 % end
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let end = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let index = usize::try_from(self.below(end)).unwrap_or_default();
        &list[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_reaches_every_item_of_a_list() {
        let mut chance = Chance(1);
        let picked: std::collections::BTreeSet<_> = (0..100).map(|_| *chance.pick(&[1, 2, 3, 4, 5])).collect();
        assert_eq!(picked.len(), 5);
    }
}
