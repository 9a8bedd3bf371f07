//! A request for a completion, in no provider's words: what every dialect decodes to and encodes from.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::extra::Extra;
use crate::Provider;

/// One request. Fields that have no place here stand in `extra`, under the names of the dialect they are from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// The model as the client named it.
    pub model: String,
    /// All messages in the order sent, system and developer messages in place.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called; `None`: the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// May several tools be called in one turn? `None`: the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The shape the answer must have.
    pub format: Format,
    /// Sampling and length.
    pub sampling: Sampling,
    /// How much to think; `None`: the provider's default.
    pub effort: Option<Effort>,
    /// An opaque id of the end user (`safety_identifier`, else `user`).
    pub end_user: Option<String>,
    /// The processing tier asked for, in OpenAI's words (`auto`, `default`, `flex`, `priority`).
    pub service_tier: Option<String>,
    /// Answer as a stream of events?
    pub stream: bool,
    /// The answer is to hold sound.
    pub audio_output: bool,
    /// Fields that have no place above.
    pub extra: Extra,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, in OpenAI's newer word.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name, where the client gave one.
    pub name: Option<String>,
    /// What is said, in order. A tool's result is one `ToolResult` part in a message of role `Tool`.
    pub parts: Vec<Part>,
    /// Fields of the message that have no place above, as sent, in the words of the dialect [`Extra::of`] names.
    pub extra: Map<String, Value>,
}

/// A part of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text {
        /// The text; may be empty in what a client sends.
        text: String,
        /// Cache up to and with this part?
        cache: Option<CacheHint>,
        /// The provider's signature over it (Gemini puts some on text).
        signature: Option<Signature>,
    },
    /// A picture.
    Image {
        /// Where it is.
        media: Media,
        /// OpenAI's `detail` (`low`, `high`, `auto`).
        detail: Option<String>,
        /// Cache up to and with this part?
        cache: Option<CacheHint>,
    },
    /// Sound.
    Audio {
        /// Base64, without line breaks.
        data: String,
        /// `wav` or `mp3`.
        format: String,
    },
    /// A document.
    File {
        /// Where it is.
        media: Media,
        /// Its name.
        filename: Option<String>,
        /// Cache up to and with this part?
        cache: Option<CacheHint>,
    },
    /// The model asks for a tool to be run.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult {
        /// The id of the call it answers.
        id: String,
        /// Text, images and files.
        content: Vec<Part>,
        /// The tool failed.
        is_error: bool,
        /// Cache up to and with this part?
        cache: Option<CacheHint>,
    },
    /// Thinking, with the provider's signature over it. Text may be empty when only a signature was shown.
    Thinking {
        /// The text, or a summary.
        text: String,
        /// Needed to send it back.
        signature: Option<Signature>,
    },
    /// Thinking the provider encrypted.
    RedactedThinking {
        /// Opaque; sent back as it came, and only to Anthropic.
        data: String,
    },
    /// The model's refusal.
    Refusal {
        /// Its words.
        text: String,
    },
}

impl Part {
    /// A plain text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), cache: None, signature: None }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id, or one made up where it gives none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as JSON text, exactly as the model wrote them (a custom tool: its free-form input).
    pub arguments: String,
    /// A custom (free-form) tool rather than a function.
    pub custom: bool,
    /// The provider's signature that must come back with the call (Gemini 3).
    pub signature: Option<Signature>,
}

/// An opaque signature, good only with the provider that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who made it.
    pub provider: Provider,
    /// As sent.
    pub value: String,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// In the request: base64 without line breaks or `data:` prefix.
    Inline {
        /// For example `image/png`.
        mime: String,
        /// The base64 text.
        data: String,
    },
    /// At a public address.
    Url {
        /// `https://…`.
        url: String,
    },
    /// In a provider's file store; such ids mean nothing elsewhere.
    FileId {
        /// The id.
        id: String,
    },
}

/// A request to cache the prompt up to here (Anthropic `cache_control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheHint {
    /// For five minutes.
    FiveMinutes,
    /// For one hour.
    OneHour,
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; `None`: none were declared.
    pub parameters: Option<Value>,
    /// Must arguments keep to the schema?
    pub strict: Option<bool>,
    /// A custom (free-form) tool; its grammar, where one is given.
    pub custom: Option<CustomTool>,
    /// Cache up to and with this tool?
    pub cache: Option<CacheHint>,
}

/// What is special about a free-form tool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomTool {
    /// OpenAI's `format` object, as sent.
    pub format: Option<Value>,
}

/// Whether and which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
    /// One of these; `required` as above.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// Must one be called?
        required: bool,
    },
}

/// The shape of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that keeps to a schema.
    JsonSchema {
        /// OpenAI's name of it.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Option<Value>,
        /// Must the answer keep to it?
        strict: Option<bool>,
    },
}

/// Sampling and length. Numbers stay as the client wrote them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// The most tokens to generate, thinking included.
    pub max_output_tokens: Option<u64>,
    /// Temperature, 0 to 2.
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// Only the k likeliest tokens.
    pub top_k: Option<u64>,
    /// Frequency penalty.
    pub frequency_penalty: Option<Number>,
    /// Presence penalty.
    pub presence_penalty: Option<Number>,
    /// Seed.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers.
    pub n: Option<u64>,
    /// Log probabilities wanted.
    pub logprobs: Option<bool>,
    /// How many alternatives of each token.
    pub top_logprobs: Option<u64>,
    /// Biases by token, as sent.
    pub logit_bias: Option<Value>,
}

/// How much to think, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// Little.
    Low,
    /// Medium.
    Medium,
    /// Much.
    High,
    /// More than high.
    XHigh,
    /// All it can.
    Max,
}

impl Conversation {
    /// Every text the model will read, in order: messages, tool definitions and results. The threshold for a light
    /// model is compared with the tokens of these and of [`Conversation::media`].
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let tools = self.tools.iter().flat_map(|tool| {
            let parameters = tool.parameters.as_ref().map(|schema| Cow::Owned(schema.to_string()));
            [Some(tool.name.as_str().into()), tool.description.as_deref().map(Into::into), parameters]
                .into_iter()
                .flatten()
        });
        let messages = self.messages.iter().flat_map(|message| message.parts.iter().flat_map(part_texts));
        messages.chain(tools)
    }

    /// Every picture, sound and document in the messages.
    pub fn media(&self) -> impl Iterator<Item = &Part> {
        self.messages
            .iter()
            .flat_map(|message| message.parts.iter())
            .flat_map(|part| match part {
                Part::ToolResult { content, .. } => content.as_slice(),
                other => std::slice::from_ref(other),
            })
            .filter(|part| matches!(part, Part::Image { .. } | Part::Audio { .. } | Part::File { .. }))
    }
}

fn part_texts(part: &Part) -> Vec<Cow<'_, str>> {
    match part {
        Part::Text { text, .. } | Part::Refusal { text } | Part::Thinking { text, .. } => {
            vec![text.as_str().into()]
        }
        Part::ToolCall(call) => vec![call.name.as_str().into(), call.arguments.as_str().into()],
        Part::ToolResult { content, .. } => content.iter().flat_map(part_texts).collect(),
        Part::Image { .. } | Part::Audio { .. } | Part::File { .. } | Part::RedactedThinking { .. } => Vec::new(),
    }
}
