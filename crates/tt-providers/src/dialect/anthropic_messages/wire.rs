//! The request as Anthropic reads it. Field order is the order on the wire, and is fixed: a prefix that changes
//! between turns is a cache miss. It must not know the neutral form's rules.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use tt_core::call::cache::CacheTtl;

/// `POST /v1/messages` (`types/message_create_params.py`).
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<Content<'a>>,
    pub(super) messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    pub(super) output_config: OutputConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<CacheControl>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stream: bool,
    /// Fields the client addressed to Anthropic by name.
    #[serde(flatten)]
    pub(super) forwarded: Map<String, Value>,
}

/// One entry of `messages`.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    #[serde(serialize_with = "content")]
    pub(super) content: Vec<Block<'a>>,
}

fn content<S: serde::Serializer>(blocks: &[Block<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    match sole_text(blocks) {
        Some(text) => serializer.serialize_str(text),
        None => blocks.serialize(serializer),
    }
}

fn sole_text<'b>(blocks: &'b [Block<'_>]) -> Option<&'b str> {
    match blocks {
        [Block::Text { text, cache_control: None }] => Some(text),
        _ => None,
    }
}

/// `role` of a turn; `system` only where the model takes it (`SystemMessageParam`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    User,
    Assistant,
    System,
}

/// Blocks that are a plain string where one plain text is all there is.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Content<'a>(#[serde(serialize_with = "content")] pub(super) Vec<Block<'a>>);

/// A content block.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Citations>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: String,
        input: Input<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Content<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// A block of Anthropic's own tools, as it came.
    #[serde(untagged)]
    Opaque(&'a RawValue),
}

/// `citations` of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Citations {
    pub(super) enabled: bool,
}

impl Block<'_> {
    /// The place of its cache hint; thinking takes none.
    pub(super) fn cache_control(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Text { cache_control, .. }
            | Self::Image { cache_control, .. }
            | Self::Document { cache_control, .. }
            | Self::ToolUse { cache_control, .. }
            | Self::ToolResult { cache_control, .. } => Some(cache_control),
            Self::Thinking { .. } | Self::RedactedThinking { .. } | Self::Opaque(_) => None,
        }
    }
}

/// Arguments of a call in the history.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    /// A JSON object, byte for byte as the model wrote it.
    Raw(&'a RawValue),
    /// A custom tool's free-form input in the one field of the function that stands for it.
    Custom { input: &'a str },
    /// `{}`.
    Empty {},
}

/// The source of an image's or document's bytes.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'static str, data: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
    Url { url: &'a str },
}

/// `{"type": "ephemeral", "ttl": "5m" | "1h"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
pub(super) struct CacheControl {
    pub(super) ttl: &'static str,
}

impl From<CacheTtl> for CacheControl {
    /// The nearest of the two there are.
    fn from(ttl: CacheTtl) -> Self {
        Self {
            ttl: match ttl {
                CacheTtl::FiveMinutes | CacheTtl::ThirtyMinutes => "5m",
                CacheTtl::OneHour | CacheTtl::TwelveHours => "1h",
            },
        }
    }
}

/// An entry of `tools`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    Client(ClientTool<'a>),
    /// A tool that Anthropic runs, in its own words.
    Hosted(&'a Value),
}

/// A client tool (`types/tool_param.py`).
#[derive(Debug, Serialize)]
pub(super) struct ClientTool<'a> {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<CacheControl>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) defer_loading: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) allowed_callers: &'a [String],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub(super) input_examples: &'a [Value],
}

impl<'a> ClientTool<'a> {
    /// A tool of which nothing else is said.
    pub(super) const fn new(name: String, input_schema: Cow<'a, Value>) -> Self {
        Self {
            name,
            description: None,
            input_schema,
            strict: false,
            cache_control: None,
            defer_loading: false,
            allowed_callers: &[],
            input_examples: &[],
        }
    }
}

impl Tool<'_> {
    /// Where its mark of the cache goes. A hosted tool's stands in its own words.
    pub(super) const fn cache_control(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Client(tool) => Some(&mut tool.cache_control),
            Self::Hosted(_) => None,
        }
    }
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToolChoice {
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    None,
    /// A tool that Anthropic runs, in its own words.
    #[serde(untagged)]
    Hosted(Value),
}

impl ToolChoice {
    /// Must a tool be called?
    pub(super) const fn forces(&self) -> bool {
        matches!(self, Self::Any { .. } | Self::Tool { .. } | Self::Hosted(_))
    }
}

/// `thinking`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Thinking {
    Ours(ThinkingKind),
    /// As the client addressed it to Anthropic.
    Given(Value),
}

/// The `thinking` objects we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingKind {
    Adaptive,
    Enabled { budget_tokens: u64 },
    Disabled,
}

/// `output_config`.
#[derive(Debug, Default, Serialize)]
pub(super) struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<OutputFormat>,
}

impl OutputConfig {
    const fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// `output_config.format`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "json_schema")]
pub(super) struct OutputFormat {
    pub(super) schema: Value,
}

/// `metadata`.
#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    /// "This should be a uuid, hash value, or other opaque identifier."
    pub(super) user_id: String,
}
