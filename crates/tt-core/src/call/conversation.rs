//! A request for a completion in the neutral form. Every dialect decodes its requests to a [`Conversation`] and encodes
//! them from one.

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

/// One request for a completion. A field that no neutral field holds stands in [`Conversation::extra`], under its name
/// in the dialect of the client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// The model as the client named it.
    pub model: String,
    /// All messages in the order sent, system and developer messages in place.
    pub messages: Vec<Message>,
    /// The tools that the model may call, in the order sent.
    pub tools: Vec<Tool>,
    /// The rule for calling tools: at will, never, at least one, or a certain one. `None`: the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// True if the model may call several tools in one turn. `None`: the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The shape the answer must have.
    pub format: Format,
    /// Temperature and other sampling parameters, stop texts, the output limit and the number of answers.
    pub sampling: Sampling,
    /// The amount of thinking, and the form in which the answer shows it.
    pub thinking: ThinkingConfig,
    /// The cache settings of the whole request; single parts and tools carry cache marks of their own.
    pub cache: CachePlan,
    /// The fields that name data at the provider: answers to keep or to continue, containers, MCP servers.
    pub state: State,
    /// The id of the end user, as the client sent it (OpenAI `safety_identifier`, else `user`; Anthropic
    /// `metadata.user_id`).
    pub end_user: Option<String>,
    /// The processing tier asked for, in OpenAI's words (`auto`, `default`, `flex`, `priority`).
    pub service_tier: Option<String>,
    /// True if the answer is to come as a stream of events.
    pub stream: bool,
    /// True if the answer is to hold sound (OpenAI `modalities` with `audio`).
    pub audio_output: bool,
    /// The top-level fields that none of the fields above holds.
    pub extra: Extra,
}

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator or developer of the application: instructions (Anthropic `system`, Gemini `systemInstruction`).
    System,
    /// The same as `System`, under OpenAI's newer name `developer`.
    Developer,
    /// The end user.
    User,
    /// The model (Gemini `model`).
    Assistant,
    /// The client, with the result of a tool call. Anthropic and Gemini send results in messages of the user.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The name of the speaker, which only OpenAI's messages have; `None` where the client gave none.
    pub name: Option<String>,
    /// The contents of the message, in order. A tool's result is one `ToolResult` part in a message of role `Tool`.
    pub parts: Vec<Part>,
    /// The fields of the message that none of the fields above holds, as sent, under their names in the dialect that
    /// [`Extra::of`] names.
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

    /// The longest time for which a mark on a part or a tool, or the request as a whole, asks the provider to cache the
    /// prompt; `None` where nothing asks for it.
    pub fn longest_cache(&self) -> Option<CacheTtl> {
        self.cache_marks().chain(self.cache.automatic).max()
    }

    /// The cache marks on parts and tools.
    pub fn cache_marks(&self) -> impl Iterator<Item = CacheTtl> {
        let parts = self.messages.iter().flat_map(|message| message.parts.iter());
        let marks = parts.flat_map(|part| {
            let inside = match part {
                Part::ToolResult(result) => result.content.as_slice(),
                _ => &[],
            };
            inside.iter().chain([part]).filter_map(Part::cache)
        });
        marks.chain(self.tools.iter().filter_map(Tool::cache))
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
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Redacted { .. }
        | Part::WebSearch { .. } => Vec::new(),
    }
}
