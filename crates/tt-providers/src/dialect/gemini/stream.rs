//! A streamed answer of Gemini, decoded event by event.
//!
//! Each event's data is a whole `GenerateContentResponse`. There is no closing mark: the end of the body after a
//! `finishReason` is success, and without one the answer was cut (§4).

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tt_core::call::event::Event;
use tt_core::call::reply::Finish;
use tt_core::usage::Reported;

use super::finish::Ending;
use super::parts::{Piece, piece};
use super::wire::{Candidate, Response};
use super::{error, reply, usage};
use crate::codec::{StreamDecoder, Undo};
use crate::upstream::error::UpstreamError;

/// Turns the data of a stream's events into neutral events.
#[derive(Debug)]
pub(super) struct Decoder {
    undo: Undo,
    started: bool,
    /// Has anything gone out that commits the target?
    content: bool,
    answers: BTreeMap<u32, Answer>,
    usage: Option<Reported>,
}

/// How far one answer has come.
#[derive(Debug, Default)]
struct Answer {
    /// Counts the calls over the whole stream: parallel calls arrive one per chunk (I27, I28).
    calls: u32,
    finished: bool,
}

impl Decoder {
    /// A decoder for one stream, undoing what encoding its request changed.
    pub(super) fn new(undo: Undo) -> Self {
        Self { undo, started: false, content: false, answers: BTreeMap::new(), usage: None }
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let chunk = Response::parse(data)?;
        if chunk.error.is_some() {
            return Err(error::in_answer(data));
        }
        let from = out.len();
        if !self.started {
            self.started = true;
            out.push(Event::Start {
                id: chunk.response_id.unwrap_or_default(),
                model: chunk.model_version.unwrap_or_default(),
                created: chunk.create_time.as_deref().and_then(reply::seconds),
            });
        }
        // Before the content, so that whoever stops here has the latest numbers. Only the last ones count (U10).
        if let Some(usage) = chunk.usage_metadata.and_then(usage::reported) {
            if self.usage.as_ref() != Some(&usage) {
                out.push(Event::Usage(usage.clone()));
            }
            self.usage = Some(usage);
        }
        for (position, candidate) in (0u32..).zip(chunk.candidates.unwrap_or_default()) {
            self.candidate(position, candidate, from, out)?;
        }
        let blocked = chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        if blocked && self.answers.is_empty() {
            self.answers.insert(0, Answer { finished: true, ..Answer::default() });
            out.push(Event::Finish { choice: 0, reason: Finish::ContentFilter });
        }
        self.content |= out.iter().skip(from).any(Event::is_content);
        Ok(())
    }

    /// One candidate of a chunk whose events begin at `from`.
    fn candidate(
        &mut self,
        position: u32,
        mut candidate: Candidate<'_>,
        from: usize,
        out: &mut Vec<Event>,
    ) -> Result<(), UpstreamError> {
        let choice = candidate.index.unwrap_or(position);
        let answer = self.answers.entry(choice).or_default();
        for piece in candidate.take_parts().into_iter().filter_map(|part| piece(part, &self.undo)) {
            push(choice, &mut answer.calls, piece, out);
        }
        let Some(reason) = candidate.finish_reason else { return Ok(()) };
        if answer.finished {
            return Ok(());
        }
        let finish = match Ending::of(&reason).finish(answer.calls > 0) {
            Some(finish) => finish,
            // Nothing shown yet: another target may still answer in this one's place.
            None if !self.content && !out.iter().skip(from).any(Event::is_content) => {
                return Err(reply::bad(reason.into_owned(), self.usage.clone()));
            }
            None => {
                tracing::warn!(finish_reason = %reason, "Gemini broke off a stream already begun");
                Finish::Stop
            }
        };
        answer.finished = true;
        out.push(Event::Finish { choice, reason: finish });
        Ok(())
    }
}

impl StreamDecoder for Decoder {
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let data = data.trim_ascii();
        match data.first() {
            None => Ok(()),
            Some(b'[') => {
                let chunks: Vec<&RawValue> =
                    serde_json::from_slice(data).map_err(|error| UpstreamError::Protocol(error.to_string()))?;
                chunks.into_iter().try_for_each(|chunk| self.chunk(chunk.get().as_bytes(), out))
            }
            Some(_) => self.chunk(data, out),
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        if self.answers.is_empty() || self.answers.values().any(|answer| !answer.finished) {
            return Err(UpstreamError::Protocol("the stream ended without a finishReason".to_owned()));
        }
        out.push(Event::Done);
        Ok(())
    }
}

fn push(choice: u32, calls: &mut u32, piece: Piece, out: &mut Vec<Event>) {
    match piece {
        Piece::Text { text, signature } => out.push(Event::Text { choice, text, signature }),
        Piece::Thinking { text, signature } => {
            if !text.is_empty() {
                out.push(Event::Thinking { choice, text });
            }
            out.extend(signature.map(|signature| Event::ThinkingSigned { choice, signature }));
        }
        Piece::Call(tool) => {
            let call = *calls;
            *calls = calls.saturating_add(1);
            let (id, name, custom, signature) = (tool.id, tool.name, tool.custom, tool.signature);
            out.push(Event::ToolCall { choice, call, id, name, custom, signature });
            out.push(Event::ToolArguments { choice, call, json: tool.arguments });
        }
        Piece::Media { mime, .. } => tracing::warn!(mime, "a stream has no place for what Gemini drew; left out"),
    }
}
