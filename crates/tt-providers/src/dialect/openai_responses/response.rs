//! The response object, written the same way in whole answers and in streams.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::usage::Reported;

use super::usage;
use crate::codec::ReplyContext;
use crate::dialect::body::{Fields, JsonText};
use crate::dialect::service_tier;
use crate::dialect::short_name::short_name;
use crate::json;

/// The fields of a request that the answer repeats.
const REPEATED: [&str; 16] = [
    "background",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// The longest value that the answer repeats, in bytes. A stream repeats it three times.
const LONGEST: usize = 1024;

/// The fields of a request that the answer repeats, as the client wrote them. A long one is not repeated, and neither are the
/// instructions and the tools: they may be longer than the answer, and clients know them.
#[derive(Debug, Clone, Default)]
pub(super) struct Repeated(Vec<(&'static str, Bytes)>);

impl Repeated {
    /// Those among the top-level fields of a request. `slice` gives the bytes of a value.
    pub(super) fn of(fields: &Fields<'_>, slice: impl Fn(JsonText<'_>) -> Bytes) -> Self {
        let short = |value: &JsonText<'_>| value.get().len() <= LONGEST && value.get() != "null";
        let repeated = REPEATED.into_iter().filter_map(|name| {
            let value = fields.value(name).filter(short)?;
            Some((name, slice(value)))
        });
        Self(repeated.collect())
    }
}

/// The parts of the response object that are known when the answer begins.
#[derive(Debug)]
pub(super) struct Response {
    id: String,
    created: i64,
    model: String,
    repeated: Map<String, Value>,
}

/// The state of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    InProgress,
    Completed,
    /// The answer was broken off for this reason.
    Incomplete(&'static str),
    /// The answer broke: the code and the words of the error.
    Failed(&'a str, &'a str),
}

impl Status<'_> {
    /// The state of an answer that ended so. `refused` is true if the answer holds the words of a refusal.
    pub(super) fn of(finish: Option<&Finish>, refused: bool) -> Self {
        let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason);
        match reason {
            // The part of a broken answer that had come is shown as it is: no limit was reached, and another try may do better.
            FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Incomplete => Self::Completed,
            FinishReason::Refusal | FinishReason::ContentFilter if refused => Self::Completed,
            FinishReason::Refusal | FinishReason::ContentFilter => Self::Incomplete("content_filter"),
            FinishReason::Length
            | FinishReason::ContextWindow
            | FinishReason::PauseTurn
            | FinishReason::Continuation
            | FinishReason::Compaction => Self::Incomplete("max_output_tokens"),
        }
    }

    /// The word for the response and for its last item.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(..) => "failed",
        }
    }
}

impl Response {
    /// The response with the provider's `id` and `model`, or those of `context` where it gives none.
    pub(super) fn new(id: &str, model: &str, context: &ReplyContext, repeated: &Repeated) -> Self {
        let id = if id.is_empty() { context.id.simple().to_string() } else { id.to_owned() };
        let id = if id.starts_with("resp_") { id } else { format!("resp_{id}") };
        let model = if model.is_empty() { context.model.clone() } else { model.to_owned() };
        let read = |(name, value): &(&'static str, Bytes)| Some(((*name).to_owned(), json::value(value).ok()?));
        Self {
            id: short_name(id),
            created: context.created,
            model: short_name(model),
            repeated: repeated.0.iter().filter_map(read).collect(),
        }
    }

    /// The memory that it takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.id.len() + self.model.len() + json::memory_of_names(&self.repeated) + 2 * LONGEST
    }

    /// The whole object. `output` is the list of items; its place is left to `Value::Null` where the caller writes it.
    pub(super) fn object(&self, status: Status<'_>, output: Value, reported: Option<&Reported>) -> Value {
        let error = match status {
            Status::Failed(code, message) => json!({"code": code, "message": message}),
            _ => Value::Null,
        };
        let details = match status {
            Status::Incomplete(reason) => json!({"reason": reason}),
            _ => Value::Null,
        };
        let repeated = |name: &str, absent: Value| self.repeated.get(name).cloned().unwrap_or(absent);
        let counted = match status {
            Status::InProgress | Status::Failed(..) => {
                reported.map_or(Value::Null, |reported| usage::encode(&reported.usage))
            }
            // Libraries fail on an answer without usage.
            Status::Completed | Status::Incomplete(_) => {
                usage::encode(&reported.map(|reported| reported.usage).unwrap_or_default())
            }
        };
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status.word(),
            "background": repeated("background", false.into()),
            "error": error,
            "incomplete_details": details,
            "instructions": null,
            "max_output_tokens": repeated("max_output_tokens", Value::Null),
            "max_tool_calls": repeated("max_tool_calls", Value::Null),
            "model": self.model,
            "output": output,
            "parallel_tool_calls": repeated("parallel_tool_calls", true.into()),
            "previous_response_id": repeated("previous_response_id", Value::Null),
            "prompt_cache_key": repeated("prompt_cache_key", Value::Null),
            "reasoning": repeated("reasoning", json!({"effort": null, "summary": null})),
            "safety_identifier": repeated("safety_identifier", Value::Null),
            "service_tier": tier(reported),
            // No answer is kept here, whatever was asked.
            "store": false,
            "temperature": repeated("temperature", json!(1.0)),
            "text": repeated("text", json!({"format": {"type": "text"}})),
            "tool_choice": repeated("tool_choice", "auto".into()),
            "tools": [],
            "top_logprobs": repeated("top_logprobs", 0.into()),
            "top_p": repeated("top_p", json!(1.0)),
            "truncation": repeated("truncation", "disabled".into()),
            "usage": counted,
            "user": repeated("user", Value::Null),
            "metadata": repeated("metadata", json!({})),
        })
    }
}

/// The tier that served, in OpenAI's words.
fn tier(reported: Option<&Reported>) -> &'static str {
    reported.and_then(|reported| reported.service_tier.as_deref()).map_or("default", service_tier::of_openai)
}
