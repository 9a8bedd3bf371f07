//! Anthropic's usage as billing classes (`MAPPING.md`, Usage of Anthropic). No other file converts its numbers.
//!
//! `types/usage.py`: "Total input tokens in a request is the summation of `input_tokens`,
//! `cache_creation_input_tokens`, and `cache_read_input_tokens`."

use serde_json::{Map, Value};
use tt_core::Usage;
use tt_core::fee::Fee;
use tt_core::usage::{BilledBeside, Reported};

use crate::json;

/// The longest tier or modifier that is kept, in bytes: it goes into every record.
const LONGEST_WORD: usize = 64;

/// Reads a usage object; `raw` is its text as sent. A count that is no number counts as absent: a broken
/// count must not lose the answer.
pub(super) fn reported(usage: &Map<String, Value>, raw: String) -> Reported {
    let beside = usage.get("iterations").and_then(Value::as_array).into_iter().flatten();
    let mut reported = Reported {
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
    };
    reported.bound();
    reported
}

/// The fees beside tokens: web searches, billed by the request. Web fetches are free, so they are not counted.
fn fees(usage: &Map<String, Value>) -> Vec<Fee> {
    let searches = usage.get("server_tool_use").and_then(|tools| tools.get("web_search_requests")?.as_u64());
    let mut fees = Vec::new();
    Fee::web_searches(searches.unwrap_or(0)).add_to(&mut fees);
    fees
}

/// The usage of passes that the top level does not hold. The top level is the sum of the `message` passes, without
/// compaction and advisor passes (`types/beta/beta_usage.py`). An advisor is billed at its own model's price.
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
    // The total decides: the split comes only with `message_start`, and the tokens that a later total has beyond it are
    // billed as five-minute writes. A total below the split cannot be divided, so the dearer class is kept.
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

/// The usage of a stream so far. Each report replaces the fields that it names and leaves the others.
#[derive(Debug, Default)]
pub(super) struct Running {
    fields: Map<String, Value>,
    /// The memory that the fields take, in bytes.
    bytes: usize,
}

/// The most memory that the fields of a running usage take, in bytes. Real ones take about 5,000.
const MOST_BYTES: usize = 256 << 10;

impl Running {
    /// Replaces the known fields by those of `later`.
    pub(super) fn overlay(&mut self, later: Map<String, Value>) {
        for (name, value) in later {
            let bytes = name.len() + json::memory(&value);
            // A null leaves the field as it was, as in the official SDK.
            let says = !value.is_null() || !self.fields.contains_key(&name);
            if says && self.bytes.saturating_add(bytes) <= MOST_BYTES {
                self.bytes += bytes;
                let before = self.fields.insert(name, value);
                self.bytes -= before.map_or(0, |before| json::memory(&before));
            }
        }
    }

    /// The memory that the fields take, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// The usage so far; `None` before the first report.
    pub(super) fn reported(&self) -> Option<Reported> {
        let raw = || serde_json::to_string(&self.fields).unwrap_or_default();
        (!self.fields.is_empty()).then(|| reported(&self.fields, raw()))
    }
}
