//! Writes a streamed answer for a client of Gemini.
//!
//! Each element is a whole `GenerateContentResponse`. A call is written when it is complete, with all its arguments. The
//! finish reason and the usage come in the last event. There is no closing mark and no comment: Google's Python library
//! cannot read either.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{Citation, Part, Text, Thinking, ToolCall};
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::FinishReason;
use tt_core::usage::Usage;

use super::answer::{self, call_part, part, text_part};
use super::carried::Thoughts;
use super::elements::Elements;
use super::sources::{Growing, Sources};
use super::{error, finish, usage};
use crate::codec::{Framing, PublicError, ReplyContext, StreamEncoder};
use crate::dialect::held::Held;
use crate::dialect::short_name::short_name;
use crate::dialect::signatures::made_by;
use crate::json;

/// Writes the events of one stream, each with the same `modelVersion` and `responseId`.
#[derive(Debug)]
pub(super) struct Encoder {
    context: ReplyContext,
    /// `"modelVersion":…,"responseId":…}` with which each element ends; empty until the stream has begun.
    tail: String,
    choices: BTreeMap<u32, ChoiceState>,
    /// The number of the open blocks of all choices, and the bytes that are kept of them.
    held: Held,
    /// The usage, and the processing tier that the provider tells with it.
    usage: Option<(Usage, Option<String>)>,
    elements: Elements,
    /// True once the end or an error has been written, after which nothing may follow.
    closed: bool,
}

#[derive(Debug, Default)]
struct ChoiceState {
    finish: Option<FinishReason>,
    /// The words of a refusal.
    refusal: Option<String>,
    /// The visible text so far, in bytes.
    text: usize,
    sources: Sources,
    /// The blocks that have begun and not stopped, by their number.
    open: BTreeMap<u32, Open>,
    /// The thinking that another provider signed, until a part carries it.
    thoughts: Thoughts,
}

/// The state of an open block.
#[derive(Debug)]
enum Open {
    /// A block that is written at once or not at all.
    Plain,
    /// Text, which is kept for the places of its citations.
    Text(Growing),
    /// A refusal, whose words are kept for the end.
    Refusal,
    /// Thinking, which is written as it grows and collected until it is signed.
    Thinking(Box<Thinking>),
    /// A call, whose arguments are collected.
    Call(Box<ToolCall>),
}

impl Open {
    /// The length of the text that is kept, in bytes.
    fn kept_bytes(&self) -> usize {
        match self {
            Self::Call(call) => size_of::<ToolCall>() + call.id.len() + call.name.len() + call.arguments.len(),
            Self::Thinking(thinking) => size_of::<Thinking>() + thinking.text.len(),
            Self::Text(text) => text.held_bytes(),
            Self::Plain | Self::Refusal => 0,
        }
    }
}

impl Encoder {
    pub(super) fn new(context: ReplyContext, framing: Framing) -> Self {
        Self {
            context,
            tail: String::new(),
            choices: BTreeMap::new(),
            held: Held::default(),
            usage: None,
            elements: Elements::new(framing),
            closed: false,
        }
    }

    fn begin(&mut self, id: &str, model: &str) {
        if self.tail.is_empty() {
            let model = Value::from(short_name(answer::model(model, &self.context).to_owned()));
            let id = Value::from(short_name(answer::id(id, &self.context)));
            self.tail = format!(r#","modelVersion":{model},"responseId":{id}}}"#);
        }
    }

    /// Writes an event with one part of one choice.
    fn part(&mut self, choice: u32, part: &Value, out: &mut BytesMut) {
        self.begin("", "");
        self.elements.begin(out);
        out.put_slice(br#"{"candidates":[{"content":{"parts":["#);
        json::write(part, out);
        out.put_slice(br#"],"role":"model"},"index":"#);
        json::write(&choice, out);
        out.put_slice(b"}]");
        self.end_event(out);
    }

    fn end_event(&self, out: &mut BytesMut) {
        out.put_slice(self.tail.as_bytes());
        self.elements.end(out);
    }

    fn text(&mut self, choice: u32, text: &str, thought: bool, out: &mut BytesMut) {
        if !text.is_empty() {
            self.part(choice, &text_part(text, thought, None), out);
        }
    }

    /// The state of a choice; `None` if the choice has ended.
    fn choice(&mut self, choice: u32) -> Option<&mut ChoiceState> {
        Some(self.choices.entry(choice).or_default()).filter(|choice| choice.finish.is_none())
    }

    fn block_start(&mut self, choice: u32, block: u32, head: &Part, out: &mut BytesMut) {
        let Some(state) = self.choice(choice) else { return };
        let mut refused = 0;
        let open = match head {
            Part::ToolCall(call) => Open::Call(Box::new(call.clone())),
            Part::Thinking(thinking) => Open::Thinking(Box::new(thinking.clone())),
            Part::Text(said) => {
                let mut text = Growing::behind(state.text);
                text.push(&said.text);
                said.citations.iter().for_each(|citation| text.cite(citation.clone()));
                Open::Text(text)
            }
            Part::Refusal { text } => {
                state.refusal.get_or_insert_default().push_str(text);
                refused = text.len();
                Open::Refusal
            }
            _ => Open::Plain,
        };
        let kept = open.kept_bytes();
        if let Some(replaced) = state.open.insert(block, open) {
            self.held.close(replaced.kept_bytes());
        }
        self.held.opened(kept);
        self.held.change(0, refused);
        match head {
            Part::Text(Text { text, .. }) | Part::Refusal { text } => self.said(choice, text.len()),
            Part::Redacted { .. } => self.thought(choice, head.clone()),
            _ => {}
        }
        if !matches!(head, Part::ToolCall(_))
            && let Some(part) = part(head)
        {
            self.part(choice, &part, out);
        }
    }

    fn delta(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut BytesMut) {
        let Some(open) = self.choice(choice).and_then(|choice| choice.open.get_mut(&block)) else { return };
        match (delta, open) {
            (Delta::Arguments(text), Open::Call(call)) => {
                call.arguments.push_str(text);
                self.held.change(0, text.len());
            }
            (Delta::Signature(signature), Open::Call(call)) => call.signature = Some(signature.clone()),
            (Delta::Text(text), open) => {
                if let Open::Text(growing) = open {
                    growing.push(text);
                    self.held.change(0, text.len());
                }
                self.said(choice, text.len());
                self.text(choice, text, false, out);
            }
            (Delta::Refusal(text), _) => {
                if let Some(state) = self.choice(choice) {
                    state.refusal.get_or_insert_default().push_str(text);
                    self.held.change(0, text.len());
                }
                self.said(choice, text.len());
                self.text(choice, text, false, out);
            }
            (Delta::Citation(citation), Open::Text(growing)) => {
                growing.cite(Citation::clone(citation));
                self.held.change(0, citation.held_bytes());
            }
            (Delta::Thinking(text), Open::Thinking(thinking)) => {
                thinking.text.push_str(text);
                self.held.change(0, text.len());
                self.text(choice, text, true, out);
            }
            (Delta::Thinking(text) | Delta::Summary { text, .. }, _) => self.text(choice, text, true, out),
            (Delta::Signature(signature), open) => {
                let thought = matches!(open, Open::Thinking(_));
                if let Open::Thinking(thinking) = open {
                    thinking.signature = Some(signature.clone());
                }
                if let Some(signature) = made_by(Provider::Gemini, Some(signature)) {
                    self.part(choice, &text_part("", thought, Some(signature)), out);
                }
            }
            // A stream of Gemini has no field for them.
            (Delta::Arguments(_) | Delta::Citation(_) | Delta::Bytes(_) | Delta::Raw(_), _) => {}
        }
    }

    fn block_stop(&mut self, choice: u32, block: u32, out: &mut BytesMut) {
        let Some(open) = self.choices.get_mut(&choice).and_then(|choice| choice.open.remove(&block)) else { return };
        self.held.close(open.kept_bytes());
        match open {
            Open::Call(call) => {
                let carried = self.carried(choice, Thoughts::call);
                self.part(choice, &call_part(&call, carried), out);
            }
            Open::Thinking(thinking) => self.thought(choice, Part::Thinking(*thinking)),
            Open::Text(text) => {
                if let Some(state) = self.choices.get_mut(&choice) {
                    let before = state.sources.held_bytes();
                    text.end(&mut state.sources);
                    self.held.change(before, state.sources.held_bytes());
                }
            }
            Open::Plain | Open::Refusal => {}
        }
    }

    /// Takes note of a text of so many bytes.
    fn said(&mut self, choice: u32, bytes: usize) {
        if let Some(state) = self.choices.get_mut(&choice) {
            state.thoughts.text(bytes);
            state.text += bytes;
        }
    }

    /// Keeps thinking that another provider signed.
    fn thought(&mut self, choice: u32, part: Part) {
        if let Some(state) = self.choices.get_mut(&choice) {
            let before = state.thoughts.held_bytes();
            state.thoughts.thought(part);
            self.held.change(before, state.thoughts.held_bytes());
        }
    }

    /// Takes the thinking that a part is to carry, by `take`.
    fn carried(&mut self, choice: u32, take: impl FnOnce(&mut Thoughts) -> Option<String>) -> Option<String> {
        let state = self.choices.get_mut(&choice)?;
        let before = state.thoughts.held_bytes();
        let carried = take(&mut state.thoughts);
        self.held.change(before, state.thoughts.held_bytes());
        carried
    }

    fn finish(&mut self, choice: u32, reason: FinishReason, out: &mut BytesMut) {
        let Some(state) = self.choice(choice) else { return };
        // A call that did not stop is written all the same.
        let open: Vec<u32> = state.open.keys().copied().collect();
        open.into_iter().for_each(|block| self.block_stop(choice, block, out));
        if let Some(state) = self.choice(choice) {
            state.finish = Some(reason);
        }
    }

    /// Writes the last event: the finish reasons of all choices, and the usage.
    fn done(&mut self, out: &mut BytesMut) {
        self.begin("", "");
        let begun: Vec<u32> = self.choices.keys().copied().collect();
        begun.into_iter().for_each(|choice| self.finish(choice, FinishReason::Stop, out));
        if self.choices.is_empty() {
            self.choices.insert(0, ChoiceState { finish: Some(FinishReason::Stop), ..ChoiceState::default() });
        }
        let candidates = self.choices.iter_mut().map(|(index, choice)| {
            let reason = choice.finish.unwrap_or_default();
            let word = finish::word(reason);
            let content = json!({"parts": [text_part("", false, choice.thoughts.rest().as_deref())], "role": "model"});
            let mut candidate = Map::new();
            candidate.insert("content".to_owned(), content);
            candidate.insert("finishReason".to_owned(), word.into());
            if let Some(words) = finish::message(reason, choice.refusal.as_deref()) {
                candidate.insert("finishMessage".to_owned(), words.into());
            }
            candidate.insert("index".to_owned(), (*index).into());
            candidate.extend(std::mem::take(&mut choice.sources).fields());
            Value::Object(candidate)
        });
        let candidates: Value = candidates.collect();
        self.elements.begin(out);
        out.put_slice(br#"{"candidates":"#);
        json::write(&candidates, out);
        if let Some((usage, tier)) = &self.usage {
            out.put_slice(br#","usageMetadata":"#);
            json::write(&usage::encode(usage, tier.as_deref()), out);
        }
        self.end_event(out);
        self.elements.close(out);
        self.closed = true;
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model, .. } => self.begin(id, model),
            Event::BlockStart { choice, block, head } => self.block_start(*choice, *block, head, out),
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::BlockStop { choice, block } => self.block_stop(*choice, *block, out),
            Event::Finish { choice, finish } => self.finish(*choice, finish.reason, out),
            Event::Usage(reported) => self.usage = Some((reported.usage, reported.service_tier.clone())),
            Event::Ping => {}
            Event::Done => self.done(out),
        }
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.closed, true) {
            self.elements.write(&error::encode(error), out);
            self.elements.close(out);
        }
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes() + self.choices.len() * size_of::<ChoiceState>() + self.tail.len()
    }
}
