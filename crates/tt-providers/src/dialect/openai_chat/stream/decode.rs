//! Chunks to events.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::Signature;
use tt_core::call::part::{Part, Text, Thinking};
use tt_core::call::tool::ToolCall;

use super::super::field;
use super::super::object::{Object, Path};
use super::super::request::parts::{signature_in, thinking_block};
use super::super::text::Loose;
use super::super::wire::{self, Call, Chunk, Function};
use super::super::{error, usage};
use crate::codec::{StreamDecoder, Undo};
use crate::error::RequestError;
use crate::upstream::error::{UpstreamError, json_error};

/// More answers, or calls in one answer, than any provider gives.
const CAP: usize = 1024;

/// Reads a stream, event by event.
#[derive(Debug, Default)]
pub struct Decoder {
    undo: Undo,
    started: bool,
    done: bool,
    service_tier: Option<String>,
    choices: Vec<ChoiceState>,
}

/// One answer. Chunks do not say which block they go on with: blocks are counted here.
#[derive(Debug)]
struct ChoiceState {
    index: u32,
    finished: bool,
    /// The number of the next block.
    next_block: u32,
    /// The block that a piece of the same kind goes on with.
    open: Option<(u32, Kind)>,
    calls: Vec<CallState>,
}

/// A kind of block of which a chunk may hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Refusal,
}

#[derive(Debug)]
struct CallState {
    /// The provider's number of it; hosts that give none begin a call with its id.
    index: Option<u32>,
    id: String,
    /// Its block, once its name has come and it has been told of.
    block: Option<u32>,
    /// Arguments that came before the name.
    held: String,
}

impl Decoder {
    /// At the start of a stream.
    pub fn new(undo: Undo) -> Self {
        Self { undo, ..Self::default() }
    }

    fn choice(&mut self, index: u32) -> Result<usize, UpstreamError> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return Ok(at);
        }
        if self.choices.len() == CAP {
            return Err(UpstreamError::Protocol("too many choices in a stream".into()));
        }
        let calls = Vec::new();
        self.choices.push(ChoiceState { index, finished: false, next_block: 0, open: None, calls });
        Ok(self.choices.len() - 1)
    }

    fn finish_stream(&mut self, out: &mut Vec<Event>) {
        self.done = true;
        self.choices.iter_mut().filter(|choice| !choice.finished).for_each(|choice| choice.stop_all(out));
        out.push(Event::Done);
    }
}

impl StreamDecoder for Decoder {
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let data = data.trim_ascii();
        if data.is_empty() || self.done {
            return Ok(());
        }
        if data == wire::DONE {
            self.finish_stream(out);
            return Ok(());
        }
        let chunk = Chunk::read(data).map_err(unreadable)?;
        if let Some(raw) = chunk.error {
            let error: Value = serde_json::from_str(raw.get()).map_err(unreadable)?;
            return Err(UpstreamError::Refused(Box::new(error::in_stream(&error))));
        }
        if let tier @ Loose::Text(_) = &chunk.service_tier {
            self.service_tier = Some(tier.as_str().to_owned());
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        // Azure begins with a chunk that names nothing and holds no choices.
        if !(self.started || choices.is_empty() && chunk.model.as_str().is_empty()) {
            self.started = true;
            out.push(Event::Start {
                id: chunk.id.as_str().to_owned(),
                model: chunk.model.as_str().to_owned(),
                created: chunk.created.and_then(|created| created.get().parse().ok()),
            });
        }
        for choice in choices {
            let at = self.choice(choice.index)?;
            let (Some(state), undo) = (self.choices.get_mut(at), &self.undo) else { continue };
            // Nothing counts after the finish.
            if state.finished {
                continue;
            }
            if let Some(delta) = &choice.delta {
                state.delta(delta, undo, out)?;
            }
            let word = choice.finish_reason.as_str();
            if let Some(reason) = wire::finish(word) {
                state.finished = true;
                state.stop_all(out);
                out.push(Event::Finish { choice: state.index, finish: Finish::in_word(reason, word) });
            }
        }
        if let Some(reported) = chunk.usage.and_then(|raw| usage::decode(raw.get(), self.service_tier.as_deref())) {
            out.push(Event::Usage(reported));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if self.done {
            return Ok(());
        }
        if !self.choices.iter().any(|choice| choice.finished) {
            return Err(UpstreamError::Protocol("the stream ended before its finish reason".into()));
        }
        self.finish_stream(out);
        Ok(())
    }
}

impl ChoiceState {
    fn delta(&mut self, delta: &wire::Delta<'_>, undo: &Undo, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if let Some(text) = words(&delta.reasoning_content)? {
            self.more(Kind::Thinking, Delta::Thinking(text), out);
        }
        if let Some(blocks) = delta.thinking_blocks {
            self.thinking_blocks(blocks, out)?;
        }
        let text = words(&delta.content)?;
        if let Some(signature) = signature(delta.extra_content) {
            // Signed text is a part of its own: the signature is over no more than this.
            let signature = Some(signature);
            self.whole(Part::Text(Text { text: text.unwrap_or_default(), signature, ..Text::default() }), out);
        } else if let Some(text) = text {
            self.more(Kind::Text, Delta::Text(text), out);
        }
        if let Some(text) = words(&delta.refusal)? {
            self.more(Kind::Refusal, Delta::Refusal(text), out);
        }
        for call in delta.tool_calls.iter().flatten() {
            self.call(call, undo, out)?;
        }
        if let Some(function) = &delta.function_call {
            let at = if self.calls.is_empty() { self.begin(None, "call_function_0")? } else { 0 };
            self.function(at, function, false, None, undo, out)?;
        }
        Ok(())
    }

    /// Begins a block, after the open one.
    fn start(&mut self, head: Part, out: &mut Vec<Event>) -> u32 {
        self.stop(out);
        let (choice, block) = (self.index, self.next_block);
        self.next_block = block.saturating_add(1);
        out.push(Event::BlockStart { choice, block, head });
        block
    }

    /// Ends the open block.
    fn stop(&mut self, out: &mut Vec<Event>) {
        let choice = self.index;
        out.extend(self.open.take().map(|(block, _)| Event::BlockStop { choice, block }));
    }

    /// Ends all blocks.
    fn stop_all(&mut self, out: &mut Vec<Event>) {
        self.stop(out);
        let choice = self.index;
        out.extend(self.calls.iter().filter_map(|call| call.block).map(|block| Event::BlockStop { choice, block }));
    }

    /// A block that is all there is of it.
    fn whole(&mut self, part: Part, out: &mut Vec<Event>) {
        let (choice, block) = (self.index, self.start(part, out));
        out.push(Event::BlockStop { choice, block });
    }

    /// Goes on with the open block of that kind, or begins one.
    fn more(&mut self, kind: Kind, delta: Delta, out: &mut Vec<Event>) {
        let block = self.of_kind(kind, out);
        out.push(Event::Delta { choice: self.index, block, delta });
    }

    fn of_kind(&mut self, kind: Kind, out: &mut Vec<Event>) -> u32 {
        match self.open {
            Some((block, open)) if open == kind => block,
            _ => {
                let head = match kind {
                    Kind::Text => Part::Text(Text::default()),
                    Kind::Thinking => Part::Thinking(Thinking::default()),
                    Kind::Refusal => Part::Refusal { text: String::new() },
                };
                let block = self.start(head, out);
                self.open = Some((block, kind));
                block
            }
        }
    }

    fn call(&mut self, call: &Call<'_>, undo: &Undo, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let id = call.id.as_str();
        let known = match call.index {
            Some(index) => self.calls.iter().position(|known| known.index == Some(index)),
            // Without numbers a new id begins a new call, and no id goes on with the last.
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().position(|known| known.id == id),
        };
        let at = match known {
            Some(at) => at,
            None => self.begin(call.index, id)?,
        };
        let (function, custom) = match (&call.function, &call.custom) {
            (_, Some(custom)) => (custom, true),
            (Some(function), None) => (function, false),
            (None, None) => return Ok(()),
        };
        self.function(at, function, custom, signature(call.extra_content), undo, out)
    }

    fn begin(&mut self, index: Option<u32>, id: &str) -> Result<usize, UpstreamError> {
        let at = self.calls.len();
        if at == CAP {
            return Err(UpstreamError::Protocol("too many tool calls in a stream".into()));
        }
        let id = if id.is_empty() { format!("call_{}_{at}", self.index) } else { id.to_owned() };
        self.calls.push(CallState { index, id, block: None, held: String::new() });
        Ok(at)
    }

    fn function(
        &mut self,
        at: usize,
        function: &Function<'_>,
        custom: bool,
        signature: Option<Signature>,
        undo: &Undo,
        out: &mut Vec<Event>,
    ) -> Result<(), UpstreamError> {
        let arguments = words(&function.arguments)?.unwrap_or_default();
        let Some(state) = self.calls.get_mut(at) else { return Ok(()) };
        state.held.push_str(&arguments);
        let block = match state.block {
            Some(block) => block,
            None => {
                let Some(name) = words(&function.name)? else { return Ok(()) };
                let (id, name) = (state.id.clone(), undo.tool_name(&name).to_owned());
                let head = ToolCall { id, name, custom, signature, ..ToolCall::default() };
                let block = self.start(Part::ToolCall(head), out);
                if let Some(state) = self.calls.get_mut(at) {
                    state.block = Some(block);
                }
                block
            }
        };
        let held = self.calls.get_mut(at).map(|state| std::mem::take(&mut state.held)).unwrap_or_default();
        if !held.is_empty() {
            out.push(Event::Delta { choice: self.index, block, delta: Delta::Arguments(held) });
        }
        Ok(())
    }

    /// Whole thinking blocks, as [`super::Encoder`] writes them beside `reasoning_content`.
    fn thinking_blocks(&mut self, blocks: &RawValue, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let blocks: Vec<Map<String, Value>> = serde_json::from_str(blocks.get()).map_err(unreadable)?;
        for fields in blocks {
            match thinking_block(Object { fields, path: Path::Root }).map_err(not_a_block)? {
                Part::Thinking(Thinking { text, signature, .. }) => {
                    let told = matches!(self.open, Some((_, Kind::Thinking)));
                    let (choice, block) = (self.index, self.of_kind(Kind::Thinking, out));
                    if !told && !text.is_empty() {
                        out.push(Event::Delta { choice, block, delta: Delta::Thinking(text) });
                    }
                    if let Some(signature) = signature {
                        out.push(Event::Delta { choice, block, delta: Delta::Signature(signature) });
                        self.stop(out);
                    }
                }
                part => self.whole(part, out),
            }
        }
        Ok(())
    }
}

/// A field's text; `None` where it is empty. What should be text and is not would be lost without a word.
fn words(field: &Loose<'_>) -> Result<Option<String>, UpstreamError> {
    match field {
        Loose::Other => Err(UpstreamError::Protocol("a chunk holds something else where text belongs".into())),
        text => Ok(Some(text.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

fn signature(extra_content: Option<&RawValue>) -> Option<Signature> {
    signature_in(&serde_json::from_str(extra_content?.get()).ok()?)
}

fn unreadable(error: serde_json::Error) -> UpstreamError {
    UpstreamError::Protocol(format!("not a chunk: {}", json_error(&error)))
}

fn not_a_block(error: RequestError) -> UpstreamError {
    UpstreamError::Protocol(format!("not a thinking block: {}", error.in_words(field::name)))
}
