//! Decodes a whole answer: its content, its stop reason and its usage.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{self, Part, Thinking};
use tt_core::call::reply::{Choice, Reply};
use tt_core::call::tool::ToolCall;
use tt_core::{Dialect, Provider};

use super::citation;
use super::error::{ErrorBody, in_stream};
use super::{search, usage};
use crate::codec::Undo;
use crate::dialect::custom_tool;
use crate::dialect::short_name::short_name;
use crate::json;
use crate::upstream::error::UpstreamError;

/// `types/message.py`.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    model: String,
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// An error in the place of an answer.
#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "type")]
    kind: String,
    error: ErrorBody,
}

/// The field that every block has.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Text<'a> {
    text: String,
    #[serde(borrow, default)]
    citations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ThinkingBlock {
    thinking: String,
    #[serde(default)]
    signature: String,
}

#[derive(Deserialize)]
struct Redacted {
    data: String,
}

#[derive(Deserialize)]
struct ToolUse<'a> {
    id: String,
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ServerToolUse<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Reads an answer.
///
/// Blocks of the provider's own tools (`server_tool_use` but for searches of the web, their results, compaction) are left out: no client runs them,
/// and the usage holds their cost.
///
/// # Errors
/// `Refused` for an error object with a success status, `Protocol` if the body is no message.
pub(super) fn decode_reply(body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
    let message: Message<'_> = read(body).map_err(|unreadable| match serde_json::from_slice(body) {
        Ok(Fault { kind, error }) if kind == "error" => UpstreamError::Refused(Box::new(in_stream(error))),
        _ => unreadable,
    })?;
    if message.kind != "message" {
        return Err(UpstreamError::Protocol("no Anthropic message".to_owned()));
    }
    let mut parts = Vec::new();
    let mut answered = false;
    let model = short_name(message.model);
    let of = origin(&model);
    for raw in message.content {
        let part = block(raw, &of, undo)?;
        answered |= matches!(&part, Some((_, true)));
        parts.extend(part.map(|(part, _)| part));
    }
    let detail = message.stop_details.and_then(detail);
    parts.extend(refusal(detail.as_ref()).map(|text| Part::Refusal { text }));
    let finish = message.stop_reason.map(|native| Finish {
        reason: finish(&native, answered),
        native,
        stop_sequence: message.stop_sequence,
        detail,
    });
    let usage = message.usage.and_then(|raw| {
        let usage = json::object(raw.get().as_bytes()).ok()?;
        Some(usage::reported(&usage, raw.get().to_owned()))
    });
    Ok(Reply {
        id: short_name(message.id),
        model,
        created: None,
        choices: vec![Choice { index: 0, parts, finish, logprobs: None, extra: Map::new() }],
        usage,
        extra: Map::new(),
    })
}

/// Decodes a block to a part; the second value is true if it is the structured answer. `None` for a block that the
/// client does not see.
fn block(raw: &RawValue, of: &Origin, undo: &Undo) -> Result<Option<(Part, bool)>, UpstreamError> {
    let raw = raw.get().as_bytes();
    let head: Head = read(raw)?;
    Ok(match head.kind.as_str() {
        "text" => {
            let Text { text, citations } = read(raw)?;
            let citations = citations.and_then(|raw| json::value(raw.get().as_bytes()).ok());
            let citations = citation::list(citations);
            (!text.is_empty()).then(|| (Part::Text(part::Text { text, citations, ..part::Text::default() }), false))
        }
        "thinking" => {
            let ThinkingBlock { thinking, signature } = read(raw)?;
            let signature = (!signature.is_empty()).then(|| Signature { of: of.clone(), value: signature });
            Some((Part::Thinking(Thinking { text: thinking, signature, ..Thinking::default() }), false))
        }
        "redacted_thinking" => {
            let Redacted { data } = read(raw)?;
            Some((Part::Redacted { data, of: of.clone() }, false))
        }
        "tool_use" => {
            let ToolUse { id, name, input } = read(raw)?;
            let input = input.map(RawValue::get).filter(|input| *input != "null").unwrap_or("{}");
            if undo.answer_tool.as_deref() == Some(&name) {
                return Ok(Some((Part::text(input), true)));
            }
            let name = undo.tool_name(&name).to_owned();
            let custom = undo.custom_tools.contains(&name);
            let arguments = if custom { custom_tool::input(input) } else { input.to_owned() };
            Some((Part::ToolCall(ToolCall { id, name, arguments, custom, ..ToolCall::default() }), false))
        }
        "server_tool_use" => {
            let ServerToolUse { name, input } = read(raw)?;
            input.filter(|_| name == search::NAME).and_then(|input| searched(input.get())).map(|part| (part, false))
        }
        _ => None,
    })
}

/// The search of the web with this input, JSON text; `None` where it has no words.
pub(super) fn searched(input: &str) -> Option<Part> {
    #[derive(Deserialize)]
    struct Input {
        query: String,
    }

    let Input { query } = serde_json::from_str(input).ok()?;
    Some(Part::WebSearch { query })
}

/// The origin of the signatures in an answer of `model`.
pub(super) fn origin(model: &str) -> Origin {
    Origin::with_model(Dialect::AnthropicMessages, Provider::Anthropic, model)
}

/// The longest `stop_details` that are read, in bytes.
const LONGEST_DETAIL: usize = 64 << 10;

/// Reads `stop_details`; `None` for more than 64 KiB, which Anthropic does not send.
pub(super) fn detail(raw: &RawValue) -> Option<Value> {
    let raw = raw.get();
    if raw.len() > LONGEST_DETAIL { None } else { json::value(raw.as_bytes()).ok() }
}

/// The explanation of a refusal; `None` where there is none (`stop_details.explanation`,
/// `types/refusal_stop_details.py`).
pub(super) fn refusal(stop_details: Option<&Value>) -> Option<String> {
    let words = stop_details?.get("explanation")?.as_str()?;
    (!words.is_empty()).then(|| words.to_owned())
}

/// The finish reason for a `stop_reason` (`types/stop_reason.py`). `answered` is true if the call that ended the answer
/// was the structured answer.
pub(super) fn finish(stop_reason: &str, answered: bool) -> FinishReason {
    match stop_reason {
        "tool_use" if !answered => FinishReason::ToolCalls,
        "max_tokens" => FinishReason::Length,
        "model_context_window_exceeded" => FinishReason::ContextWindow,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::PauseTurn,
        "compaction" => FinishReason::Compaction,
        "end_turn" | "stop_sequence" | "tool_use" => FinishReason::Stop,
        other => {
            tracing::warn!(stop_reason = other, "unknown stop reason, taken for the end of the turn");
            FinishReason::Stop
        }
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, UpstreamError> {
    serde_json::from_slice(json).map_err(|error| unreadable("message", &error))
}

/// The error for JSON that cannot be read: the kind and the place of the fault. The message of serde is not used, since
/// it quotes the text.
pub(super) fn unreadable(what: &str, error: &serde_json::Error) -> UpstreamError {
    let (kind, line, column) = (error.classify(), error.line(), error.column());
    UpstreamError::Protocol(format!("no Anthropic {what}: {kind:?} error at line {line} column {column}"))
}
