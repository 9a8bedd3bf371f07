//! Decodes chunks to neutral events.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::Signature;
use tt_core::call::part::{Part, Text, Thinking};
use tt_core::call::tool::ToolCall;

use super::super::request::parts::{self, signature_in};
use super::super::usage;
use super::super::wire::{self, Call, Chunk, Function};
use super::super::{citation, field};
use crate::codec::{StreamDecoder, Undo};
use crate::dialect::anthropic_fields::thinking_block;
use crate::dialect::compact::compact;
use crate::dialect::held::{Held, MOST_BLOCKS};
use crate::dialect::object::{Object, Path};
use crate::dialect::openai_error as error;
use crate::dialect::short_name::short_name;
use crate::dialect::text::Loose;
use crate::error::RequestError;
use crate::json;
use crate::upstream::error::{UpstreamError, json_error};

/// Decodes a stream, event by event.
#[derive(Debug, Default)]
pub struct Decoder {
    undo: Undo,
    started: bool,
    done: bool,
    service_tier: Option<String>,
    choices: BTreeMap<u32, ChoiceState>,
    /// The calls of all choices, with their ids and held arguments.
    held: Held,
}

/// The progress of one choice. Chunks do not number blocks, so they are numbered here.
#[derive(Debug)]
struct ChoiceState {
    index: u32,
    finished: bool,
    /// The number of the next block.
    next_block: u32,
    /// The open block, which the next piece of the same kind continues.
    open: Option<(u32, Kind)>,
    /// The calls, in the order in which they began.
    calls: Vec<CallState>,
    /// The places in `calls`, by the names that the provider gives a call.
    known: HashMap<CallName, usize>,
}

/// The name by which later pieces belong to a call.
#[derive(Debug, PartialEq, Eq, Hash)]
enum CallName {
    Index(u32),
    /// The id, for hosts that give no index: a new id begins a new call.
    Id(String),
}

/// The text of a chunk, beside what its delta holds in a string.
struct Content {
    /// The parts of a content that is a list.
    list: Vec<Part>,
    /// The log probabilities, the JSON text of a list.
    logprobs: Option<String>,
}

/// A kind of block that later chunks may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Refusal,
}

#[derive(Debug)]
struct CallState {
    id: String,
    /// The number of its block; `None` until the name of the tool has come and the block has begun.
    block: Option<u32>,
    /// The arguments that came before the name.
    held: String,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(undo: Undo) -> Self {
        Self { undo, ..Self::default() }
    }

    fn finish_stream(&mut self, out: &mut Vec<Event>) {
        self.done = true;
        let open = self.choices.values_mut().filter(|choice| !choice.finished);
        open.for_each(|choice| choice.stop_all(&mut self.held, out));
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
            let error = json::value(raw.get().as_bytes()).map_err(unreadable)?;
            return Err(UpstreamError::Refused(Box::new(error::in_stream(&error))));
        }
        if let tier @ Loose::Text(_) = &chunk.service_tier {
            self.service_tier = Some(tier.as_str().to_owned());
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        // The first chunk of Azure names no model and holds no choices.
        if !(self.started || choices.is_empty() && chunk.model.as_str().is_empty()) {
            self.started = true;
            out.push(Event::Start {
                id: short_name(chunk.id.as_str().to_owned()),
                model: short_name(chunk.model.as_str().to_owned()),
                created: chunk.created.and_then(|created| created.get().parse().ok()),
            });
        }
        let mut lists = content_lists(data, choices)?;
        for (position, choice) in choices.iter().enumerate() {
            if self.choices.len() >= MOST_BLOCKS && !self.choices.contains_key(&choice.index) {
                return Err(UpstreamError::Protocol("too many choices in a stream".into()));
            }
            let state = self.choices.entry(choice.index).or_insert_with(|| ChoiceState::new(choice.index));
            // Pieces after the finish are ignored.
            if state.finished {
                continue;
            }
            if let Some(delta) = &choice.delta {
                let list = lists.get_mut(position).map(std::mem::take).unwrap_or_default();
                let text = Content { list, logprobs: choice.logprobs_of_text().map(compact) };
                state.delta(delta, text, &self.undo, &mut self.held, out)?;
            }
            let word = choice.finish_reason.as_str();
            if let Some(reason) = wire::finish(word) {
                state.finished = true;
                state.stop_all(&mut self.held, out);
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
        if self.choices.is_empty() || self.choices.values().any(|choice| !choice.finished) {
            return Err(UpstreamError::Protocol("the stream ended before its finish reason".into()));
        }
        self.finish_stream(out);
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes() + self.choices.len() * size_of::<ChoiceState>()
    }
}

impl ChoiceState {
    fn new(index: u32) -> Self {
        Self { index, finished: false, next_block: 0, open: None, calls: Vec::new(), known: HashMap::new() }
    }

    fn delta(
        &mut self,
        delta: &wire::Delta<'_>,
        Content { list, mut logprobs }: Content,
        undo: &Undo,
        held: &mut Held,
        out: &mut Vec<Event>,
    ) -> Result<(), UpstreamError> {
        if let Some(text) = text(delta.thinking())? {
            self.more(Kind::Thinking, Delta::Thinking(text), out);
        }
        if let Some(blocks) = delta.thinking_blocks {
            self.thinking_blocks(blocks, out)?;
        }
        for part in list {
            match part {
                Part::Text(part) if !part.text.is_empty() => self.more(Kind::Text, Delta::text(part.text), out),
                Part::Thinking(part) if !part.text.is_empty() => {
                    self.more(Kind::Thinking, Delta::Thinking(part.text), out);
                }
                _ => {}
            }
        }
        let content = match &delta.content {
            Loose::Other => None,
            content => text(content)?,
        };
        if let Some(signature) = signature(delta.extra_content) {
            // Signed text is a block of its own, since the signature covers no more than this text.
            let (text, signature) = (content.unwrap_or_default(), Some(signature));
            self.whole(Part::Text(Text { text, signature, ..Text::default() }), out);
        } else if let Some(text) = content {
            self.more(Kind::Text, Delta::Text { text, logprobs: logprobs.take() }, out);
        }
        // A token that is a part of a character has no text of its own. Those of calls and thinking belong to no text.
        if logprobs.is_some() && !delta.has_more_than_text() {
            self.more(Kind::Text, Delta::Text { text: String::new(), logprobs }, out);
        }
        if let Some(annotations) = delta.annotations {
            let annotations = json::value(annotations.get().as_bytes()).unwrap_or_default();
            for citation in annotations.as_array().into_iter().flatten().filter_map(citation::read) {
                self.more(Kind::Text, Delta::Citation(Box::new(citation)), out);
            }
        }
        if let Some(text) = text(&delta.refusal)? {
            self.more(Kind::Refusal, Delta::Refusal(text), out);
        }
        for call in delta.tool_calls.as_deref().unwrap_or_default() {
            self.call(call, undo, held, out)?;
        }
        if let Some(function) = &delta.function_call {
            let at = if self.calls.is_empty() { self.begin(None, "call_function_0", held)? } else { 0 };
            let before = self.kept_bytes(at);
            self.function(at, function, false, None, undo, out)?;
            held.change(before, self.kept_bytes(at));
        }
        Ok(())
    }

    /// Ends the open block and begins a new one.
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

    /// Ends all blocks, and forgets the calls.
    fn stop_all(&mut self, held: &mut Held, out: &mut Vec<Event>) {
        self.stop(out);
        let choice = self.index;
        self.known = HashMap::new();
        for call in std::mem::take(&mut self.calls) {
            held.close(call.kept_bytes());
            out.extend(call.block.map(|block| Event::BlockStop { choice, block }));
        }
    }

    /// Emits a block that is whole at once.
    fn whole(&mut self, part: Part, out: &mut Vec<Event>) {
        let (choice, block) = (self.index, self.start(part, out));
        out.push(Event::BlockStop { choice, block });
    }

    /// Continues the open block of that kind, or begins a new one.
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

    fn call(
        &mut self,
        call: &Call<'_>,
        undo: &Undo,
        held: &mut Held,
        out: &mut Vec<Event>,
    ) -> Result<(), UpstreamError> {
        let id = call.id.as_str();
        let known = match call.index {
            Some(index) => self.known.get(&CallName::Index(index)).copied(),
            // A piece with neither continues the last call.
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.known.get(&CallName::Id(id.to_owned())).copied(),
        };
        let at = match known {
            Some(at) => at,
            None => self.begin(call.index, id, held)?,
        };
        let (function, custom) = match (&call.function, &call.custom) {
            (_, Some(custom)) => (custom, true),
            (Some(function), None) => (function, false),
            (None, None) => return Ok(()),
        };
        let before = self.kept_bytes(at);
        self.function(at, function, custom, signature(call.extra_content), undo, out)?;
        held.change(before, self.kept_bytes(at));
        Ok(())
    }

    fn kept_bytes(&self, call: usize) -> usize {
        self.calls.get(call).map_or(0, CallState::kept_bytes)
    }

    fn begin(&mut self, index: Option<u32>, id: &str, held: &mut Held) -> Result<usize, UpstreamError> {
        let at = self.calls.len();
        let id = if id.is_empty() { format!("call_{}_{at}", self.index) } else { id.to_owned() };
        let call = CallState { id, block: None, held: String::new() };
        held.open(call.kept_bytes())?;
        if let Some(index) = index {
            self.known.entry(CallName::Index(index)).or_insert(at);
        }
        self.known.entry(CallName::Id(call.id.clone())).or_insert(at);
        self.calls.push(call);
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
        let arguments = text(&function.arguments)?.unwrap_or_default();
        let Some(state) = self.calls.get_mut(at) else { return Ok(()) };
        state.held.push_str(&arguments);
        let block = match state.block {
            Some(block) => block,
            None => {
                let Some(name) = text(&function.name)? else { return Ok(()) };
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

    /// Reads whole thinking blocks, which [`super::Encoder`] writes beside `reasoning_content`.
    fn thinking_blocks(&mut self, blocks: &RawValue, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let Value::Array(blocks) = json::value(blocks.get().as_bytes()).map_err(unreadable)? else { return Ok(()) };
        for block in blocks {
            let block = Object::of(block, Path::Root).and_then(thinking_block).map_err(not_a_block)?;
            match block {
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

impl CallState {
    /// The length of the texts that are kept, in bytes. The id is kept twice.
    fn kept_bytes(&self) -> usize {
        2 * self.id.len() + self.held.len()
    }
}

/// The text of a field; `None` if it is empty. A value of another type is an error, since its contents would be lost.
/// The parts of each of `choices` whose content is a list, as Mistral sends it for models that think; none where no content
/// is one. `data` is the chunk.
fn content_lists(data: &[u8], choices: &[wire::Choice<'_>]) -> Result<Vec<Vec<Part>>, UpstreamError> {
    let is_list =
        |choice: &wire::Choice<'_>| choice.delta.as_ref().is_some_and(|delta| matches!(delta.content, Loose::Other));
    if !choices.iter().any(is_list) {
        return Ok(Vec::new());
    }
    let mut chunk = json::value(data).map_err(unreadable)?;
    let mut list = |position: usize| {
        let content = chunk.pointer_mut(&format!("/choices/{position}/delta/content")).map(Value::take);
        content.filter(Value::is_array)
    };
    let parts = |position| match list(position) {
        Some(content) => parts::content(Some(content), &Path::Root).map_err(not_content),
        None => Ok(Vec::new()),
    };
    (0..choices.len()).map(parts).collect()
}

fn not_content(error: RequestError) -> UpstreamError {
    UpstreamError::Protocol(format!("a chunk holds something else where text belongs: {}", error.in_words(field::name)))
}

fn text(field: &Loose<'_>) -> Result<Option<String>, UpstreamError> {
    match field {
        Loose::Other => Err(UpstreamError::Protocol("a chunk holds something else where text belongs".into())),
        text => Ok(Some(text.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

fn signature(extra_content: Option<&RawValue>) -> Option<Signature> {
    signature_in(&json::value(extra_content?.get().as_bytes()).ok()?)
}

fn unreadable(error: serde_json::Error) -> UpstreamError {
    UpstreamError::Protocol(format!("not a chunk: {}", json_error(&error)))
}

fn not_a_block(error: RequestError) -> UpstreamError {
    UpstreamError::Protocol(format!("not a thinking block: {}", error.in_words(field::name)))
}
