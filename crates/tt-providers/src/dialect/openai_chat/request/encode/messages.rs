//! Encodes the messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tt_core::call::conversation::{Message, Part, Role, ToolCall, ToolResult};
use tt_core::call::field::Field;

use super::fields::put;
use super::parts::{HERE, Parts, takes_breakpoint};
use crate::dialect::foreign;
use crate::dialect::openai_chat::citation;
use crate::dialect::openai_chat::names::Names;
use crate::dialect::waiting_calls::WaitingCalls;
use crate::error::RequestError;

/// Encodes the messages of a conversation.
pub(super) struct Messages<'a> {
    pub(super) names: &'a Names,
    pub(super) parts: Parts<'a>,
}

impl Messages<'_> {
    /// All messages, in order.
    pub(super) fn encode(mut self, messages: &[Message]) -> Result<Vec<Value>, RequestError> {
        let mut encoded = Vec::with_capacity(messages.len());
        // Pictures in tool results go into a user message behind the results: `tool` messages take text only, and no
        // other message may stand between them.
        let mut pictures: Vec<Value> = Vec::new();
        if !self.parts.own {
            answered(messages)?;
        }
        for (i, message) in messages.iter().enumerate() {
            let only_results = message.parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
            if !(pictures.is_empty() || only_results && message.role == Role::Tool) {
                encoded.push(json!({"role": "user", "content": std::mem::take(&mut pictures)}));
            }
            self.message(message, i, &mut encoded, &mut pictures)?;
        }
        if !pictures.is_empty() {
            encoded.push(json!({"role": "user", "content": pictures}));
        }
        Ok(encoded)
    }

    fn message(
        &mut self,
        message: &Message,
        at: usize,
        encoded: &mut Vec<Value>,
        pictures: &mut Vec<Value>,
    ) -> Result<(), RequestError> {
        for part in &message.parts {
            if part.cache().is_some() && !(self.parts.breakpoints && takes_breakpoint(part)) {
                self.parts.notes.dropped(Field::CacheMarks, "");
            }
            if let Part::ToolResult(result) = part {
                encoded.push(self.tool_result(message, result, at, pictures)?);
            }
        }
        if message.role == Role::Tool {
            return Ok(());
        }
        // Other dialects send results and more of the user's words in one message: the pictures stand between them.
        let says_more = message.parts.iter().any(|part| !matches!(part, Part::ToolResult(_)));
        if says_more && !pictures.is_empty() {
            encoded.push(json!({"role": "user", "content": std::mem::take(pictures)}));
        }
        let mut out = Map::new();
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        out.insert("role".into(), role.into());
        put(&mut out, "name", message.name.as_deref());
        let mut content = Vec::new();
        let mut refusals = String::new();
        let mut calls = Vec::new();
        for (number, part) in message.parts.iter().enumerate() {
            match part {
                Part::Refusal { text } => refusals.push_str(text),
                Part::ToolCall(call) => calls.push(call),
                Part::ToolResult(_) => {}
                // OpenAI takes pictures of the user alone.
                Part::Image(_) if message.role == Role::Assistant => {
                    self.parts
                        .notes
                        .dropped(Field::Part { message: at, part: number }, "OpenAI takes no pictures of the model");
                }
                part => content.extend(self.parts.part(part, at)?),
            }
        }
        if message.role != Role::Assistant {
            // A user message with nothing but tool results has been written above. A system prompt without parts stands
            // for none.
            if content.is_empty() && (!message.parts.is_empty() || message.role == Role::System) {
                return Ok(());
            }
            out.insert("content".into(), joined(content));
        } else {
            let silent = content.is_empty() && !(calls.is_empty() && refusals.is_empty());
            out.insert("content".into(), if silent { Value::Null } else { joined(content) });
            if !refusals.is_empty() {
                out.insert("refusal".into(), refusals.into());
            }
            self.calls(&mut out, &calls);
        }
        let annotations = citation::annotations(message.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        }));
        if message.role == Role::Assistant && !annotations.is_empty() {
            out.insert("annotations".into(), annotations.into());
        }
        for field in ["audio", "annotations"] {
            put(&mut out, field, message.extra.get(field).filter(|_| self.parts.own).cloned());
        }
        encoded.push(Value::Object(out));
        Ok(())
    }

    fn calls(&mut self, out: &mut Map<String, Value>, calls: &[&ToolCall]) {
        if calls.iter().any(|call| call.signature.is_some()) {
            self.parts.notes.dropped(Field::Signatures, "only the provider that made it can read it");
        }
        let list: Vec<Value> = calls
            .iter()
            .map(|call| {
                let name = self.names.sent(&call.name);
                if call.custom {
                    json!({"id": call.id, "type": "custom", "custom": {"name": name, "input": call.arguments}})
                } else {
                    json!({"id": call.id, "type": "function",
                        "function": {"name": name, "arguments": call.arguments}})
                }
            })
            .collect();
        if !list.is_empty() {
            out.insert("tool_calls".into(), list.into());
        }
    }

    fn tool_result(
        &mut self,
        message: &Message,
        result: &ToolResult,
        at: usize,
        pictures: &mut Vec<Value>,
    ) -> Result<Value, RequestError> {
        let mut texts = Vec::new();
        for part in &result.content {
            match part {
                Part::Text(_) => texts.extend(self.parts.part(part, at)?),
                Part::Opaque(opaque)
                    if let Some(text) = foreign::in_words(opaque, HERE, &Field::Content(at), self.parts.notes) =>
                {
                    texts.push(json!({"type": "text", "text": text}));
                }
                other => pictures.extend(self.parts.part(other, at)?),
            }
        }
        if result.is_error {
            match texts.first_mut().and_then(|first| first.get_mut("text")) {
                Some(text) => *text = format!("Error: {}", text.as_str().unwrap_or_default()).into(),
                None => texts.push(json!({"type": "text", "text": "Error: "})),
            }
        }
        let mut out = Map::new();
        out.insert("role".into(), "tool".into());
        out.insert("tool_call_id".into(), result.id.as_str().into());
        put(&mut out, "name", message.name.as_deref().map(|name| self.names.sent(name)));
        out.insert("content".into(), joined(texts));
        Ok(Value::Object(out))
    }
}

/// Checks that each call has a result before the model speaks again, and each result a call: OpenAI refuses a history without.
fn answered(messages: &[Message]) -> Result<(), RequestError> {
    let (mut waiting, mut open, mut calls) = (WaitingCalls::default(), BTreeMap::new(), 0);
    let all_answered = |open: &BTreeMap<usize, Field>| match open.first_key_value() {
        None => Ok(()),
        Some((_, at)) => Err(RequestError::malformed(
            at.clone(),
            "nothing answers this call: send a result for each call before the conversation goes on",
        )),
    };
    for (index, message) in messages.iter().enumerate() {
        let (mut number, mut speaks) = (0, message.role == Role::Assistant);
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => {
                    let call = waiting.answer(&result.id).ok_or_else(|| {
                        RequestError::malformed(Field::ResultId(index), "answers no open call of the model before it")
                    })?;
                    open.remove(&call);
                }
                Part::ToolCall(call) => {
                    if std::mem::take(&mut speaks) {
                        all_answered(&open)?;
                    }
                    waiting.add(&call.id, calls);
                    open.insert(calls, Field::ToolCall { message: index, call: number });
                    (calls, number) = (calls + 1, number + 1);
                }
                _ => {}
            }
        }
        if speaks {
            all_answered(&open)?;
        }
    }
    all_answered(&open)
}

/// Encodes content parts: a single text as a string, anything else as a list.
fn joined(mut parts: Vec<Value>) -> Value {
    let text = match parts.as_mut_slice() {
        [] => Some(String::new()),
        [Value::Object(part)] if part.len() == 2 && part.get("type").and_then(Value::as_str) == Some("text") => part
            .get_mut("text")
            .map(Value::take)
            .and_then(|text| if let Value::String(text) = text { Some(text) } else { None }),
        _ => None,
    };
    text.map_or(Value::Array(parts), Value::String)
}
