//! Chunks to events.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::conversation::{Part, Signature};
use tt_core::call::event::Event;

use super::super::field;
use super::super::object::{Object, Path};
use super::super::request::parts::{signature_in, thinking_block};
use super::super::text::Loose;
use super::super::wire::{self, Call, Chunk, Delta, Function};
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

#[derive(Debug)]
struct ChoiceState {
    index: u32,
    finished: bool,
    /// Thinking text has come that no signature has closed.
    thinking: bool,
    calls: Vec<CallState>,
}

#[derive(Debug)]
struct CallState {
    /// The provider's number of it; hosts that give none begin a call with its id.
    index: Option<u32>,
    id: String,
    /// Its name has come and it has been told of.
    told: bool,
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
        self.choices.push(ChoiceState { index, finished: false, thinking: false, calls: Vec::new() });
        Ok(self.choices.len() - 1)
    }
}

impl StreamDecoder for Decoder {
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let data = data.trim_ascii();
        if data.is_empty() || self.done {
            return Ok(());
        }
        if data == wire::DONE {
            self.done = true;
            out.push(Event::Done);
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
            if let Some(delta) = &choice.delta {
                state.delta(delta, undo, out)?;
            }
            if let Some(reason) = wire::finish(choice.finish_reason.as_str())
                && !std::mem::replace(&mut state.finished, true)
            {
                out.push(Event::Finish { choice: state.index, reason });
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
        self.done = true;
        out.push(Event::Done);
        Ok(())
    }
}

impl ChoiceState {
    fn delta(&mut self, delta: &Delta<'_>, undo: &Undo, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let choice = self.index;
        if let Some(text) = words(&delta.reasoning_content)? {
            self.thinking = true;
            out.push(Event::Thinking { choice, text });
        }
        if let Some(blocks) = delta.thinking_blocks {
            self.thinking_blocks(blocks, out)?;
        }
        let signature = signature(delta.extra_content);
        let text = words(&delta.content)?;
        if text.is_some() || signature.is_some() {
            out.push(Event::Text { choice, text: text.unwrap_or_default(), signature });
        }
        if let Some(text) = words(&delta.refusal)? {
            out.push(Event::Refusal { choice, text });
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
        self.calls.push(CallState { index, id, told: false, held: String::new() });
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
        let choice = self.index;
        let (Some(state), Ok(call)) = (self.calls.get_mut(at), u32::try_from(at)) else { return Ok(()) };
        if let Some(json) = words(&function.arguments)? {
            state.held.push_str(&json);
        }
        if !state.told {
            let Some(name) = words(&function.name)? else { return Ok(()) };
            state.told = true;
            let (id, name) = (state.id.clone(), undo.tool_name(&name).to_owned());
            out.push(Event::ToolCall { choice, call, id, name, custom, signature });
        }
        if !state.held.is_empty() {
            out.push(Event::ToolArguments { choice, call, json: std::mem::take(&mut state.held) });
        }
        Ok(())
    }

    /// Whole thinking blocks, as [`super::Encoder`] writes them beside `reasoning_content`.
    fn thinking_blocks(&mut self, blocks: &RawValue, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let choice = self.index;
        let blocks: Vec<Map<String, Value>> = serde_json::from_str(blocks.get()).map_err(unreadable)?;
        for fields in blocks {
            match thinking_block(Object { fields, path: Path::Root }).map_err(not_a_block)? {
                Part::Thinking { text, signature } => {
                    if !std::mem::replace(&mut self.thinking, signature.is_none()) && !text.is_empty() {
                        out.push(Event::Thinking { choice, text });
                    }
                    out.extend(signature.map(|signature| Event::ThinkingSigned { choice, signature }));
                }
                Part::RedactedThinking { data } => out.push(Event::RedactedThinking { choice, data }),
                _ => {}
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
