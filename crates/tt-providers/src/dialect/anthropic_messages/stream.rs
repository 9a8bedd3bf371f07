//! A streamed answer, event by event. It is handed the `data` of each event; framing is someone else's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::event::Event;

use super::error::{self, ErrorBody};
use super::reply::{finish, free_form, refusal as refusal_words, sign, unreadable};
use super::usage::Running;
use crate::codec::{StreamDecoder, Undo};
use crate::upstream::error::UpstreamError;

/// The most JSON kept of one custom tool's input, which can be unwrapped only when it is whole.
const LONGEST_INPUT: usize = 16 << 20;

/// Decodes one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    undo: Undo,
    started: bool,
    stopped: bool,
    /// Open content blocks by their index. Anthropic opens one at a time today.
    blocks: BTreeMap<u64, Block>,
    /// Tool calls shown so far.
    calls: u32,
    /// The structured answer was given as the input of its tool.
    answered: bool,
    stop_reason: Option<String>,
    stop_details: Option<Value>,
    usage: Running,
}

/// An open block.
#[derive(Debug)]
enum Block {
    Text,
    /// With the signature so far.
    Thinking(String),
    /// A call with its number; `given`: the input the block began with, for when no JSON follows.
    Call {
        call: u32,
        given: String,
        seen: bool,
    },
    /// A call of a custom tool, with its JSON so far.
    Custom {
        call: u32,
        given: String,
        json: String,
    },
    /// The tool that stands for a structured answer.
    Answer {
        given: String,
        seen: bool,
    },
    /// The provider's own tools, and what we do not know.
    Hidden,
}

/// What events have at their top level; what a type does not use stays unread.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    index: Option<u64>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(default)]
    id: String,
    #[serde(default)]
    model: String,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BlockStart<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
    stop_details: Option<Value>,
}

impl Decoder {
    /// A decoder for the answer to a request that was encoded with `undo`.
    pub(super) fn new(undo: Undo) -> Self {
        Self {
            undo,
            started: false,
            stopped: false,
            blocks: BTreeMap::new(),
            calls: 0,
            answered: false,
            stop_reason: None,
            stop_details: None,
            usage: Running::default(),
        }
    }

    fn start(&mut self, message: Start<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        out.push(Event::Start { id: message.id, model: message.model, created: None });
        self.count(message.usage, out);
    }

    /// Lays a usage report over what is known and tells the sum of it, so that a stream cut later is accounted for
    /// by the last report.
    fn count(&mut self, usage: Option<&RawValue>, out: &mut Vec<Event>) {
        let Some(usage) = usage.and_then(|raw| serde_json::from_str::<Map<String, Value>>(raw.get()).ok()) else {
            return;
        };
        self.usage.overlay(usage);
        out.extend(self.usage.reported().map(Event::Usage));
    }

    fn open(&mut self, index: u64, start: BlockStart<'_>, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let block = match start.kind.as_ref() {
            "text" => {
                push_text(text(start.text)?, out);
                Block::Text
            }
            "thinking" => {
                push_thinking(text(start.thinking)?, out);
                Block::Thinking(text(start.signature)?)
            }
            "redacted_thinking" => {
                out.push(Event::RedactedThinking { choice: 0, data: text(start.data)? });
                Block::Hidden
            }
            "tool_use" => {
                let given = start.input.map(RawValue::get).filter(|input| *input != "null").unwrap_or("{}").to_owned();
                let name = text(start.name)?;
                if self.undo.answer_tool.as_deref() == Some(&name) {
                    self.answered = true;
                    Block::Answer { given, seen: false }
                } else {
                    let call = self.calls;
                    self.calls = self.calls.saturating_add(1);
                    let name = self.undo.tool_name(&name).to_owned();
                    let custom = self.undo.custom_tools.contains(&name);
                    out.push(Event::ToolCall { choice: 0, call, id: text(start.id)?, name, custom, signature: None });
                    if custom {
                        Block::Custom { call, given, json: String::new() }
                    } else {
                        Block::Call { call, given, seen: false }
                    }
                }
            }
            _ => Block::Hidden,
        };
        self.blocks.insert(index, block);
        Ok(())
    }

    fn more(&mut self, index: u64, delta: Delta<'_>, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let Some(block) = self.blocks.get_mut(&index) else { return Ok(()) };
        match (delta.kind.as_ref(), block) {
            ("text_delta", Block::Text) => push_text(text(delta.text)?, out),
            ("thinking_delta", Block::Thinking(_)) => push_thinking(text(delta.thinking)?, out),
            ("signature_delta", Block::Thinking(signature)) => *signature = text(delta.signature)?,
            ("input_json_delta", block) => {
                let piece = text(delta.partial_json)?;
                if piece.is_empty() {
                    return Ok(());
                }
                match block {
                    Block::Call { call, seen, .. } => {
                        *seen = true;
                        out.push(Event::ToolArguments { choice: 0, call: *call, json: piece });
                    }
                    Block::Answer { seen, .. } => {
                        *seen = true;
                        push_text(piece, out);
                    }
                    Block::Custom { json, .. } => {
                        if json.len().saturating_add(piece.len()) > LONGEST_INPUT {
                            return Err(UpstreamError::Protocol("a tool's input is too long".to_owned()));
                        }
                        json.push_str(&piece);
                    }
                    Block::Text | Block::Thinking(_) | Block::Hidden => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, index: u64, out: &mut Vec<Event>) {
        match self.blocks.remove(&index) {
            Some(Block::Thinking(signature)) if !signature.is_empty() => {
                out.push(Event::ThinkingSigned { choice: 0, signature: sign(signature) });
            }
            // A call without arguments may stream no JSON at all.
            Some(Block::Call { call, given, seen: false }) => {
                out.push(Event::ToolArguments { choice: 0, call, json: given });
            }
            Some(Block::Answer { given, seen: false }) => push_text(given, out),
            Some(Block::Custom { call, given, json }) => {
                let input = free_form(if json.is_empty() { &given } else { &json });
                out.push(Event::ToolArguments { choice: 0, call, json: input });
            }
            _ => {}
        }
    }

    fn stop(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if !self.started {
            return Err(UpstreamError::Protocol("message_stop came before message_start".to_owned()));
        }
        self.stopped = true;
        out.extend(refusal_words(self.stop_details.as_ref()).map(|text| Event::Refusal { choice: 0, text }));
        let reason = self.stop_reason.as_deref().unwrap_or("end_turn");
        out.push(Event::Finish { choice: 0, reason: finish(reason, self.answered) });
        out.extend(self.usage.reported().map(Event::Usage));
        out.push(Event::Done);
        Ok(())
    }
}

impl StreamDecoder for Decoder {
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let frame: Frame<'_> = read(data)?;
        // By the type in the data: it always stands there, the event line only by convention.
        match frame.kind.as_ref() {
            // Nothing counts after the end.
            _ if self.stopped => {}
            "error" => {
                let error: ErrorBody = part(frame.error, "error")?;
                return Err(UpstreamError::Refused(Box::new(error::in_stream(error))));
            }
            "ping" => out.push(Event::Ping),
            "message_start" => self.start(part(frame.message, "message")?, out),
            "content_block_start" => {
                self.open(frame.index.unwrap_or(0), part(frame.content_block, "content_block")?, out)?;
            }
            "content_block_delta" => self.more(frame.index.unwrap_or(0), part(frame.delta, "delta")?, out)?,
            "content_block_stop" => self.close(frame.index.unwrap_or(0), out),
            "message_delta" => {
                let delta: MessageDelta = part(frame.delta, "delta")?;
                self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
                self.stop_details = delta.stop_details.or(self.stop_details.take());
                self.count(frame.usage, out);
            }
            "message_stop" => self.stop(out)?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if self.stopped {
            Ok(())
        } else {
            Err(UpstreamError::Protocol("the stream ended before message_stop".to_owned()))
        }
    }
}

fn push_text(text: String, out: &mut Vec<Event>) {
    if !text.is_empty() {
        out.push(Event::Text { choice: 0, text, signature: None });
    }
}

fn push_thinking(text: String, out: &mut Vec<Event>) {
    if !text.is_empty() {
        out.push(Event::Thinking { choice: 0, text });
    }
}

/// A string field; empty where it is absent.
fn text(raw: Option<&RawValue>) -> Result<String, UpstreamError> {
    raw.map_or_else(|| Ok(String::new()), |raw| read(raw.get().as_bytes()))
}

fn part<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &str) -> Result<T, UpstreamError> {
    let raw = raw.ok_or_else(|| UpstreamError::Protocol(format!("an event without {name}")))?;
    read(raw.get().as_bytes())
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, UpstreamError> {
    serde_json::from_slice(json).map_err(|error| unreadable("event", &error))
}
