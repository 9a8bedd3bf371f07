//! The wire format of Gemini's answers, read without copying. Unknown fields are ignored, and `null` counts as absent.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use tt_core::call::finish::{Finish, FinishReason};

use super::grounding::Searches;
use crate::dialect::few::Few;
use crate::upstream::error::UpstreamError;

/// [`GenerateContentResponse`](https://ai.google.dev/api/generate-content#generatecontentresponse): a whole answer, or
/// one chunk of a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Few<Candidate<'a>, 16>>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    #[serde(borrow)]
    pub(super) usage_metadata: Option<&'a RawValue>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    /// The time of the answer (RFC 3339), which only Vertex sends.
    pub(super) create_time: Option<String>,
    /// An error in place of an answer (`{"error": …}` with status 200, in a stream).
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

impl<'a> Response<'a> {
    /// Reads one JSON object.
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, UpstreamError> {
        let json = json.trim_ascii();
        // Without this check serde would read an array as the fields in their order.
        if !json.starts_with(b"{") {
            return Err(UpstreamError::Protocol("not a JSON object".to_owned()));
        }
        serde_json::from_slice(json).map_err(|error| UpstreamError::Protocol(error.to_string()))
    }
}

/// The reason for which Gemini did not answer a prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

impl PromptFeedback {
    /// The end of an answer that Gemini did not begin, and its words; `None` where the prompt was not blocked.
    pub(super) fn finish(self) -> Option<(Finish, String)> {
        let reason = self.block_reason?;
        let words = self.block_reason_message.filter(|words| !words.is_empty());
        let words = words.unwrap_or_else(|| format!("the prompt was blocked: {reason}"));
        let detail = Some(Value::String(words.clone()));
        Some((Finish { detail, ..Finish::in_word(FinishReason::ContentFilter, reason) }, words))
    }
}

/// One candidate: a whole answer, or a piece of a streamed one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    /// The reason in a sentence.
    pub(super) finish_message: Option<String>,
    /// The index of the candidate. Gemini leaves out 0, and older models leave it out always.
    pub(super) index: Option<u32>,
    pub(super) logprobs_result: Option<LogprobsResult>,
    /// The pages that the answer rests on.
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    /// The works that the answer repeats.
    #[serde(borrow)]
    pub(super) citation_metadata: Option<&'a RawValue>,
    /// Present where Gemini read pages by their addresses.
    pub(super) url_context_metadata: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Few<Part<'a>, 1024>>,
}

/// [`Part`](https://ai.google.dev/api/caching#Part): one of its fields, with a signature and a thought mark beside.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    pub(super) inline_data: Option<Blob>,
}

impl Part<'_> {
    /// True if it holds more than a signature.
    pub(super) fn says_something(&self) -> bool {
        self.text.as_ref().is_some_and(|text| !text.is_empty())
            || self.function_call.is_some()
            || self.inline_data.is_some()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    /// The arguments, an object; absent for a call without arguments.
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    pub(super) mime_type: Option<String>,
    pub(super) data: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsResult {
    pub(super) top_candidates: Option<Vec<TopCandidates>>,
    pub(super) chosen_candidates: Option<Vec<TokenLogprob>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TopCandidates {
    pub(super) candidates: Option<Vec<TokenLogprob>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenLogprob {
    pub(super) token: Option<String>,
    pub(super) log_probability: Option<serde_json::Number>,
}

impl<'a> Candidate<'a> {
    /// Takes note of the searches behind it.
    pub(super) fn searches(&self, searches: &mut Searches) {
        searches.take(self.grounding_metadata, self.url_context_metadata.is_some());
    }

    pub(super) fn take_parts(&mut self) -> Few<Part<'a>, 1024> {
        self.content.take().and_then(|content| content.parts).unwrap_or_default()
    }
}
