//! The ledger as its owner reads it: every row, and the sums.

use std::time::Duration;

use serde_json::Value;
use tt_core::Usage;
use tt_testkit::client::Client;

use crate::prices::nano_of;

/// A row, as far as it is held against anything.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// From the tag that its client sent.
    pub(crate) number: usize,
    pub(crate) alias: String,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: String,
    pub(crate) source: String,
    pub(crate) tokens: Tokens,
    /// The cost in nano-dollars; `None` where it is unknown.
    pub(crate) cost: Option<i64>,
    pub(crate) attempts: usize,
}

/// Tokens by the names of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) written: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

impl Tokens {
    fn read(value: &Value) -> Self {
        let number = |name: &str| value[name].as_u64().unwrap_or_else(|| panic!("{name}: {value}"));
        Self {
            input: number("input_tokens"),
            cached: number("cached_input_tokens"),
            written: number("cache_write_tokens"),
            output: number("output_tokens"),
            reasoning: number("reasoning_tokens"),
        }
    }

    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            input: usage.total_input(),
            cached: usage.cache_read,
            written: usage.cache_write(),
            output: usage.output,
            reasoning: usage.reasoning.unwrap_or(0),
        }
    }

    /// By the classes that are priced.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            input: self.input - self.cached - self.written,
            cache_read: self.cached,
            cache_write_5m: self.written,
            output: self.output,
            ..Usage::default()
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cached: self.cached + other.cached,
            written: self.written + other.written,
            output: self.output + other.output,
            reasoning: self.reasoning + other.reasoning,
        }
    }
}

/// Requests, tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    pub(crate) requests: u64,
    pub(crate) tokens: Tokens,
    pub(crate) nanos: i64,
}

fn row(value: &Value) -> Row {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Row {
        number: text_of(&value["tags"]["n"]).parse().unwrap(),
        alias: text_of(&value["alias"]),
        model: text("model"),
        stream: value["stream"].as_bool().unwrap(),
        status: value["status"].as_u64().map(|status| u16::try_from(status).unwrap()),
        outcome: text_of(&value["outcome"]),
        source: text_of(&value["usage_source"]),
        tokens: Tokens::read(value),
        cost: (!value["cost_usd"].is_null()).then(|| nano_of(&value["cost_usd"])),
        attempts: usize::try_from(value["attempts"].as_u64().unwrap()).unwrap(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Every row, by way of the pages. A reader that asks too often waits as it is told.
pub(crate) async fn all(session: &Client) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = session.get(&format!("/manage/logs?limit=500{cursor}")).send().await;
        if answer.status == 429 {
            let wait = answer.header("retry-after").unwrap().parse().unwrap();
            tokio::time::sleep(Duration::from_secs(wait)).await;
            continue;
        }
        let page = answer.expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().map(row));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// The sum of rows.
pub(crate) fn sum(rows: &[Row]) -> Sum {
    rows.iter().fold(Sum::default(), |sum, row| Sum {
        requests: sum.requests + 1,
        tokens: sum.tokens.plus(row.tokens),
        nanos: sum.nanos + row.cost.unwrap_or(0),
    })
}

/// The sums that `/manage/usage` reports.
pub(crate) async fn usage(session: &Client) -> Sum {
    let groups = session.get("/manage/usage?group_by=alias,provider,model,status").send().await.expect(200).json();
    groups.as_array().unwrap().iter().fold(Sum::default(), |sum, group| Sum {
        requests: sum.requests + group["requests"].as_u64().unwrap(),
        tokens: sum.tokens.plus(Tokens::read(group)),
        nanos: sum.nanos + if group["cost_usd"].is_null() { 0 } else { nano_of(&group["cost_usd"]) },
    })
}
