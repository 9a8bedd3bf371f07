//! A streamed answer, event by event. It is handed the `data` of each event and does no framing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{Part, Text};
use tt_core::call::tool::ToolCall;

use super::error::{self, ErrorBody};
use super::reply::{finish, free_form, origin, refusal as refusal_words, unreadable};
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
    /// Open content blocks by their index, which is the number of the block. Anthropic opens one at a time today.
    blocks: BTreeMap<u32, Block>,
    /// The number after the highest so far.
    next_block: u32,
    /// Who signs: known once the stream names its model.
    of: Origin,
    /// The structured answer was given as the input of its tool.
    answered: bool,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<Value>,
    usage: Running,
}

/// An open block.
#[derive(Debug)]
enum Block {
    Text,
    /// With the signature so far.
    Thinking(String),
    /// A call; `given`: the input the block began with, for when no JSON follows.
    Call {
        given: String,
        seen: bool,
    },
    /// A call of a custom tool, with its JSON so far.
    Custom {
        given: String,
        json: String,
    },
    /// The tool that stands for a structured answer, shown as text.
    Answer {
        given: String,
        seen: bool,
    },
    /// Redacted thinking, whole when it begins.
    Redacted,
    /// The provider's own tools, and what we do not know: not shown.
    Hidden,
}

/// The top level of an event; a field that its type does not use stays unread.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    index: Option<u32>,
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
struct BlockDelta<'a> {
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
    stop_sequence: Option<String>,
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
            next_block: 0,
            of: origin(""),
            answered: false,
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage: Running::default(),
        }
    }

    fn start(&mut self, message: Start<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.of = origin(&message.model);
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

    fn open(&mut self, index: u32, start: BlockStart<'_>, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let (head, block) = match start.kind.as_ref() {
            "text" => (Part::text(text(start.text)?), Block::Text),
            "thinking" => (Part::thinking(text(start.thinking)?), Block::Thinking(text(start.signature)?)),
            "redacted_thinking" => (Part::Redacted { data: text(start.data)?, of: self.of.clone() }, Block::Redacted),
            "tool_use" => {
                let given = start.input.map(RawValue::get).filter(|input| *input != "null").unwrap_or("{}").to_owned();
                let name = text(start.name)?;
                if self.undo.answer_tool.as_deref() == Some(&name) {
                    self.answered = true;
                    (Part::Text(Text::default()), Block::Answer { given, seen: false })
                } else {
                    let name = self.undo.tool_name(&name).to_owned();
                    let custom = self.undo.custom_tools.contains(&name);
                    let call = ToolCall { id: text(start.id)?, name, custom, ..ToolCall::default() };
                    let block = if custom {
                        Block::Custom { given, json: String::new() }
                    } else {
                        Block::Call { given, seen: false }
                    };
                    (Part::ToolCall(call), block)
                }
            }
            _ => {
                self.blocks.insert(index, Block::Hidden);
                return Ok(());
            }
        };
        self.next_block = self.next_block.max(index.saturating_add(1));
        self.blocks.insert(index, block);
        out.push(Event::BlockStart { choice: 0, block: index, head });
        Ok(())
    }

    fn more(&mut self, index: u32, delta: BlockDelta<'_>, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let Some(block) = self.blocks.get_mut(&index) else { return Ok(()) };
        match (delta.kind.as_ref(), block) {
            ("text_delta", Block::Text) => push(index, Delta::Text, text(delta.text)?, out),
            ("thinking_delta", Block::Thinking(_)) => push(index, Delta::Thinking, text(delta.thinking)?, out),
            ("signature_delta", Block::Thinking(signature)) => *signature = text(delta.signature)?,
            ("input_json_delta", block) => {
                let piece = text(delta.partial_json)?;
                if piece.is_empty() {
                    return Ok(());
                }
                match block {
                    Block::Call { seen, .. } => {
                        *seen = true;
                        push(index, Delta::Arguments, piece, out);
                    }
                    Block::Answer { seen, .. } => {
                        *seen = true;
                        push(index, Delta::Text, piece, out);
                    }
                    Block::Custom { json, .. } => {
                        if json.len().saturating_add(piece.len()) > LONGEST_INPUT {
                            return Err(UpstreamError::Protocol("a tool's input is too long".to_owned()));
                        }
                        json.push_str(&piece);
                    }
                    Block::Text | Block::Thinking(_) | Block::Redacted | Block::Hidden => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, index: u32, out: &mut Vec<Event>) {
        match self.blocks.remove(&index) {
            None | Some(Block::Hidden) => return,
            Some(Block::Thinking(value)) if !value.is_empty() => {
                let signature = Signature { of: self.of.clone(), value };
                out.push(Event::Delta { choice: 0, block: index, delta: Delta::Signature(signature) });
            }
            // A call without arguments may stream no JSON at all.
            Some(Block::Call { given, seen: false }) => push(index, Delta::Arguments, given, out),
            Some(Block::Answer { given, seen: false }) => push(index, Delta::Text, given, out),
            Some(Block::Custom { given, json }) => {
                push(index, Delta::Arguments, free_form(if json.is_empty() { &given } else { &json }), out);
            }
            Some(Block::Text | Block::Thinking(_) | Block::Call { .. } | Block::Answer { .. } | Block::Redacted) => {}
        }
        out.push(Event::BlockStop { choice: 0, block: index });
    }

    fn stop(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if !self.started {
            return Err(UpstreamError::Protocol("message_stop came before message_start".to_owned()));
        }
        self.stopped = true;
        // Blocks that were not closed are complete all the same.
        while let Some((&index, _)) = self.blocks.first_key_value() {
            self.close(index, out);
        }
        if let Some(text) = refusal_words(self.stop_details.as_ref()) {
            let block = self.next_block;
            out.push(Event::BlockStart { choice: 0, block, head: Part::Refusal { text } });
            out.push(Event::BlockStop { choice: 0, block });
        }
        let native = self.stop_reason.take().unwrap_or_default();
        let finish = Finish {
            reason: finish(if native.is_empty() { "end_turn" } else { &native }, self.answered),
            native,
            stop_sequence: self.stop_sequence.take(),
            detail: self.stop_details.take(),
        };
        out.push(Event::Finish { choice: 0, finish });
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
                self.stop_sequence = delta.stop_sequence.or(self.stop_sequence.take());
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

/// Adds a piece to a block; an empty one says nothing.
fn push(block: u32, delta: impl FnOnce(String) -> Delta, piece: String, out: &mut Vec<Event>) {
    if !piece.is_empty() {
        out.push(Event::Delta { choice: 0, block, delta: delta(piece) });
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
