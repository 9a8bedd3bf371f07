//! Decodes a streamed answer, event by event. The decoder gets the `data` of each event and does no framing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{Part, Text};
use tt_core::call::tool::ToolCall;

use super::error::{self, ErrorBody};
use super::reply::{detail, finish, origin, refusal as refusal_words, searched, unreadable};
use super::usage::Running;
use super::{citation, search};
use crate::codec::{StreamDecoder, Undo};
use crate::dialect::custom_tool;
use crate::dialect::held::Held;
use crate::dialect::short_name::short_name;
use crate::json;
use crate::upstream::error::UpstreamError;

/// The most usage reports that are passed on as they come; Anthropic sends two. Each writes the whole usage anew. Later
/// ones count at the end.
const MOST_REPORTS: u32 = 256;

/// Decodes one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    undo: Undo,
    started: bool,
    stopped: bool,
    /// The open content blocks by their index, which is the number of the block. Today Anthropic opens one at a time.
    blocks: BTreeMap<u32, Block>,
    /// The number of the open blocks, and the bytes that are kept of them.
    held: Held,
    /// The number after the highest block number so far.
    next_block: u32,
    /// The maker of the signatures. Its model is known once the stream names it.
    of: Origin,
    /// True once the structured answer has come as the input of its tool.
    answered: bool,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<Value>,
    usage: Running,
    /// The number of usage reports so far.
    reports: u32,
}

/// An open block.
#[derive(Debug)]
enum Block {
    Text,
    /// Thinking, with the signature so far.
    Thinking(String),
    /// A call. `given` is the input that the block began with, which counts if no JSON follows.
    Call {
        given: String,
        seen: bool,
    },
    /// A call of a custom tool, with the JSON of its input so far.
    Custom {
        given: String,
        json: String,
    },
    /// The tool that stands for a structured answer, shown as text.
    Answer {
        given: String,
        seen: bool,
    },
    /// A search of the web, with its input so far. The client sees it when it is whole.
    Search(String),
    /// Redacted thinking, which is whole when the block begins.
    Redacted,
    /// A block of the provider's own tools, or of a type that the decoder does not know. The client does not see it.
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
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
}

impl Block {
    /// The length of the texts that are kept, in bytes.
    fn kept_bytes(&self) -> usize {
        match self {
            Self::Thinking(text) | Self::Search(text) => text.len(),
            Self::Call { given, .. } | Self::Answer { given, .. } => given.len(),
            Self::Custom { given, json } => given.len() + json.len(),
            Self::Text | Self::Redacted | Self::Hidden => 0,
        }
    }
}

impl Decoder {
    /// A decoder for the answer to a request that was encoded with `undo`.
    pub(super) fn new(undo: Undo) -> Self {
        Self {
            undo,
            started: false,
            stopped: false,
            blocks: BTreeMap::new(),
            held: Held::default(),
            next_block: 0,
            of: origin(""),
            answered: false,
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage: Running::default(),
            reports: 0,
        }
    }

    fn start(&mut self, message: Start<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let model = short_name(message.model);
        self.of = origin(&model);
        out.push(Event::Start { id: short_name(message.id), model, created: None });
        self.count(message.usage, out);
    }

    /// Adds a usage report to the known usage, and emits the usage so far. If the stream is cut later, the last report
    /// counts.
    fn count(&mut self, usage: Option<&RawValue>, out: &mut Vec<Event>) {
        let Some(usage) = usage.and_then(|raw| json::object(raw.get().as_bytes()).ok()) else { return };
        self.usage.overlay(usage);
        self.reports = self.reports.saturating_add(1);
        if self.reports <= MOST_REPORTS {
            out.extend(self.usage.reported().map(Event::Usage));
        }
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
            "server_tool_use" if text(start.name)? == search::NAME => {
                self.next_block = self.next_block.max(index.saturating_add(1));
                return self.keep(index, Block::Search(String::new()), out);
            }
            _ => return self.keep(index, Block::Hidden, out),
        };
        self.keep(index, block, out)?;
        self.next_block = self.next_block.max(index.saturating_add(1));
        out.push(Event::BlockStart { choice: 0, block: index, head });
        Ok(())
    }

    /// Keeps an open block. A block of that index that is still open ends.
    fn keep(&mut self, index: u32, block: Block, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        self.close(index, out);
        self.held.open(block.kept_bytes())?;
        self.blocks.insert(index, block);
        Ok(())
    }

    fn more(&mut self, index: u32, delta: BlockDelta<'_>, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let Some(block) = self.blocks.get_mut(&index) else { return Ok(()) };
        let before = block.kept_bytes();
        match (delta.kind.as_ref(), block) {
            ("text_delta", Block::Text) => push(index, Delta::text, text(delta.text)?, out),
            ("citations_delta", Block::Text) => {
                let citation = delta.citation.and_then(|raw| json::value(raw.get().as_bytes()).ok());
                if let Some(citation) = citation.as_ref().and_then(citation::read) {
                    let delta = Delta::Citation(Box::new(citation));
                    out.push(Event::Delta { choice: 0, block: index, delta });
                }
            }
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
                        push(index, Delta::text, piece, out);
                    }
                    Block::Custom { json, .. } | Block::Search(json) => json.push_str(&piece),
                    Block::Text | Block::Thinking(_) | Block::Redacted | Block::Hidden => {}
                }
            }
            _ => {}
        }
        if let Some(block) = self.blocks.get(&index) {
            self.held.change(before, block.kept_bytes());
        }
        Ok(())
    }

    fn close(&mut self, index: u32, out: &mut Vec<Event>) {
        let Some(block) = self.blocks.remove(&index) else { return };
        self.held.close(block.kept_bytes());
        match block {
            Block::Hidden => return,
            Block::Search(input) => {
                let Some(head) = searched(&input) else { return };
                out.push(Event::BlockStart { choice: 0, block: index, head });
            }
            Block::Thinking(value) if !value.is_empty() => {
                let signature = Signature { of: self.of.clone(), value };
                out.push(Event::Delta { choice: 0, block: index, delta: Delta::Signature(signature) });
            }
            // A call without arguments may stream no JSON at all.
            Block::Call { given, seen: false } => push(index, Delta::Arguments, given, out),
            Block::Answer { given, seen: false } => push(index, Delta::text, given, out),
            Block::Custom { given, json } => {
                push(index, Delta::Arguments, custom_tool::input(if json.is_empty() { &given } else { &json }), out);
            }
            Block::Text | Block::Thinking(_) | Block::Call { .. } | Block::Answer { .. } | Block::Redacted => {}
        }
        out.push(Event::BlockStop { choice: 0, block: index });
    }

    fn stop(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if !self.started {
            return Err(UpstreamError::Protocol("message_stop came before message_start".to_owned()));
        }
        self.stopped = true;
        // Blocks that were not closed count as complete.
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
        // The type in the data decides: it is always there, the `event` line only by convention.
        match frame.kind.as_ref() {
            // Events after the end are ignored.
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
                let delta: MessageDelta<'_> = part(frame.delta, "delta")?;
                self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
                self.stop_sequence = delta.stop_sequence.or(self.stop_sequence.take());
                self.stop_details = delta.stop_details.and_then(detail).or(self.stop_details.take());
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

    fn held_bytes(&self) -> usize {
        self.held.bytes()
    }
}

/// Emits a delta for a block, unless it is empty.
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
