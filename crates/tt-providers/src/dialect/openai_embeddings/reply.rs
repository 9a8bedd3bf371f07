//! Reads and writes answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::call::embedding::EmbeddingReply;
use tt_core::usage::{Reported, Usage};

use crate::codec::{ReplyContext, ReplyFacts};
use crate::dialect::count::Count;
use crate::dialect::few::Few;
use crate::dialect::openai_error;
use crate::dialect::text::Loose;
use crate::dialect::vector::{MOST_INPUTS, Vector, base64};
use crate::tally::Tally;
use crate::upstream::error::{UpstreamError, json_error};

/// An answer whose list is read as `T`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Answer<'a, T> {
    data: Option<T>,
    #[serde(borrow, default)]
    model: Loose<'a>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tokens {
    prompt_tokens: Count,
    total_tokens: Count,
}

fn protocol(reason: &str) -> UpstreamError {
    UpstreamError::Protocol(format!("not an answer of Embeddings: {reason}"))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(T, Answer<'a, T>), UpstreamError> {
    let body = body.trim_ascii();
    // Without this check serde would read a list as the fields in their order.
    if !body.starts_with(b"{") {
        return Err(protocol("it is not an object"));
    }
    let mut answer: Answer<'a, T> = serde_json::from_slice(body).map_err(|error| protocol(&json_error(&error)))?;
    if let Some(error) = answer.error {
        let error: Value = crate::json::value(error.get().as_bytes()).unwrap_or_default();
        return Err(UpstreamError::Refused(Box::new(openai_error::in_stream(&error))));
    }
    let data = answer.data.take().ok_or_else(|| protocol("it has no data"))?;
    Ok((data, answer))
}

/// The usage; `None` where the host tells none, or none that can be true: every input has tokens.
fn usage(raw: Option<&RawValue>) -> Option<Reported> {
    let raw = raw?;
    let Tokens { prompt_tokens, total_tokens } = serde_json::from_str(raw.get()).ok()?;
    let input = prompt_tokens.0.or(total_tokens.0).filter(|tokens| *tokens > 0)?;
    let usage = Usage { input, ..Usage::default() };
    let mut reported = Reported { usage, raw: raw.get().to_owned(), ..Reported::default() };
    reported.bound();
    Some(reported)
}

/// Reads the facts of an answer that passes through.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is no answer.
pub(super) fn observe(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let (data, answer) = read::<&RawValue>(body)?;
    if !data.get().starts_with('[') {
        return Err(protocol("data is no list"));
    }
    Ok(ReplyFacts::new(usage(answer.usage), answer.model.as_str(), Tally::default))
}

/// Decodes an answer to a request of so many `inputs`.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it has no vector for an input, or more than one.
pub(super) fn decode(body: &[u8], inputs: usize) -> Result<EmbeddingReply, UpstreamError> {
    let (items, answer) = read::<Few<Item, MOST_INPUTS>>(body)?;
    let mut vectors: Vec<Option<Vec<f32>>> = Vec::new();
    vectors.resize_with(inputs, || None);
    for (position, item) in items.into_iter().enumerate() {
        let place = vectors.get_mut(item.index.unwrap_or(position)).filter(|place| place.is_none());
        *place.ok_or_else(|| protocol("it has another number of vectors than there are inputs"))? =
            Some(item.embedding.0);
    }
    let vectors: Option<Vec<Vec<f32>>> = vectors.into_iter().collect();
    Ok(EmbeddingReply {
        model: answer.model.as_str().to_owned(),
        vectors: vectors.ok_or_else(|| protocol("it has fewer vectors than there are inputs"))?,
        usage: usage(answer.usage),
    })
}

#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<WrittenItem<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WrittenUsage>,
}

#[derive(Serialize)]
struct WrittenItem<'a> {
    object: &'static str,
    index: usize,
    embedding: WrittenVector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenVector<'a> {
    Numbers(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct WrittenUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Writes an answer, with vectors as numbers or in base64.
pub(super) fn encode(reply: &EmbeddingReply, in_base64: bool, context: &ReplyContext) -> Vec<u8> {
    let items = reply.vectors.iter().enumerate();
    let data = items.map(|(index, vector)| WrittenItem {
        object: "embedding",
        index,
        embedding: if in_base64 { WrittenVector::Base64(base64(vector)) } else { WrittenVector::Numbers(vector) },
    });
    let model = if reply.model.is_empty() { &context.model } else { &reply.model };
    let usage = reply.usage.as_ref().map(|reported| reported.usage.total_input());
    let usage = usage.map(|tokens| WrittenUsage { prompt_tokens: tokens, total_tokens: tokens });
    // Writing to memory does not fail.
    serde_json::to_vec(&Written { object: "list", data: data.collect(), model, usage }).unwrap_or_default()
}
