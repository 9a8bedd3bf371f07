//! The wire format of `contents` in requests.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dialect::gemini::media::{Blob, FileData};

#[derive(Debug, Serialize)]
pub(in super::super) struct SystemInstruction<'a> {
    pub(super) parts: Vec<Part<'a>>,
}

/// [`Content`](https://ai.google.dev/api/caching#Content).
#[derive(Debug, Serialize)]
pub(in super::super) struct Content<'a> {
    pub(super) role: &'static str,
    pub(super) parts: Vec<Part<'a>>,
    /// True for a content of tool results. It does not begin a turn of the user, and no neighbour merges into it.
    #[serde(skip)]
    pub(super) results: bool,
}

/// [`Part`](https://ai.google.dev/api/caching#Part): one field, with a signature and a thought mark beside.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) video_metadata: Option<&'a Value>,
    /// A part of the provider's own tools, sent back as it came.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) opaque: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: String,
    pub(super) args: Box<RawValue>,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: String,
    pub(super) response: Output,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<FunctionResponsePart<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionResponsePart<'a> {
    pub(super) inline_data: Blob<'a>,
}

/// The response of a function, which must be an object (`MAPPING.md`, Tool calls in the history).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Output {
    Object(Box<RawValue>),
    Text { output: String },
    Error { error: String },
}
