//! The wire format of requests to Anthropic. The order of the fields is the order on the wire and must not change: a
//! prefix that changes between turns is a cache miss. This file does not use the neutral form.

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
    /// The fields that the client addressed to Anthropic (`extra_body.anthropic`).
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

/// The `role` of a turn. Only some models take `system` (`SystemMessageParam`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    User,
    Assistant,
    System,
}

/// Content blocks. A single text without cache mark is written as a plain string.
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
    /// A block of the provider's own tools, sent back as it came.
    #[serde(untagged)]
    Opaque(&'a RawValue),
}

/// `citations` of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Citations {
    pub(super) enabled: bool,
}

impl Block<'_> {
    /// The field for the cache mark of the block; `None` for thinking, which takes none.
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

/// The arguments of a call in the history.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    /// A JSON object, byte for byte as the model wrote it.
    Raw(&'a RawValue),
    /// The free-form input of a custom tool, in the one field of the function that stands for it.
    Custom { input: &'a str },
    /// The empty object `{}`, for a call without arguments.
    Empty {},
}

/// The source of the bytes of an image or a document.
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
    /// The cache mark for a time: Anthropic has five minutes and an hour, and the nearest is taken.
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
    /// A hosted tool of Anthropic, as the client sent it.
    Hosted(&'a Value),
    /// Anthropic's search of the web, in the place of that of another dialect.
    Search(Box<SearchTool<'a>>),
}

/// The search of the web (`types/web_search_tool_20250305_param.py`).
#[derive(Debug, Serialize)]
pub(super) struct SearchTool<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_domains: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blocked_domains: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_location: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_uses: Option<u64>,
}

/// A client tool (`types/tool_param.py`).
#[derive(Debug, Serialize)]
pub(super) struct ClientTool<'a> {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Cow<'a, str>>,
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
    /// A tool without description, strictness, cache mark or other optional fields.
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
    /// The field for the cache mark; `None` for a hosted tool, whose raw form holds its mark.
    pub(super) const fn cache_control(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Client(tool) => Some(&mut tool.cache_control),
            Self::Hosted(_) | Self::Search(_) => None,
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
    /// A hosted tool of Anthropic, as the client sent it.
    #[serde(untagged)]
    Hosted(Value),
}

impl ToolChoice {
    /// True if the rule forces a tool call.
    pub(super) const fn forces(&self) -> bool {
        matches!(self, Self::Any { .. } | Self::Tool { .. } | Self::Hosted(_))
    }
}

/// `thinking`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Thinking {
    Ours(ThinkingKind),
    /// The object that the client addressed to Anthropic, as sent.
    Given(Value),
}

/// The `thinking` objects that the encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingKind {
    Adaptive { display: Display },
    Enabled { budget_tokens: u64 },
    BetweenTools,
    Disabled,
}

/// `thinking.display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Display {
    Summarized,
    Omitted,
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
