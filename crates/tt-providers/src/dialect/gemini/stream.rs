//! Decodes a streamed answer of Gemini, event by event.
//!
//! Each event's data is a whole `GenerateContentResponse`. There is no closing mark: the end of the body after a
//! `finishReason` is success, and without one the answer was cut (`MAPPING.md`, Streams of Gemini).

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::origin::Origin;
use tt_core::call::part::{Part, Text, Thinking};
use tt_core::call::tool::ToolCall;
use tt_core::usage::Reported;

use super::finish::Ending;
use super::grounding::{self, Said, Searches};
use super::parts::{Piece, drawn, origin, piece};
use super::wire::{self, Candidate, PromptFeedback, Response};
use super::{error, logprobs, reply, usage};
use crate::codec::{StreamDecoder, Undo};
use crate::dialect::held::MOST_BLOCKS;
use crate::dialect::short_name::short_name;
use crate::upstream::error::UpstreamError;

/// Turns the data of a stream's events into neutral events.
#[derive(Debug)]
pub(super) struct Decoder {
    undo: Undo,
    started: bool,
    /// True once the stream has brought content, after which no other target may answer.
    content: bool,
    answers: BTreeMap<u32, Answer>,
    /// The maker of the signatures. Its model is known once a chunk names it.
    of: Origin,
    usage: Option<Reported>,
    searches: Searches,
    /// The model that answers, as the first chunk names it.
    model: String,
}

/// The progress of one choice. Gemini does not number parts, so blocks are numbered here over the whole stream.
/// Parallel calls arrive one in each chunk.
#[derive(Debug, Default)]
struct Answer {
    /// The visible text so far, which the sources of the answer count in, and where each block of it begins.
    text: String,
    texts: Vec<(usize, u32)>,
    /// The last `groundingMetadata` and `citationMetadata` that say something, JSON text.
    grounding: Option<String>,
    cited: Option<String>,
    /// The searches that the client has not been told of.
    searched: Vec<String>,
    next_block: u32,
    /// The open block, which the next piece of the same kind continues.
    open: Option<(u32, Kind)>,
    called: bool,
    finished: bool,
}

/// A kind of block that later chunks may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl Decoder {
    /// A decoder for one stream, which takes back the changes in `undo`.
    pub(super) fn new(undo: Undo) -> Self {
        Self {
            undo,
            started: false,
            content: false,
            answers: BTreeMap::new(),
            of: origin(""),
            usage: None,
            searches: Searches::default(),
            model: String::new(),
        }
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let chunk = Response::parse(data)?;
        if chunk.error.is_some() {
            return Err(error::in_answer(data));
        }
        let from = out.len();
        if !self.started {
            self.started = true;
            let model = short_name(chunk.model_version.unwrap_or_default());
            self.of = origin(&model);
            self.model.clone_from(&model);
            out.push(Event::Start {
                id: short_name(chunk.response_id.unwrap_or_default()),
                model,
                created: chunk.create_time.as_deref().and_then(reply::seconds),
            });
        }
        // The usage goes before the content, so that a stream that is cut here has the latest numbers. The last ones
        // count.
        let candidates = chunk.candidates.unwrap_or_default();
        candidates.iter().for_each(|candidate| candidate.searches(&mut self.searches));
        if let Some(mut usage) = chunk.usage_metadata.and_then(usage::reported) {
            usage.fees = self.searches.fees(&self.model);
            if self.usage.as_ref() != Some(&usage) {
                out.push(Event::Usage(usage.clone()));
            }
            self.usage = Some(usage);
        }
        for (position, candidate) in (0u32..).zip(candidates) {
            self.candidate(position, candidate, from, out)?;
        }
        if let Some((finish, text)) = chunk.prompt_feedback.and_then(PromptFeedback::finish)
            && self.answers.is_empty()
        {
            let mut answer = Answer { finished: true, ..Answer::default() };
            answer.whole(0, Part::Refusal { text }, out);
            self.answers.insert(0, answer);
            out.push(Event::Finish { choice: 0, finish });
        }
        self.content |= out.iter().skip(from).any(Event::is_content);
        Ok(())
    }

    /// Decodes one candidate of a chunk whose events begin at the index `from` of the output.
    fn candidate(
        &mut self,
        position: u32,
        mut candidate: Candidate<'_>,
        from: usize,
        out: &mut Vec<Event>,
    ) -> Result<(), UpstreamError> {
        let choice = candidate.index.unwrap_or(position);
        if self.answers.len() >= MOST_BLOCKS && !self.answers.contains_key(&choice) {
            return Err(UpstreamError::Protocol("too many candidates in a stream".to_owned()));
        }
        let answer = self.answers.entry(choice).or_default();
        // Pieces after the finish are ignored.
        if answer.finished {
            return Ok(());
        }
        for (kept, given) in
            [(&mut answer.grounding, candidate.grounding_metadata), (&mut answer.cited, candidate.citation_metadata)]
        {
            // Of an empty object nothing is known; it takes back nothing.
            if let Some(raw) = given.map(RawValue::get).filter(|raw| raw.len() > "{}".len()) {
                *kept = Some(raw.to_owned());
            }
        }
        let parts = candidate.take_parts();
        // The last chunk of Gemini 3 holds an empty text with a signature, which ends the text that the sources are about.
        if candidate.finish_reason.is_some() && !parts.iter().any(wire::Part::says_something) {
            answer.cite(choice, out);
        }
        let mut more_than_text = false;
        let mut logprobs = candidate.logprobs_result.and_then(logprobs::of_piece);
        for piece in parts.into_iter().filter_map(|part| piece(part, &self.of, &self.undo)) {
            more_than_text |= !matches!(piece, Piece::Text { .. });
            answer.piece(choice, piece, &mut logprobs, out);
        }
        // Those of calls and thinking belong to no text.
        if logprobs.is_some() && !more_than_text {
            answer.text(choice, String::new(), logprobs, out);
        }
        let Some(word) = candidate.finish_reason else { return Ok(()) };
        let reason = match Ending::of(&word).finish(answer.called) {
            Some(reason) => reason,
            // The client has got no content yet: another target may still answer in place of this one.
            None if !self.content && !out.iter().skip(from).any(Event::is_content) => {
                return Err(reply::bad(word.into_owned(), self.usage.clone()));
            }
            None => {
                tracing::warn!(finish_reason = %word, "Gemini broke off a stream already begun");
                FinishReason::Incomplete
            }
        };
        answer.finished = true;
        answer.cite(choice, out);
        // They would end the text that the sources are about.
        for query in std::mem::take(&mut answer.searched) {
            answer.whole(choice, Part::WebSearch { query }, out);
        }
        if let Some(refusal) = reply::refusal(
            Some(reason),
            candidate.finish_message.as_deref().filter(|words| !answer.text.ends_with(words)),
        ) {
            answer.whole(choice, refusal, out);
        }
        answer.stop(choice, out);
        let detail = candidate.finish_message.map(Value::String);
        out.push(Event::Finish { choice, finish: Finish { detail, ..Finish::in_word(reason, word) } });
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

    fn held_bytes(&self) -> usize {
        let usage = self.usage.as_ref().map_or(0, |usage| usage.raw.len());
        let answers = self.answers.values().map(Answer::held_bytes).sum::<usize>();
        answers + usage + self.searches.held_bytes() + self.model.len()
    }
}

/// A JSON text that was kept.
fn kept(text: &Option<String>) -> Option<&RawValue> {
    serde_json::from_str(text.as_deref()?).ok()
}

impl Answer {
    /// The memory that it takes, in bytes.
    fn held_bytes(&self) -> usize {
        let kept = [&self.grounding, &self.cited].into_iter().flatten().map(String::len).sum::<usize>();
        let searched = self.searched.iter().map(|query| size_of::<String>() + query.len()).sum::<usize>();
        size_of::<(u32, Self)>() + self.text.len() + self.texts.len() * size_of::<(usize, u32)>() + kept + searched
    }

    /// Takes note of visible text of a block.
    fn said(&mut self, block: u32, text: &str) {
        if self.texts.last().is_none_or(|(_, last)| *last != block) {
            self.texts.push((self.text.len(), block));
        }
        self.text.push_str(text);
    }

    /// Emits the sources of the answer. Those of a text that has ended go to the end of the answer, without their places.
    fn cite(&mut self, choice: u32, out: &mut Vec<Event>) {
        let (grounding, cited) = (self.grounding.take(), self.cited.take());
        if grounding.is_none() && cited.is_none() {
            return;
        }
        let ends = self.texts.iter().skip(1).map(|(begin, _)| *begin).chain([self.text.len()]);
        let texts: Vec<Said<'_>> = self
            .texts
            .iter()
            .zip(ends)
            .map(|((begin, _), end)| Said { part: None, text: self.text.get(*begin..end).unwrap_or_default() })
            .collect();
        self.searched.extend(grounding::searched(kept(&grounding)));
        let citations = grounding::citations(kept(&grounding), kept(&cited), &texts);
        let of: Vec<u32> = self.texts.iter().map(|(_, block)| *block).collect();
        for (at, mut citation) in citations {
            let block = self.of_kind(choice, Kind::Text, out);
            if of.get(at) != Some(&block) {
                (citation.start, citation.end) = (None, None);
            }
            out.push(Event::Delta { choice, block, delta: Delta::Citation(Box::new(citation)) });
        }
    }

    /// Emits visible text with its log probabilities.
    fn text(&mut self, choice: u32, text: String, logprobs: Option<String>, out: &mut Vec<Event>) {
        let block = self.of_kind(choice, Kind::Text, out);
        self.said(block, &text);
        out.push(Event::Delta { choice, block, delta: Delta::Text { text, logprobs } });
    }

    /// Emits a piece. The first text takes the log probabilities of the chunk.
    fn piece(&mut self, choice: u32, piece: Piece, logprobs: &mut Option<String>, out: &mut Vec<Event>) {
        match piece {
            // A signature covers one part, so signed text is a block of its own.
            Piece::Text { text, signature: signature @ Some(_) } => {
                self.said(self.next_block, &text);
                self.whole(choice, Part::Text(Text { text, signature, ..Text::default() }), out);
            }
            Piece::Text { text, signature: None } => self.text(choice, text, logprobs.take(), out),
            Piece::Thinking { text, signature } => {
                let block = self.of_kind(choice, Kind::Thinking, out);
                if !text.is_empty() {
                    out.push(Event::Delta { choice, block, delta: Delta::Thinking(text) });
                }
                if let Some(signature) = signature {
                    out.push(Event::Delta { choice, block, delta: Delta::Signature(signature) });
                    self.stop(choice, out);
                }
            }
            Piece::Call(call) => {
                self.called = true;
                let (arguments, head) = (call.arguments, ToolCall { arguments: String::new(), ..call });
                let block = self.start(choice, Part::ToolCall(head), out);
                out.push(Event::Delta { choice, block, delta: Delta::Arguments(arguments) });
                out.push(Event::BlockStop { choice, block });
            }
            Piece::Media { mime, data, signature } => self.whole(choice, drawn(mime, data, signature), out),
        }
    }

    /// Ends the open block and begins a new one.
    fn start(&mut self, choice: u32, head: Part, out: &mut Vec<Event>) -> u32 {
        self.stop(choice, out);
        let block = self.next_block;
        self.next_block = block.saturating_add(1);
        out.push(Event::BlockStart { choice, block, head });
        block
    }

    /// Ends the open block.
    fn stop(&mut self, choice: u32, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|(block, _)| Event::BlockStop { choice, block }));
    }

    /// Emits a block that is whole at once.
    fn whole(&mut self, choice: u32, part: Part, out: &mut Vec<Event>) {
        let block = self.start(choice, part, out);
        out.push(Event::BlockStop { choice, block });
    }

    /// The number of the open block of that kind. If there is none, a new block begins.
    fn of_kind(&mut self, choice: u32, kind: Kind, out: &mut Vec<Event>) -> u32 {
        match self.open {
            Some((block, open)) if open == kind => block,
            _ => {
                let head = match kind {
                    Kind::Text => Part::Text(Text::default()),
                    Kind::Thinking => Part::Thinking(Thinking::default()),
                };
                let block = self.start(choice, head, out);
                self.open = Some((block, kind));
                block
            }
        }
    }
}
