//! Anthropic's usage as billing classes : converted here and nowhere else.
//!
//! `types/usage.py`: "Total input tokens in a request is the summation of `input_tokens`,
//! `cache_creation_input_tokens`, and `cache_read_input_tokens`."

use serde_json::{Map, Value};
use tt_core::Usage;
use tt_core::fee::Fee;
use tt_core::usage::{BilledBeside, Reported};

/// The longest word that is taken for one: it goes into every record.
const LONGEST_WORD: usize = 64;

/// Reads a usage object; `raw` is its text as sent. A number that is none counts as absent: an answer is not lost
/// for a field of its accounting.
pub(super) fn reported(usage: &Map<String, Value>, raw: String) -> Reported {
    let beside = usage.get("iterations").and_then(Value::as_array).into_iter().flatten();
    Reported {
        usage: classes(usage),
        raw,
        service_tier: usage.get("service_tier").and_then(Value::as_str).map(str::to_owned),
        modifiers: ["inference_geo", "speed"]
            .iter()
            .filter_map(|name| usage.get(*name).and_then(Value::as_str))
            .filter(|word| word.len() <= LONGEST_WORD)
            .map(str::to_owned)
            .collect(),
        beside: beside.filter_map(Value::as_object).filter_map(billed_beside).collect(),
        fees: fees(usage),
    }
}

/// What is billed beside tokens: searches of the web, by the query. Fetches of pages cost nothing and are not in it.
fn fees(usage: &Map<String, Value>) -> Vec<Fee> {
    let searches = usage.get("server_tool_use").and_then(|tools| tools.get("web_search_requests")?.as_u64());
    let mut fees = Vec::new();
    Fee::web_searches(searches.unwrap_or(0)).add_to(&mut fees);
    fees
}

/// The top level is the sum of the `message` passes and holds neither compaction nor the advisor's
/// (`types/beta/beta_usage.py`). An advisor is billed at its own model's price.
fn billed_beside(pass: &Map<String, Value>) -> Option<BilledBeside> {
    matches!(pass.get("type").and_then(Value::as_str), Some("compaction" | "advisor_message")).then(|| BilledBeside {
        model: pass.get("model").and_then(Value::as_str).map(str::to_owned),
        usage: classes(pass),
    })
}

fn classes(usage: &Map<String, Value>) -> Usage {
    let count = |name| usage.get(name).and_then(Value::as_u64);
    let within = |holder: &str, name: &str| usage.get(holder)?.get(name)?.as_u64();
    let split_5m = within("cache_creation", "ephemeral_5m_input_tokens");
    let split_1h = within("cache_creation", "ephemeral_1h_input_tokens").unwrap_or(0);
    // The total counts: the split comes only with `message_start`, and what a later total holds beyond it is billed
    // as five-minute writes. A total under the split cannot be told apart; the dearer class is kept.
    let (cache_write_5m, cache_write_1h) = match count("cache_creation_input_tokens") {
        Some(total) => (total.saturating_sub(split_1h), split_1h.min(total)),
        None => (split_5m.unwrap_or(0), split_1h),
    };
    Usage {
        input: count("input_tokens").unwrap_or(0),
        cache_read: count("cache_read_input_tokens").unwrap_or(0),
        cache_write_5m,
        cache_write_1h,
        output: count("output_tokens").unwrap_or(0),
        reasoning: within("output_tokens_details", "thinking_tokens"),
        ..Usage::default()
    }
}

/// A stream's usage so far: each report replaces what it names and leaves the rest.
#[derive(Debug, Default)]
pub(super) struct Running(Map<String, Value>);

impl Running {
    /// Lays `later` over what is known.
    pub(super) fn overlay(&mut self, later: Map<String, Value>) {
        for (name, value) in later {
            // The SDK does the same: null says nothing.
            if !value.is_null() || !self.0.contains_key(&name) {
                self.0.insert(name, value);
            }
        }
    }

    /// The usage so far; `None` before the first report.
    pub(super) fn reported(&self) -> Option<Reported> {
        (!self.0.is_empty()).then(|| reported(&self.0, Value::Object(self.0.clone()).to_string()))
    }
}
