//! Reads and writes answers.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tt_core::call::embedding::EmbeddingReply;
use tt_core::usage::{Reported, Usage};

use crate::codec::ReplyFacts;
use crate::dialect::few::Few;
use crate::dialect::gemini::{error, usage};
use crate::dialect::vector::{MOST_INPUTS, Vector};
use crate::tally::Tally;
use crate::upstream::error::{UpstreamError, json_error};

/// An answer whose embedding is read as `One`, and a batch of them as `All`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "One: Deserialize<'de>, All: Deserialize<'de>"))]
struct Answer<'a, One, All> {
    embedding: Option<One>,
    embeddings: Option<All>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vector,
}

fn protocol(reason: &str) -> UpstreamError {
    UpstreamError::Protocol(format!("not embeddings of Gemini: {reason}"))
}

fn read<'a, One: Deserialize<'a>, All: Deserialize<'a>>(body: &'a [u8]) -> Result<Answer<'a, One, All>, UpstreamError> {
    let body = body.trim_ascii();
    // Without this check serde would read a list as the fields in their order.
    if !body.starts_with(b"{") {
        return Err(protocol("they are no object"));
    }
    let answer: Answer<'a, One, All> = serde_json::from_slice(body).map_err(|error| protocol(&json_error(&error)))?;
    if answer.error.is_some() { Err(error::in_answer(body)) } else { Ok(answer) }
}

/// The usage; `None` where Gemini tells none, as older models do, or none that can be true: every input has tokens.
fn reported(raw: Option<&RawValue>) -> Option<Reported> {
    raw.and_then(usage::reported).filter(|reported| reported.usage.input > 0)
}

/// Reads the facts of an answer that passes through.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it has no embeddings.
pub(super) fn observe(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let answer = read::<IgnoredAny, IgnoredAny>(body)?;
    if answer.embedding.is_none() && answer.embeddings.is_none() {
        return Err(protocol("there are none"));
    }
    Ok(ReplyFacts::new(reported(answer.usage_metadata), "", Tally::default))
}

/// Decodes an answer to a batch of so many `inputs`.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it has not one vector for each input.
pub(super) fn decode(body: &[u8], inputs: usize) -> Result<EmbeddingReply, UpstreamError> {
    let answer = read::<IgnoredAny, Few<Embedding, MOST_INPUTS>>(body)?;
    let embeddings = answer.embeddings.unwrap_or_default();
    if embeddings.len() != inputs {
        return Err(protocol("there is another number of them than of inputs"));
    }
    let vectors = embeddings.into_iter().map(|embedding| embedding.values.0).collect();
    Ok(EmbeddingReply { model: String::new(), vectors, usage: reported(answer.usage_metadata) })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<WrittenEmbedding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<WrittenEmbedding<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Metadata>,
}

#[derive(Serialize)]
struct WrittenEmbedding<'a> {
    values: &'a [f32],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    prompt_token_count: u64,
    prompt_token_details: [Detail; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    modality: &'static str,
    token_count: u64,
}

impl Metadata {
    /// Other providers embed text only.
    fn of(usage: &Usage) -> Self {
        let tokens = usage.total_input();
        Self { prompt_token_count: tokens, prompt_token_details: [Detail { modality: "TEXT", token_count: tokens }] }
    }
}

/// Writes an answer: to a batch as a list, else the one vector.
pub(super) fn encode(reply: &EmbeddingReply, batch: bool) -> Vec<u8> {
    let mut all = reply.vectors.iter().map(|values| WrittenEmbedding { values });
    let usage_metadata = reply.usage.as_ref().map(|reported| Metadata::of(&reported.usage));
    let written = if batch {
        Written { embedding: None, embeddings: Some(all.collect()), usage_metadata }
    } else {
        Written { embedding: all.next(), embeddings: None, usage_metadata }
    };
    // Writing to memory does not fail.
    serde_json::to_vec(&written).unwrap_or_default()
}
