//! Watches an answer that passes through to a client of Gemini, and takes note of its usage, its model, its finish reason
//! and enough of its text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::BytesMut;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::elements::Elements;
use super::grounding::Searches;
use super::{error, usage};
use crate::codec::{self, Framing, PublicError, ReplyFacts, Seen};
use crate::dialect::few::Few;
use crate::dialect::last_usage::LastUsage;
use crate::dialect::template::{Template, Value};
use crate::dialect::text::Loose;
use crate::sse::Frame;
use crate::tally::Tally;
use crate::upstream::error::{UpstreamError, json_error};

/// An answer, or an event of a streamed one: the fields that are read, without copying.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Few<Candidate<'a>, 16>>,
    #[serde(borrow)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    model_version: Loose<'a>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Loose<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Loose<'a>,
    index: Option<u32>,
    #[serde(borrow)]
    grounding_metadata: Option<&'a RawValue>,
    url_context_metadata: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Few<Part<'a>, 1024>>,
}

/// A part. A field of another kind than these, such as the code of Gemini's own tools, is content too.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Loose<'a>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    #[serde(borrow)]
    executable_code: Option<Code<'a>>,
    inline_data: Option<IgnoredAny>,
    code_execution_result: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    name: Loose<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Code<'a> {
    #[serde(borrow)]
    code: Loose<'a>,
}

impl<'a> Chunk<'a> {
    fn read(data: &'a [u8]) -> Result<Self, UpstreamError> {
        // Without this check serde would read a list as the fields in their order.
        if data.first() != Some(&b'{') {
            return Err(UpstreamError::Protocol("not an answer of Gemini: it is not an object".to_owned()));
        }
        let chunk: Self = crate::json::borrowed(data)
            .map_err(|error| UpstreamError::Protocol(format!("not an answer of Gemini: {}", json_error(&error))))?;
        if chunk.error.is_some() { Err(error::in_answer(data)) } else { Ok(chunk) }
    }

    fn usage(&self) -> Option<&'a str> {
        self.usage_metadata.map(RawValue::get).filter(|raw| raw.starts_with('{'))
    }

    /// The text, if the chunk brings nothing else that counts twice when it comes twice.
    fn only_text(&self) -> Option<&Cow<'a, str>> {
        let [candidate] = self.candidates.as_deref()? else { return None };
        match candidate.content.as_ref()?.parts.as_deref()? {
            [
                Part {
                    text,
                    function_call: None,
                    executable_code: None,
                    inline_data: None,
                    code_execution_result: None,
                },
            ] if self.prompt_feedback.is_none() && !candidate.finish_reason.is_filled() => text.text(),
            _ => None,
        }
    }

    fn blocked(&self) -> bool {
        self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_filled())
    }
}

impl Candidate<'_> {
    fn searches(&self, searches: &mut Searches) {
        searches.take(self.grounding_metadata, self.url_context_metadata.is_some());
    }
}

impl Part<'_> {
    fn is_content(&self) -> bool {
        self.text.is_filled()
            || self.function_call.is_some()
            || self.executable_code.is_some()
            || self.inline_data.is_some()
            || self.code_execution_result.is_some()
    }

    fn count(&self, tally: &mut Tally) {
        tally.text(self.text.as_str());
        if let Some(call) = &self.function_call {
            tally.text(call.name.as_str());
            tally.text(call.args.map_or("", RawValue::get));
        }
        if let Some(code) = &self.executable_code {
            tally.text(code.code.as_str());
        }
    }
}

/// Reads a whole answer with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it has neither candidates nor a reason for which the
/// prompt was blocked.
pub(super) fn observe_reply(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let body = body.trim_ascii();
    let answer = Chunk::read(body)?;
    let candidates = answer.candidates.as_deref().unwrap_or_default();
    if candidates.is_empty() && !answer.blocked() {
        return Err(UpstreamError::Protocol("not an answer of Gemini: it has no candidates".to_owned()));
    }
    let mut usage = answer.usage_metadata.and_then(usage::reported);
    if let Some(reported) = &mut usage {
        let mut searches = Searches::default();
        candidates.iter().for_each(|candidate| candidate.searches(&mut searches));
        reported.fees = searches.fees(answer.model_version.as_str());
    }
    Ok(ReplyFacts::new(usage, answer.model_version.as_str(), || {
        let parts = candidates.iter().filter_map(|candidate| candidate.content.as_ref()?.parts.as_deref()).flatten();
        let mut tally = Tally::default();
        parts.for_each(|part| part.count(&mut tally));
        tally
    }))
}

/// Checks a count of tokens with a success status. One of 0 may be left out.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is no object.
pub(super) fn check_count(body: &[u8]) -> Result<(), UpstreamError> {
    Chunk::read(body.trim_ascii()).map(drop)
}

/// Watches a stream on its way to a client.
#[derive(Debug, Default)]
pub(super) struct StreamObserver {
    elements: Elements,
    tally: Tally,
    /// Gemini sends a usage object with every event.
    usage: LastUsage,
    /// For each candidate that has begun, whether it has ended.
    candidates: BTreeMap<u32, bool>,
    searches: Searches,
    template: Template,
}

/// The most candidates of a stream. Gemini gives eight.
const MOST_CANDIDATES: usize = 128;

impl StreamObserver {
    /// An observer of a stream that the client reads in the form `framing`.
    pub(super) fn new(framing: Framing) -> Self {
        Self { elements: Elements::new(framing), ..Self::default() }
    }
}

impl codec::Observer for StreamObserver {
    fn data(&mut self, data: &[u8]) -> Result<Seen, UpstreamError> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(Seen::default());
        }
        if let Some(found) = self.template.read(data) {
            self.tally.text(&found.text);
            self.usage.keep(found.counts);
            return Ok(Seen { content: true, ..Seen::default() });
        }
        self.template.forget();
        let chunk = Chunk::read(data)?;
        self.tally.model(chunk.model_version.as_str());
        self.usage.keep(chunk.usage().map(str::as_bytes));
        let mut seen = Seen::default();
        if chunk.blocked() {
            self.candidates.entry(0).or_insert(true);
            seen.content = true;
        }
        for (position, candidate) in (0u32..).zip(chunk.candidates.as_deref().unwrap_or_default()) {
            candidate.searches(&mut self.searches);
            let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref()).unwrap_or_default();
            for part in parts {
                seen.content |= part.is_content();
                part.count(&mut self.tally);
            }
            let index = candidate.index.unwrap_or(position);
            if self.candidates.len() >= MOST_CANDIDATES && !self.candidates.contains_key(&index) {
                return Err(UpstreamError::Protocol("too many candidates in a stream".to_owned()));
            }
            let ended = self.candidates.entry(index).or_default();
            *ended |= candidate.finish_reason.is_filled();
            seen.content |= *ended;
        }
        self.tally.finished |= self.candidates.values().any(|ended| *ended);
        self.template.learn(data, chunk.only_text(), chunk.usage().map(Value::Counts));
        Ok(seen)
    }

    /// Gemini has no end mark: a stream is whole when each candidate has a finish reason.
    fn body_ended(&mut self) -> Result<(), UpstreamError> {
        if self.candidates.is_empty() || self.candidates.values().any(|ended| !ended) {
            return Err(UpstreamError::Protocol("the stream ended without a finishReason".to_owned()));
        }
        self.tally.done = true;
        Ok(())
    }

    fn pass_on(&mut self, frame: &Frame, out: &mut BytesMut) {
        match self.elements.framing() {
            Framing::Events => out.extend_from_slice(&frame.raw),
            Framing::Array if frame.data.trim_ascii().is_empty() => {}
            Framing::Array => self.elements.write(&frame.data, out),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.elements.close(out);
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        self.elements.write(&error::encode(error), out);
        self.elements.close(out);
    }

    fn tally(&mut self) -> &Tally {
        if let Some(raw) = self.usage.take() {
            let read = serde_json::from_str::<&RawValue>(&raw).ok().and_then(usage::reported);
            self.tally.usage = read.or(self.tally.usage.take());
        }
        if let Some(usage) = &mut self.tally.usage {
            usage.fees = self.searches.fees(self.tally.served_model.as_deref().unwrap_or_default());
        }
        &self.tally
    }

    fn held_bytes(&self) -> usize {
        let candidates = self.candidates.len() * size_of::<(u32, bool)>();
        self.tally.held_bytes()
            + self.usage.held_bytes()
            + self.searches.held_bytes()
            + candidates
            + self.template.held_bytes()
    }
}

#[cfg(test)]
mod comparison;
