//! A request for a completion, in no provider's words: what every dialect decodes to and encodes from.

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use super::cache::{CachePlan, CacheTtl};
pub use super::citation::{Citation, Place, Source};
use super::extra::Extra;
pub use super::media::Media;
pub use super::origin::{Origin, Signature};
pub use super::part::{Audio, Document, Image, Opaque, Part, Phase, Text, Thinking, ToolResult, Video};
pub use super::sampling::{Format, Sampling};
pub use super::state::{State, StateField};
pub use super::thinking::{Effort, ThinkingConfig, ThinkingDisplay, ThinkingMode};
pub use super::tool::{CustomTool, Function, HostedTool, Tool, ToolCall, ToolChoice};

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
    /// How much to think, and what to show of it.
    pub thinking: ThinkingConfig,
    /// What is to be cached, beside the marks on parts and tools.
    pub cache: CachePlan,
    /// What the provider is to keep, or to go on from.
    pub state: State,
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

impl Conversation {
    /// Every text the model will read, in order: messages, tool definitions and results. The threshold for a light
    /// model is compared with the tokens of these and of [`Conversation::media`].
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let messages = self.messages.iter().flat_map(|message| message.parts.iter().flat_map(part_texts));
        messages.chain(self.tools.iter().flat_map(tool_texts))
    }

    /// Every picture, sound, film and document in the messages.
    pub fn media(&self) -> impl Iterator<Item = &Part> {
        self.messages
            .iter()
            .flat_map(|message| message.parts.iter())
            .flat_map(|part| match part {
                Part::ToolResult(result) => result.content.as_slice(),
                other => std::slice::from_ref(other),
            })
            .filter(|part| part.is_media())
    }
}

fn tool_texts(tool: &Tool) -> impl Iterator<Item = Cow<'_, str>> {
    let schema = match tool {
        Tool::Function(function) => function.parameters.as_ref(),
        Tool::Custom(_) => None,
        Tool::Hosted(hosted) => Some(&hosted.raw),
    };
    let schema = schema.map(|schema| Cow::Owned(schema.to_string()));
    [tool.name().map(Into::into), tool.description().map(Into::into), schema].into_iter().flatten()
}

fn part_texts(part: &Part) -> Vec<Cow<'_, str>> {
    match part {
        Part::Text(Text { text, .. }) | Part::Refusal { text } => vec![text.as_str().into()],
        Part::Thinking(thinking) => thinking.texts().map(Into::into).collect(),
        Part::ToolCall(call) => vec![call.name.as_str().into(), call.arguments.as_str().into()],
        Part::ToolResult(result) => result.content.iter().flat_map(part_texts).collect(),
        Part::Opaque(opaque) => opaque.text.iter().map(|text| text.as_str().into()).collect(),
        Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) | Part::Redacted { .. } => Vec::new(),
    }
}
