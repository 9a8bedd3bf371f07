//! Decodes a whole answer of Gemini.

use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::Timestamp;
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::origin::Origin;
use tt_core::call::part::{Part, Text, Thinking};
use tt_core::call::reply::{Choice, Reply};
use tt_core::usage::Reported;

use super::finish::Ending;
use super::grounding::{self, Said, Searches};
use super::parts::{Piece, drawn, origin, piece};
use super::wire::{Candidate, PromptFeedback, Response};
use super::{error, logprobs, usage};
use crate::codec::Undo;
use crate::dialect::few::Few;
use crate::dialect::short_name::short_name;
use crate::upstream::error::UpstreamError;

/// Decodes the body of a 200 answer of `generateContent`.
///
/// # Errors
///
/// `Protocol` for a body that is no such answer, `Refused` for an error in its place, `BadAnswer` if there is no
/// candidate, or none of use. The tokens of a `BadAnswer` are billed.
pub(super) fn decode_reply(body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
    let response = Response::parse(body)?;
    if response.error.is_some() {
        return Err(error::in_answer(body));
    }
    let mut usage = response.usage_metadata.and_then(usage::reported);
    let candidates = response.candidates.unwrap_or_default();
    let model = short_name(response.model_version.unwrap_or_default());
    if let Some(reported) = &mut usage {
        let mut searches = Searches::default();
        candidates.iter().for_each(|candidate| candidate.searches(&mut searches));
        reported.fees = searches.fees(&model);
    }
    let choices = if candidates.is_empty() {
        // Gemini answers a blocked prompt with status 200 and no candidate. The client gets the reason as a refusal.
        let Some((blocked, text)) = response.prompt_feedback.and_then(PromptFeedback::finish) else {
            let reason = "no candidates".to_owned();
            return Err(if usage.is_some() { bad(reason, usage) } else { UpstreamError::Protocol(reason) });
        };
        vec![choice(0, vec![Part::Refusal { text }], Some(blocked))]
    } else {
        let of = origin(&model);
        decode_choices(candidates, &of, undo).map_err(|reason| bad(reason, usage.clone()))?
    };
    Ok(Reply {
        id: short_name(response.response_id.unwrap_or_default()),
        model,
        created: response.create_time.as_deref().and_then(seconds),
        choices,
        usage,
        extra: serde_json::Map::new(),
    })
}

pub(super) fn bad(reason: String, usage: Option<Reported>) -> UpstreamError {
    UpstreamError::BadAnswer { reason, usage: Box::new(usage.unwrap_or_default()) }
}

/// Converts an RFC 3339 time to whole seconds since the epoch.
pub(super) fn seconds(rfc3339: &str) -> Option<i64> {
    Timestamp::parse("createTime", rfc3339).ok().map(|at| at.millis().div_euclid(1000))
}

/// The choices; or the reason for which none can be used.
fn decode_choices(candidates: Few<Candidate<'_>, 16>, of: &Origin, undo: &Undo) -> Result<Vec<Choice>, String> {
    let mut broken = None;
    let mut usable = false;
    let choices = (0u32..)
        .zip(candidates)
        .map(|(position, mut candidate)| {
            let (grounding, cited) = (candidate.grounding_metadata.take(), candidate.citation_metadata.take());
            let pieces = candidate.take_parts().into_iter().enumerate();
            let (places, mut parts): (Vec<usize>, Vec<Part>) =
                pieces.filter_map(|(at, part)| Some((at, neutral(piece(part, of, undo)?)))).unzip();
            cite(&mut parts, &places, grounding, cited);
            parts.splice(0..0, grounding::searched(grounding).into_iter().map(|query| Part::WebSearch { query }));
            let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
            let finish = candidate.finish_reason.take().map(|word| {
                let reason = Ending::of(&word).finish(called);
                if reason.is_none() {
                    broken = Some(word.clone().into_owned());
                }
                usable |= reason.is_some();
                let words = candidate.finish_message.take();
                let said = |words: &str| {
                    parts.iter().any(|part| matches!(part, Part::Text(text) if text.text.ends_with(words)))
                };
                let refused = refusal(reason, words.as_deref().filter(|words| !said(words)));
                parts.extend(refused);
                let detail = words.map(Value::String);
                Finish { detail, ..Finish::in_word(reason.unwrap_or(FinishReason::Incomplete), word) }
            });
            usable |= finish.is_none();
            let mut choice = choice(candidate.index.unwrap_or(position), parts, finish);
            choice.logprobs = candidate.logprobs_result.and_then(logprobs::openai);
            choice
        })
        .collect();
    match broken {
        Some(reason) if !usable => Err(reason),
        _ => Ok(choices),
    }
}

/// The words with which Gemini broke an answer off, as a refusal; `None` for any other end.
pub(super) fn refusal(reason: Option<FinishReason>, words: Option<&str>) -> Option<Part> {
    let words = words.filter(|words| reason == Some(FinishReason::ContentFilter) && !words.is_empty())?;
    Some(Part::Refusal { text: words.to_owned() })
}

/// Adds the sources of an answer to its texts. `places` are the indices of the parts as Gemini sent them.
fn cite(parts: &mut [Part], places: &[usize], grounding: Option<&RawValue>, cited: Option<&RawValue>) {
    if grounding.is_none() && cited.is_none() {
        return;
    }
    let texts = parts.iter().zip(places).filter_map(|(part, place)| match part {
        Part::Text(text) => Some(Said { part: Some(*place), text: &text.text }),
        _ => None,
    });
    let citations = grounding::citations(grounding, cited, &texts.collect::<Vec<_>>());
    let mut texts: Vec<&mut Text> =
        parts.iter_mut().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None }).collect();
    for (at, citation) in citations {
        if let Some(text) = texts.get_mut(at) {
            text.citations.push(citation);
        }
    }
}

fn choice(index: u32, parts: Vec<Part>, finish: Option<Finish>) -> Choice {
    Choice { index, parts, finish, logprobs: None, extra: serde_json::Map::new() }
}

fn neutral(piece: Piece) -> Part {
    match piece {
        Piece::Text { text, signature } => Part::Text(Text { text, signature, ..Text::default() }),
        Piece::Thinking { text, signature } => Part::Thinking(Thinking { text, signature, ..Thinking::default() }),
        Piece::Call(call) => Part::ToolCall(call),
        Piece::Media { mime, data, signature } => drawn(mime, data, signature),
    }
}
