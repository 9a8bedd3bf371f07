//! The pieces of an answer, written the same way in whole answers and in streams.

use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::citation::{Citation, Place, Source};
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::origin::Signature;
use tt_core::call::tool::ToolCall;
use tt_core::usage::Usage;

use crate::dialect::service_tier;
use crate::dialect::signatures::made_by;

/// The parts of an answer that the proxy decides.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The id of an answer that has none of its provider's.
    pub(super) fallback_id: String,
    /// The name of the model of an answer that names none.
    pub(super) fallback_model: String,
}

impl Options {
    /// The id to show: the provider's, with Anthropic's prefix.
    pub(super) fn id(&self, id: &str) -> String {
        let id = if id.is_empty() { self.fallback_id.as_str() } else { id };
        if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{id}") }
    }

    /// The name of the model to show.
    pub(super) fn model<'a>(&'a self, model: &'a str) -> &'a str {
        if model.is_empty() { &self.fallback_model } else { model }
    }
}

/// The value of a signature that Anthropic made; empty for any other.
pub(super) fn signature(signature: Option<&Signature>) -> &str {
    made_by(Provider::Anthropic, signature).unwrap_or_default()
}

/// The input of a call, which is an object for every client. Arguments that are none stand under `arguments` in it, so that
/// nothing that the model wrote is lost.
pub(super) fn input(call: &ToolCall) -> Value {
    if call.custom {
        return json!({"input": call.arguments});
    }
    match crate::json::value(call.arguments.as_bytes()) {
        Ok(input @ Value::Object(_)) => input,
        Ok(Value::Null) => json!({}),
        _ if call.arguments.trim().is_empty() => json!({}),
        _ => json!({"arguments": call.arguments}),
    }
}

/// A citation of a text; `None` for a file in the store of another provider.
pub(super) fn citation(citation: &Citation) -> Option<Value> {
    let cited = citation.cited.as_deref().unwrap_or_default();
    match &citation.source {
        Source::Url { url, title } => Some(json!({
            "type": "web_search_result_location", "cited_text": cited, "encrypted_index": "", "title": title, "url": url,
        })),
        Source::Document { index, title, at } => {
            let (place, start, end) = at.unwrap_or((Place::Characters, 0, 0));
            let (kind, first, last) = match place {
                Place::Characters => ("char_location", "start_char_index", "end_char_index"),
                Place::Pages => ("page_location", "start_page_number", "end_page_number"),
                Place::Blocks => ("content_block_location", "start_block_index", "end_block_index"),
            };
            Some(json!({
                "type": kind, "cited_text": cited, "document_index": index, "document_title": title, first: start,
                last: end,
            }))
        }
        Source::File { .. } => None,
    }
}

/// The end of an answer: `stop_reason`, `stop_sequence` and, for a refusal, `stop_details`. `called` is true if the answer
/// has calls, `refusal` the words of a refusal.
pub(super) fn stop(finish: Option<&Finish>, called: bool, refusal: Option<&str>) -> Map<String, Value> {
    let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason);
    let sequence = finish.and_then(|finish| finish.stop_sequence.as_deref());
    let word = match reason {
        FinishReason::Stop | FinishReason::Incomplete if refusal.is_some() => "refusal",
        // OpenAI ends an answer with calls by `stop` where the request names the tool.
        FinishReason::Stop if called => "tool_use",
        FinishReason::Stop if sequence.is_some() => "stop_sequence",
        FinishReason::Stop | FinishReason::Incomplete => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::PauseTurn | FinishReason::Continuation => "pause_turn",
        FinishReason::Compaction => "compaction",
        FinishReason::ContextWindow => "model_context_window_exceeded",
    };
    let mut stop = Map::new();
    stop.insert("stop_reason".to_owned(), word.into());
    stop.insert("stop_sequence".to_owned(), sequence.into());
    if word == "refusal" {
        let details = json!({"type": "refusal", "category": null, "explanation": refusal});
        stop.insert("stop_details".to_owned(), details);
    }
    stop
}

/// The `usage` object: input without what caches hold, and the caches apart. `tier` is the one that the request was
/// processed in, in the words of any provider.
pub(super) fn usage(usage: &Usage, tier: Option<&str>) -> Value {
    let short = usage.cache_write_5m.saturating_add(usage.cache_write_30m);
    let long = usage.cache_write_1h.saturating_add(usage.cache_write_12h);
    let mut written = json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write(),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.output,
    });
    if let Some(thinking) = usage.reasoning {
        written["output_tokens_details"] = json!({"thinking_tokens": thinking});
    }
    if let Some(tier) = tier {
        written["service_tier"] = service_tier::of_anthropic(tier).into();
    }
    written
}
